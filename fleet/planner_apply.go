package fleet

import (
	"cmp"
	"fmt"
)

// Replay applies an event that an earlier session has recorded, and returns no
// actions. It returns an error for an invalid event, which changes nothing.
func (p *Planner) Replay(e Event) error { return p.replay(&e) }

// replay is Replay with a pointer, because an Event is large. It keeps no part of the event.
func (p *Planner) replay(e *Event) error {
	if e.InstanceID != "" {
		i, ok := p.index[e.InstanceID]
		if !ok {
			return fmt.Errorf("fleet: event %q is of %s, which is not in the plan", e.Kind, e.InstanceID)
		}
		if e.Before != nil && e.Before.InstanceID != e.InstanceID {
			return fmt.Errorf("fleet: event %q of %s has the baseline of %q", e.Kind, e.InstanceID, e.Before.InstanceID)
		}
		return p.replayTarget(i, e)
	}
	switch e.Kind {
	case EventResume:
		p.replayResume()
	case EventStage:
		if e.Stage != p.stage.passed+1 {
			return fmt.Errorf("fleet: canary stage %d cannot pass, it is the turn of stage %d", e.Stage, p.stage.passed+1)
		}
		p.stage = stage{passed: e.Stage}
	case EventPause, EventContinue, EventStop, EventHalt:
		return p.replayHold(e)
	case EventEnd:
		p.ended = true
	case EventRun, EventPace, EventMaintenance:
	default:
		return fmt.Errorf("fleet: event %q is of no instance", e.Kind)
	}
	return nil
}

// replayResume judges anew what made an earlier session stop.
func (p *Planner) replayResume() {
	p.stopping, p.ended, p.live, p.denied = "", false, false, 0
	p.stage.asked = false
	clear(p.paused)
	for i := range p.targets {
		p.look(i, false)
		p.move(i, p.targets[i].state.resumed())
	}
}

// replayHold takes in that nothing may be sent, or that it may again. Without a
// reason it would have no effect.
func (p *Planner) replayHold(e *Event) error {
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

func (p *Planner) replayTarget(i int, e *Event) error {
	t := &p.targets[i]
	next, ok := t.state.after(e)
	switch {
	case !ok:
		return fmt.Errorf("fleet: event %q cannot be of %s, which is %s after %d attempts", e.Kind, e.InstanceID, t.state.public(), t.attempts)
	case e.Kind == EventMarked && e.Reason == "":
		return fmt.Errorf("fleet: event %q of %s has no reason", e.Kind, e.InstanceID)
	case isNote(e):
		return nil
	case next == waiting && t.state == waiting: // its turn had come, for which there is no event
		if e.Reason == ReasonBlocked {
			p.putLast(i)
			p.queue(i)
		}
		return nil
	case t.state == waiting && e.Kind != EventMarked: // an earlier session made it its turn
		p.take(i)
	}
	switch e.Kind {
	case EventIntent:
		t.attempts = e.Attempt
	case EventAccepted:
		p.denied = 0
	case EventFailed:
		p.look(i, false)
		p.denied += b2i(e.Reason == ReasonDenied && !e.Alone)
		if factsOf[next].spares {
			p.release(t)
		}
	case EventHealthy, EventUnknown:
		p.look(i, false)
	case EventMarked:
		p.look(i, false)
		p.release(t)
	case EventUnsent:
		if e.Reason == ReasonBlocked {
			p.putLast(i)
		}
		p.look(i, false)
		p.release(t)
	case EventSkipped:
		p.release(t)
	default:
	}
	p.move(i, next)
	if e.Kind == EventMarked && t.failed { // an operator has judged it
		t.failed = false
		p.spent--
	}
	return nil
}

// take makes it a waiting target's turn.
func (p *Planner) take(i int) {
	p.move(i, chosen)
	if _, canary := p.canary(); canary {
		p.targets[i].stage = p.stage.passed + 1
		p.stage.started++
	}
}

// release makes a target leave its canary stage: it was not restarted, or an operator
// has marked it.
func (p *Planner) release(t *target) {
	if p.inStage(t) {
		p.stage.started--
		p.stage.healthy -= b2i(t.state == healthy)
		p.stage.broken -= b2i(t.state.public().broken())
	}
	t.stage = 0
}

func (p *Planner) inStage(t *target) bool { return t.stage == p.stage.passed+1 }

// look records whether a target, failed or unknown, is looked at once more.
func (p *Planner) look(i int, looking bool) {
	t := &p.targets[i]
	p.looking += b2i(looking) - b2i(t.looking)
	t.looking = looking
}

// move puts a target into a state, and keeps all counts.
func (p *Planner) move(i int, next targetState) {
	t := &p.targets[i]
	if next == t.state {
		return
	}
	before, after, spent := &factsOf[t.state], &factsOf[next], t.isSpent()
	p.counts[t.state]--
	p.counts[next]++
	t.state = next
	switch {
	case after.public == StateFailed:
		t.failed = true
	case before.public == StateFailed && next == waiting: // it was never sent: forgiven
		t.failed = false
	}
	p.spent += b2i(t.isSpent()) - b2i(spent)
	p.restarting += b2i(after.public == StateRestarting) - b2i(before.public == StateRestarting)
	if p.inStage(t) {
		p.stage.healthy += b2i(after.public == StateHealthy) - b2i(before.public == StateHealthy)
		p.stage.broken += b2i(after.public.broken()) - b2i(before.public.broken())
	}
	g := &p.groups[t.group]
	change := b2i(after.down) - b2i(before.down)
	p.down += change
	g.down += change
	if left := b2i(after.gone) - b2i(before.gone); left != 0 {
		p.gone += left
		p.width = width(p.rules.MaxUnavailable, len(p.targets)-p.gone)
		g.gone += left
		g.width = p.rules.groupWidth(g.size - g.gone)
	}
	p.queue(i)
}

// isSpent reports whether a target counts against MaxFailed.
func (t *target) isSpent() bool { return t.failed || t.state.public() == StateUnknown }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
