package app

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestFlagsInPlaceOfFields(t *testing.T) {
	require.Equal(t, "set --allow-wide, such as by --status, or MaxSomething", withFlags("set AllowWide, such as by Status, or MaxSomething"))
}

// What the command line is to blame for is told in its own words.
func TestErrorsNameFlags(t *testing.T) {
	tests := map[string]struct {
		args []string
		says string
	}{
		"wide":     {[]string{"--all", "--max-unavailable", "3"}, "--max-unavailable 3 lets 3 of the 4 instances of the plan be down at once, more than 25 %; set --allow-wide if"},
		"none":     {[]string{"--all", "--max-unavailable", "0"}, "--max-unavailable is 0"},
		"ready":    {[]string{"--all", "--min-ready", "5m", "--ready-timeout", "1m"}, "--min-ready of 5m0s is not less than --ready-timeout, 1m0s"},
		"nobody":   {[]string{"--tag", "role=db", "--zone", "cn-hangzhou-b", "--status", "Running"}, "--tag role=db --zone cn-hangzhou-b --status Running in region cn-hangzhou finds no instance"},
		"tag":      {[]string{"--tag", "env!=prod"}, "--tag has only conditions that leave instances out; set --all to restart everything else in the region"},
		"any name": {[]string{"--name", "*"}, `--name holds "*", which matches every instance; set --all if that is meant`},
		"status":   {[]string{"--all", "--status", "Happy"}, `--status is "Happy", which no instance can be`},
		"twice":    {[]string{"i-1", "i-1"}, `instance ID i-1 is repeated`},
		"excluded": {[]string{"--zone", "cn-hangzhou-a", "--exclude", "i-0,i-2"}, "--zone cn-hangzhou-a --exclude i-0,i-2 in region cn-hangzhou finds no instance"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				args := append(without(b.first(), "--all"), test.args...)
				code, _, stderr := b.do(args...)
				require.Equal(b, exitcode.Usage, code, stderr)
				require.Contains(b, stderr, "ecs-reboot: "+test.says)
				require.Zero(b, b.server.TotalReboots())
			})
		})
	}
}

func TestProblemsNameFlags(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		require.NoError(b, b.server.SetStatus("i-2", ecsreboot.StatusStopped))
		_, _, stderr := b.do(b.first()...)
		require.Contains(b, stderr, "and --max-unavailable is 1")
	})
}

func TestExclude(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		code, _, stderr := b.do(b.first("--exclude", "i-0")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Equal(b, []int{0, 1, 1}, b.reboots(3))
	})
	inBubble(t, 3, func(b *bubble) {
		code, _, stderr := b.do(b.first("--exclude", "i-0,i-9")...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, `--exclude holds "i-9", which the service does not list`)
	})
	inBubble(t, 4, func(b *bubble) { // at resume, and from then on
		p := b.process("", b.first()...)
		p.interrupt(10 * time.Second)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		code, _, stderr := b.do(b.later("resume", "--yes", "--exclude", "i-7")...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, `--exclude holds "i-7", which is not in the plan`)
		p = b.process("", b.later("resume", "--yes", "--exclude", "i-3")...)
		p.interrupt(10 * time.Second)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		code, m, stderr := b.do(b.later("resume", "--yes")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Equal(b, []int{1, 1, 1, 0}, b.reboots(4))
		require.Equal(b, fleet.ReasonExcluded, m.NotRestarted[0].Reason)
		require.Contains(b, m.NotRestarted[0].Next, "ecs-reboot restart i-3 --region cn-hangzhou")
	})
}

func TestNoDirectory(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		for _, flag := range []string{"--journal", "--report"} {
			code, _, stderr := b.do(b.first(flag, filepath.Join(b.journal, "none", "run"))...)
			require.Equal(b, exitcode.Usage, code)
			require.Contains(b, stderr, flag+" "+filepath.Join(b.journal, "none", "run")+": no such directory: ")
			require.Empty(b, b.server.Calls())
		}
	})
}

func TestAccessCodes(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "RebootInstance", Times: -1})
		code, m, stderr := b.do(b.first()...)
		require.Equal(b, exitcode.Halted, code, stderr)
		require.Equal(b, fleet.ReasonAccess, m.Reason)
		code, _, _ = b.do(b.later("status")...)
		require.Equal(b, exitcode.Halted, code)
	})
	report := &fleet.Report{Reason: fleet.ReasonAccess, Records: []fleet.Record{{State: fleet.StateWaiting}}}
	require.Equal(t, exitcode.NoCredentials, codeOf(&result{report: report, err: fmt.Errorf("x: %w", ecsreboot.ErrCredentials)}))
}

func TestWaitingIsCapped(t *testing.T) {
	inBubble(t, 30, func(b *bubble) {
		p := b.process("", without(b.first("--timeout", "10s"), "--json")...)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "1 of 30 instances restarted with proof, 29 left alone (29 waiting)")
		require.Equal(b, 20, strings.Count(p.stdout.String(), " i-"), p.stdout.String())
		require.Contains(b, p.stdout.String(), "... and 9 more (--json lists all)\n")
		status := b.process("", "status", b.journal)
		require.Equal(b, exitcode.Interrupted, status.run())
		require.Contains(b, status.stdout.String(), "; stopped as requested\n")
	})
}

// lockShows is where it can be seen who has a journal; elsewhere it is not known.
var lockShows = runtime.GOOS == "linux" || runtime.GOOS == "darwin"

// While a run goes on, status names who drives it, and whether it is held.
func TestStatusOfRunning(t *testing.T) {
	who, known := journal.Holder(filepath.Join(t.TempDir(), "none"))
	require.False(t, known, "there is no lock to look at")
	require.Empty(t, who)
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first("--window", "01:00-02:00")...)
		done := make(chan int)
		go func() { done <- p.run() }()
		time.Sleep(time.Minute)
		if lockShows {
			status := b.process("", "status", b.journal)
			status.run()
			host, err := os.Hostname()
			require.NoError(b, err)
			require.Contains(b, status.stdout.String(), fmt.Sprintf("; paused: outside --window; running: process %d on %s", os.Getpid(), host))
			_, m, _ := b.do(b.later("status")...)
			require.Equal(b, []fleet.Reason{fleet.ReasonWindow}, m.Held)
			require.Contains(b, m.Running, fmt.Sprint(os.Getpid()))
		}
		require.Equal(b, exitcode.Done, <-done)
		who, known := journal.Holder(b.journal)
		require.Equal(b, lockShows, known)
		require.Empty(b, who)
		// As a crash leaves it: with no end.
		text, err := os.ReadFile(b.journal)
		require.NoError(b, err)
		lines := strings.SplitAfter(string(text), "\n")
		require.NoError(b, os.WriteFile(b.journal, []byte(strings.Join(lines[:3], "")), 0o600))
		status := b.process("", "status", b.journal)
		require.Equal(b, exitcode.Interrupted, status.run(), status.stderr.String())
		require.Contains(b, status.stdout.String(), "crashed")
		require.NotContains(b, status.stdout.String(), "running:")
	})
}

// A second press within a second is the first one's echo.
func TestSignalTwiceAtOnce(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		p := b.process("", b.first()...)
		p.interrupt(45 * time.Second)
		p.interrupt(45*time.Second + 900*time.Millisecond)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		require.Equal(b, 2, p.summary().Restarted, "what was sent has settled")
		require.NotContains(b, p.stderr.String(), "again: ending at once")
	})
}
