package fleet_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// planOf is a plan of n targets a, b, c … of one group, or of those given.
func planOf(n int, groups ...string) (plan fleet.Plan) {
	for i := range n {
		target := fleet.Target{ID: fmt.Sprintf("%c", 'a'+i)}
		if len(groups) > 0 {
			target.Group = groups[i]
		}
		plan.Targets = append(plan.Targets, target)
	}
	return plan
}

// wide are rules that limit nothing, to be narrowed.
func wide(n int) fleet.Rules {
	return fleet.Rules{MaxUnavailable: fleet.Count(n), AllowWide: true, MaxFailed: fleet.Count(n), Canary: []int{}}
}

func newPlanner(t *testing.T, plan fleet.Plan, rules fleet.Rules, history ...fleet.Event) *fleet.Planner {
	t.Helper()
	p, err := fleet.NewPlanner(plan, rules)
	require.NoError(t, err)
	for _, e := range history {
		require.NoError(t, p.Replay(e))
	}
	return p
}

// events reads a history: "run, intent a, accepted a, stage 1, halt: width".
func events(text string) (events []fleet.Event) {
	for part := range strings.SplitSeq(text, ", ") {
		what, reason, _ := strings.Cut(part, ": ")
		kind, id, _ := strings.Cut(what, " ")
		e := fleet.Event{Kind: fleet.EventKind(kind), InstanceID: id, Reason: fleet.Reason(reason)}
		switch e.Kind {
		case fleet.EventStage:
			e.InstanceID, e.Stage = "", int(id[0]-'0')
		case fleet.EventIntent:
			e.Attempt = 1
		case fleet.EventSkipped:
			e.Unavailable = e.Reason == fleet.ReasonNotRunning
		case fleet.EventMarked: // the reason is the mark
			e.Mark = fleet.Mark(reason)
		default:
		}
		events = append(events, e)
	}
	return events
}

// tell passes events to the planner and returns its actions: "restart a, halt: width".
func tell(t *testing.T, p *fleet.Planner, text string) string {
	t.Helper()
	actions, err := p.Next(events(text)...)
	require.NoError(t, err)
	parts := make([]string, len(actions))
	for i, a := range actions {
		parts[i] = strings.TrimSpace(string(a.Kind) + " " + a.InstanceID)
		if a.Stage > 0 {
			parts[i] += fmt.Sprintf(" %d", a.Stage)
		}
		if a.Reason != "" {
			parts[i] += ": " + string(a.Reason)
		}
	}
	return strings.Join(parts, ", ")
}

// step is the events for the planner, and the actions that it must return.
type step [2]string

func TestPlanner(t *testing.T) {
	narrow := func(change func(*fleet.Rules)) fleet.Rules {
		rules := wide(1)
		change(&rules)
		return rules
	}
	budgetOfOne := func(r *fleet.Rules) { r.MaxUnavailable, r.MaxFailed = fleet.Count(2), fleet.Count(1) }
	for name, test := range map[string]struct {
		plan    fleet.Plan
		rules   fleet.Rules
		history string // replayed first
		steps   []step
	}{
		"one after the other": {planOf(2), wide(1), "", []step{
			{"pace", ""}, // it has not begun
			{"run", "restart a"},
			{"intent a, accepted a, down a, up a", ""},
			{"healthy a", "restart b"},
			{"intent b, healthy b", "end: done"},
			{"end: done", ""},
		}},
		"the defaults": {planOf(8), fleet.Rules{}, "", []step{
			{"run", "restart a"},
			{"intent a, healthy a", "approve 1"},
			{"pace", ""},
			{"stage 1", "restart b"},
			{"intent b, healthy b, intent c, healthy c, intent d, healthy d, intent e, healthy e", "restart f"},
			{"intent f, healthy f", "approve 2"},
			{"stage 2", "restart g"},
			{"intent g, failed g", "halt: width, end: width"},
		}},
		"a slow one holds up nobody": {planOf(5), wide(2), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, intent b, healthy b", "restart c"},
			{"intent c, healthy c", "restart d"},
		}},
		"groups take turns in the order of the plan": {planOf(6, "x", "y", "x", "y", "y", "x"), wide(6), "", []step{
			{"run", "restart a, restart b, restart c, restart d, restart e, restart f"},
		}},
		"groups without room are passed over": {planOf(5, "x", "x", "y", "x", "y"), narrow(func(r *fleet.Rules) {
			r.MaxUnavailable, r.MaxUnavailablePerGroup = fleet.Count(3), fleet.Count(1)
		}), "", []step{
			{"run", "restart a, restart c"},
			{"intent c, healthy c", "restart e"},
			{"intent a, healthy a", "restart b"},
		}},
		"the budget is spent, and nobody is left": {planOf(2), narrow(func(r *fleet.Rules) { r.MaxUnavailable, r.MaxFailed = fleet.Count(2), fleet.Count(1) }), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, failed a", ""},
			{"intent b, failed b", "halt: failure budget, end: done"},
		}},
		"stopped, and nobody is left": {planOf(1), wide(1), "", []step{
			{"run", "restart a"},
			{"intent a, stop: requested", ""},
			{"healthy a", "end: done"},
		}},
		"a journal that failed stops also when nobody is left": {planOf(1), wide(1), "", []step{
			{"run", "restart a"},
			{"intent a, halt: journal", ""},
			{"healthy a", "end: journal"},
		}},
		"an accepted restart ends a row of denied ones": {planOf(6), wide(6), "", []step{
			{"run", "restart a, restart b, restart c, restart d, restart e, restart f"},
			{"intent a, failed a: denied, intent b, failed b: denied", ""},
			{"intent c, accepted c, healthy c", ""},
			{"intent d, failed d: denied, intent e, failed e: denied", ""},
			{"intent f, failed f: denied", "halt: access, end: access"},
		}},
		"a marked instance makes room in its canary stage": {planOf(3), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "run, intent a, failed a, halt: canary, end: canary, marked a: restarted", []step{
			{"resume", "restart b"},
			{"intent b, healthy b", "approve 1"},
			{"stage 1", "restart c"},
		}},
		"the budget is reached": {planOf(6), narrow(func(r *fleet.Rules) { r.MaxUnavailable, r.MaxFailed = fleet.Count(4), fleet.Count(2) }), "", []step{
			{"run", "restart a, restart b, restart c, restart d"},
			{"intent a, failed a, intent b, unknown b", ""},
			{"intent c, healthy c", "restart e"}, // exactly MaxFailed
			{"intent d, failed d", "halt: failure budget"},
			{"intent e, healthy e", "end: failure budget"},
		}},
		"one that failed counts when it is healthy": {planOf(5), narrow(budgetOfOne), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, failed a", ""},
			{"healthy a", "restart c"},
			{"intent b, failed b", "halt: failure budget"},
		}},
		"one that was unknown does not count when it is healthy": {planOf(5), narrow(budgetOfOne), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, unknown a", ""},
			{"healthy a", "restart c"},
			{"intent b, failed b", ""},
			{"intent c, unknown c", "halt: failure budget, end: failure budget"},
		}},
		"one that failed and is unknown counts once": {planOf(5), narrow(budgetOfOne), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, failed a, unknown a", ""},
			{"intent b, healthy b", "restart c"},
		}},
		"a canary has no budget": {planOf(5), narrow(func(r *fleet.Rules) {
			r.MaxUnavailable, r.MaxFailed, r.Canary = fleet.Count(3), fleet.Count(5), []int{2}
		}), "", []step{
			{"run", "restart a, restart b"},
			{"intent a, healthy a, intent b, unknown b", "halt: canary failed, end: canary failed"},
		}},
		"a canary that was not restarted is replaced": {planOf(5), narrow(func(r *fleet.Rules) { r.MaxUnavailable, r.Canary = fleet.Count(3), []int{2} }), "", []step{
			{"run", "restart a, restart b"},
			{"skipped a: locked", "restart c"},
			{"intent b, unsent b", "restart b"},
			{"intent b, healthy b, intent c, healthy c", "approve 1"},
			{"stage 1", "restart d, restart e"},
		}},
		"not approved": {planOf(3), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "", []step{
			{"run", "restart a"},
			{"intent a, healthy a", "approve 1"},
			{"halt: not approved", "end: not approved"},
			{"end: not approved, resume", "approve 1"},
		}},
		"no approval after the last": {planOf(1), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "", []step{
			{"run", "restart a"},
			{"intent a, healthy a", "end: done"},
		}},
		"those that are not Running take from the width": {planOf(3), wide(2), "", []step{
			{"run", "restart a, restart b"},
			{"skipped a: not running", ""},
			{"skipped b: not running", "halt: width, end: width"},
		}},
		"a pause, for two reasons": {planOf(3), wide(1), "", []step{
			{"run, pause: window, pause: requested", ""},
			{"continue: window", ""},
			{"continue: requested", "restart a"},
			{"pause: window, intent a, healthy a", ""},
			{"continue: window", "restart b"},
		}},
		"whoever leaves asks for nothing more": {planOf(3), wide(2), "", []step{
			{"run", "restart a, restart b"},
			{"end: interrupted", ""},
			{"intent a, healthy a, unsent b: interrupted", ""},
			{"resume", "restart b, restart c"},
		}},
		"a stop": {planOf(3), wide(2), "", []step{
			{"run", "restart a, restart b"},
			{"stop: requested, unsent a: requested", ""},
			{"intent b, accepted b", ""},
			{"healthy b", "end: requested"},
		}},
		"one that is blocked comes last": {planOf(4, "x", "y", "x", "y"), wide(1), "", []step{
			{"run", "restart a"},
			{"unsent a: blocked", "restart b"},
			{"unsent b: blocked", "restart c"},
			{"unsent c: window", "restart c"}, // what is not blocked keeps its place
			{"intent c, healthy c", "restart d"},
			{"intent d, healthy d", "restart a"},
			{"unsent a: blocked", "restart b"},
			{"intent b, healthy b", "restart a"},
			{"intent a, healthy a", "end: done"},
		}},
		"one that was blocked comes last in a resumed run as well": {planOf(3), wide(1), "run, unsent a: blocked", []step{
			{"resume", "restart b"},
		}},
		"a canary that is blocked is replaced": {planOf(3), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "", []step{
			{"run", "restart a"},
			{"unsent a: blocked", "restart b"},
			{"intent b, healthy b", "approve 1"},
			{"stage 1", "restart c"},
			{"intent c, healthy c", "restart a"},
		}},
		"after a crash": {
			planOf(6), wide(6), "run, intent a, intent b, accepted b, intent c, healthy c, intent d, unknown d, failed e: refused, halt: width",
			[]step{
				{"resume", "resolve a, follow b, resolve d, restart f"},
				{"healthy a, healthy b, unknown d, intent f, healthy f", "end: done"},
			},
		},
		"whoever may have restarted and failed is looked at again": {
			planOf(6), wide(6),
			"run, intent a, accepted a, failed a, intent b, doubt b, failed b, intent c, down c, failed c, intent d, failed d: refused, intent e",
			[]step{
				{"resume", "follow a, resolve b, resolve c, resolve e, restart f"},
				{"failed e", ""},
				{"resume", "follow a, resolve b, resolve c, resolve e, resolve f"},
				{"failed a, failed b, unknown c, healthy e, failed f", "end: done"},
			},
		},
		"a resumed run is judged when everybody was looked at": {
			planOf(4), narrow(func(r *fleet.Rules) { r.MaxUnavailable, r.MaxFailed = fleet.Count(2), fleet.Count(0) }),
			"run, intent a, unknown a, intent b, unknown b, halt: failure budget",
			[]step{
				{"resume", "resolve a, resolve b"},
				{"healthy a", ""},
				{"healthy b", "restart c, restart d"},
			},
		},
		"a resumed run whose canary is still unknown": {
			planOf(4), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "run, intent a, unknown a, halt: canary failed",
			[]step{{"resume", "resolve a"}, {"unknown a", "halt: canary failed, end: canary failed"}},
		},
		"above the width": {
			planOf(4), wide(1), "run, intent a, intent b, intent c",
			[]step{
				{"resume", "resolve a, resolve b, resolve c"},
				{"healthy a, healthy b", ""},
				{"healthy c", "restart d"},
			},
		},
		"more canaries than the rules of now have": {
			planOf(4), narrow(func(r *fleet.Rules) { r.Canary = []int{1} }), "run, intent a, intent b, intent c, healthy c",
			[]step{
				{"resume", "resolve a, resolve b"},
				{"healthy a", ""},
				{"healthy b", "approve 1"},
				{"stage 1", "restart d"},
			},
		},
		"fewer canaries than the rules of now have": {
			planOf(4), narrow(func(r *fleet.Rules) { r.MaxUnavailable, r.Canary = fleet.Count(2), []int{3} }), "run, intent a, healthy a",
			[]step{{"resume", "restart b, restart c"}},
		},
		"no canaries any more": {
			planOf(4), wide(2), "run, intent a, healthy a, stage 1, intent b, unknown b",
			[]step{{"resume", "resolve b, restart c"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(t, test.plan, test.rules)
			if test.history != "" {
				p = newPlanner(t, test.plan, test.rules, events(test.history)...)
			}
			for i, step := range test.steps {
				require.Equal(t, step[1], tell(t, p, step[0]), "step %d: %s", i, step[0])
			}
		})
	}
}
