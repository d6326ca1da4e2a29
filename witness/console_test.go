package witness_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness"
)

// The console shows the end of the output, without control characters and secrets.
func TestConsole(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.RemoveInstance(id)
		require.NoError(t, s.AddInstance(ecstest.Instance{ID: id, ConsoleOutput: strings.Repeat("[ 1.0] a line of the kernel\r\n", 2000) +
			"\x1b[1;31mfailed\x1b[0m\tto mount /data\x00\n" +
			"cloud-init: password: hunter2 set\nroot password is: \"two words\"\nAuthorization: Bearer abc.def\nAccessKeySecret=s3cr3t LTAI5tAbCdEfGhIjKlMn\n" +
			"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\nemergency mode ü\xff\n"}))
		output, err := witness.Console(t.Context(), region, id, s.options(t))
		require.NoError(t, err)
		require.True(t, output.Cut)
		require.LessOrEqual(t, len(output.Text), 16<<10)
		require.True(t, utf8.ValidString(output.Text))
		require.True(t, strings.HasPrefix(output.Text, "[ 1.0] a line of the kernel\n"))
		require.True(t, strings.HasSuffix(output.Text, "kernel\nfailed to mount /data\ncloud-init: password: *** set\nroot password is: ***\n"+
			"Authorization: ***\nAccessKeySecret=*** ***\n***\nemergency mode ü?\n"), output.Text[len(output.Text)-300:])
		require.WithinDuration(t, time.Now(), output.UpdatedAt, 48*time.Hour)
	})
	bubble(t, ecstest.Options{Allow: func(action, _ string) bool { return action != "GetInstanceConsoleOutput" }}, func(t *testing.T, s *stage) {
		_, err := witness.Console(t.Context(), region, id, s.options(t))
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.ErrorContains(t, err, "ecs:GetInstanceConsoleOutput")
		_, err = witness.Console(t.Context(), region, "", s.options(t))
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	})
}

// In a fleet, the console of each instance that did not come back is read once, in the region
// of the instance, and is in the report.
func TestConsoleInAFleet(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		for other, console := range map[string]string{"i-hangs": "\x1b[1mroot password is: hunter2\x1b[0m\r\nKernel panic\n", "i-windows": ""} {
			require.NoError(t, s.AddInstance(ecstest.Instance{ID: other, ConsoleOutput: console, Reboot: ecstest.RebootProfile{Hang: true}}))
		}
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "GetInstanceConsoleOutput", InstanceID: "i-windows", Code: "NotSupported", Status: 403})
		read, err := witness.ConsoleIn(region, s.options(t))
		require.NoError(t, err)
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: []string{id, "i-hangs", "i-windows"}})
		require.NoError(t, err)
		report, err := fleet.Run(t.Context(), s.client, plan, fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{AllowWide: true, Canary: []int{}, MaxUnavailable: fleet.Percent(100), MaxFailed: fleet.Percent(100)}},
			Console:  read,
		})
		require.NoError(t, err)
		require.Equal(t, 1, report.Count(fleet.StateHealthy))
		record, _ := report.Record("i-hangs")
		require.Equal(t, fleet.ReasonNotBack, record.Reason)
		require.Equal(t, "root password is: ***\nKernel panic\n", record.Console)
		record, _ = report.Record("i-windows")
		require.Empty(t, record.Console)
		require.Contains(t, record.ConsoleError, "NotSupported")
		require.Equal(t, 2, s.calls("GetInstanceConsoleOutput"))

		_, err = read(t.Context(), fleet.Target{ID: "i-hangs", Region: "no region"})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	})
	_, err := witness.ConsoleIn("", witness.Options{Credential: static(t, secret)})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	_, err = witness.ConsoleIn(region, witness.Options{Endpoint: "ftp://x"})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
}

// Many instances of a run may fail at once. The calls for them are spread, and a call whose
// turn would come too late is not made.
func TestConsoleInIsPaced(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		read, err := witness.ConsoleIn(region, s.options(t))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var late atomic.Int32
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if _, err := read(ctx, fleet.Target{ID: id}); errors.Is(err, ecsreboot.ErrThrottled) {
					late.Add(1)
				} else if ctx.Err() == nil {
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		calls := s.Calls()
		require.InDelta(t, 50, len(calls), 2)
		require.InDelta(t, 50, int(late.Load()), 2)
		for i := range len(calls) - 1 {
			require.GreaterOrEqual(t, calls[i+1].Time.Sub(calls[i].Time), 99*time.Millisecond)
		}
	})
}

func TestConsoleUnreadable(t *testing.T) {
	for body, problem := range map[string]string{
		`{"ConsoleOutput":"%"}`:                     "the output cannot be read",
		`{"InstanceId":"i-2","ConsoleOutput":"eA"}`: "for another instance",
		`{"ConsoleOutput":7}`:                       "the response cannot be read",
	} {
		_, err := witness.Console(t.Context(), region, id, of(t, func(*http.Request) (int, string) { return 200, body }))
		require.ErrorContains(t, err, problem)
	}
	const password = "tiger-lamp"
	for _, text := range []string{
		"Set the following 'random' passwords\nroot:" + password + "\n",
		"A temporary password is generated for root@localhost: " + password,
		"初始密码：" + password,
		"kubeadm join 10.0.0.1:6443 --token " + password,
		"pass\x1b(Bword: " + password,
		"p\bpassword: " + password,
	} {
		output, err := witness.Console(t.Context(), region, id, of(t, func(*http.Request) (int, string) {
			return 200, `{"ConsoleOutput":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`
		}))
		require.NoError(t, err)
		require.NotContains(t, output.Text, password)
	}
	output, err := witness.Console(t.Context(), region, id, of(t, func(*http.Request) (int, string) {
		return 200, `{"ConsoleOutput":"` + base64.StdEncoding.EncodeToString([]byte("-----BEGIN RSA PRIVATE KEY-----\nabc")) + `","LastUpdateTime":"soon"}`
	}))
	require.NoError(t, err)
	require.Equal(t, witness.ConsoleOutput{Text: "***"}, output)
}
