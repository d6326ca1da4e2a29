package fleet_test

import (
	"maps"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// witness knows what may never be asked for, from what was asked for and what
// happened alone.
type witness struct {
	plan     fleet.Plan
	rules    fleet.Rules
	group    map[string]string
	asked    map[string]bool // restarts, since the last one that was not sent
	told     map[string]bool // something happened since then
	down     map[string]bool
	gone     map[string]bool
	sent     map[string]bool // something may have been sent
	accepted map[string]bool
	up       map[string]bool // Running, and a witness is waited for
	healthy  map[string]bool
	failed   map[string]bool // at any time
	unknown  map[string]bool
	stage    map[string]int
	drained  map[string]bool
	again    map[string]bool // drained when the session began, and to be asked for once more
	approved int
	denied   int
	paused   map[fleet.Reason]bool
	stopped  bool
	live     bool
}

func newWitness(plan fleet.Plan, rules fleet.Rules) *witness {
	w := &witness{
		plan: plan, rules: rules, group: make(map[string]string), asked: make(map[string]bool), told: make(map[string]bool),
		down: make(map[string]bool), gone: make(map[string]bool), sent: make(map[string]bool),
		accepted: make(map[string]bool), up: make(map[string]bool), drained: make(map[string]bool), healthy: make(map[string]bool), failed: make(map[string]bool), unknown: make(map[string]bool), stage: make(map[string]int),
		paused: make(map[fleet.Reason]bool),
	}
	for _, t := range plan.Targets {
		w.group[t.ID] = t.Group
	}
	return w
}

// sees takes in what happens.
func (w *witness) sees(e fleet.Event) {
	id := e.InstanceID
	if e.Kind == fleet.EventHeld || e.Kind == fleet.EventMaintenance || e.Kind == fleet.EventHooked || e.Kind == fleet.EventConsole || e.Kind == fleet.EventHook && e.Hook != fleet.HookDrain ||
		e.Kind == fleet.EventAwaiting && (w.unknown[id] || w.failed[id] && !w.healthy[id]) {
		return
	}
	if e.Kind == fleet.EventResume {
		w.again = maps.Clone(w.drained)
		for up := range w.up { // nobody polls it between two sessions
			w.down[up] = true
		}
		clear(w.up)
	}
	if id != "" {
		delete(w.drained, id)
		if e.Kind == fleet.EventHook {
			w.drained[id] = true
		}
	}
	if e.Kind == fleet.EventMarked {
		w.marked(id, e.Mark)
		return
	}
	if id != "" && !w.asked[id] {
		w.turn(id)
	}
	if w.up[id] {
		w.down[id] = true
		delete(w.up, id)
	}
	if w.failed[id] && !w.healthy[id] { // whatever is known of it is known anew
		w.down[id] = true
		delete(w.gone, id)
	}
	switch e.Kind {
	case fleet.EventAwaiting:
		if e.Running {
			w.up[id] = true
			delete(w.down, id)
		}
	case fleet.EventFailed:
		if e.Witness != "" && !w.accepted[id] { // it says that the request did nothing
			w.sent[id] = false
		}
	case fleet.EventIntent, fleet.EventUnsent:
		w.sent[id] = false
		delete(w.accepted, id)
	case fleet.EventAccepted, fleet.EventDoubt, fleet.EventDown, fleet.EventUnknown:
		w.sent[id] = true
	case fleet.EventResume:
		for one := range w.asked {
			if w.down[one] && !w.failed[one] && !w.drained[one] {
				w.sent[one] = true // nobody saw whether it was
			}
		}
	default:
	}
	if id != "" {
		w.told[id] = true
	}
	switch {
	case e.Kind == fleet.EventFailed && e.Reason == fleet.ReasonDenied && !e.Alone:
		w.denied++
	case e.Kind == fleet.EventAccepted, e.Kind == fleet.EventResume:
		w.denied = 0
	}
	if e.Kind == fleet.EventAccepted {
		w.accepted[id] = true
	}
	switch e.Kind {
	case fleet.EventRun, fleet.EventResume:
		w.live, w.stopped = true, false
		clear(w.paused)
	case fleet.EventPause:
		w.paused[e.Reason] = true
	case fleet.EventContinue:
		delete(w.paused, e.Reason)
	case fleet.EventStop, fleet.EventHalt, fleet.EventEnd:
		w.stopped = true
	case fleet.EventStage:
		w.approved = e.Stage
	case fleet.EventUnsent:
		delete(w.asked, id)
		delete(w.told, id)
		delete(w.down, id)
		delete(w.stage, id)
		delete(w.failed, id) // it was never sent, or did not fail
	case fleet.EventSkipped:
		delete(w.stage, id)
		if !e.Unavailable {
			delete(w.down, id)
		}
	case fleet.EventHealthy:
		w.healthy[id] = true
		delete(w.down, id)
		delete(w.unknown, id)
	case fleet.EventFailed:
		w.failed[id] = true
		delete(w.unknown, id)
		w.fails(id, e)
	case fleet.EventUnknown:
		w.unknown[id] = true
	default:
	}
}

// fails takes in what is known of an instance that has failed.
func (w *witness) fails(id string, e fleet.Event) {
	isGone := e.Reason == fleet.ReasonGone || e.Reason == fleet.ReasonNotListed
	if isGone {
		w.gone[id] = true
	}
	if isGone || e.Running && !w.sent[id] && e.Reason != fleet.ReasonNotUndrained {
		delete(w.down, id)
		if !w.sent[id] {
			delete(w.stage, id)
		}
	}
}

// marked takes in an operator's word.
func (w *witness) marked(id string, mark fleet.Mark) {
	for _, known := range []map[string]bool{w.down, w.up, w.gone, w.sent, w.accepted, w.failed, w.unknown, w.asked, w.told} {
		delete(known, id)
	}
	delete(w.stage, id)
	w.gone[id] = mark == fleet.MarkGone
	if !w.gone[id] {
		delete(w.gone, id)
	}
	if mark != fleet.MarkNotRestarted {
		w.asked[id], w.told[id] = true, true // it must not be asked for any more
	}
}

func (w *witness) turn(id string) {
	w.asked[id], w.down[id] = true, true
	if w.approved < len(w.rules.Canary) {
		w.stage[id] = w.approved + 1
	}
}

// asks returns what is wrong with a restart that is asked for, or nothing.
func (w *witness) asks(id string) string {
	if w.again[id] { // its turn goes on
		delete(w.again, id)
		return ""
	}
	inGroup, inStage, broken := 0, 0, len(w.failed)
	for other := range w.down {
		if w.group[other] == w.group[id] {
			inGroup++
		}
	}
	for other := range w.unknown {
		if !w.failed[other] {
			broken++
		}
	}
	for other, stage := range w.stage {
		switch {
		case stage == w.approved+1:
			inStage++
			if w.unknown[other] || w.failed[other] && !w.healthy[other] {
				return "canary " + other + " has failed"
			}
		case w.down[other]:
			return "canary " + other + " of an earlier stage is not healthy"
		}
	}
	size := 0
	for other, group := range w.group {
		if group == w.group[id] && !w.gone[other] {
			size++
		}
	}
	groupWidth := share(w.rules.MaxUnavailablePerGroup, size)
	if w.rules.MaxUnavailablePerGroup.IsZero() {
		groupWidth = share(w.rules.MaxUnavailable, size)
	}
	switch {
	case w.asked[id]:
		return "it was asked for before"
	case !w.live || w.stopped || len(w.paused) > 0:
		return "nothing may be asked for now"
	case len(w.down) >= share(w.rules.MaxUnavailable, len(w.plan.Targets)-len(w.gone)):
		return "too many are down"
	case inGroup >= groupWidth:
		return "too many of its group are down"
	case w.denied >= 3:
		return "three in a row were denied"
	case broken > w.rules.MaxFailed.Of(len(w.plan.Targets)):
		return "too many have failed"
	case w.approved < len(w.rules.Canary) && inStage >= w.rules.Canary[w.approved]:
		return "the stage has all its canaries"
	}
	w.turn(id)
	return ""
}
