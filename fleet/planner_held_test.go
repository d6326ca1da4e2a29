package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlannerHeld covers the restarts that were asked for and have not left: they
// must not, whenever nothing more would be asked for.
func TestPlannerHeld(t *testing.T) {
	plan := Plan{Targets: []Target{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}, {ID: "e"}}}
	p, err := NewPlanner(plan, Rules{MaxUnavailable: Count(3), AllowWide: true, MaxFailed: Count(1), Canary: []int{}})
	require.NoError(t, err)
	for _, e := range []Event{{Kind: EventRun}, {Kind: EventIntent, InstanceID: "a", Attempt: 1}, {Kind: EventUnknown, InstanceID: "a"}} {
		require.NoError(t, p.Replay(e))
	}
	for _, step := range []struct {
		event Event
		held  Reason
		asks  int
	}{
		{Event{Kind: EventResume}, "", 3}, // to look at a, to restart b and c
		{Event{Kind: EventPause, Reason: ReasonWindow}, ReasonWindow, 0},
		{Event{Kind: EventPause, Reason: ReasonUser}, ReasonUser, 0},
		{Event{Kind: EventContinue, Reason: ReasonUser}, ReasonWindow, 0},
		{Event{Kind: EventContinue, Reason: ReasonWindow}, "", 0},
		{Event{Kind: EventFailed, InstanceID: "b"}, ReasonBudget, 0}, // but a is still looked at
		{Event{Kind: EventHealthy, InstanceID: "a"}, "", 1},
		{Event{Kind: EventFailed, InstanceID: "c"}, ReasonBudget, 1}, // the halt
		{Event{Kind: EventStop, Reason: ReasonUser}, ReasonBudget, 0},
	} {
		actions, err := p.Next(step.event)
		require.NoError(t, err)
		require.Len(t, actions, step.asks, step.event)
		require.Equal(t, step.held, p.Held(), step.event)
	}
}
