package screen

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

func TestChooseProgress(t *testing.T) {
	tests := map[string]struct {
		mode   string
		screen bool
		env    map[string]string
		want   string
	}{
		"a terminal":          {"auto", true, map[string]string{"TERM": "xterm"}, "tty"},
		"CI=false":            {"auto", true, map[string]string{"TERM": "xterm", "CI": "false"}, "tty"},
		"no terminal":         {"auto", false, map[string]string{"TERM": "xterm"}, "plain"},
		"a dumb one":          {"auto", true, map[string]string{"TERM": "dumb"}, "plain"},
		"an unknown one":      {"auto", true, nil, "plain"},
		"a CI system's":       {"auto", true, map[string]string{"TERM": "xterm", "CI": "true"}, "plain"},
		"asked for":           {"tty", false, map[string]string{"CI": "true"}, "tty"},
		"something else":      {"json", true, map[string]string{"TERM": "xterm"}, "json"},
		"nothing at all":      {"none", true, map[string]string{"TERM": "xterm"}, "none"},
		"plain on a terminal": {"plain", true, map[string]string{"TERM": "xterm"}, "plain"},
	}
	for name, test := range tests {
		require.Equal(t, test.want, Choose(test.mode, test.screen, func(name string) string { return test.env[name] }), name)
	}
}

// tracked runs a test in virtual time, with a tracker of n instances i-0 and on in two
// groups.
func tracked(t *testing.T, n int, rules fleet.Rules, test func(t *testing.T, tr *Tracker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		plan := fleet.Plan{Region: "cn-hangzhou"}
		for i := range n {
			plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprintf("i-%d", i), Name: "web", Group: string(rune('a' + i%2))})
		}
		tr, err := NewTracker(plan, rules, nil, func() []pace.State { return nil })
		require.NoError(t, err)
		tr.Add(fleet.Event{Kind: fleet.EventRun, At: time.Now(), Plan: &plan, Settings: &fleet.Settings{Rules: rules}})
		test(t, tr)
	})
}

func at(kind fleet.EventKind, id string, reason fleet.Reason) fleet.Event {
	return fleet.Event{Kind: kind, At: time.Now(), InstanceID: id, Reason: reason, Attempt: 1}
}

func TestTracker(t *testing.T) {
	tracked(t, 4, fleet.Rules{Canary: []int{}}, func(t *testing.T, tr *Tracker) {
		for _, e := range []fleet.Event{
			at(fleet.EventIntent, "i-0", ""), at(fleet.EventAccepted, "i-0", ""), at(fleet.EventPause, "", fleet.ReasonWindow),
		} {
			tr.Add(e)
		}
		time.Sleep(10 * time.Second)
		s := tr.now()
		require.Equal(t, "1 restarting, 3 waiting", s.states)
		require.Equal(t, "unavailable 1 of 1", s.unavailable)
		require.Equal(t, "paused: outside --window", s.gate)
		require.Equal(t, "6 restarts/min", s.rate)
		require.Equal(t, []string{"i-0 (web)  10s  accepted"}, s.flight)
		require.Equal(t, []string{"a: 1 restarting, 1 waiting", "b: 2 waiting"}, s.groups)

		tr.Add(at(fleet.EventContinue, "", fleet.ReasonWindow))
		require.Equal(t, "limit used up for now (--max-unavailable)", tr.now().gate)
		tr.Add(at(fleet.EventHealthy, "i-0", ""))
		require.Empty(t, tr.now().gate)
		require.Empty(t, tr.now().flight)
		blocked := at(fleet.EventHeld, "i-1", fleet.ReasonBlocked)
		blocked.Error = "not\ndrained"
		tr.Add(blocked)
		require.Equal(t, "waiting: blocked: not\ndrained", tr.now().gate)
		tr.Add(at(fleet.EventHalt, "", fleet.ReasonBudget))
		s = tr.now()
		require.Equal(t, "sends nothing more: failure budget exceeded (--max-failed)", s.gate)
		require.Zero(t, s.left)
		time.Sleep(2 * time.Minute)
		require.Equal(t, "no restart in the last minute", tr.now().rate)
	})
}

// TestSlowestFirst: of many in flight, the slowest are shown, and how many more there are.
func TestSlowestFirst(t *testing.T) {
	tracked(t, 8, fleet.Rules{Canary: []int{}, MaxUnavailable: fleet.Count(8), AllowWide: true}, func(t *testing.T, tr *Tracker) {
		for i := range 7 {
			tr.Add(at(fleet.EventIntent, fmt.Sprintf("i-%d", i), ""))
			time.Sleep(time.Second)
		}
		drain := at(fleet.EventHook, "i-7", "")
		drain.Hook = fleet.HookDrain
		tr.Add(drain)
		lines := tr.now().flight
		require.Equal(t, "i-0 (web)  7s  request is being sent", lines[0])
		require.Len(t, lines, mostInFlight+1)
		require.Equal(t, "and 3 more in flight", lines[mostInFlight])
	})
}

// TestETA: there is none before the canaries have passed, and one when it means something.
func TestETA(t *testing.T) {
	tracked(t, 20, fleet.Rules{Canary: []int{1}}, func(t *testing.T, tr *Tracker) {
		restart := func(id int, took time.Duration) {
			tr.Add(at(fleet.EventIntent, fmt.Sprintf("i-%d", id), ""))
			time.Sleep(took)
			tr.Add(at(fleet.EventHealthy, fmt.Sprintf("i-%d", id), ""))
		}
		restart(0, time.Hour)
		require.Zero(t, tr.now().left, "a canary says nothing of the others")
		tr.Add(fleet.Event{Kind: fleet.EventStage, At: time.Now(), Stage: 1})
		for i := range 4 {
			restart(i+1, time.Minute)
			require.Zero(t, tr.now().left)
		}
		restart(5, time.Minute)
		require.Equal(t, 14*time.Minute, tr.now().left)
		require.Contains(t, tr.now().String(), "; about 14m0s left")
	})
}

func TestHealthIsShown(t *testing.T) {
	tracked(t, 2, fleet.Rules{Canary: []int{}}, func(t *testing.T, tr *Tracker) {
		require.Nil(t, tr.WatchHealth(nil))
		answers := map[string]error{"i-0": errors.New("no answer"), "i-1": errors.New("declined")}
		health := tr.WatchHealth(func(_ context.Context, one fleet.Target) error { return answers[one.ID] })
		for _, id := range []string{"i-0", "i-1"} {
			require.ErrorIs(t, health(t.Context(), fleet.Target{ID: id}), answers[id])
		}
		require.Equal(t, "2 not healthy, such as i-1: declined", tr.now().health)
		answers["i-1"] = nil
		require.NoError(t, health(t.Context(), fleet.Target{ID: "i-1"}))
		require.Contains(t, tr.now().String(), "; 1 not healthy, such as i-0: no answer")
		answers["i-0"] = nil
		require.NoError(t, health(t.Context(), fleet.Target{ID: "i-0"}))
		require.Empty(t, tr.now().health)
	})
}

func TestWords(t *testing.T) {
	require.Equal(t, "1 instance", Plural(1, "instance"))
	require.Equal(t, "0 instances", Plural(0, "instance"))
	require.Equal(t, "stop: as requested", EventLine(fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser}))
	require.Equal(t, "i-1 console output was read", EventLine(fleet.Event{Kind: fleet.EventConsole, InstanceID: "i-1", Console: "Kernel panic"}))
	require.Equal(t, "i-1 console output was not read: denied", EventLine(fleet.Event{Kind: fleet.EventConsole, InstanceID: "i-1", Error: "denied"}))
	require.Equal(t, "halt: limit used up (--max-unavailable)", EventLine(fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonWidth}))
}
