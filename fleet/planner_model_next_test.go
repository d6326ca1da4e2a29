package fleet_test

import (
	"cmp"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// next takes in legal events and returns what a planner has to ask for after them.
func (m *model) next(events ...fleet.Event) (actions []fleet.Action) {
	for _, e := range events {
		m.apply(e)
		m.live = m.live || e.Kind == fleet.EventRun || e.Kind == fleet.EventResume
		if e.Kind == fleet.EventResume {
			actions = m.unfinished()
		}
	}
	if !m.live || m.ended {
		return actions
	}
	if m.stopping == "" {
		actions = append(actions, m.start()...)
	}
	if m.in(fleet.StateRestarting) == 0 && m.looking() == 0 && (m.stopping != "" || m.in(fleet.StateWaiting) == 0) {
		m.ended = true
		reason := cmp.Or(m.stopping, fleet.ReasonDone)
		if m.in(fleet.StateWaiting) == 0 && reason != fleet.ReasonAccess && reason != fleet.ReasonJournal {
			reason = fleet.ReasonDone // nobody was left
		}
		actions = append(actions, fleet.Action{Kind: fleet.ActionEnd, Reason: reason})
	}
	return actions
}

func (m *model) unfinished() (actions []fleet.Action) {
	for _, t := range m.plan.Targets {
		s := m.states[t.ID]
		s.looking = s.state == fleet.StateUnknown || s.state == fleet.StateFailed && s.sent || s.kept
		switch {
		case s.state != fleet.StateRestarting && !s.looking:
		case s.kept:
			actions = append(actions, fleet.Action{Kind: fleet.ActionUndrain, InstanceID: t.ID})
		case s.drained:
			actions = append(actions, fleet.Action{Kind: fleet.ActionRestart, InstanceID: t.ID})
		case s.accepted:
			actions = append(actions, fleet.Action{Kind: fleet.ActionFollow, InstanceID: t.ID})
		default:
			actions = append(actions, fleet.Action{Kind: fleet.ActionResolve, InstanceID: t.ID})
		}
	}
	return actions
}

func (m *model) start() (actions []fleet.Action) {
	reason := m.overspent()
	if reason == "" && len(m.paused) == 0 {
		for id := m.first(); id != ""; id = m.first() {
			m.take(m.states[id])
			actions = append(actions, fleet.Action{Kind: fleet.ActionRestart, InstanceID: id})
		}
		passed := m.passed < len(m.rules.Canary) && m.started() >= m.rules.Canary[m.passed] && m.healthy() == m.started()
		switch {
		case m.in(fleet.StateWaiting) == 0:
		case passed && !m.asked:
			m.asked = true
			actions = append(actions, fleet.Action{Kind: fleet.ActionApprove, Stage: m.passed + 1})
		case !passed && m.in(fleet.StateRestarting) == 0 && m.looking() == 0:
			reason = fleet.ReasonWidth
		}
	}
	if reason != "" && m.looking() == 0 {
		m.stopping = reason
		actions = append(actions, fleet.Action{Kind: fleet.ActionHalt, Reason: reason})
	}
	return actions
}

func (m *model) overspent() fleet.Reason {
	broken := m.count(func(_ fleet.Target, s *modelTarget) bool { return s.stage == m.passed+1 && s.isBroken() })
	switch {
	case m.denied > 2:
		return fleet.ReasonAccess
	case m.failed() > m.rules.MaxFailed.Of(len(m.plan.Targets)):
		return fleet.ReasonBudget
	case broken > 0 && m.passed < len(m.rules.Canary):
		return fleet.ReasonCanary
	}
	return ""
}

func (m *model) started() int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool { return s.stage == m.passed+1 })
}

func (m *model) healthy() int {
	return m.count(func(_ fleet.Target, s *modelTarget) bool {
		return s.stage == m.passed+1 && s.state == fleet.StateHealthy
	})
}

// first returns whose turn it is now; empty if it is nobody's.
func (m *model) first() string {
	if m.down() >= m.width() || m.passed < len(m.rules.Canary) && m.started() >= m.rules.Canary[m.passed] {
		return ""
	}
	down := make(map[string]int)
	for i, t := range m.plan.Targets {
		if m.targets[i].isDown() {
			down[t.Group]++
		}
	}
	first := ""
	for i, t := range m.plan.Targets {
		s := m.targets[i]
		if s.state == fleet.StateWaiting && down[t.Group] < m.groupWidth(t.Group) && (first == "" || s.last < m.states[first].last) {
			first = t.ID
		}
	}
	return first
}
