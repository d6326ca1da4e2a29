package report_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

var eventKinds = []fleet.EventKind{
	fleet.EventRun, fleet.EventResume, fleet.EventStage, fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt,
	fleet.EventPace, fleet.EventEnd, fleet.EventIntent, fleet.EventAccepted, fleet.EventDoubt, fleet.EventUnsent, fleet.EventDown,
	fleet.EventUp, fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped,
}

// chaos makes a history of random events that a planner takes in. Its clock may go
// back, and leap.
func chaos(tb testing.TB, seed uint64, size int) (*fleet.History, *fleet.Planner) {
	tb.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	plan := fleet.Plan{}
	for i := range 1 + random.IntN(size) {
		plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprintf("i-%d", i), Group: string(rune('a' + random.IntN(20)))})
	}
	rules := fleet.Rules{AllowWide: true, Canary: []int{1, 2, 3}, MaxUnavailable: fleet.Count(1 + random.IntN(size)), MaxFailed: fleet.Count(random.IntN(size))}
	planner, err := fleet.NewPlanner(plan, rules)
	require.NoError(tb, err)
	now := begun
	history := &fleet.History{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventRun, At: now, Plan: &plan, Settings: &fleet.Settings{Rules: rules}}}}
	for range random.IntN(6 * size) {
		switch random.IntN(40) {
		case 0:
			now = now.Add(-time.Duration(random.IntN(1_000_000)) * time.Millisecond)
		case 1:
			now = now.Add(time.Duration(random.IntN(1_000_000)) * time.Second)
		default:
			now = now.Add(time.Duration(random.IntN(10_000)) * time.Millisecond)
		}
		e := fleet.Event{
			Kind: eventKinds[random.IntN(len(eventKinds))], At: now, Attempt: 1, Stage: random.IntN(4),
			Unavailable: random.IntN(2) == 0, Throttled: random.IntN(10), Reason: fleet.ReasonBudget,
		}
		if len(eventKinds)-random.IntN(12) > 9 && e.Kind != fleet.EventPace {
			e.Kind, e.InstanceID = eventKinds[9+random.IntN(10)], plan.Targets[random.IntN(len(plan.Targets))].ID
		}
		if e.Kind == fleet.EventResume {
			e.Settings = &fleet.Settings{Rules: rules}
		}
		if planner.Replay(e) == nil {
			history.Events = append(history.Events, e)
		}
	}
	return history, planner
}

func requireSound(t *testing.T, seed uint64, size int) {
	t.Helper()
	history, planner := chaos(t, seed, size)
	requireAgrees(t, write(t, history, options), history)
	d := data(t, history)
	require.Zero(t, d.Summary.Ignored)
	for _, state := range allStates {
		require.Equal(t, planner.Count(state), d.Summary.States[state], state)
	}
	require.Equal(t, planner.Failed(), d.Summary.Failures)
	require.Equal(t, planner.Unavailable(), d.Series.Unavailable[len(d.Series.Unavailable)-1].Unavailable)
	for i, level := range d.Series.Unavailable[1:] {
		require.False(t, level.At.Before(d.Series.Unavailable[i].At), "time goes back")
	}
}

func TestAnyHistory(t *testing.T) {
	seeds := uint64(40)
	if os.Getenv("LONG_TESTS") != "" {
		seeds = 400
	}
	for seed := range seeds {
		requireSound(t, seed, 1+int(seed)%40)
	}
	requireSound(t, 1, 500)
}

func FuzzHistory(f *testing.F) {
	f.Add(uint64(1), uint16(1))
	f.Add(uint64(2), uint16(400))
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		requireSound(t, seed, 1+int(size)%500)
	})
}
