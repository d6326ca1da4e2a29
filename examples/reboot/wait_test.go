package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// bubble is a program in virtual time, and the service that it calls.
type bubble struct {
	*program
	server         *ecstest.Server
	stdout, stderr bytes.Buffer
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, instance ecstest.Instance, faults []ecstest.Fault, test func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		t.Cleanup(server.Close)
		instance.ID = id
		require.NoError(t, server.AddInstance(instance))
		server.Inject(faults...)
		b := &bubble{server: server}
		b.program = newProgram(strings.NewReader(""), &b.stdout, &b.stderr)
		b.connector.NewServer = ecstest.NewInMemoryServer
		b.connector.NewClient = func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
			return server.NewClient(options...)
		}
		test(t, b)
	})
}

// follow runs with --wait.
func (b *bubble) follow(ctx context.Context, args ...string) printed {
	code := b.run(ctx, append(append([]string{"--region", "cn-hangzhou", "--wait"}, args...), id))
	return printed{code, b.stdout.String(), b.stderr.String()}
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

func TestWaitOutcomes(t *testing.T) {
	const noTime = -1
	at := func(action string, f ecstest.Fault) *ecstest.Fault {
		f.Action = action
		return &f
	}
	slow := ecstest.Instance{Reboot: ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}}}
	tests := map[string]struct {
		instance ecstest.Instance
		fault    *ecstest.Fault
		args     []string
		code     int
		line     string // the beginning of stdout
		outcome  string
		reboots  int
		sends    int
		stderr   []string
	}{
		"proven by its status": {
			instance: slow, line: id + ": restarted, proven after ", outcome: "restarted", reboots: 1, sends: 1,
			stderr: []string{" s  Stopping, started ", " s  Starting, started ", " s  Running, started "},
		},
		"by force": {
			instance: slow, args: []string{"--force", "--yes"}, line: id + ": restarted by force, proven after ",
			outcome: "restarted", reboots: 1, sends: 1,
		},
		"proven by its start time": {
			instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: noTime}},
			line:     id + ": restarted, proven after 1.0 s by its start time: 2000-01-01 00:00 UTC, before it was 1999-12-31 23:00 UTC (request ",
			outcome:  "restarted", reboots: 1, sends: 1,
		},
		"no trace": {
			instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: noTime, KeepStartTime: true}},
			code:     exitcode.Unknown, line: id + ": restart accepted, not proven (request ", outcome: "accepted", reboots: 1, sends: 1,
			stderr: []string{
				"not proven within 25m0s", "Do not resend the restart", "start time after 1999-12-31T23:00:00Z", "Running alone proves nothing",
			},
		},
		"hangs on the way": {
			instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Hang: true}}, args: []string{"--wait-timeout", "1m"},
			code: exitcode.Unknown, line: id + ": restart accepted, not proven (request ", outcome: "accepted", reboots: 1, sends: 1,
			stderr: []string{"not proven within 1m0s", "last seen Starting ", "the restart is complete once it is Running"},
		},
		"answer lost": {
			fault: at("RebootInstance", ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}),
			line:  id + ": restarted, proven after ", outcome: "restarted", reboots: 1, sends: 1,
			stderr: []string{"response lost, the instance may restart: "},
		},
		"request lost": {
			fault: at("RebootInstance", ecstest.Fault{Kind: ecstest.FaultDrop}), args: []string{"--unknown-grace", "5s"},
			code: exitcode.Unknown, line: id + ": unknown, it may have restarted\n", outcome: "unknown", sends: 1,
			stderr: []string{"within 5s of the request", "Look at the instance before you send another restart."},
		},
		"request lost and sent again": {
			fault: at("RebootInstance", ecstest.Fault{Kind: ecstest.FaultDrop}), args: []string{"--resend-unknown"},
			line: id + ": restarted, proven after ", outcome: "restarted", reboots: 1, sends: 2,
			stderr: []string{"sending the restart\n"},
		},
		"refused early": {
			instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, code: exitcode.Failed,
			line: id + ": not sent: IncorrectInstanceStatus\n", outcome: "not sent",
			stderr: []string{ecsreboot.ErrIncorrectInstanceStatus.Advice()},
		},
		"refused": {
			fault: at("RebootInstance", ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError"}), code: exitcode.Failed,
			line: id + ": rejected: DiskError (request ", outcome: "rejected", stderr: []string{ecsreboot.ErrDiskError.Advice()},
		},
		"not allowed to read after the send": {
			fault: at("DescribeInstances", ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Skip: 1}),
			code:  exitcode.Unknown, line: id + ": restart accepted, not proven: Forbidden.RAM (request ", outcome: "accepted",
			reboots: 1, sends: 1, stderr: []string{"missing RAM action: ecs:DescribeInstances", ecsreboot.ErrForbiddenRAM.Advice()},
		},
		"throttled before the send": {
			fault: at("DescribeInstances", ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}),
			code:  exitcode.Throttled, line: id + ": not sent: Throttling.User", outcome: "not sent",
			stderr: []string{"Wait for the next minute"},
		},
		"one reading fails": {
			fault: at("DescribeInstances", ecstest.Fault{Kind: ecstest.FaultFIN, Skip: 1}),
			line:  id + ": restarted, proven after ", outcome: "restarted", reboots: 1, sends: 1,
			stderr: []string{" s  poll failed: "},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var faults []ecstest.Fault
			if test.fault != nil {
				faults = append(faults, *test.fault)
			}
			inBubble(t, test.instance, faults, func(t *testing.T, b *bubble) {
				got := b.follow(t.Context(), test.args...)
				require.Equal(t, test.code, got.code, got.stderr)
				require.True(t, strings.HasPrefix(got.stdout, test.line), got.stdout)
				require.Equal(t, 1, strings.Count(got.stdout, "\n"), got.stdout)
				require.Equal(t, test.reboots, b.server.Reboots(id))
				for _, text := range test.stderr {
					require.Contains(t, got.stderr, text)
				}
			})
			inBubble(t, test.instance, faults, func(t *testing.T, b *bubble) {
				got := b.follow(t.Context(), append([]string{"--json", "--quiet"}, test.args...)...)
				line := got.jsonLine(t)
				require.Equal(t, "result", line["type"])
				require.Equal(t, "RebootAndWait", line["operation"])
				require.Equal(t, test.outcome, line["outcome"])
				require.InDelta(t, test.sends, orZero(line["requests"]), 0)
				if test.outcome == "accepted" {
					require.Equal(t, restartOf(b.server).RequestID, line["requestId"], "that of the restart")
				}
			})
		})
	}
}

func orZero(v any) any {
	if v == nil {
		return 0.0
	}
	return v
}

// restartOf is the last call that restarted an instance.
func restartOf(server *ecstest.Server) (last ecstest.ReceivedCall) {
	for _, call := range server.Calls() {
		if call.Acted && call.Action == "RebootInstance" {
			last = call
		}
	}
	return last
}

func TestWaitInterrupted(t *testing.T) {
	interrupted := func(t *testing.T, after time.Duration, faults ...ecstest.Fault) (printed, *bubble) {
		t.Helper()
		var got printed
		var bubbled *bubble
		inBubble(t, ecstest.Instance{}, faults, func(t *testing.T, b *bubble) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(after, cancel)
			got, bubbled = b.follow(ctx), b
		})
		return got, bubbled
	}
	t.Run("as JSON", func(t *testing.T) {
		inBubble(t, ecstest.Instance{}, nil, func(t *testing.T, b *bubble) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(1500*time.Millisecond, cancel)
			line := b.follow(ctx, "--json", "--quiet").jsonLine(t)
			require.Equal(t, "accepted", line["outcome"])
			require.Equal(t, "Starting", line["lastStatus"])
			require.Equal(t, "2000-01-01T00:00:01Z", line["lastSeen"])
		})
	})
	t.Run("after it was accepted", func(t *testing.T) {
		got, b := interrupted(t, 2*time.Second)
		require.Equal(t, exitcode.Unknown, got.code)
		require.Contains(t, got.stderr, "the restart was accepted: restart not proven: context canceled; last seen Starting 1s ago (request ")
		require.Contains(t, got.stderr, "Do not resend the restart, because the service has accepted it: look at the instance.")
		require.Contains(t, got.stdout, id+": restart accepted, not proven (request ")
		require.Equal(t, 1, b.server.Reboots(id))
	})
	t.Run("while it is being sent", func(t *testing.T) {
		got, b := interrupted(t, 2*time.Second, ecstest.Fault{Kind: ecstest.FaultHang, Act: true, Action: "RebootInstance"})
		require.Equal(t, exitcode.Unknown, got.code, "unknown wins")
		require.Equal(t, id+": unknown, it may have restarted\n", got.stdout)
		require.Contains(t, got.stderr, "Look at the instance before you send another restart.")
		require.Equal(t, 1, b.server.Reboots(id))
	})
	t.Run("before it is sent", func(t *testing.T) {
		got, b := interrupted(t, time.Second, ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances"})
		require.Equal(t, exitcode.Interrupted, got.code)
		require.Equal(t, id+": not sent\n", got.stdout)
		require.Equal(t, 0, b.server.Reboots(id))
	})
}

// Zero means none, where the library's zero means its default.
func TestWaitWithoutLimits(t *testing.T) {
	inBubble(t, ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: time.Hour}}, nil, func(t *testing.T, b *bubble) {
		got := b.follow(t.Context(), "--wait-timeout", "0", "--quiet")
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Regexp(t, ": restarted, proven after 1h0m[0-9]+s by its status: Starting, then Running", got.stdout)
		require.Empty(t, got.stderr)
	})
	lost := []ecstest.Fault{{Kind: ecstest.FaultDrop, Action: "RebootInstance"}}
	inBubble(t, ecstest.Instance{}, lost, func(t *testing.T, b *bubble) {
		begin := time.Now()
		got := b.follow(t.Context(), "--unknown-grace", "0")
		require.Equal(t, exitcode.Unknown, got.code, got.stderr)
		require.Less(t, time.Since(begin), 2*time.Second)
	})
}

// A second send that is refused for the instance's status proves the first one.
func TestWaitProvenByARefusal(t *testing.T) {
	faults := []ecstest.Fault{
		{Kind: ecstest.FaultDrop, Action: "RebootInstance"},
		{Kind: ecstest.FaultError, Code: "IncorrectInstanceStatus", Action: "RebootInstance"},
	}
	inBubble(t, ecstest.Instance{}, faults, func(t *testing.T, b *bubble) {
		got := b.follow(t.Context(), "--resend-unknown")
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Contains(t, got.stdout, "by its status: not Running when it was resent, then Running; sent 2 times, the second one refused\n")
		require.Contains(t, got.stderr, " s  resent and refused: the first request took effect\n")
		require.Equal(t, 0, b.server.Reboots(id), "the fault only says that it is not Running")
	})
}
