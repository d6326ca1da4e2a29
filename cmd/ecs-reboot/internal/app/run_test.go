package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// ones are the counts of a fleet of which each was restarted once.
func ones(n int) []int {
	counts := make([]int, n)
	for i := range counts {
		counts[i] = 1
	}
	return counts
}

func TestAllHealthy(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		page := filepath.Join(filepath.Dir(b.journal), "report.html")
		code, m, stderr := b.do(b.first("--group-by", "zone", "--max-unavailable", "2", "--report", page)...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, 8, m.Restarted)
		require.Equal(b, map[fleet.State]int{fleet.StateHealthy: 8}, m.States)
		require.Empty(b, m.NotRestarted)
		require.Equal(b, fleet.ReasonDone, m.Reason)
		require.Equal(b, page, m.Report)
		require.Equal(b, ones(8), b.reboots(8))
		html, err := os.ReadFile(page)
		require.NoError(b, err)
		require.Contains(b, string(html), "i-7")

		code, m, _ = b.do(b.later("status")...)
		require.Equal(b, exitcode.Done, code)
		require.Equal(b, 8, m.Restarted)
		code, _, stderr = b.do(b.first()...)
		require.Equal(b, exitcode.Finished, code)
		require.Contains(b, stderr, "--journal "+b.journal+" exists, and its run is finished")
		code, m, stderr = b.do(b.later("resume", "--yes")...)
		require.Equal(b, exitcode.Finished, code)
		require.Contains(b, stderr, "finished")
		require.Equal(b, 1, m.Sessions)
		require.Equal(b, ones(8), b.reboots(8), "there was nothing left to do")
	})
}

// TestURLsOfHooks: an instance that lacks a value of a URL is found before anything is sent.
func TestURLsOfHooks(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		require.NoError(b, b.server.SetStatus("i-2", ecsreboot.StatusStopped)) // is skipped
		url := func(name string) []string {
			return []string{"--health-url", "http://{" + name + "}:8080/healthz", "--allow-wide", "--max-unavailable", "3"}
		}
		refused := `--health-url "http://{public_ip}:8080/healthz" cannot be requested for 2 of 2 instances, such as i-0: the instance has no value for {public_ip}`
		file := filepath.Join(b.dir, "web.plan")
		p := b.process("", append([]string{"plan", "--region", "cn-hangzhou", "--all", "--dry-runs", "0", "-o", file}, url("public_ip")...)...)
		require.Equal(b, exitcode.Usage, p.run())
		require.Contains(b, p.stderr.String(), refused)
		require.NoFileExists(b, file)
		code, _, stderr := b.do(b.first(url("public_ip")...)...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, refused)
		require.NoFileExists(b, b.journal)
		require.Equal(b, []int{0, 0, 0}, b.reboots(3))

		b.refuse("i-0", "i-1")
		code, _, stderr = b.do(b.first("--allow-wide", "--max-unavailable", "3", "--max-failed", "3")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		code, _, stderr = b.do(b.later("resume", append(url("public_ip"), "--yes")...)...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, refused)
	})
}

func TestTextResult(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.refuse("i-1")
		p := b.process("", "run", "--region", "cn-hangzhou", "--journal", b.journal, "--yes", "--canary", "none", "--tag", "role=web",
			"--dry-runs", "0", "--max-unavailable", "2", "--allow-wide")
		require.Equal(b, exitcode.Failed, p.run(), p.stderr.String())
		require.Regexp(b, `^3 of 4 instances restarted with proof, 1 left alone \(1 failed\), in [0-9ms.]+\n`+
			`  lower bounds of the time: width 2m[0-9]+s\n`+
			`  i-1 failed: refused, DiskError: .*request [-0-9A-F]{36}.*\nnext:\n`+
			`  i-1: it did not restart; when the cause is gone\n      ecs-reboot resume .*run.journal --yes\njournal: `, p.stdout.String())
		require.Equal(b, []int{1, 0, 1, 1}, b.reboots(4))
	})
}

func TestHalted(t *testing.T) {
	tests := map[string]struct {
		refused []string
		stopped bool // they stop before they are refused, and so are unavailable
		args    []string
		reason  fleet.Reason
		reboots []int
	}{
		"failure budget": {[]string{"i-1", "i-2"}, false, []string{"--max-failed", "1", "--max-unavailable", "3", "--allow-wide"}, fleet.ReasonBudget, nil},
		"canary":         {[]string{"i-0"}, true, []string{"--canary", "1"}, fleet.ReasonCanary, []int{0, 0, 0, 0, 0}},
		"width":          {[]string{"i-0"}, true, []string{"--max-failed", "3"}, fleet.ReasonWidth, []int{0, 0, 0, 0, 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 5, func(b *bubble) {
				if test.stopped {
					b.stopAndRefuse(test.refused...)
				} else {
					b.refuse(test.refused...)
				}
				code, m, stderr := b.do(b.first(test.args...)...)
				require.Equal(b, exitcode.Halted, code, stderr)
				require.Equal(b, test.reason, m.Reason)
				require.Positive(b, m.States[fleet.StateWaiting])
				if test.reboots != nil {
					require.Equal(b, test.reboots, b.reboots(5))
				}
				code, _, _ = b.do(b.later("status")...)
				require.Equal(b, exitcode.Halted, code)
			})
		})
	}
}

func TestUnknown(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-2"})
		code, m, stderr := b.do(b.first("--max-unavailable", "2", "--allow-wide", "--unknown-grace", "10s")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		require.Len(b, m.NotRestarted, 1)
		require.Equal(b, "i-2", m.NotRestarted[0].ID)
		require.Equal(b, fleet.StateUnknown, m.NotRestarted[0].State)
		require.Contains(b, m.NotRestarted[0].Next, "look at it before you send another restart; this command polls it and sends no restart: ecs-reboot resolve "+b.journal)
		require.Equal(b, []int{1, 1, 0, 1}, b.reboots(4))

		code, _, stderr = b.do(b.later("resolve", "--unknown-grace", "10s")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		require.Equal(b, []int{1, 1, 0, 1}, b.reboots(4), "it only looks")
		p := b.process("", b.later("resolve", "--unknown-grace", "1h")...)
		p.interrupt(time.Minute)
		require.Equal(b, exitcode.Unknown, p.run(), "it leaves at once, and unknown wins")
		code, _, _ = b.do(b.later("resolve", "--unknown-grace", "1h", "--timeout", "1m")...)
		require.Equal(b, exitcode.Unknown, code)
		require.NoError(b, b.server.Restart("i-2", false))
		code, _, stderr = b.do(b.later("resolve", "--unknown-grace", "2m")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, ones(4), b.reboots(4))
	})
}

// A resolve that leaves nothing unknown has done what it should, although instances wait.
func TestResolved(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.lose("i-0", ecstest.Fault{Refuse: "DiskError"})
		p := b.process("", b.first("--unknown-grace", "1m", "--max-failed", "1", "--witness", "actiontrail")...)
		p.interrupt(30 * time.Second)
		time.AfterFunc(31*time.Second, func() { p.signals <- os.Interrupt })
		require.Equal(b, exitcode.Unknown, p.run(), p.stderr.String())

		p = b.process("", "resolve", b.journal)
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "i-0 failed: refused, DiskError")
		require.Contains(b, p.stdout.String(), "  waiting, nothing was sent to them:\n")
		require.NotContains(b, p.stdout.String()+p.stderr.String(), "as requested")
		require.Contains(b, p.stderr.String(), "  end\n")

		code, _, stderr := b.do(b.later("resume", "--yes")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, ones(3), b.reboots(3))
	})
}

// The advice on several instances is in the plural.
func TestNextOfSeveral(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.lose("i-1", ecstest.Fault{})
		b.lose("i-2", ecstest.Fault{})
		args := []string{
			"run", "--region", "cn-hangzhou", "--journal", b.journal, "--yes", "--all", "--canary", "none", "--min-ready", "0",
			"--dry-runs", "0", "--max-failed", "2", "--max-unavailable", "3", "--allow-wide", "--unknown-grace", "1m",
		}
		p := b.process("", args...)
		require.Equal(b, exitcode.Unknown, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "  i-1 i-2: they may have restarted: look at them before you send another restart; this command polls them and sends no restart\n")
	})
	for one, several := range map[string]string{
		"it restarted; to undrain it again":                               "they restarted; to undrain them again",
		"a restart was sent: look at the instance; when it is back":       "restarts were sent: look at the instances; when they are back",
		"start it, which has the effect of a restart; then":               "start them, which has the effect of a restart; then",
		"it was an emulated instance, which is gone":                      "they were emulated instances, which are gone",
		"check the ID, the region, and the permission; when it is listed": "check the IDs, the region, and the permission; when they are listed",
	} {
		require.Equal(t, several, ofSeveral(one))
	}
}

func TestInterrupted(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		p := b.process("", b.first()...)
		p.interrupt(45 * time.Second)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		m := p.summary()
		require.Equal(b, map[fleet.State]int{fleet.StateHealthy: 2, fleet.StateWaiting: 2}, m.States, "what was sent has settled")
		require.Contains(b, p.stderr.String(), "interrupt: nothing more is sent; waiting until everything in flight has reached its end. A second signal ends the program at once")
		require.Contains(b, m.NotRestarted[0].Next, "ecs-reboot resume "+b.journal)
		code, _, _ := b.do(b.later("status")...)
		require.Equal(b, exitcode.Interrupted, code)
		code, m, stderr := b.do(b.later("resume", "--yes", "--min-ready", "0")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, 4, m.Restarted)
		require.Equal(b, ones(4), b.reboots(4))
	})
}

func TestInterruptedTwice(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		p := b.process("", b.first()...)
		p.interrupt(45 * time.Second)
		p.interrupt(46 * time.Second)
		begin := time.Now()
		require.Equal(b, exitcode.Unknown, p.run(), "one has not settled: unknown wins")
		require.Equal(b, 46*time.Second, time.Since(begin).Truncate(time.Second))
		require.Equal(b, 1, p.summary().States[fleet.StateRestarting])
		code, _, stderr := b.do(b.later("resume", "--yes", "--min-ready", "0")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, ones(4), b.reboots(4))
	})
}

func TestInterruptedBeforeItBegins(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances"})
		p := b.process("", b.first()...)
		p.interrupt(time.Second)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		require.NoFileExists(b, b.journal)
		require.Equal(b, []int{0, 0}, b.reboots(2))
	})
}

func TestTimeout(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		code, m, stderr := b.do(b.first("--timeout", "10s")...)
		require.Equal(b, exitcode.Interrupted, code)
		require.Contains(b, stderr, "--timeout 10s is over: nothing more is sent")
		require.Equal(b, 1, m.Restarted, "the one under way has settled")
	})
}

func TestSecondDriver(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		first := b.process("", b.first()...)
		done := make(chan int)
		go func() { done <- first.run() }()
		time.Sleep(20 * time.Second)
		code, _, stderr := b.do(b.later("resume", "--yes")...)
		require.Equal(b, exitcode.Busy, code)
		require.Contains(b, stderr, fmt.Sprintf("process %d on ", os.Getpid()))
		code, m, _ := b.do(b.later("status")...)
		require.Equal(b, exitcode.Done, code, "it is in progress, and healthy")
		require.Equal(b, 1, m.States[fleet.StateRestarting])
		require.Nil(b, m.Ended)
		require.Equal(b, exitcode.Done, <-done)
		require.Equal(b, ones(2), b.reboots(2))
	})
}

func TestSelf(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		code, m, stderr := b.do(b.first("--self", "i-1")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Equal(b, []int{1, 0, 1}, b.reboots(3))
		require.Equal(b, fleet.ReasonSelf, m.NotRestarted[0].Reason)
		require.Contains(b, m.NotRestarted[0].Next, "this program runs on it")
	})
}

func TestPractise(t *testing.T) {
	inBubble(t, 0, func(b *bubble) {
		p := b.process("", "run", "--emulate", "20")
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "20 of 20 instances restarted with proof, in ")
		require.Contains(b, p.stderr.String(), "the emulated service restarted instances 20 times")
		require.Contains(b, p.stderr.String(), "--min-ready 0, --max-unavailable 25%, --group-by zone")
		require.Regexp(b, `journal: .+\nreport: .+\.html\n$`, p.stdout.String())
	})
}
