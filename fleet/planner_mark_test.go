package fleet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// Marks refuses what MarkInstances refuses, for engines that have no journal.
func TestPlannerRefusesMarks(t *testing.T) {
	plan := Plan{Targets: []Target{{ID: "a"}, {ID: "b"}}}
	planner, err := NewPlanner(plan, Rules{})
	require.NoError(t, err)
	report := newReport(plan)
	good := Marking{InstanceID: "a", Mark: MarkGone, Note: "released"}
	events, err := planner.Marks(report, good, Marking{InstanceID: "b", Mark: MarkRestarted, Note: "by hand"})
	require.NoError(t, err)
	assert.Equal(t, []Event{
		{Kind: EventMarked, InstanceID: "a", Mark: MarkGone, Reason: MarkGone.reason(), Note: "released"},
		{Kind: EventMarked, InstanceID: "b", Mark: MarkRestarted, Reason: MarkRestarted.reason(), Note: "by hand"},
	}, events)
	assert.Equal(t, StateWaiting, planner.StateOf("a"), "nothing has changed yet")
	for field, bad := range map[string]Marking{
		"InstanceID": {InstanceID: "c", Mark: MarkGone, Note: "released"},
		"Mark":       {InstanceID: "a", Mark: "lost", Note: "released"},
		"Note":       {InstanceID: "a", Mark: MarkGone, Note: " "},
	} {
		events, err := planner.Marks(report, good, bad)
		var refused *ecsreboot.InputError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, field, refused.Field)
		assert.Empty(t, events)
	}
}
