package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

const id = "i-bp67acfmxazb4ph0001"

// isolate keeps credentials-go from everything on this machine and off the
// metadata service.
func isolate(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || name == "DEBUG" {
			t.Setenv(name, "") // puts it back after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
}

// serve starts a service with one instance and puts its key into the environment.
func serve(t *testing.T, instance ecstest.Instance, faults ...ecstest.Fault) *ecstest.Server {
	t.Helper()
	isolate(t)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	instance.ID = id
	require.NoError(t, server.AddInstance(instance))
	server.Inject(faults...)
	return server
}

// at puts the flags that lead to the server before the arguments.
func at(server *ecstest.Server, args ...string) []string {
	return append([]string{"--region", "cn-hangzhou", "--endpoint", server.URL}, args...)
}

type printed struct {
	code           int
	stdout, stderr string
}

func invoke(ctx context.Context, t *testing.T, args ...string) printed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := newProgram(strings.NewReader(""), &stdout, &stderr).run(ctx, args)
	require.NotContains(t, stdout.String()+stderr.String(), "testsecret")
	return printed{code, stdout.String(), stderr.String()}
}

// jsonLine is the one line of JSON on stdout.
func (p printed) jsonLine(t *testing.T) map[string]any {
	t.Helper()
	require.Equal(t, 1, strings.Count(p.stdout, "\n"), p.stdout)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.stdout), &line), p.stdout)
	require.InDelta(t, p.code, line["exitCode"], 0)
	return line
}

func TestOutcomes(t *testing.T) {
	throttle := ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}
	tests := map[string]struct {
		instance      ecstest.Instance
		fault         ecstest.Fault
		args          []string
		code          int
		line          string // the beginning of stdout
		outcome, errs string // of the JSON: the outcome and the code
		reboots       int
		advice        string
	}{
		"accepted": {line: id + ": restart accepted (request ", outcome: "accepted", reboots: 1},
		"forced": {
			args: []string{"--force", "--yes"},
			line: id + ": forced restart accepted (request ", outcome: "accepted", reboots: 1,
		},
		"dry run": {
			args: []string{"--dry-run"},
			line: id + ": dry run passed, nothing restarted (request ", outcome: "dry run passed",
		},
		"forced dry run, not asked about": {
			args: []string{"--dry-run", "--force"},
			line: id + ": dry run passed, nothing restarted (request ", outcome: "dry run passed",
		},
		"rejected": {
			instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, code: exitcode.Failed,
			line: id + ": rejected: IncorrectInstanceStatus (request ", outcome: "rejected", errs: "IncorrectInstanceStatus",
			advice: ecsreboot.ErrIncorrectInstanceStatus.Advice(),
		},
		"denied": {
			fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"}, code: exitcode.Failed,
			line: id + ": rejected: Forbidden.RAM (request ", outcome: "rejected", errs: "Forbidden.RAM",
			advice: ecsreboot.ErrForbiddenRAM.Advice(),
		},
		"answer lost": {
			fault: ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}, code: exitcode.Unknown, reboots: 1,
			line: id + ": unknown, it may have restarted\n", outcome: "unknown", advice: "Look at the instance before you send another restart.",
		},
		"nothing but an internal error": {
			fault: ecstest.Fault{Kind: ecstest.FaultError}, code: exitcode.Unknown,
			line: id + ": unknown, it may have restarted: InternalError (request ", outcome: "unknown", errs: "InternalError",
			advice: "Running alone proves nothing",
		},
		"throttled for longer than the call may take": {
			fault: throttle, args: []string{"--timeout", "1m"}, code: exitcode.Throttled,
			line: id + ": rejected: Throttling.User (request ", outcome: "rejected", errs: "Throttling.User",
			advice: "Wait for the next minute",
		},
		"no answer in time": {
			fault: ecstest.Fault{Kind: ecstest.FaultHang, Act: true}, args: []string{"--timeout", "100ms"},
			code: exitcode.Unknown, reboots: 1,
			line: id + ": unknown, it may have restarted\n", outcome: "unknown", advice: "Look at the instance before you send another restart.",
		},
		"dry run ignored": {
			fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: `{"RequestId":"473469C7"}`},
			args:  []string{"--dry-run"}, code: exitcode.Unknown,
			line: id + ": restart accepted, although it was a dry run\n", outcome: "accepted", advice: "Look at the instance",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, asJSON := range []bool{false, true} {
				var faults []ecstest.Fault
				if test.fault.Kind != "" {
					faults = append(faults, test.fault)
				}
				server := serve(t, test.instance, faults...)
				args := test.args
				if asJSON {
					args = append([]string{"--json"}, args...)
				}
				got := invoke(t.Context(), t, at(server, append(args, id)...)...)

				require.Equal(t, test.code, got.code, got.stderr)
				require.Equal(t, test.reboots, server.Reboots(id))
				require.Contains(t, got.stderr, test.advice)
				require.Contains(t, got.stderr, server.URL)
				if !asJSON {
					require.True(t, strings.HasPrefix(got.stdout, test.line), "%q", got.stdout)
					require.Equal(t, 1, strings.Count(got.stdout, "\n"))
					continue
				}
				line := got.jsonLine(t)
				require.Equal(t, id, line["instanceId"])
				require.Equal(t, "RebootInstance", line["operation"])
				require.Equal(t, test.outcome, line["outcome"])
				if test.code == 0 {
					require.NotContains(t, line, "error")
					continue
				}
				require.Contains(t, got.stderr, line["error"])
				require.Contains(t, line["advice"], test.advice)
				if test.errs == "" {
					require.NotContains(t, line, "code")
				} else {
					require.Equal(t, test.errs, line["code"])
				}
			}
		})
	}
}

// The JSON line is what scripts hold on to: its fields, exactly.
func TestJSONFields(t *testing.T) {
	server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultError, Code: "InstanceLockedForSecurity"})

	line := invoke(t.Context(), t, at(server, "--json", "--force", "--yes", id)...).jsonLine(t)
	sentAt, err := time.Parse(time.RFC3339Nano, line["sentAt"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), sentAt, time.Minute)
	delete(line, "sentAt")
	text := "403 InstanceLockedForSecurity: The specified operation is denied as your instance is locked for security reasons."
	require.Equal(t, map[string]any{
		"instanceId": id, "operation": "RebootInstance", "outcome": "rejected", "forceStop": true,
		"requestId": server.Calls()[0].RequestID, "attempts": 1.0, "code": "InstanceLockedForSecurity", "httpStatus": 403.0,
		"error":    "ecsreboot: RebootInstance " + id + ": " + text + " (request " + server.Calls()[0].RequestID + ")",
		"advice":   ecsreboot.ErrInstanceLockedForSecurity.Advice(),
		"exitCode": 1.0,
	}, line)

	line = invoke(t.Context(), t, at(server, "--json", "--dry-run", id)...).jsonLine(t)
	require.Equal(t, map[string]any{
		"instanceId": id, "operation": "RebootInstance", "outcome": "dry run passed", "dryRun": true,
		"requestId": server.Calls()[1].RequestID, "exitCode": 0.0,
	}, line)
}

func TestRequestAsAsked(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	invoke(t.Context(), t, at(server, "--dry-run", id)...)
	invoke(t.Context(), t, at(server, "--dry-run", "--force", "--signature", "v1", id)...)
	calls := server.Calls()
	require.Len(t, calls, 2)
	require.True(t, calls[0].DryRun)
	require.False(t, calls[0].ForceStop)
	require.Equal(t, "ACS3-HMAC-SHA256", calls[0].SignatureVersion)
	require.Contains(t, calls[0].Header.Get("User-Agent"), "reboot/"+ecsreboot.Version)
	require.True(t, calls[1].ForceStop)
	require.Equal(t, "1.0", calls[1].SignatureVersion)
}

func TestNoCredentials(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	isolate(t)
	got := invoke(t.Context(), t, at(server, "--json", id)...)
	require.Equal(t, exitcode.NoCredentials, got.code, got.stderr)
	require.Equal(t, "not sent", got.jsonLine(t)["outcome"])
	require.Contains(t, got.stderr, "ALIBABA_CLOUD_ACCESS_KEY_ID")
	require.Empty(t, server.Calls())
}

func TestRetriesAreToldUnlessQuiet(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Millisecond})
		args := []string{id}
		if quiet {
			args = []string{"--quiet", id}
		}
		got := invoke(t.Context(), t, at(server, args...)...)
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Equal(t, 1, server.Reboots(id))
		if quiet {
			require.Empty(t, got.stderr)
			continue
		}
		require.Contains(t, got.stderr, "400 Throttling.User: ")
		require.Contains(t, got.stderr, "\nretrying in 1ms\n")
	}
}

func TestInterrupted(t *testing.T) {
	t.Run("before the call", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := invoke(ctx, t, at(server, id)...)
		require.Equal(t, exitcode.Interrupted, got.code)
		require.Equal(t, id+": not sent\n", got.stdout)
		require.Empty(t, server.Calls())
	})
	t.Run("while throttled", func(t *testing.T) {
		server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		var stdout bytes.Buffer
		stderr := &watcher{until: "retrying in", then: cancel}
		code := newProgram(strings.NewReader(""), &stdout, stderr).run(ctx, at(server, id))
		require.Equal(t, exitcode.Interrupted, code, stderr.String())
		require.Contains(t, stdout.String(), id+": rejected: Throttling.User")
		require.Equal(t, 0, server.Reboots(id))
	})
	t.Run("after the request left", func(t *testing.T) {
		server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			for server.Reboots(id) == 0 && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
		}()
		got := invoke(ctx, t, at(server, id)...)
		require.Equal(t, exitcode.Unknown, got.code, "unknown wins over interrupted")
		require.Contains(t, got.stderr, "the instance may have been restarted")
	})
}

// watcher acts when a text was written.
type watcher struct {
	bytes.Buffer
	until string
	then  func()
}

func (w *watcher) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if strings.Contains(w.String(), w.until) {
		w.then()
	}
	return n, err
}
