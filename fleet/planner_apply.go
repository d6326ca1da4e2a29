package fleet

import (
	"cmp"
	"fmt"
)

// Replay takes in an event without asking for anything: one that an earlier
// session has recorded. An event that cannot be is an error, and changes nothing.
func (p *Planner) Replay(e Event) error {
	if e.InstanceID != "" {
		i, ok := p.index[e.InstanceID]
		if !ok {
			return fmt.Errorf("fleet: event %q is of %s, which is not in the plan", e.Kind, e.InstanceID)
		}
		return p.replayTarget(i, e)
	}
	switch e.Kind {
	case EventResume:
		// What made an earlier session stop is judged anew.
		p.stopping, p.ended, p.live = "", false, false
		p.stage.asked = false
		clear(p.paused)
		for i := range p.targets {
			t := &p.targets[i]
			t.looking = false
			t.sent = t.sent || t.state == StateRestarting // nobody saw what became of it
		}
		p.looking = 0
	case EventStage:
		if e.Stage != p.stage.passed+1 {
			return fmt.Errorf("fleet: canary stage %d cannot pass, it is the turn of stage %d", e.Stage, p.stage.passed+1)
		}
		p.stage = stage{passed: e.Stage}
	case EventPause, EventContinue, EventStop, EventHalt:
		return p.replayHold(e)
	case EventEnd:
		p.ended = true
	case EventRun, EventPace:
	default:
		return fmt.Errorf("fleet: event %q is of no instance", e.Kind)
	}
	return nil
}

// replayHold takes in that nothing may be sent, or that it may again. Without a
// reason it would have no effect.
func (p *Planner) replayHold(e Event) error {
	if e.Reason == "" {
		return fmt.Errorf("fleet: event %q has no reason", e.Kind)
	}
	switch e.Kind {
	case EventPause:
		p.paused[e.Reason] = true
	case EventContinue:
		delete(p.paused, e.Reason)
	default:
		p.stopping = cmp.Or(p.stopping, e.Reason)
	}
	return nil
}

func (p *Planner) replayTarget(i int, e Event) error {
	t := &p.targets[i]
	switch from := t.state; {
	case (e.Kind == EventIntent || e.Kind == EventSkipped) && (from == StateWaiting || from == StateRestarting && !t.accepted):
	case e.Kind == EventUnsent && from == StateRestarting && !t.accepted:
	case e.Kind == EventFailed && (from == StateWaiting || from == StateRestarting || from.broken()):
	case e.Kind == EventUnsent && t.mayCome():
	case e.Kind == EventUnsent && from == StateWaiting, e.Kind == EventHeld: // its turn has come, which no event tells
		return nil
	case (e.Kind == EventAccepted || e.Kind == EventDoubt) && from == StateRestarting && t.intended:
	case (e.Kind == EventUnknown || e.Kind == EventHealthy || e.Kind == EventDown || e.Kind == EventUp) &&
		(from == StateRestarting || from.broken()) && t.intended:
	default:
		return fmt.Errorf("fleet: event %q cannot be of %s, which is %s after %d attempts", e.Kind, e.InstanceID, from, t.attempts)
	}
	if t.state == StateWaiting { // an earlier session made it its turn
		p.take(i)
	}
	if t.looking && (e.Kind == EventHealthy || e.Kind == EventFailed || e.Kind == EventUnknown) {
		t.looking = false
		p.looking--
	}
	switch e.Kind {
	case EventIntent:
		t.attempts, t.intended, t.sent = e.Attempt, true, false
	case EventAccepted:
		t.accepted, t.sent = true, true
	case EventDoubt, EventDown:
		t.sent = true
	case EventUnsent:
		t.intended, t.sent = false, false
		if t.broken && t.state == StateFailed { // it was never sent: forgiven
			t.broken = false
			p.spent--
		}
		p.release(t)
		p.become(t, StateWaiting)
		p.occupy(t, false)
		p.requeue(i)
	case EventSkipped:
		p.release(t)
		p.become(t, StateSkipped)
		p.occupy(t, e.Unavailable)
		t.excused = e.Reason == ReasonNotRunning || e.Reason == ReasonLocked
	case EventHealthy:
		p.become(t, StateHealthy)
		p.occupy(t, false)
	case EventUnknown:
		t.sent = true
		p.become(t, StateUnknown)
	case EventFailed:
		p.become(t, StateFailed)
	default: // that it is up changes nothing that is decided here
	}
	return nil
}
