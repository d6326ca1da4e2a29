package app

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// lose makes the response to the next restart of an instance disappear.
func (b *bubble) lose(id string, f ecstest.Fault) {
	f.Kind, f.Action, f.InstanceID = ecstest.FaultDrop, "RebootInstance", id
	b.server.Inject(f)
}

// A witness decides what becomes of a restart whose response was lost, and its exit code.
func TestWitness(t *testing.T) {
	tests := map[string]struct {
		fault   ecstest.Fault
		names   string
		code    int
		state   fleet.State
		witness string
		says    string // of the error, or a part of what is printed
	}{
		"refused":       {ecstest.Fault{Refuse: "DiskError"}, "actiontrail,states", exitcode.Failed, fleet.StateFailed, "ActionTrail", "DiskError"},
		"accepted":      {ecstest.Fault{Act: true}, "actiontrail", exitcode.Done, fleet.StateHealthy, "", ""},
		"never arrived": {ecstest.Fault{}, "actiontrail,states", exitcode.Unknown, fleet.StateUnknown, "", "no trace"},
		"not asked":     {ecstest.Fault{Refuse: "DiskError"}, "none", exitcode.Unknown, fleet.StateUnknown, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, func(b *bubble) {
				b.lose("i-1", test.fault)
				code, m, stderr := b.do(b.first("--witness", test.names, "--max-failed", "1")...)
				require.Equal(b, test.code, code, stderr)
				history, err := fleet.Load(b.journal)
				require.NoError(b, err)
				record, _ := history.Report().Record("i-1")
				require.Equal(b, test.state, record.State, record.Error)
				require.Equal(b, test.witness, record.Witness)
				require.True(b, strings.HasPrefix(record.SendID, history.Report().ID+"."), "a log has the run: %s", record.SendID)
				require.Contains(b, record.Error, test.says)
				if test.state == fleet.StateUnknown {
					require.Contains(b, m.NotRestarted[0].SendID, history.Report().ID)
				}
			})
		})
	}
}

// A witness without its permission is named once, and the run goes on without it.
func TestWitnessDenied(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		for action, code := range map[string]string{"LookupEvents": "NoPermission", "DescribeCloudAssistantStatus": "Forbidden.RAM"} {
			b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: action, Code: code, Status: 403, Times: -1})
		}
		b.lose("i-1", ecstest.Fault{})
		b.lose("i-2", ecstest.Fault{})
		code, _, stderr := b.do(b.first("--witness", "actiontrail,heartbeat", "--max-failed", "2", "--max-unavailable", "3", "--allow-wide")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		for _, note := range []string{
			"continuing without the witness actiontrail: the permission for the RAM action actiontrail:LookupEvents is missing",
			"continuing without the witness heartbeat: the permission for the RAM action ecs:DescribeCloudAssistantStatus is missing",
		} {
			require.Equal(b, 1, strings.Count(stderr, note), stderr)
		}
		require.Equal(b, []int{1, 0, 0, 1}, b.reboots(4))
	})
}

// The heartbeat and the health hook must both pass.
func TestHeartbeatIsHealth(t *testing.T) {
	for _, hook := range []string{"", "true", "false"} {
		inBubble(t, 2, func(b *bubble) {
			args := []string{"--witness", "heartbeat", "--ready-timeout", "10m"}
			if hook != "" {
				args = append(args, "--health-cmd", hook)
			}
			begin := time.Now()
			code, m, stderr := b.do(b.first(args...)...)
			if hook == "false" {
				require.Equal(b, exitcode.Halted, code, stderr)
				return
			}
			require.Equal(b, exitcode.Done, code, stderr)
			require.Equal(b, 2, m.Restarted)
			require.Greater(b, time.Since(begin), 3*time.Minute, "of both, a heartbeat after the minute in which it started is awaited")
		})
	}
}

// A resumed run keeps its witnesses, without a flag.
func TestWitnessAgain(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		p := b.process("", b.first("--witness", "actiontrail,heartbeat", "--witness-timeout", "12m", "--max-failed", "3")...)
		p.interactive = true
		p.interrupt(10 * time.Second)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		require.NotContains(b, p.summary().NotRestarted[0].Next, "health", "the heartbeat needs no value")
		b.lose("i-2", ecstest.Fault{Refuse: "DiskError"})
		code, m, stderr := b.do(b.later("resume", "--yes")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Equal(b, "ActionTrail", m.NotRestarted[0].Witness)
		require.Equal(b, fleet.ReasonRefused, m.NotRestarted[0].Reason)

		// A session without the heartbeat, and those after it.
		code, _, stderr = b.do(b.later("resume", "--yes", "--witness", "none")...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, "give the hook again, or --no-health")
		b.lose("i-2", ecstest.Fault{})
		code, m, stderr = b.do(b.later("resume", "--yes", "--no-health", "--witness", "none")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		require.Contains(b, m.NotRestarted[0].Next, " --witness none")
		require.NotContains(b, m.NotRestarted[0].Error, "trace", "nobody was asked")
		_, m, stderr = b.do(b.later("resolve", "--unknown-grace", "1s", "--witness-timeout", "1m")...)
		require.NotEmpty(b, m.NotRestarted, stderr)
		require.Contains(b, m.NotRestarted[0].Error, "no trace", "the plan names the witness")
	})
}

// A --witness-timeout without a witness is refused also if the journal or the plan says that
// there is none.
func TestWitnessTimeoutOfPlan(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.lose("i-0", ecstest.Fault{})
		code, _, stderr := b.do(b.first("--unknown-grace", "10s")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		for _, args := range [][]string{b.later("resume", "--yes", "--witness-timeout", "1m"), b.later("resolve", "--witness-timeout", "1m")} {
			code, _, stderr = b.do(args...)
			require.Equal(b, exitcode.Usage, code, stderr)
			require.Contains(b, stderr, "--witness-timeout 1m0s needs --witness actiontrail or states")
		}
		plan := b.journal + ".plan"
		p := b.process("", "plan", "--region", "cn-hangzhou", "--all", "-o", plan, "--witness-timeout", "11m")
		require.Equal(b, exitcode.Done, p.run(), "whoever runs it may add the witness: %s", p.stderr.String())
		p = b.process("", "run", "--plan", plan, "--journal", b.journal+"2", "--yes", "--witness-timeout", "1m")
		require.Equal(b, exitcode.Usage, p.run(), p.stderr.String())
		require.Contains(b, p.stderr.String(), "--witness-timeout 1m0s needs --witness actiontrail or states")
	})
}

// A --witness-timeout that is over before ActionTrail shows anything is noted.
func TestWitnessTimeoutTooShort(t *testing.T) {
	for timeout, noted := range map[string]bool{"5m": true, "10m": false, "0": false} {
		inBubble(t, 1, func(b *bubble) {
			code, _, stderr := b.do(b.first("--witness", "actiontrail", "--witness-timeout", timeout)...)
			require.Equal(b, exitcode.Done, code, stderr)
			require.Equal(b, noted, strings.Contains(stderr, "--witness-timeout 5m0s is shorter than 10m0s"), stderr)
		})
	}
}

// A witness that failed is asked again only for as long as it matters, and says so. A missing
// permission is shown once.
func TestWitnessFailureOfOne(t *testing.T) {
	for name, test := range map[string]struct {
		fault ecstest.Fault
		says  string
		count int
	}{
		"fails":  {ecstest.Fault{Kind: ecstest.FaultError, Code: "ServiceUnavailable", Status: 503}, "it is asked again while the outcome is unknown and --witness-timeout is not over", 1},
		"denied": {ecstest.Fault{Kind: ecstest.FaultError, Code: "NoPermission", Status: 403}, "actiontrail:LookupEvents", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *bubble) {
				b.lose("i-0", ecstest.Fault{})
				test.fault.Action, test.fault.Times = "LookupEvents", -1
				b.server.Inject(test.fault)
				p := b.process("", "restart", "i-0", "--region", "cn-hangzhou", "--yes", "--witness", "actiontrail")
				require.Equal(b, exitcode.Unknown, p.run(), p.stderr.String())
				require.Equal(b, test.count, strings.Count(p.stderr.String(), test.says), p.stderr.String())
			})
		})
	}
}

func TestWitnessOfOne(t *testing.T) {
	for name, test := range map[string]struct {
		fault ecstest.Fault
		code  int
		says  []string
	}{
		"refused":       {ecstest.Fault{Refuse: "DiskError"}, exitcode.Failed, []string{"DiskError", "ActionTrail: refused with DiskError"}},
		"never arrived": {ecstest.Fault{}, exitcode.Unknown, []string{"waiting for the witness", "no trace"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *bubble) {
				b.lose("i-0", test.fault)
				p := b.process("", "restart", "i-0", "--region", "cn-hangzhou", "--yes", "--witness", "actiontrail,states,heartbeat")
				require.Equal(b, test.code, p.run(), p.stderr.String())
				for _, text := range test.says {
					require.Contains(b, p.stdout.String()+p.stderr.String(), text)
				}
			})
		})
	}
}

// hang replaces an instance by one whose restart hangs and that has a console.
func (b *bubble) hang(id, console string) {
	b.server.RemoveInstance(id)
	require.NoError(b, b.server.AddInstance(ecstest.Instance{ID: id, ConsoleOutput: console, Reboot: ecstest.RebootProfile{Hang: true}}))
}

// The console output of an instance that did not come back is in all results of a run and
// of its resumption, and is read once.
func TestConsoleOfARun(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.hang("i-1", strings.Repeat("[ 1.0] a line\n", 20)+"root password is: hunter2\n\x1b[1mKernel panic\x1b[0m\n")
		html := b.journal + ".html"
		code, m, stderr := b.do(b.first("--witness", "console", "--max-failed", "2", "--ready-timeout", "5m", "--max-unavailable", "2", "--allow-wide", "--report", html)...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Len(b, m.NotRestarted, 1)
		console := m.NotRestarted[0].Console
		require.True(b, strings.HasSuffix(console, "line\nroot password is: ***\nKernel panic\n"), console)
		require.Contains(b, stderr, "i-1 console output was read")
		page, err := os.ReadFile(html)
		require.NoError(b, err)
		require.Contains(b, string(page), "Kernel panic\n</pre></details>")

		p := b.process("", "status", b.journal)
		p.run()
		require.Contains(b, p.stdout.String(), "    its console output ends with (22 lines; --json and --report have all):\n      | [ 1.0] a line\n")
		require.Contains(b, p.stdout.String(), "      | root password is: ***\n      | Kernel panic\n")
		require.Equal(b, consoleShown, strings.Count(p.stdout.String(), "      | "))

		code, m, stderr = b.do(b.later("resume", "--yes", "--ready-timeout", "5m")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Equal(b, console, m.NotRestarted[0].Console)
		reads := 0
		for _, call := range b.server.Calls() {
			if call.Action == "GetInstanceConsoleOutput" {
				require.Equal(b, "i-1", call.InstanceID)
				reads++
			}
		}
		require.Equal(b, 1, reads)
	})
}

// A console that was read and is empty is not one that was not read.
func TestConsoleEmpty(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.hang("i-0", "")
		p := b.process("", "run", "--region", "cn-hangzhou", "--journal", b.journal, "--yes", "--all", "--min-ready", "0", "--witness", "console", "--ready-timeout", "5m")
		require.NotEqual(b, exitcode.Done, p.run())
		require.Contains(b, p.stderr.String(), "i-0 console output was read, and is empty\n")
		require.Contains(b, p.stdout.String(), "\n    its console output is empty\n")
		require.NotContains(b, p.stdout.String()+p.stderr.String(), "not read")
		require.NotContains(b, p.stdout.String()+p.stderr.String(), "failed to read")
	})
}

// A missing permission is named once, and is in the result of each instance.
func TestConsoleDenied(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.hang("i-1", "Kernel panic")
		b.hang("i-2", "Kernel panic")
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "GetInstanceConsoleOutput", Code: "Forbidden.RAM", Status: 403, Times: -1})
		code, m, stderr := b.do(b.first("--witness", "console", "--max-failed", "2", "--ready-timeout", "5m", "--max-unavailable", "3", "--allow-wide")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Equal(b, 1, strings.Count(stderr, "continuing without the witness console: the permission for the RAM action ecs:GetInstanceConsoleOutput is missing"), stderr)
		require.Equal(b, 1, strings.Count(stderr, "GetInstanceConsoleOutput"), stderr)
		require.NotContains(b, stderr, "console output was not read")
		require.Len(b, m.NotRestarted, 2)
		for _, left := range m.NotRestarted {
			require.Empty(b, left.Console)
			require.Contains(b, left.ConsoleError, "Forbidden.RAM")
		}
		p := b.process("", "status", b.journal)
		p.run()
		require.Equal(b, 2, strings.Count(p.stdout.String(), "    failed to read its console output: "), p.stdout.String())
	})
}

// For one instance, restart prints the console output, unless the instance is up.
func TestConsoleOfOne(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(b *bubble)
		code    int
		says    string
	}{
		"hangs": {func(b *bubble) { b.hang("i-0", "root password is: hunter2\nKernel panic\x07\n") }, exitcode.Unknown, "the end of the console output of i-0:\n      | root password is: ***\n      | Kernel panic\n"},
		"empty": {func(b *bubble) { b.hang("i-0", "") }, exitcode.Unknown, "the console output of i-0 is empty"},
		"denied": {func(b *bubble) {
			b.hang("i-0", "Kernel panic")
			b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "GetInstanceConsoleOutput", Code: "Forbidden.RAM", Status: 403, Times: -1})
		}, exitcode.Unknown, "continuing without the witness console"},
		"fails": {func(b *bubble) {
			b.hang("i-0", "Kernel panic")
			b.server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "GetInstanceConsoleOutput", Times: -1})
		}, exitcode.Unknown, "failed to read the console output of i-0: GetInstanceConsoleOutput: no response within 15s"},
		"healthy": {func(*bubble) {}, exitcode.Done, ""},
		"refused": {func(b *bubble) {
			b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", Code: "DiskError", Status: 403})
		}, exitcode.Failed, ""},
		"unknown": {func(b *bubble) { b.lose("i-0", ecstest.Fault{}) }, exitcode.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *bubble) {
				test.prepare(b)
				p := b.process("", "restart", "i-0", "--region", "cn-hangzhou", "--yes", "--witness", "console", "--wait-timeout", "5m")
				require.Equal(b, test.code, p.run(), p.stderr.String())
				require.Contains(b, p.stderr.String(), test.says)
				require.Equal(b, name == "hangs", strings.Contains(p.stderr.String(), "      | "), p.stderr.String())
				reads := false
				for _, call := range b.server.Calls() {
					reads = reads || call.Action == "GetInstanceConsoleOutput"
				}
				require.Equal(b, test.says != "", reads)
			})
		})
	}
}

// A plan of --witness console may become a durable run, which says that it has no console.
func TestConsoleOfADurablePlan(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		plan := b.journal + ".plan"
		p := b.process("", "plan", "--region", "cn-hangzhou", "--all", "--canary", "none", "--witness", "console,states", "-o", plan)
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		p = b.process("", "run", "--plan", plan, "--temporal", "127.0.0.1:1", "--yes")
		require.NotEqual(b, exitcode.Done, p.run())
		require.Contains(b, p.stderr.String(), "the plan has --witness console, but a durable run keeps no console output")
	})
}

func TestWitnessFlag(t *testing.T) {
	for text, says := range map[string]string{
		"tarot":            `unknown witness "tarot", want actiontrail, states, heartbeat, console or none`,
		"none,states":      "none contradicts the other names",
		"actiontrail,":     `unknown witness ""`,
		"states,states":    `witness "states" is repeated`,
		"states,heartbeat": "",
	} {
		var names witnessFlag
		err := names.Set(text)
		if says == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, says, text)
	}
	for args, says := range map[string]string{
		"restart --region cn-hangzhou i-1 --no-wait --witness states":              "--witness contradicts --no-wait and --dry-run",
		"restart --region cn-hangzhou i-1 --witness-timeout -1s":                   "--witness-timeout -1s is negative; 0 for no limit",
		"restart --region cn-hangzhou i-1 --witness-timeout 5m":                    "--witness-timeout 5m0s needs --witness actiontrail or states",
		"restart --region cn-hangzhou i-1 i-2 --witness-timeout 5m --witness none": "--witness-timeout 5m0s contradicts --witness none",
		"run --region cn-hangzhou --all --witness-timeout 5m":                      "--witness-timeout 5m0s needs --witness actiontrail or states",
		"run --region cn-hangzhou --all --witness heartbeat --witness-timeout 0":   "--witness-timeout 0s contradicts --witness heartbeat; it limits actiontrail and states",
		"plan --region cn-hangzhou --all --witness none --witness-timeout 5m":      "--witness-timeout 5m0s contradicts --witness none",
		"run --region cn-hangzhou --all --witness states,states":                   `"states,states" for "--witness" flag: witness "states" is repeated`,
		"run --region cn-hangzhou --all --witness states --witness states":         `witness "states" is repeated`,

		"run --temporal 127.0.0.1:1 --all --witness states":            "--witness and --temporal contradict each other",
		"restart --region cn-hangzhou i-1 --witness bogus":             `--witness" flag: unknown witness "bogus"`,
		"run --temporal 127.0.0.1:1 --all --witness console":           "--witness console is not for durable runs",
		"worker --temporal 127.0.0.1:1 --region r-1 --witness console": "--witness console is not for durable runs",
		"run --region cn-hangzhou --all --witness":                     "flag needs an argument",
		"run --region cn-hangzhou --all --witness=":                    "unknown witness",
		"run --region cn-hangzhou --all --witness none,states":         "none contradicts",
	} {
		p, _, stderr := newTestProgram(t)
		require.Equal(t, exitcode.Usage, p.run(t.Context(), strings.Fields(args)), args)
		require.Contains(t, stderr.String(), says, args)
	}
	values, _ := completeWitness(&cobra.Command{Use: "run"}, nil, "states,a")
	require.Equal(t, []string{"states,actiontrail"}, values)
	values, _ = completeWitness(&cobra.Command{Use: "run"}, nil, "c")
	require.Equal(t, []string{"console"}, values)
	values, _ = completeWitness(&cobra.Command{Use: "worker"}, nil, "c")
	require.Empty(t, values)
	for endpoint, local := range map[string]bool{
		"http://127.0.0.1:8080": true, "https://localhost": true, "http://[::1]:1": true, "https://ecs.cn-hangzhou.aliyuncs.com": false, "https://10.0.0.1": false,
	} {
		require.Equal(t, local, isLocal(endpoint), endpoint)
	}
}

var _ ecsreboot.Witness = (*witnesses)(nil)
