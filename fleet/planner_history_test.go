package fleet_test

import (
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// step lets something happen.
func (s *simulation) step() {
	switch choice := s.upTo(24); {
	case choice == 23:
		s.crash()
	case choice == 22:
		s.tellNonsense()
	case choice == 21:
		s.compareReplay()
	case choice == 20:
		s.next(fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser})
	case choice >= 18:
		kind := []fleet.EventKind{fleet.EventPause, fleet.EventContinue, fleet.EventPace}[s.upTo(3)]
		s.next(fleet.Event{Kind: kind, Reason: []fleet.Reason{fleet.ReasonUser, fleet.ReasonWindow}[s.upTo(2)]})
	case choice >= 16:
		s.recover()
	case choice >= 14 && s.question > 0:
		s.answer(s.upTo(3) > 0)
	case choice >= 12 && len(s.underWay) > 1:
		one, other := s.underWay[0], s.underWay[1+s.upTo(len(s.underWay)-1)]
		s.next(s.happens(one, s.upTo(32)), s.happens(other, s.upTo(32)))
	case len(s.underWay) > 0:
		s.next(s.happens(s.underWay[s.upTo(len(s.underWay))], s.upTo(32)))
	case !s.goOn():
		s.crash()
	}
}

// recover lets something more be seen of one that failed or is unknown.
func (s *simulation) recover() {
	for _, t := range s.plan.Targets {
		target := s.model.states[t.ID]
		if target.isBroken() && target.intended && s.upTo(2) == 1 {
			s.reached["recovered"]++
			s.next(s.happens(t.ID, s.upTo(32)))
			return
		}
	}
}

// crash ends the session, with or without a loss of what was not yet durable, and
// begins another.
func (s *simulation) crash() {
	s.compareReplay()
	if s.upTo(4) == 3 {
		s.reached["lost tail"]++
		durable := 1 // the run, and whatever came before an intent
		for i, e := range s.history {
			if e.Kind == fleet.EventIntent {
				durable = i + 1
			}
		}
		s.history = s.history[:durable+s.upTo(len(s.history)-durable+1)]
	}
	if s.upTo(3) == 2 {
		s.reached["other rules"]++
		s.rules = s.choices.rules(len(s.plan.Targets))
	}
	s.log = append(s.log, "crash; records that are left, and rules:", len(s.history), s.rules)
	s.begin()
	s.mark()
	resume := fleet.Event{Kind: fleet.EventResume}
	once := s.resumed(s.history)
	again := append(slices.Clone(s.history), resume)
	if twice := s.resumed(again); !slices.Equal(once, twice) {
		s.fatal("resumed once, it asks for\n%v, resumed twice for\n%v", once, twice)
	}
	if s.upTo(3) == 2 {
		s.history = again
	}
	s.begin()
	if s.planner.Unavailable() > s.planner.Width() {
		s.reached["above the width"]++
	}
	batch := []fleet.Event{resume}
	switch s.upTo(8) {
	case 3, 4, 5: // as a session does that may send
		for _, t := range s.plan.Targets {
			if s.model.states[t.ID].mayCome() {
				s.reached["comes again"]++
				batch = append(batch, fleet.Event{Kind: fleet.EventUnsent, InstanceID: t.ID, Reason: fleet.ReasonResumed})
			}
		}
	case 6:
		batch = append(batch, fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonWindow})
	case 7:
		batch = append(batch, fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser})
	}
	s.next(batch...)
}

// mark lets an operator say something about instances, between two sessions.
func (s *simulation) mark() {
	marks := []fleet.Mark{fleet.MarkGone, fleet.MarkRestarted, fleet.MarkNotRestarted}
	for range s.upTo(3) {
		e := fleet.Event{
			Kind: fleet.EventMarked, InstanceID: s.plan.Targets[s.upTo(len(s.plan.Targets))].ID, Mark: marks[s.upTo(len(marks))], Reason: fleet.ReasonGone,
		}
		if s.model.legal(e) {
			s.reached["marked "+string(e.Mark)]++
			s.next(e)
		}
	}
}

func (s *simulation) resumed(history []fleet.Event) []fleet.Action {
	actions, err := s.replayed(history).Next(fleet.Event{Kind: fleet.EventResume})
	if err != nil {
		s.fatal("%v", err)
	}
	return actions
}

// tellNonsense passes impossible events to the planner.
func (s *simulation) tellNonsense() {
	kinds := []fleet.EventKind{
		fleet.EventIntent, fleet.EventHeld, fleet.EventMaintenance, fleet.EventAccepted, fleet.EventDoubt, fleet.EventAwaiting, fleet.EventUnsent, fleet.EventDown, fleet.EventUp, fleet.EventHealthy, fleet.EventFailed,
		fleet.EventUnknown, fleet.EventSkipped, fleet.EventMarked, fleet.EventHook, fleet.EventHooked, fleet.EventConsole, fleet.EventStage, fleet.EventPause, fleet.EventStop, fleet.EventHalt, fleet.EventRun, "nonsense", "",
	}
	e := fleet.Event{Kind: kinds[s.upTo(len(kinds))], Attempt: 1, Stage: s.upTo(4)}
	if e.Kind == fleet.EventHook {
		e.Hook = []fleet.Hook{fleet.HookDrain, fleet.HookFailed}[s.upTo(2)]
	}
	if e.Kind == fleet.EventMarked {
		e.Mark = []fleet.Mark{fleet.MarkGone, fleet.MarkRestarted, fleet.MarkNotRestarted, "nonsense"}[s.upTo(4)]
		e.Reason = []fleet.Reason{"", fleet.ReasonGone}[s.upTo(2)]
	}
	if i := s.upTo(len(s.plan.Targets) + 2); i < len(s.plan.Targets) {
		e.InstanceID = s.plan.Targets[i].ID
	} else if i > len(s.plan.Targets) {
		e.InstanceID = "i-of-another-plan"
	}
	if s.model.legal(e) {
		return
	}
	s.reached["illegal"]++
	if s.upTo(2) == 0 {
		if s.planner.Replay(e) == nil {
			s.fatal("%+v is no error", e)
		}
	} else {
		// What comes before it counts.
		before := fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonUser}
		if actions, err := s.planner.Next(before, e, fleet.Event{Kind: fleet.EventEnd}); err == nil || actions != nil {
			s.fatal("%+v: %v, %v", e, actions, err)
		}
		s.history = append(s.history, before)
		s.witness.sees(before)
		s.model.apply(before)
	}
	s.log = append(s.log, "illegal:", e)
	s.compareCounts()
}

// compareCounts compares all that can be seen of the planner with the model.
func (s *simulation) compareCounts() {
	p, m := s.planner, s.model
	if p.Width() != m.width() || p.Unavailable() != m.down() || p.Unavailable() != len(s.witness.down) || p.Failed() != m.failed() {
		s.fatal("width %d, unavailable %d, failed %d; should be %d, %d, %d", p.Width(), p.Unavailable(), p.Failed(), m.width(), m.down(), m.failed())
	}
	counts := make(map[fleet.State]int)
	for id, target := range m.states {
		counts[target.state]++
		if p.StateOf(id) != target.state || p.Attempts(id) != target.attempts {
			s.fatal("%s is %s after %d attempts; should be %s after %d", id, p.StateOf(id), p.Attempts(id), target.state, target.attempts)
		}
	}
	for _, state := range []fleet.State{
		fleet.StateWaiting, fleet.StateRestarting, fleet.StateHealthy, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
	} {
		if p.Count(state) != counts[state] {
			s.fatal("%d are %s; should be %d", p.Count(state), state, counts[state])
		}
	}
}

// compareReplay compares the planner with one that knows it all from the record.
func (s *simulation) compareReplay() {
	replayed := s.replayed(s.history)
	untold := 0 // whose turn has come, of which nothing is recorded yet
	for _, t := range s.plan.Targets {
		live, recorded := s.planner.StateOf(t.ID), replayed.StateOf(t.ID)
		if live == fleet.StateRestarting && recorded == fleet.StateWaiting && s.witness.asked[t.ID] && !s.witness.told[t.ID] {
			untold++
			continue
		}
		if live != recorded || s.planner.Attempts(t.ID) != replayed.Attempts(t.ID) {
			s.fatal("%s is %s, and %s by its record", t.ID, live, recorded)
		}
	}
	if s.planner.Failed() != replayed.Failed() || s.planner.Unavailable() != replayed.Unavailable()+untold ||
		s.planner.Count(fleet.StateRestarting) != replayed.Count(fleet.StateRestarting)+untold {
		s.fatal("counts: failed %d, unavailable %d; by the record %d, %d and %d more",
			s.planner.Failed(), s.planner.Unavailable(), replayed.Failed(), replayed.Unavailable(), untold)
	}
}
