package fleet_test

import (
	"cmp"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// model decides as a planner must, but keeps no counts, heaps or indices: it looks
// at every target each time. What it says a planner has to ask for.
type model struct {
	plan     fleet.Plan
	rules    fleet.Rules
	states   map[string]*modelTarget
	targets  []*modelTarget // in the order of the plan
	passed   int
	asked    bool
	denied   int // in a row
	blocked  int // how often a target gave its turn back
	paused   map[fleet.Reason]bool
	stopping fleet.Reason
	live     bool
	ended    bool
}

type modelTarget struct {
	state                                            fleet.State
	attempts, stage                                  int
	intended, accepted, sent, hasFailed, unavailable bool
	looking, excused, running, gone, drained, kept   bool // kept: out of service, and not restarted
	up                                               bool // last seen Running, and a witness is waited for
	last                                             int  // when it gave its turn back
}

func newModel(plan fleet.Plan, rules fleet.Rules) *model {
	m := &model{plan: plan, rules: rules, states: make(map[string]*modelTarget), paused: make(map[fleet.Reason]bool)}
	for _, t := range plan.Targets {
		target := &modelTarget{state: fleet.StateWaiting}
		m.states[t.ID] = target
		m.targets = append(m.targets, target)
	}
	return m
}

// count counts the targets of which that is so.
func (m *model) count(is func(fleet.Target, *modelTarget) bool) int {
	n := 0
	for i, t := range m.plan.Targets {
		if is(t, m.targets[i]) {
			n++
		}
	}
	return n
}

func (m *model) in(states ...fleet.State) int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool { return slices.Contains(states, s.state) })
}

func (s *modelTarget) isBroken() bool {
	return s.state == fleet.StateFailed || s.state == fleet.StateUnknown
}

// isSpared reports whether it failed and is not unavailable, as nothing was sent.
func (s *modelTarget) isSpared() bool {
	return s.state == fleet.StateFailed && !s.sent && (s.running || s.gone)
}

// mayCome reports whether nothing was sent, and another session may try again.
func (s *modelTarget) mayCome() bool {
	return s.state == fleet.StateSkipped && s.excused || s.state == fleet.StateFailed && !s.sent && !s.kept
}

func (s *modelTarget) isDown() bool {
	return s.state == fleet.StateRestarting && !s.up || s.isBroken() && !s.isSpared() && !s.gone || s.state == fleet.StateSkipped && s.unavailable
}

func (m *model) down() int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool { return s.isDown() })
}

func (m *model) failed() int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool { return s.hasFailed || s.state == fleet.StateUnknown })
}

func (m *model) looking() int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool { return s.looking })
}

// share is what a limit of MaxUnavailable amounts to.
func share(limit fleet.Limit, n int) int {
	switch {
	case !limit.IsZero():
		return max(min(limit.Of(n), n), 1)
	case n < 20:
		return 1
	}
	return max(n*2/100, 1)
}

func (m *model) width() int {
	return share(m.rules.MaxUnavailable, m.count(func(_ fleet.Target, s *modelTarget) bool { return !s.gone }))
}

func (m *model) groupWidth(group string) int {
	n := m.count(func(t fleet.Target, s *modelTarget) bool { return t.Group == group && !s.gone })
	switch limit := m.rules.MaxUnavailablePerGroup; {
	case !limit.IsZero():
		return share(limit, n)
	case m.rules.AllowWide:
		return share(m.rules.MaxUnavailable, n)
	}
	return min(share(m.rules.MaxUnavailable, n), max(n/4, 1))
}

// legal reports whether an event can be.
func (m *model) legal(e fleet.Event) bool {
	if e.InstanceID == "" {
		switch e.Kind {
		case fleet.EventStage:
			return e.Stage == m.passed+1
		case fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt:
			return e.Reason != ""
		default:
			return slices.Contains([]fleet.EventKind{fleet.EventRun, fleet.EventResume, fleet.EventPace, fleet.EventMaintenance, fleet.EventEnd}, e.Kind)
		}
	}
	s := m.states[e.InstanceID]
	if s == nil {
		return false
	}
	if e.Kind == fleet.EventMarked {
		return e.Reason != "" && s.mayBeMarked(e.Mark)
	}
	if e.Kind == fleet.EventHook && e.Hook == fleet.HookDrain {
		return s.state == fleet.StateWaiting || s.state == fleet.StateRestarting && !s.intended && !s.sent
	}
	could := []fleet.EventKind{fleet.EventHeld, fleet.EventMaintenance, fleet.EventHook, fleet.EventHooked, fleet.EventConsole}
	if s.mayCome() || s.kept {
		could = append(could, fleet.EventUnsent)
	}
	if s.state == fleet.StateRestarting || s.isBroken() {
		could = append(could, fleet.EventFailed)
	}
	if s.state == fleet.StateWaiting {
		could = append(could, fleet.EventIntent, fleet.EventSkipped, fleet.EventFailed, fleet.EventUnsent)
	}
	if s.state == fleet.StateRestarting && !s.accepted {
		could = append(could, fleet.EventIntent, fleet.EventUnsent, fleet.EventSkipped)
	}
	if s.isUnresolved() {
		could = append(could, fleet.EventAwaiting, fleet.EventAccepted)
	}
	if s.state == fleet.StateRestarting && s.intended {
		could = append(could, fleet.EventAccepted, fleet.EventDoubt)
	}
	if (s.state == fleet.StateRestarting || s.isBroken()) && s.intended && !s.kept {
		could = append(could, fleet.EventDown, fleet.EventUp, fleet.EventHealthy, fleet.EventUnknown)
	}
	return slices.Contains(could, e.Kind)
}

// isUnresolved reports whether a request may have been sent and its outcome is not known.
func (s *modelTarget) isUnresolved() bool {
	return (s.state == fleet.StateRestarting || s.isBroken()) && s.sent && !s.accepted
}

func (s *modelTarget) mayBeMarked(mark fleet.Mark) bool {
	switch mark {
	case fleet.MarkGone:
		return true
	case fleet.MarkRestarted:
		return s.state != fleet.StateHealthy
	case fleet.MarkNotRestarted:
		return (s.state == fleet.StateRestarting || s.isBroken()) && !s.accepted
	}
	return false
}

// apply takes in a legal event.
func (m *model) apply(e fleet.Event) {
	switch e.Kind {
	case fleet.EventResume:
		m.stopping, m.ended, m.live, m.asked, m.denied = "", false, false, false, 0
		clear(m.paused)
		for _, s := range m.states {
			s.looking, s.up = false, false
			s.sent = s.sent || s.state == fleet.StateRestarting && !s.drained
		}
	case fleet.EventStage:
		m.passed, m.asked = e.Stage, false
	case fleet.EventPause:
		m.paused[e.Reason] = true
	case fleet.EventContinue:
		delete(m.paused, e.Reason)
	case fleet.EventStop, fleet.EventHalt:
		m.stopping = cmp.Or(m.stopping, e.Reason)
	case fleet.EventEnd:
		m.ended = true
	default:
	}
	if e.InstanceID != "" {
		m.applyTarget(m.states[e.InstanceID], e)
	}
}

func (m *model) applyTarget(s *modelTarget, e fleet.Event) {
	if e.Kind == fleet.EventUnsent && e.Reason == fleet.ReasonBlocked {
		m.blocked++
		s.last = m.blocked
	}
	switch {
	case s.state == fleet.StateWaiting && e.Kind == fleet.EventUnsent, e.Kind == fleet.EventHeld, e.Kind == fleet.EventMaintenance, e.Kind == fleet.EventHooked, e.Kind == fleet.EventConsole,
		e.Kind == fleet.EventHook && e.Hook != fleet.HookDrain, e.Kind == fleet.EventAwaiting && s.isBroken():
		return // there is no event for its turn
	case s.state == fleet.StateWaiting && e.Kind != fleet.EventMarked:
		m.take(s)
	}
	if e.Kind == fleet.EventFailed && e.Witness != "" && s.isUnresolved() {
		s.sent = false
	}
	s.up = e.Kind == fleet.EventAwaiting && e.Running
	switch e.Kind {
	case fleet.EventIntent:
		s.attempts, s.intended, s.accepted, s.sent = e.Attempt, true, false, false
	case fleet.EventAccepted:
		s.accepted, s.sent = true, true
		m.denied = 0
	case fleet.EventDoubt, fleet.EventDown:
		s.sent = true
	case fleet.EventUnsent:
		s.hasFailed = s.hasFailed && s.state != fleet.StateFailed
		s.state, s.stage, s.intended, s.sent, s.looking = fleet.StateWaiting, 0, false, false, false
	case fleet.EventSkipped:
		s.state, s.stage, s.unavailable = fleet.StateSkipped, 0, e.Unavailable
		s.excused = e.Reason == fleet.ReasonNotRunning || e.Reason == fleet.ReasonLocked
	case fleet.EventHealthy:
		s.state, s.looking = fleet.StateHealthy, false
	case fleet.EventFailed:
		s.state, s.looking, s.hasFailed = fleet.StateFailed, false, true
		if e.Reason == fleet.ReasonDenied && !e.Alone {
			m.denied++
		}
	case fleet.EventUnknown:
		s.state, s.looking, s.sent = fleet.StateUnknown, false, true
	case fleet.EventMarked:
		s.stage, s.looking, s.hasFailed, s.unavailable, s.excused = 0, false, false, false, false
		s.state = fleet.StateSkipped
		if e.Mark == fleet.MarkNotRestarted {
			s.state, s.intended, s.sent = fleet.StateWaiting, false, false
		}
	default:
	}
	s.drained = e.Kind == fleet.EventHook
	s.intended = s.intended && !s.kept // an earlier attempt's
	s.kept = e.Kind == fleet.EventFailed && e.Reason == fleet.ReasonNotUndrained && !s.sent
	s.gone = e.Kind == fleet.EventFailed && (e.Reason == fleet.ReasonGone || e.Reason == fleet.ReasonNotListed) || e.Mark == fleet.MarkGone
	s.running = e.Kind == fleet.EventFailed && e.Running && !s.kept
	if s.isSpared() {
		s.stage = 0
	}
}

func (m *model) take(s *modelTarget) {
	s.state = fleet.StateRestarting
	if m.passed < len(m.rules.Canary) {
		s.stage = m.passed + 1
	}
}
