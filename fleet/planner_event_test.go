package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestPlannerResumedTwice cuts a history off everywhere.
func TestPlannerResumedTwice(t *testing.T) {
	history := events("run, intent a, accepted a, down a, up a, healthy a, stage 1, intent b, unsent b, skipped c: not running, intent b, doubt b, " +
		"intent d, failed d: refused, unknown b, pause: window, continue: window, halt: failure budget, end: failure budget, " +
		"resume, down b, failed b, intent e, accepted e, stop: requested, failed e, healthy e, end: requested")
	rules := wide(4)
	rules.Canary = []int{1}
	for cut := 1; cut <= len(history); cut++ {
		var asked [3]string
		for times := range asked {
			p := newPlanner(t, planOf(6), rules, history[:cut]...)
			for range times {
				require.NoError(t, p.Replay(fleet.Event{Kind: fleet.EventResume}))
			}
			asked[times] = tell(t, p, "resume")
		}
		assert.Equal(t, [3]string{asked[0], asked[0], asked[0]}, asked, "after %d events", cut)
	}
}

func TestPlannerIllegalEvents(t *testing.T) {
	for _, test := range []struct{ history, event string }{
		{"run", "intent z"},
		{"run", "nonsense"},
		{"run", "intent"},
		{"run", "run a"},
		{"run", "nonsense a"},
		{"run", "stage 2"},
		{"run, stage 1", "stage 1"},
		{"run", "pause"},
		{"run", "continue"},
		{"run", "stop"},
		{"run", "halt"},
		{"run", "accepted a"},
		{"run", "healthy a"},
		{"run, failed a", "healthy a"},
		{"run, failed a", "unknown a"},
		{"run, failed a", "intent a"},
		{"run, intent a, unsent a", "healthy a"},
		{"run, intent a, accepted a", "unsent a"}, // it would be restarted twice
		{"run, intent a, accepted a", "intent a"},
		{"run, intent a, accepted a", "skipped a"},
		{"run, intent a, accepted a, failed a", "unsent a"},
		{"run, intent a, unknown a", "unsent a"},
		{"run, intent a, unknown a", "intent a"},
		{"run, intent a, accepted a, unknown a", "accepted a"},
		{"run, intent a, unknown a", "skipped a"},
		{"run, intent a, healthy a", "healthy a"},
		{"run, intent a, healthy a", "failed a"},
		{"run, intent a, healthy a", "intent a"},
		{"run, skipped a", "intent a"},
		{"run, skipped a", "skipped a"},
		{"run, skipped a", "unsent a"},
	} {
		t.Run(test.history+"; "+test.event, func(t *testing.T) {
			p := newPlanner(t, planOf(3), wide(2), events(test.history)...)
			q := newPlanner(t, planOf(3), wide(2), events(test.history)...)
			require.ErrorContains(t, p.Replay(events(test.event)[0]), "fleet: ")
			actions, err := p.Next(events(test.event)...)
			require.Error(t, err)
			require.Empty(t, actions)
			for _, id := range []string{"a", "b", "c"} {
				assert.Equal(t, q.StateOf(id), p.StateOf(id))
				assert.Equal(t, q.Attempts(id), p.Attempts(id))
			}
			assert.Equal(t, q.Unavailable(), p.Unavailable())
			assert.Equal(t, q.Failed(), p.Failed())
			assert.Equal(t, tell(t, q, "resume"), tell(t, p, "resume"))
		})
	}
}

// TestPlannerRefusesForeignBaseline keeps a proof from being measured against another
// instance.
func TestPlannerRefusesForeignBaseline(t *testing.T) {
	for id, allowed := range map[string]bool{"a": true, "b": false, "": false} {
		p := newPlanner(t, planOf(2), wide(2), events("run")...)
		err := p.Replay(fleet.Event{Kind: fleet.EventIntent, InstanceID: "a", Attempt: 1, Before: &ecsreboot.Baseline{InstanceID: id}})
		if allowed {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "baseline", id)
		require.Zero(t, p.Attempts("a"))
	}
}

// TestPlannerNamesTheStage says which stage it was, and whose turn it is.
func TestPlannerNamesTheStage(t *testing.T) {
	rules := wide(1)
	rules.Canary = []int{1, 2}
	p := newPlanner(t, planOf(3), rules, events("run, intent a, healthy a, stage 1")...)
	require.EqualError(t, p.Replay(events("stage 3")[0]), "fleet: canary stage 3 cannot pass, it is the turn of stage 2")
	require.EqualError(t, p.Replay(events("stage 1")[0]), "fleet: canary stage 1 cannot pass, it is the turn of stage 2")
	require.NoError(t, p.Replay(events("stage 2")[0]))
}

// TestPlannerReplaysResume asks for nothing until the session that goes on now has
// begun.
func TestPlannerReplaysResume(t *testing.T) {
	p := newPlanner(t, planOf(2), wide(1))
	require.Equal(t, "restart a", tell(t, p, "run"))
	require.NoError(t, p.Replay(fleet.Event{Kind: fleet.EventResume}))
	require.Empty(t, tell(t, p, "intent a, healthy a"))
	require.Equal(t, "restart b", tell(t, p, "resume"))
}

func TestPlannerInput(t *testing.T) {
	for name, plan := range map[string]fleet.Plan{
		"no targets": {},
		"no id":      {Targets: []fleet.Target{{ID: "a"}, {}}},
		"twice":      {Targets: []fleet.Target{{ID: "a"}, {ID: "b"}, {ID: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fleet.NewPlanner(plan, fleet.Rules{})
			var bad *ecsreboot.InputError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, "Plan", bad.Field)
		})
	}
}

func TestPlannerUnknownInstance(t *testing.T) {
	p := newPlanner(t, planOf(1), wide(1), events("run, intent a")...)
	assert.Equal(t, 1, p.Attempts("a"))
	assert.Empty(t, p.StateOf("z"))
	assert.Zero(t, p.Attempts("z"))
}
