package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTurnsOfGroups takes the first of a group's waiting targets out of a paused run. The
// order of the plan holds for those that are left, across the groups.
func TestTurnsOfGroups(t *testing.T) {
	plan := Plan{Targets: []Target{{ID: "a1", Group: "a"}, {ID: "a2", Group: "a"}, {ID: "b1", Group: "b"}, {ID: "b2", Group: "b"}, {ID: "a3", Group: "a"}}}
	p, err := NewPlanner(plan, Rules{MaxUnavailable: Count(3), MaxUnavailablePerGroup: Count(1), AllowWide: true, Canary: []int{}})
	require.NoError(t, err)
	restarts := func(ids ...string) (actions []Action) {
		for _, id := range ids {
			actions = append(actions, Action{Kind: ActionRestart, InstanceID: id})
		}
		return actions
	}
	for _, step := range []struct {
		event Event
		asks  []Action
	}{
		{Event{Kind: EventRun}, restarts("a1", "b1")}, // the groups are full, so the others wait in their queues
		{Event{Kind: EventIntent, InstanceID: "a1", Attempt: 1}, nil},
		{Event{Kind: EventIntent, InstanceID: "b1", Attempt: 1}, nil},
		{Event{Kind: EventPause, Reason: ReasonUser}, nil},
		{Event{Kind: EventHealthy, InstanceID: "a1"}, nil},
		{Event{Kind: EventHealthy, InstanceID: "b1"}, nil},
		{Event{Kind: EventMarked, InstanceID: "a2", Mark: MarkGone, Reason: ReasonGone}, nil},
		{Event{Kind: EventContinue, Reason: ReasonUser}, restarts("b2", "a3")},
	} {
		actions, err := p.Next(step.event)
		require.NoError(t, err)
		require.Equal(t, step.asks, actions, step.event.Kind)
	}
}
