package main

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
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestWords(t *testing.T) {
	require.Equal(t, "1 instance", plural(1, "instance"))
	require.Equal(t, "0 instances", plural(0, "instance"))
	require.Equal(t, "stop: as asked", eventLine(fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser}))
	require.Equal(t, "halt: limit used up (-max-unavailable)", eventLine(fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonWidth}))
	require.Equal(t, "set -allow-wide, such as by -status, or MaxSomething", withFlags("set AllowWide, such as by Status, or MaxSomething"))
}

// What the command line is to blame for is told in its own words.
func TestErrorsNameFlags(t *testing.T) {
	tests := map[string]struct {
		args []string
		says string
	}{
		"wide":     {[]string{"-all", "-max-unavailable", "3"}, "-max-unavailable 3 lets 3 of the 4 instances of the plan be down at once, more than 25 %; set -allow-wide if"},
		"none":     {[]string{"-all", "-max-unavailable", "0"}, "-max-unavailable is 0"},
		"ready":    {[]string{"-all", "-min-ready", "5m", "-ready-timeout", "1m"}, "-min-ready of 5m0s is not less than -ready-timeout, 1m0s"},
		"nobody":   {[]string{"-tag", "role=db", "-zone", "cn-hangzhou-b", "-status", "Running"}, "-tag role=db -zone cn-hangzhou-b -status Running in region cn-hangzhou finds no instance"},
		"status":   {[]string{"-all", "-status", "Happy"}, `-status is "Happy", which no instance can be`},
		"twice":    {[]string{"i-1", "i-1"}, `the list of instances holds "i-1" twice`},
		"excluded": {[]string{"-zone", "cn-hangzhou-a", "-exclude", "i-0,i-2"}, "-zone cn-hangzhou-a -exclude i-0,i-2 in region cn-hangzhou finds no instance"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				args := append(without(b.first(), "-all"), test.args...)
				code, _, stderr := b.do(args...)
				require.Equal(b, exitcode.Usage, code, stderr)
				require.Contains(b, stderr, "rolling: "+test.says)
				require.Zero(b, b.server.TotalReboots())
			})
		})
	}
}

func TestProblemsNameFlags(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		require.NoError(b, b.server.SetStatus("i-2", ecsreboot.StatusStopped))
		_, _, stderr := b.do(b.first()...)
		require.Contains(b, stderr, "and -max-unavailable is 1")
	})
}

func TestUselessExclude(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		code, _, stderr := b.do(b.first("-zone", "cn-hangzhou-a", "-exclude", "i-0,i-1,i-9", "-status", "Running")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.NotContains(b, stderr, "-exclude i-0")
		for _, id := range []string{"i-1", "i-9"} { // of another zone; of nowhere
			require.Contains(b, stderr, "WARNING: -exclude "+id+" matches nothing that is selected")
		}
	})
}

func TestNoDirectory(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		for _, flag := range []string{"-journal", "-report"} {
			code, _, stderr := b.do(b.first(flag, filepath.Join(b.journal, "none", "run"))...)
			require.Equal(b, exitcode.Usage, code)
			require.Contains(b, stderr, flag+" "+filepath.Join(b.journal, "none", "run")+": there is no directory ")
			require.Empty(b, b.server.Calls())
		}
	})
}

func TestHealthURLAtStart(t *testing.T) {
	for url, says := range map[string]string{
		"{name}:8080/healthz":         "it begins with http:// or https:// and a host",
		"ftp://{name}/x":              "it begins with http:// or https:// and a host",
		"http:///healthz":             "it begins with http:// or https:// and a host",
		"http://{ip}:8080/healthz":    "filled in are {id}, {name}, {zone} and {group}",
		"http://{name:8080/healthz":   "filled in are {id}, {name}, {zone} and {group}",
		"http://{name}:port/healthz":  "-health-url: ",
		"https://{name}:1/{id}/{Tag}": "filled in are",
	} {
		require.ErrorContains(t, checkHealthURL(url), says, url)
	}
	require.NoError(t, checkHealthURL("https://{name}.{zone}.example.com:8443/{id}?g={group}"))
	inBubble(t, 2, func(b *bubble) {
		code, _, _ := b.do(b.first("-health-url", "http://{ip}/")...)
		require.Equal(b, exitcode.Usage, code)
		require.Empty(b, b.server.Calls())
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
		p := b.process("", without(b.first("-timeout", "10s"), "-json")...)
		require.Equal(b, exitcode.Interrupted, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "1 of 30 instances restarted")
		require.Contains(b, p.stdout.String(), "not restarted: 29 waiting\n")
		require.Equal(b, 20, strings.Count(p.stdout.String(), " i-"))
		require.Contains(b, p.stdout.String(), "... and 9 more (-json lists all)\n")
		status := b.process("", "status", "-journal", b.journal)
		require.Equal(b, exitcode.Interrupted, status.run())
		require.Contains(b, status.stdout.String(), "; stopped as asked\n")
	})
}

// lockShows is where it can be seen who has a journal; elsewhere it is not known.
var lockShows = runtime.GOOS == "linux" || runtime.GOOS == "darwin"

// While a run goes on, status names who drives it, and whether it is held.
func TestStatusOfRunning(t *testing.T) {
	who, known := holder(filepath.Join(t.TempDir(), "none"))
	require.False(t, known, "there is no lock to look at")
	require.Empty(t, who)
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first("-window", "01:00-02:00")...)
		done := make(chan int)
		go func() { done <- p.run() }()
		time.Sleep(time.Minute)
		if lockShows {
			status := b.process("", "status", "-journal", b.journal)
			status.run()
			host, err := os.Hostname()
			require.NoError(b, err)
			require.Contains(b, status.stdout.String(), fmt.Sprintf("; paused: outside -window; running: process %d on %s", os.Getpid(), host))
			_, m, _ := b.do(b.later("status")...)
			require.Equal(b, []fleet.Reason{fleet.ReasonWindow}, m.Held)
			require.Contains(b, m.Running, fmt.Sprint(os.Getpid()))
		}
		require.Equal(b, exitcode.Done, <-done)
		who, known := holder(b.journal)
		require.Equal(b, lockShows, known)
		require.Empty(b, who)
		// As a crash leaves it: with no end.
		text, err := os.ReadFile(b.journal)
		require.NoError(b, err)
		lines := strings.SplitAfter(string(text), "\n")
		require.NoError(b, os.WriteFile(b.journal, []byte(strings.Join(lines[:3], "")), 0o600))
		status := b.process("", "status", "-journal", b.journal)
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
		require.NotContains(b, p.stderr.String(), "again: leaving at once")
	})
}

func TestNoETADuringCanaries(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		client, err := b.server.NewClient()
		require.NoError(b, err)
		plan, err := fleet.NewPlan(b.Context(), client, fleet.Selection{All: true})
		require.NoError(b, err)
		tr, err := newTracker(session{client: client, plan: plan, options: fleet.Options{Rules: fleet.Rules{Canary: []int{1}}}})
		require.NoError(b, err)
		restart := func(id string, took time.Duration) {
			tr.add(fleet.Event{Kind: fleet.EventIntent, At: time.Now(), InstanceID: id, Attempt: 1})
			time.Sleep(took)
			tr.add(fleet.Event{Kind: fleet.EventHealthy, At: time.Now(), InstanceID: id})
		}
		restart("i-0", time.Hour)
		require.Zero(b, tr.now().left, "a canary says nothing of the others")
		tr.add(fleet.Event{Kind: fleet.EventStage, At: time.Now(), Stage: 1})
		require.Zero(b, tr.now().left)
		restart("i-1", time.Minute)
		require.Equal(b, 2*time.Minute, tr.now().left)
	})
}
