package fleet_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// wrong is a variant of the rules that must be found to be wrong.
type wrong uint8

const (
	right              wrong = iota
	sendsBeforeSync          // the request leaves before its intent is durable
	sendsAgain               // a resumed run sends the request of an intent that has no end
	forgetsAnswers           // a resumed run does not read that the service accepted
	noLock                   // a journal that is in use can be opened
	forgetsStop              // a resumed run does not ask whether it was stopped
	ignoresStopAtSend        // nothing is checked once the intent is recorded
	unknownIsDone            // a restart that nothing shows is reported as healthy
	endsEarly                // a session ends when all is sent
	tornIsWhole              // a torn last line counts as a whole one
	tornStays                // a torn last line is not cut off
	widthTwice               // a lost response frees the place at once, for another machine
	resumesDifferently       // a run that is resumed for a second time takes for unsent what has no end
	hearsOn                  // a session whose context has ended gives what was called off another turn
	staysSilent              // nobody reports that a response was lost
)

// bounds are those of a search.
type bounds struct {
	machines, drivers int
	width             int
	faults            int // that the service and the network have for each machine
	allFaults         int // likewise for all machines together; 0: no further limit
	stops             int
	interrupts        bool // contexts of drivers may end
	witness           bool
	canary            []int
	pending           int // records that a session may have pending before it counts as endless; 0: 60
	wrong             wrong
	full              bool // nothing is reduced by symmetry
}

func (b bounds) String() string {
	text := fmt.Sprintf("%d machines, %d drivers, width %d, %d faults each", b.machines, b.drivers, b.width, b.faults)
	if b.allFaults > 0 {
		text += fmt.Sprintf(" and %d in all", b.allFaults)
	}
	text += fmt.Sprintf(", %d stops", b.stops)
	if b.interrupts {
		text += ", interrupts"
	}
	if b.witness {
		text += ", a witness"
	}
	if b.canary != nil {
		text += ", canaries"
	}
	return text
}

// checker makes the steps of the worlds within the bounds.
type checker struct {
	bounds
	all      *plannings
	anyOrder bool // all turns come at once
	noLock   bool
	disk     *journals
	scratch  world
	buffers  encodeBuffers
}

// init returns the first world: there is no journal, and nobody runs.
func (c *checker) init() world {
	rules := fleet.Rules{MaxUnavailable: fleet.Count(c.width), MaxFailed: fleet.Count(c.machines), AllowWide: true, Canary: []int{}}
	if c.canary != nil {
		rules.Canary = c.canary
	}
	c.all = newPlannings(c.machines, rules)
	c.anyOrder = c.width == c.machines && c.canary == nil
	c.noLock = c.wrong == noLock
	c.disk = newJournals(c.all)
	return c.initAgain()
}

// initAgain is init without forgetting what is known of the planner.
func (c *checker) initAgain() world {
	w := world{lock: unlocked, stopsLeft: int8(c.stops), replayed: c.all.first(), faultsLeft: int8(c.faults * c.machines)}
	if c.allFaults > 0 {
		w.faultsLeft = int8(c.allFaults)
	}
	for i := range c.machines {
		w.machines[i].faults = int8(c.faults)
	}
	return w
}

// take mirrors session.take: it tells events, gives them to the planner and does what the
// planner asks for.
func (c *checker) take(w *world, d int, st *checkedStep, events ...note) {
	s := &w.drivers[d]
	for len(events) > 0 {
		for _, n := range events {
			c.tell(w, st, n)
		}
		after := s.plan.after(s.over, events...)
		if after.err != nil {
			w.breaks(plannerAgrees, "%v", after.err)
			return
		}
		if s.plan.held == "" && after.next.held != "" {
			w.excuse(d)
		}
		s.plan = after.next
		events = nil
		for _, a := range after.actions {
			events = append(events, c.act(w, d, a)...)
		}
	}
}

// tell mirrors session.tell and recorder.write: the journal has an intent, and the
// beginning of the run, already.
func (c *checker) tell(w *world, st *checkedStep, n note) {
	st.told = append(st.told, n)
	if n.kind != fleet.EventRun && n.kind != fleet.EventIntent {
		w.pending = addNotes(w.pending, n)
	}
	if most := cmp.Or(c.pending, 60); len(w.pending) > most {
		w.breaks(sessionEnds, "%d events are told, and no intent is among them", most)
	}
	if n.kind == fleet.EventHealthy && w.machines[n.of].restarts == 0 {
		w.breaks(noClaim, "%s is reported as healthy and was never restarted", machineID(int(n.of)))
	}
}

// act mirrors session.act.
func (c *checker) act(w *world, d int, a fleet.Action) []note {
	switch a.Kind {
	case fleet.ActionHalt:
		return []note{{kind: fleet.EventHalt, of: ofRun, reason: a.Reason}}
	case fleet.ActionApprove: // Options.Approve is nil
		return []note{{kind: fleet.EventStage, of: ofRun, attempt: uint8(a.Stage)}}
	case fleet.ActionEnd:
		return nil
	default:
	}
	s := &w.drivers[d]
	i := slices.IndexFunc(c.all.plan.Targets, func(t fleet.Target) bool { return t.ID == a.InstanceID })
	k := worker{phase: started, attempt: s.plan.attempts[i]}
	switch {
	case a.Kind == fleet.ActionFollow:
		k.phase, k.earlier, k.down = following, true, w.machines[i].downSeen
	case a.Kind == fleet.ActionResolve && c.wrong == sendsAgain:
		k.phase = cleared
	case a.Kind == fleet.ActionResolve:
		k.phase, k.earlier, k.down = resolving, true, w.machines[i].downSeen
	}
	if s.workers[i].phase != idle && s.workers[i].phase != watching {
		w.breaks(everyEnd, "%s is %s when another worker begins", machineID(i), s.workers[i].phase)
	}
	s.workers[i] = k
	return nil
}

// excuse lets those requests leave that passed their last check before a stop: it is too
// late to hold them back.
func (w *world) excuse(d int) {
	for i := range w.drivers[d].workers {
		if k := &w.drivers[d].workers[i]; k.phase == cleared {
			k.excused = true
		}
	}
}

// held mirrors session.held.
func (c *checker) held(w *world, d int) []note {
	if c.heedsStop(w, d) && w.drivers[d].plan.stopped == "" {
		return []note{{kind: fleet.EventStop, of: ofRun, reason: fleet.ReasonUser}}
	}
	return nil
}

func (c *checker) heedsStop(w *world, d int) bool {
	return w.stop && (c.wrong != forgetsStop || !w.drivers[d].resumed)
}

// withheld mirrors session.withheld: the brake has what the planner said last.
func (c *checker) withheld(w *world, d int) fleet.Reason {
	switch held := w.drivers[d].plan.held; {
	case held != "":
		return held
	case c.heedsStop(w, d):
		return fleet.ReasonUser
	}
	return ""
}

// steps calls yield with each step that may come next, and where it leads.
func (c *checker) steps(w *world, yield func(checkedStep, *world)) {
	next := func(st checkedStep, change func(w *world, st *checkedStep)) {
		c.scratch = *w // which the consumer copies if it is new
		after := &c.scratch
		change(after, &st)
		for i := range after.machines {
			if after.machines[i].restarts > 1 {
				after.breaks(noSecond, "%s is restarted twice", machineID(i))
			}
		}
		down := 0
		for i := range after.machines {
			down += toInt(after.machines[i].down)
		}
		if down > c.width {
			after.breaks(width, "%d machines are down, and there may be %d", down, c.width)
		}
		yield(st, after)
	}
	for i := range c.machines {
		c.serviceSteps(w, i, next)
	}
	active := false
	for d := range c.drivers {
		s := &w.drivers[d]
		active = active || s.phase != off
		c.sessionSteps(w, d, next)
		if s.phase == running || s.phase == leaving {
			for i := range c.machines {
				c.workerSteps(w, d, i, next)
			}
		}
		if s.phase != off && s.phase != loaded {
			c.crashSteps(w, d, next)
		}
	}
	switch {
	case active && !w.stop && w.stopsLeft > 0:
		next(checkedStep{what: "Control.Stop is called", driver: -1, machine: -1, n: -1, stops: true, optional: true}, func(w *world, _ *checkedStep) {
			w.stop, w.stopsLeft = true, w.stopsLeft-1
			for d := range c.drivers {
				w.excuse(d)
			}
		})
		for d := range c.drivers { // the lock leaves one of them at most
			if c.mayHear(&w.drivers[d]) {
				next(checkedStep{what: "Control.Stop is called between session.held and session.take", driver: int8(d), machine: -1, n: -1, stops: true, optional: true}, func(w *world, _ *checkedStep) {
					w.stop, w.stopsLeft, w.drivers[d].missed = true, w.stopsLeft-1, true
					w.excuse(d)
				})
			}
		}
	case !active && w.stop:
		next(checkedStep{what: "the operator lifts the stop", driver: -1, machine: -1, n: -1, optional: true}, func(w *world, _ *checkedStep) { w.stop = false })
	}
}

func toInt(is bool) int {
	if is {
		return 1
	}
	return 0
}

// stepping is where steps are given to.
type stepping func(st checkedStep, change func(w *world, st *checkedStep))

// sessionSteps mirrors Run, Resume, Resolve and session.run.
func (c *checker) sessionSteps(w *world, d int, next stepping) {
	s := &w.drivers[d]
	of := func(what string) checkedStep { return checkedStep{what: what, driver: int8(d), machine: -1, n: -1} }
	begins := func(what string) checkedStep { st := of(what); st.optional = true; return st }
	switch s.phase {
	case off:
		if w.durable != nil {
			next(begins("Resume reads the journal"), func(w *world, _ *checkedStep) {
				w.drivers[d] = checkedDriver{phase: loaded, loaded: w.records()}
			})
		} else if w.lock == unlocked && len(w.pending) == 0 && w.torn.kind == "" && !w.stop {
			next(begins("Run creates the journal"), func(w *world, _ *checkedStep) {
				w.drivers[d] = checkedDriver{phase: creating, plan: c.all.first()}
				w.lock = int8(d)
				w.pending = []note{{kind: fleet.EventRun, of: ofRun}}
			})
		}
	case loaded:
		next(of("Resume opens the journal"), func(w *world, st *checkedStep) { c.open(w, d, st) })
	case creating:
		{
			next(of("Run has the journal durable, and begins"), func(w *world, st *checkedStep) {
				w.flush(len(w.pending))
				w.drivers[d].phase = running
				c.take(w, d, st, append([]note{{kind: fleet.EventRun, of: ofRun}}, c.held(w, d)...)...)
			})
		}
	case running, leaving:
		if c.mayHear(s) { // session.hear
			next(of("hears"), func(w *world, st *checkedStep) {
				s := &w.drivers[d]
				n, held := s.mailbox[0], c.held(w, d)
				if s.missed {
					held = nil
				}
				s.mailbox, s.batch, s.missed = s.mailbox[1:], max(0, s.batch-1), false
				c.take(w, d, st, append(held, n)...)
			})
		}
		c.endSteps(w, d, of, next)
	case closing:
		next(of("closes the journal"), func(w *world, _ *checkedStep) {
			w.flush(len(w.pending))
			w.drivers[d], w.lock = checkedDriver{}, unlocked
		})
	}
}

// mayHear reports whether session.hear may take the next report of a worker.
func (c *checker) mayHear(s *checkedDriver) bool {
	return (s.phase == running || s.phase == leaving) && len(s.mailbox) > 0 &&
		(!s.ended || s.phase == leaving || s.batch > 0 || c.wrong == hearsOn)
}

// endSteps are how session.run leaves its loop, and what comes after it.
func (c *checker) endSteps(w *world, d int, of func(string) checkedStep, next stepping) {
	s := &w.drivers[d]
	busy, following := 0, 0
	for i := range s.workers {
		switch s.workers[i].phase {
		case idle:
		case watching:
			following++
		default:
			busy++
		}
	}
	over := s.plan.over || c.wrong == endsEarly && s.plan.stopped != "" && busy == 0
	if c.wrong == endsEarly {
		over = over || c.allSent(s)
	}
	if s.missed { // it is about to take a report; only its context may end before that
		if s.phase == running && c.interrupts && !s.ended && !over {
			c.interruptStep(d, of, next)
		}
		return
	}
	if s.phase == running && c.heedsStop(w, d) && s.plan.stopped == "" && !s.plan.over {
		next(of("notices the stop"), func(w *world, st *checkedStep) { c.take(w, d, st, c.held(w, d)...) })
	}
	switch {
	case s.phase == running && s.ended:
		next(of("notices that its context has ended"), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			s.over, s.phase, s.batch = true, leaving, 0
		})
	case s.phase == running && c.interrupts && !over:
		c.interruptStep(d, of, next)
	case s.phase == leaving && busy+following == 0 && len(s.mailbox) == 0:
		next(of("ends"), func(w *world, st *checkedStep) {
			s := &w.drivers[d]
			end := note{kind: fleet.EventEnd, of: ofRun, reason: s.plan.ending}
			if s.over {
				end.reason = fleet.ReasonInterrupted
			}
			for i, state := range s.plan.states {
				if state == fleet.StateRestarting && !s.over {
					w.breaks(everyEnd, "the session ends, and its report has %s as %s", machineID(i), state)
				}
			}
			c.take(w, d, st, end)
			s.phase = closing
		})
	}
	if s.phase == running && over {
		next(of("calls off who still polls"), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			s.phase = leaving
			for i := range s.workers {
				if phase := s.workers[i].phase; phase != idle && phase != watching && c.wrong == right {
					w.breaks(everyEnd, "the run is over, and %s is %s", machineID(i), phase)
				}
				s.workers[i] = worker{}
			}
		})
	}
}

func (c *checker) interruptStep(d int, of func(string) checkedStep, next stepping) {
	st := of("its context ends")
	st.optional = true
	next(st, func(w *world, _ *checkedStep) {
		s := &w.drivers[d]
		s.ended, s.batch = true, int8(len(s.mailbox))
	})
}

// allSent is when a session ends early.
func (c *checker) allSent(s *checkedDriver) bool {
	for i := range c.machines {
		if phase := s.workers[i].phase; s.plan.states[i] == fleet.StateWaiting || phase != idle && phase < following {
			return false
		}
	}
	return true
}

// open mirrors resume after its first reading, with reopen, replay and checkResume.
func (c *checker) open(w *world, d int, st *checkedStep) {
	s := &w.drivers[d]
	if w.lock != unlocked && !c.noLock {
		st.what += ": it is in use"
		*s = checkedDriver{}
		return
	}
	torn := w.torn
	w.torn = note{}
	c.disk.compare(w, torn)
	switch {
	case torn.kind == "":
	case c.wrong == tornStays:
		w.durable = &entry{before: w.durable, note: torn, torn: true, n: w.records()}
	case c.wrong == tornIsWhole:
		w.pending = []note{torn}
		w.flush(1)
		w.durable.torn = true
		c.disk.compare(w, note{})
	}
	if w.broken != "" {
		return
	}
	if s.loaded != w.records() {
		st.what += ": another session has just resumed the run"
		*s = checkedDriver{}
		return
	}
	plan := w.replayed
	if c.wrong == forgetsAnswers {
		plan = c.withoutAnswers(w.durable)
	}
	if plan.over && plan.finished {
		st.what += ": the run is finished"
		*s = checkedDriver{}
		return
	}
	if !w.stop && c.missing(w, plan) {
		st.what += ": it lacks a restart"
		*s = checkedDriver{}
		return
	}
	c.checkTwice(w)
	batch := c.beginning(w, w.durable.since(), plan)
	*s = checkedDriver{phase: running, resumed: true, plan: plan}
	w.lock = int8(d)
	st.what += " and begins"
	c.take(w, d, st, append(batch, c.held(w, d)...)...)
	c.checkAnswers(w, d)
}

// beginning is what the first take of a resumed session gets, without what is held. A
// Resolve tries nothing again.
func (c *checker) beginning(w *world, entries []*entry, plan *planning) []note {
	batch := []note{{kind: fleet.EventResume, of: ofRun}}
	if c.wrong == resumesDifferently && entries[len(entries)-1].note.kind == fleet.EventResume {
		for i, state := range plan.states {
			if state == fleet.StateRestarting {
				batch = append(batch, note{kind: fleet.EventUnsent, of: int8(i), reason: fleet.ReasonResumed})
			}
		}
	}
	if !w.stop {
		for _, i := range plan.again {
			batch = append(batch, note{kind: fleet.EventUnsent, of: i, reason: fleet.ReasonResumed})
		}
	}
	return batch
}

// withoutAnswers replays a journal, and passes over what the service answered.
func (c *checker) withoutAnswers(e *entry) *planning {
	plan := c.all.first()
	for _, e := range e.since() {
		if e.note.kind != fleet.EventAccepted {
			if after := plan.after(true, e.note); after.err == nil {
				plan = after.next
			}
		}
	}
	return plan
}

// missing mirrors session.checkMissing: an instance that the journal has never sent has
// started since the run began.
func (c *checker) missing(w *world, plan *planning) bool {
	for i, state := range plan.states {
		mayCome := state == fleet.StateWaiting || state == fleet.StateRestarting || state == fleet.StateFailed
		if mayCome && plan.attempts[i] == 0 && w.machines[i].restarts > 0 {
			return true
		}
	}
	return false
}

// checkTwice compares what a resumed run does with what it does if it is resumed, crashes
// once its first records are durable, and is resumed again.
func (c *checker) checkTwice(w *world) {
	entries := w.durable.since()
	batch := c.beginning(w, entries, w.replayed)
	once := w.replayed.after(false, batch...)
	again := w.replayed.after(true, batch...)
	if once.err != nil || again.err != nil {
		w.breaks(plannerAgrees, "%v, %v", once.err, again.err)
		return
	}
	last := &entry{note: batch[len(batch)-1]}
	twice := again.next.after(false, c.beginning(w, append(entries, last), again.next)...)
	if twice.err != nil || twice.next != once.next || !slices.Equal(once.actions, twice.actions) {
		w.breaks(resumeTwice, "resumed once, the run does %v; resumed twice, %v", once.actions, twice.actions)
	}
}

// checkAnswers holds what a resumed session does against the records, read without a
// planner: it follows what the service accepted, and polls nothing for what has an end.
func (c *checker) checkAnswers(w *world, d int) {
	var answers [mostMachines]fleet.EventKind
	for _, e := range w.durable.since() {
		n := e.note
		if n.of == ofRun || e.torn {
			continue
		}
		switch n.kind {
		case fleet.EventIntent, fleet.EventUnsent:
			answers[n.of] = ""
		case fleet.EventAccepted, fleet.EventHealthy, fleet.EventSkipped:
			answers[n.of] = n.kind
		case fleet.EventFailed:
			if n.reason == fleet.ReasonRefused {
				answers[n.of] = n.kind
			}
		default:
		}
	}
	for i := range c.machines {
		switch phase := w.drivers[d].workers[i].phase; {
		case answers[i] == fleet.EventAccepted && phase != following:
			w.breaks(answersKept, "the service has accepted the restart of %s, and the session begins with it as %s", machineID(i), phase)
		case answers[i] != "" && answers[i] != fleet.EventAccepted && phase > started:
			w.breaks(answersKept, "%s has its end, and the session begins with it as %s", machineID(i), phase)
		}
	}
}
