package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestPlannerHistories drives planners through random histories.
func TestPlannerHistories(t *testing.T) {
	seeds := 1000
	if longTests {
		seeds = 3000
	}
	reached := make(map[string]int)
	for seed := range seeds {
		random := rand.New(rand.NewPCG(uint64(seed), 6))
		script := make([]byte, random.IntN(250))
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		simulate(t, fmt.Sprintf("seed %d", seed), script, reached)
	}
	// What never happened was not tested.
	for _, what := range []string{
		"action restart", "action follow", "action resolve", "action undrain", "action approve", "action halt", "action end",
		"failure budget", "canary failed", "width", "not approved", "requested", "done", "access",
		"above the width", "illegal", "recovered", "lost tail", "other rules",
		"awaiting", "failed, by a witness", "marked gone", "marked restarted", "marked not restarted", "failed, gone", "failed, not listed", "failed, and Running", "blocked", "drained",
	} {
		if reached[what] < seeds/100 {
			t.Errorf("%q came %d times in %d histories", what, reached[what], seeds)
		}
	}
}

func FuzzPlanner(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{13, 2, 2, 1, 2, 1, 1, 13, 1, 0, 1, 0, 13, 2, 0, 0, 13, 13})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) <= 500 {
			simulate(t, "script", script, make(map[string]int))
		}
	})
}

// choices reads the decisions of a history off a text. At its end all are 0.
type choices struct{ rest []byte }

func (c *choices) upTo(n int) int {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return int(b) % n
}

func (c *choices) limit(n int) fleet.Limit {
	switch c.upTo(5) {
	case 0:
		return fleet.Limit{}
	case 1:
		return fleet.Percent(float64(1 + c.upTo(100)))
	}
	return fleet.Count(1 + c.upTo(n))
}

func (c *choices) plan() (plan fleet.Plan) {
	size := 1 + c.upTo(14)
	if c.upTo(10) == 9 {
		size += 30
	}
	groups := 1 + c.upTo(4)
	for i := range size {
		plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprintf("i-%02d", i), Group: string("ghjk"[c.upTo(groups)])})
	}
	return plan
}

func (c *choices) rules(n int) fleet.Rules {
	rules := fleet.Rules{MaxUnavailable: c.limit(n), MaxUnavailablePerGroup: c.limit(n), AllowWide: true, MaxFailed: c.limit(n)}
	if c.upTo(3) == 2 {
		rules.MaxFailed = fleet.Count(0)
	}
	switch c.upTo(3) {
	case 1:
		rules.Canary = []int{}
	case 2:
		for range 1 + c.upTo(3) {
			rules.Canary = append(rules.Canary, 1+c.upTo(4))
		}
	}
	return rules
}

// simulation is a history in the making: a planner, the model it is compared with,
// and a service that does to the instances whatever the script says.
type simulation struct {
	*choices
	t        testing.TB
	name     string
	plan     fleet.Plan
	rules    fleet.Rules
	planner  *fleet.Planner
	model    *model
	witness  *witness
	history  []fleet.Event // what is recorded
	log      []any         // of it all, to be read when something is wrong
	underWay []string      // what was asked for and has not come to an end
	denies   bool          // the service denies many of the restarts
	question int           // the stage that waits for approval
	ended    bool
	reached  map[string]int
}

func simulate(tb testing.TB, name string, script []byte, reached map[string]int) {
	tb.Helper()
	c := &choices{script}
	s := &simulation{choices: c, t: tb, name: name, reached: reached}
	s.plan = c.plan()
	s.rules = c.rules(len(s.plan.Targets))
	s.denies = c.upTo(8) == 7
	s.begin()
	s.next(fleet.Event{Kind: fleet.EventRun})
	for len(s.rest) > 0 {
		s.step()
	}
	// From now on everything goes well, and so it must come to an end.
	for patience := 10 * (len(s.plan.Targets) + 10); !s.ended; patience-- {
		if patience == 0 || !s.goOn() {
			s.fatal("it hangs")
		}
	}
	s.compareReplay()
}

func (s *simulation) fatal(problem string, args ...any) {
	s.t.Helper()
	for _, line := range s.log {
		s.t.Logf("%+v", line)
	}
	s.t.Fatalf("%s: %s\nplan %v\nrules %+v", s.name, fmt.Sprintf(problem, args...), s.plan.Targets, s.rules)
}

// begin makes a planner, and the model of it, of what is recorded so far.
func (s *simulation) begin() {
	s.planner = s.replayed(s.history)
	s.model = newModel(s.plan, s.planner.Rules())
	s.witness = newWitness(s.plan, s.planner.Rules())
	for _, e := range s.history {
		s.model.apply(e)
		s.witness.sees(e)
	}
	s.underWay, s.question, s.ended = nil, 0, false
}

func (s *simulation) replayed(history []fleet.Event) *fleet.Planner {
	planner, err := fleet.NewPlanner(s.plan, s.rules)
	if err != nil {
		s.fatal("%v", err)
	}
	for _, e := range history {
		if err := planner.Replay(e); err != nil {
			s.fatal("cannot replay what was recorded: %v", err)
		}
	}
	return planner
}

// next passes events to the planner and records the actions that it returns.
func (s *simulation) next(events ...fleet.Event) {
	for _, e := range events {
		s.log = append(s.log, e)
		s.history = append(s.history, e)
		s.witness.sees(e)
	}
	got, err := s.planner.Next(events...)
	if err != nil {
		s.fatal("%v", err)
	}
	for _, e := range events {
		switch e.Kind {
		case fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent:
			s.underWay = slices.DeleteFunc(s.underWay, func(id string) bool { return id == e.InstanceID })
		default:
		}
	}
	want := s.model.next(events...)
	s.log = append(s.log, got)
	if !slices.Equal(got, want) {
		s.fatal("the planner asks for\n%v, not for\n%v", got, want)
	}
	for _, a := range got {
		if a.Kind == fleet.ActionRestart {
			if problem := s.witness.asks(a.InstanceID); problem != "" {
				s.fatal("restart of %s: %s", a.InstanceID, problem)
			}
		}
	}
	s.compareCounts()
	for _, a := range got {
		s.do(a)
	}
}

// do begins what the planner asks for.
func (s *simulation) do(a fleet.Action) {
	s.reached["action "+string(a.Kind)]++
	if s.ended {
		s.fatal("%v after the end", a)
	}
	switch a.Kind {
	case fleet.ActionRestart, fleet.ActionFollow, fleet.ActionResolve, fleet.ActionUndrain:
		s.underWay = append(s.underWay, a.InstanceID)
	case fleet.ActionApprove:
		s.question = a.Stage
	case fleet.ActionHalt:
		s.next(fleet.Event{Kind: fleet.EventHalt, Reason: a.Reason})
	case fleet.ActionEnd:
		s.reached[string(a.Reason)]++
		if len(s.underWay) > 0 {
			s.fatal("the end, with %v under way", s.underWay)
		}
		s.next(fleet.Event{Kind: fleet.EventEnd, Reason: a.Reason})
		s.ended = true
	}
}

// goOn lets the run make a step towards its end, and reports whether it can.
func (s *simulation) goOn() bool {
	switch {
	case len(s.underWay) > 0:
		s.next(s.happens(s.underWay[0], 0))
	case s.question > 0:
		s.answer(true)
	case len(s.model.paused) > 0:
		for _, reason := range []fleet.Reason{fleet.ReasonUser, fleet.ReasonWindow} {
			s.next(fleet.Event{Kind: fleet.EventContinue, Reason: reason})
		}
	default:
		return false
	}
	return true
}

func (s *simulation) answer(approved bool) {
	stage := s.question
	s.question = 0
	if approved {
		s.next(fleet.Event{Kind: fleet.EventStage, Stage: stage})
		return
	}
	s.next(fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonDisapproved})
}

// happens returns something that may happen to an instance; 0 is what is best.
func (s *simulation) happens(id string, choice int) fleet.Event {
	target := s.model.states[id]
	best := fleet.EventHealthy
	switch {
	case target.kept:
		best = fleet.EventUnsent
	case !target.intended:
		best = fleet.EventIntent
	}
	kinds := []fleet.EventKind{
		best, fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent,
		fleet.EventIntent, fleet.EventIntent, fleet.EventAccepted, fleet.EventAccepted, fleet.EventDoubt, fleet.EventDown, fleet.EventUp,
		fleet.EventAwaiting, fleet.EventAwaiting, fleet.EventHook, fleet.EventHook, fleet.EventHooked, fleet.EventConsole,
	}
	e := fleet.Event{
		Kind: kinds[choice%len(kinds)], InstanceID: id, Attempt: target.attempts + 1, Unavailable: choice >= len(kinds), Reason: fleet.ReasonNotRunning,
	}
	if e.Kind == fleet.EventHook || e.Kind == fleet.EventHooked {
		e.Hook = []fleet.Hook{fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed}[s.upTo(3)]
	}
	if s.denies && choice%2 == 1 && !target.accepted {
		e.Kind = fleet.EventFailed
	}
	if !s.model.legal(e) {
		e.Kind = best
	}
	if e.Kind == fleet.EventHook && e.Hook == fleet.HookDrain {
		s.reached["drained"]++
	}
	if e.Kind == fleet.EventUnsent && s.upTo(2) == 1 {
		e.Reason = fleet.ReasonBlocked
		s.reached["blocked"]++
	}
	if e.Kind == fleet.EventAwaiting {
		e.Running = s.upTo(3) > 0
		s.reached["awaiting"]++
	}
	if e.Kind == fleet.EventFailed && s.upTo(3) == 0 {
		e.Witness = "ActionTrail"
		s.reached["failed, by a witness"]++
	}
	if e.Kind == fleet.EventFailed {
		e.Running = e.Unavailable
		e.Reason = []fleet.Reason{
			fleet.ReasonRefused, fleet.ReasonNotUndrained, fleet.ReasonGone, fleet.ReasonNotListed, fleet.ReasonDenied, fleet.ReasonDenied, fleet.ReasonDenied,
		}[s.upTo(7)]
		if s.denies {
			e.Reason = fleet.ReasonDenied
		}
		e.Alone = e.Reason == fleet.ReasonDenied && s.upTo(4) == 3
		s.reached["failed, "+string(e.Reason)]++
		if e.Running && (!target.sent || e.Witness != "" && target.isUnresolved()) {
			s.reached["failed, and Running"]++
		}
	}
	return e
}
