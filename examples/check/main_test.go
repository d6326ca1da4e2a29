package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/check"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

const id = "i-bp67acfmxazb4ph0001"

type printed struct {
	code           int
	stdout, stderr string
}

// jsonLines are the lines of JSON on stdout.
func (p printed) jsonLines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(p.stdout) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line), text)
		lines = append(lines, line)
	}
	return lines
}

// invoke runs the program in virtual time, against a service with the instances.
func invoke(ctx context.Context, t *testing.T, options ecstest.Options, instances []ecstest.Instance, faults []ecstest.Fault, args ...string) (printed, *ecstest.Server) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for _, instance := range instances {
		require.NoError(t, server.AddInstance(instance))
	}
	server.Inject(faults...)
	var stdout, stderr bytes.Buffer
	connector := service.Connector{NewClient: func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
		return server.NewClient(options...)
	}}
	code := run(ctx, connector, append([]string{"--region", "cn-hangzhou"}, args...), &stdout, &stderr)
	require.Equal(t, 0, server.TotalReboots(), "a check restarts nothing")
	return printed{code, stdout.String(), stderr.String()}, server
}

func TestVerdicts(t *testing.T) {
	soon := time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC) // a bubble begins with the year 2000
	past := soon.AddDate(-1, 0, 0)
	healthy := "Running, started 1999-12-31 23:00 UTC; no locks; "
	tests := map[string]struct {
		instance ecstest.Instance
		fault    ecstest.Fault
		denied   string
		args     []string
		code     int
		line     string // stdout, without the instance id and the rest
		verdict  string
		errs     string
		stderr   string
	}{
		"accepted": {line: healthy + "does not expire; a restart would be accepted\n", verdict: check.WouldBeAccepted},
		"expires": {
			instance: ecstest.Instance{ExpiredTime: soon},
			line:     healthy + "expires 2000-03-01 00:00 UTC; a restart would be accepted\n", verdict: check.WouldBeAccepted,
		},
		"stopped": {
			instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, code: exitcode.Failed, verdict: check.WouldBeRefused,
			line: "Stopped, started 1999-12-31 23:00 UTC; no locks; does not expire; a restart would be refused: IncorrectInstanceStatus\n",
			errs: "IncorrectInstanceStatus", stderr: ecsreboot.ErrIncorrectInstanceStatus.Advice(),
		},
		"locked": {
			instance: ecstest.Instance{Locks: []string{"security", "financial"}}, code: exitcode.Failed, verdict: check.WouldBeRefused,
			line: "Running, started 1999-12-31 23:00 UTC; locked: security, financial; does not expire; a restart would be refused: InstanceLockedForSecurity\n",
			errs: "InstanceLockedForSecurity", stderr: ecsreboot.ErrInstanceLockedForSecurity.Advice(),
		},
		"expired": {
			instance: ecstest.Instance{ExpiredTime: past}, code: exitcode.Failed, verdict: check.WouldBeRefused,
			line: healthy + "expired 1999-03-01 00:00 UTC; a restart would be refused: InstanceExpiredOrInArrears\n",
			errs: "InstanceExpiredOrInArrears", stderr: ecsreboot.ErrInstanceExpiredOrInArrears.Advice(),
		},
		"a code that only the dry run gives": {
			fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance"},
			code:  exitcode.Failed, verdict: check.WouldBeRefused, errs: "DiskError",
			line: healthy + "does not expire; a restart would be refused: DiskError\n", stderr: ecsreboot.ErrDiskError.Advice(),
		},
		"no permission to restart": {
			denied: "RebootInstance", code: exitcode.Failed, verdict: check.WouldBeRefused, errs: "Forbidden.RAM",
			line: healthy + "does not expire; a restart would be refused: Forbidden.RAM\n", stderr: "ecs:RebootInstance",
		},
		"no permission to read": {
			denied: "DescribeInstances", verdict: check.WouldBeAccepted,
			line: "not listed, perhaps because the permission to read it is missing; a restart would be accepted\n",
		},
		"no permission to read, said so": {
			fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstances"},
			code:  exitcode.Failed, verdict: check.NotFoundOut, errs: "Forbidden.RAM",
			line:   "it is unknown whether a restart would be accepted: Forbidden.RAM\n",
			stderr: "missing RAM action: ecs:DescribeInstances",
		},
		"throttled": {
			fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour, Action: "RebootInstance"},
			code:  exitcode.Throttled, verdict: check.NotFoundOut, errs: "Throttling.User",
			line: healthy + "does not expire; it is unknown whether a restart would be accepted: Throttling.User\n", stderr: "Wait for the next minute",
		},
		"no answer in time": {
			fault: ecstest.Fault{Kind: ecstest.FaultHang, Times: -1, Action: "RebootInstance"}, args: []string{"--timeout", "5s"},
			code: exitcode.Failed, verdict: check.NotFoundOut,
			line: healthy + "does not expire; it is unknown whether a restart would be accepted\n", stderr: "--timeout 5s is over",
		},
		"no answers": {
			fault: ecstest.Fault{Kind: ecstest.FaultFIN, Times: -1}, code: exitcode.Failed, verdict: check.NotFoundOut,
			line: "it is unknown whether a restart would be accepted\n", stderr: "A check changes nothing; run it again.",
		},
		"dry run ignored": {
			fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: `{"RequestId":"473469C7"}`, Action: "RebootInstance"},
			code:  exitcode.Unknown, verdict: check.DryRunIgnored, line: healthy + "does not expire; restarted, although it was a dry run\n",
			stderr: "Look at the instance, then look for a proxy between",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, asJSON := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					options := ecstest.Options{Allow: func(action, _ string) bool { return action != test.denied }}
					var faults []ecstest.Fault
					if test.fault.Kind != "" {
						faults = append(faults, test.fault)
					}
					test.instance.ID = id
					args := append([]string{fmt.Sprintf("--json=%v", asJSON)}, test.args...)
					got, _ := invoke(t.Context(), t, options, []ecstest.Instance{test.instance}, faults, append(args, id)...)
					require.Equal(t, test.code, got.code, got.stderr)
					require.Contains(t, got.stderr, test.stderr)
					if !asJSON {
						require.Equal(t, id+": "+test.line, got.stdout)
						return
					}
					lines := got.jsonLines(t)
					require.Len(t, lines, 1)
					require.Equal(t, id, lines[0]["instanceId"])
					require.Equal(t, test.verdict, lines[0]["verdict"])
					require.InDelta(t, test.code, lines[0]["exitCode"], 0)
					if test.errs != "" {
						require.Equal(t, test.errs, lines[0]["code"])
					}
				})
			}
		})
	}
}

func TestSeveral(t *testing.T) {
	instances := []ecstest.Instance{{ID: "i-3"}, {ID: "i-1"}, {ID: "i-2", Status: ecsreboot.StatusStopped}}
	t.Run("one line each, as they were given", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got, server := invoke(t.Context(), t, ecstest.Options{}, instances, nil, "--json", "--force", "i-1", "i-9", "i-2", "i-3")
			require.Equal(t, exitcode.Failed, got.code)
			var ids, verdicts []any
			for _, line := range got.jsonLines(t) {
				ids, verdicts = append(ids, line["instanceId"]), append(verdicts, line["verdict"])
			}
			require.Equal(t, []any{"i-1", "i-9", "i-2", "i-3"}, ids)
			require.Equal(t, []any{check.WouldBeAccepted, check.WouldBeRefused, check.WouldBeRefused, check.WouldBeAccepted}, verdicts)
			for _, call := range server.Calls() {
				if call.Action == "RebootInstance" {
					require.True(t, call.DryRun)
					require.True(t, call.ForceStop)
				}
			}
		})
	})
	t.Run("the worst code wins", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			throttle := ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour, Action: "RebootInstance", InstanceID: "i-1"}
			got, _ := invoke(t.Context(), t, ecstest.Options{}, instances, []ecstest.Fault{throttle}, "i-1", "i-2", "i-3")
			require.Equal(t, exitcode.Throttled, got.code)
			require.Equal(t, 3, strings.Count(got.stdout, "\n"))
		})
	})
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			hang := ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance", InstanceID: "i-3"}
			got, _ := invoke(ctx, t, ecstest.Options{}, instances, []ecstest.Fault{hang}, "--json", "i-1", "i-3", "i-2")
			require.Equal(t, exitcode.Interrupted, got.code)
			lines := got.jsonLines(t)
			require.Len(t, lines, 3)
			require.Equal(t, check.WouldBeAccepted, lines[0]["verdict"])
			require.Equal(t, check.NotFoundOut, lines[1]["verdict"])
			require.Equal(t, check.NotFoundOut, lines[2]["verdict"])
		})
	})
}

// The JSON line is what scripts hold on to: its fields, exactly.
func TestJSONFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instances := []ecstest.Instance{{ID: "i-1"}, {ID: "i-2", Locks: []string{"security"}}}
		got, server := invoke(t.Context(), t, ecstest.Options{}, instances, nil, "--json", "i-1", "i-2")
		lines := got.jsonLines(t)
		require.Equal(t, map[string]any{
			"instanceId": "i-1", "verdict": "would be accepted", "status": "Running", "startTime": "1999-12-31T23:00:00Z",
			"expiredTime": "2099-12-31T15:59:00Z", "zone": "cn-hangzhou-a", "requestId": server.Calls()[2].RequestID, "exitCode": 0.0,
		}, lines[0])
		require.Equal(t, map[string]any{
			"instanceId": "i-2", "verdict": "would be refused", "status": "Running", "startTime": "1999-12-31T23:00:00Z",
			"expiredTime": "2099-12-31T15:59:00Z", "zone": "cn-hangzhou-a", "locks": []any{"security"}, "code": "InstanceLockedForSecurity",
			"error":  "ecsreboot: Check i-2: InstanceLockedForSecurity: the instance is locked for security reasons; locked: \"security\"",
			"advice": ecsreboot.ErrInstanceLockedForSecurity.Advice(), "exitCode": 1.0,
		}, lines[1])
	})
}

func TestEmulate(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), service.Connector{}, []string{"--emulate", "--signature", "v1", id, "i-2"}, &stdout, &stderr)
	require.Equal(t, exitcode.Done, code)
	require.Equal(t, 2, strings.Count(stdout.String(), "; a restart would be accepted\n"))
	require.Contains(t, stderr.String(), "no real instance is touched")
}

func TestNoCredentials(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || name == "DEBUG" {
			t.Setenv(name, "") // puts it back after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("USERPROFILE", t.TempDir())
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), service.Connector{}, []string{"--region", "cn-hangzhou", "--endpoint", "http://127.0.0.1:1", "--json", id, "i-2"}, &stdout, &stderr)
	require.Equal(t, exitcode.NoCredentials, code)
	require.Len(t, printed{stdout: stdout.String()}.jsonLines(t), 2, "one for each instance")
	require.Equal(t, 1, strings.Count(stderr.String(), "Set ALIBABA_CLOUD_ACCESS_KEY_ID"), "told once")
}
