package ecstest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func TestRebootRefused(t *testing.T) {
	past := time.Now().Add(-time.Minute)
	for _, test := range []struct {
		name     string
		instance Instance
		params   []string
		status   int
		code     string
		message  string
	}{
		{"no id", Instance{}, []string{"InstanceId", ""}, 400, "MissingParameter", `The input parameter "InstanceId" that is mandatory for processing this request is not supplied.`},
		{"ForceStop", Instance{}, []string{"ForceStop", "yes"}, 400, "InvalidParameter", `The specified parameter "ForceStop" is not valid.`},
		{"DryRun", Instance{}, []string{"DryRun", "1"}, 400, "InvalidParameter", `The specified parameter "DryRun" is not valid.`},
		{"unknown", Instance{}, []string{"InstanceId", "i-none"}, 404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist."},
		{"stopped", Instance{Status: ecsreboot.StatusStopped}, nil, 403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."},
		{"starting", Instance{Status: ecsreboot.StatusStarting}, nil, 403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."},
		{"locked", Instance{Locks: []string{"recycling", "security"}}, nil, 403, "InstanceLockedForSecurity", "The specified operation is denied as your instance is locked for security reasons."},
		{"locked and stopped", Instance{Status: ecsreboot.StatusStopped, Locks: []string{"security"}}, nil, 403, "InstanceLockedForSecurity", "The specified operation is denied as your instance is locked for security reasons."},
		{"expired", Instance{ExpiredTime: past}, nil, 403, "InstanceExpiredOrInArrears", problems["InstanceExpiredOrInArrears"].message},
		{"in arrears", Instance{Locks: []string{"financial"}}, nil, 403, "InstanceExpiredOrInArrears", problems["InstanceExpiredOrInArrears"].message},
		{"dry run", Instance{}, []string{"DryRun", "true"}, 400, "DryRunOperation", "Request validation has been passed with DryRun flag set."},
		{"dry run of a stopped one", Instance{Status: ecsreboot.StatusStopped}, []string{"DryRun", "true"}, 403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := inMemory(t, Options{})
			test.instance.ID = "i-this"
			require.NoError(t, s.AddInstance(test.instance))
			before := s.Status("i-this")
			r := newCaller(s).must(t, actionReboot, append([]string{"InstanceId", "i-this"}, test.params...)...)
			require.Equal(t, test.status, r.status)
			require.Equal(t, test.code, r.code())
			require.Equal(t, test.message, r.field("Message"))
			require.Zero(t, s.TotalReboots())
			require.Equal(t, before, s.Status("i-this"))
			require.False(t, s.Calls()[0].Acted)
		})
	}
}

// Parameters the service does not know are ignored.
func TestRebootIgnoresWhatItDoesNotKnow(t *testing.T) {
	s := inMemory(t, Options{})
	r := newCaller(s).reboot(t, "dryrun", "true", "RegionId", "eu-west-1", "OwnerId", "x")
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, 1, s.Reboots(id))
}
