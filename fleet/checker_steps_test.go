package fleet_test

import (
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// serviceSteps are what the network and the service do with the request for a machine, and
// what becomes of the machine.
func (c *checker) serviceSteps(w *world, i int, next stepping) {
	m := &w.machines[i]
	of := func(what string) checkedStep { return checkedStep{what: what, driver: -1, machine: int8(i), n: -1} }
	becomes := func(r request) func(*world, *checkedStep) {
		return func(w *world, _ *checkedStep) {
			w.machines[i].request = r
			w.fails(i)
		}
	}
	if m.request == flying {
		next(of("the service restarts"), func(w *world, _ *checkedStep) {
			m := &w.machines[i]
			m.request, m.down, m.restarts = executed, true, m.restarts+1
		})
		if w.mayFail(i) {
			next(of("the service refuses the restart of"), becomes(refusedRequest))
			next(of("the service throttles the restart of"), becomes(throttled))
			next(of("the network loses the request for"), becomes(dropped))
		}
	}
	if m.down {
		next(of("it is Running again:"), func(w *world, _ *checkedStep) { w.machines[i].down = false })
	}
}

// workerSteps mirrors sender and follower.
func (c *checker) workerSteps(w *world, d, i int, next stepping) {
	s := &w.drivers[d]
	k, m := s.workers[i], w.machines[i]
	of := func(what string) checkedStep {
		return checkedStep{what: what, driver: int8(d), machine: int8(i), n: -1}
	}
	// goes is a step of the worker to a phase, with what it tells.
	goes := func(what string, to workerPhase, notes ...note) {
		next(of(what), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			s.workers[i].phase, s.workers[i].excused = to, false
			for _, n := range notes {
				n.of = int8(i)
				s.mailbox = addNotes(s.mailbox, n)
			}
			if to == idle {
				s.workers[i] = worker{}
			}
		})
	}
	withheld := c.withheld(w, d)
	if s.ended {
		c.cancelStep(w, d, i, of, goes, next)
	}
	switch k.phase {
	case started, looked, recording, recorded, cleared:
		c.sendSteps(w, d, i, withheld, of, goes, next)
	case sent:
		c.answerSteps(w, d, i, of, goes, next)
	case following, watching:
		c.pollSteps(w, d, i, of, goes, next)
	case resolving:
		c.pollSteps(w, d, i, of, goes, next)
		switch {
		case c.wrong == widthTwice:
			goes("gives the place away of", awaiting, note{kind: fleet.EventAwaiting, running: true})
		case m.request == flying || m.down || k.down: // a request arrives within UnknownGrace or never
		case c.wrong == unknownIsDone:
			goes("takes the unknown for done:", idle, note{kind: fleet.EventHealthy})
		case c.witness:
			goes("no poll shows a restart; the witness is asked about", awaiting, note{kind: fleet.EventAwaiting, running: true})
		default:
			goes("no poll shows a restart of", watching, note{kind: fleet.EventUnknown, reason: fleet.ReasonNotProven})
		}
	case awaiting:
		c.pollSteps(w, d, i, of, goes, next)
		c.witnessSteps(w, d, i, of, goes, next)
	default:
	}
}

type going func(what string, to workerPhase, notes ...note)

// cancelStep is what a worker does whose context has ended: see follower.verdict and
// follower.verdictSent.
func (c *checker) cancelStep(w *world, d, i int, of func(string) checkedStep, goes going, next stepping) {
	unsent := note{kind: fleet.EventUnsent, reason: fleet.ReasonInterrupted}
	switch w.drivers[d].workers[i].phase {
	case started, looked, cleared: // the client does not send once the context has ended
		goes("is called off:", idle, unsent)
	case sent:
		if w.machines[i].request != departing {
			goes("is called off:", idle, note{kind: fleet.EventDoubt})
			return
		}
		for _, n := range []note{unsent, {kind: fleet.EventDoubt}} { // the client may not know that nothing left
			next(of("is called off before the request has left:"), func(w *world, _ *checkedStep) {
				s := &w.drivers[d]
				n.of = int8(i)
				w.machines[i].request, w.machines[i].known = dropped, n.kind == fleet.EventUnsent
				s.workers[i] = worker{}
				s.mailbox = addNotes(s.mailbox, n)
			})
		}
	case following, resolving, awaiting, watching:
		goes("is called off:", idle)
	default:
	}
}

// sendSteps mirrors sender.restart, sender.rebootAndWait, sender.beforeSend and
// sender.callOff, up to the request.
func (c *checker) sendSteps(w *world, d, i int, withheld fleet.Reason, of func(string) checkedStep, goes going, next stepping) {
	s := &w.drivers[d]
	k := s.workers[i]
	unsent := note{kind: fleet.EventUnsent, reason: withheld}
	switch {
	case k.phase == started && withheld != "", k.phase == looked && withheld != "": // withheld, mayLeave
		goes("does not send:", idle, unsent)
	case k.phase == started:
		next(of("takes the baseline of"), func(w *world, _ *checkedStep) {
			k := &w.drivers[d].workers[i]
			k.phase, k.recent = looked, w.machines[i].restarts > 0
		})
	case k.phase == looked && s.resumed && k.recent: // startedRecently
		goes("does not send:", idle, note{kind: fleet.EventSkipped, reason: fleet.ReasonUptime})
	case k.phase == looked:
		next(of("writes the intent of"), func(w *world, _ *checkedStep) {
			k := &w.drivers[d].workers[i]
			k.phase, k.attempt = recording, k.attempt+1
			w.pending = addNotes(w.pending, note{kind: fleet.EventIntent, of: int8(i), attempt: k.attempt})
			w.machines[i].twice = false
			if c.wrong == sendsBeforeSync {
				k.phase = cleared
			}
		})
	case k.phase == recording: // journal.Append
		next(of("has the intent durable of"), func(w *world, st *checkedStep) {
			s := &w.drivers[d]
			k := &s.workers[i]
			if at := slices.IndexFunc(w.pending, func(n note) bool { return n.kind == fleet.EventIntent && int(n.of) == i }); at >= 0 {
				w.flush(at + 1)
			}
			k.phase, st.durable = recorded, true
			s.mailbox = addNotes(s.mailbox, note{kind: fleet.EventIntent, of: int8(i), attempt: k.attempt})
		})
	case k.phase == recorded && withheld != "" && c.wrong != ignoresStopAtSend: // mayLeave
		goes("does not send:", idle, unsent)
	case k.phase == recorded:
		goes("passes the last check:", cleared)
	case k.phase == cleared:
		if withheld != "" && !k.left && c.wrong != ignoresStopAtSend && c.wrong != sendsAgain && s.plan.held != "" { // callOff: Departure.Revoke
			goes("revokes the request for", idle, unsent)
		}
		next(of("passes the point of no return:"), func(w *world, _ *checkedStep) { c.depart(w, d, i) }) // Departure.Leave
	}
}

// depart mirrors Departure.Leave: from now on the request may leave.
func (c *checker) depart(w *world, d, i int) {
	s := &w.drivers[d]
	k, m, id := &s.workers[i], &w.machines[i], machineID(i)
	switch {
	case m.twice:
		w.breaks(oneSend, "the intent of %s is sent for a second time", id)
	case m.request != noRequest && !m.known:
		w.breaks(noSecond, "the request for %s before it was %s, and nobody knows that", id, m.request)
	case !c.noLock && slices.ContainsFunc(w.pending, func(n note) bool { return n.kind == fleet.EventIntent && int(n.of) == i }):
		w.breaks(intentFirst, "a crash may lose the intent of %s", id)
	case (w.stop || s.plan.held != "") && !k.excused:
		w.breaks(stopFinal, "the request for %s leaves after the stop", id)
	}
	m.request, m.known, m.twice = departing, false, true
	k.phase, k.left = sent, true
}

// calledOff is what follower.verdict makes of a refusal once the context has ended: it sees
// that at once, or its poll fails.
var calledOff = []note{
	{kind: fleet.EventUnsent, reason: fleet.ReasonInterrupted},
	{kind: fleet.EventFailed, reason: fleet.ReasonRefused},
}

// answerSteps are what the driver learns of its request.
func (c *checker) answerSteps(w *world, d, i int, of func(string) checkedStep, goes going, next stepping) {
	m := w.machines[i]
	knows := func(what string, to workerPhase, notes ...note) {
		next(of(what), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			w.machines[i].known = true
			s.workers[i].phase = to
			for _, n := range notes {
				n.of = int8(i)
				s.mailbox = addNotes(s.mailbox, n)
			}
			if to == idle {
				s.workers[i] = worker{}
			}
		})
	}
	switch m.request {
	case departing:
		st := of("sends the request for")
		st.departs = true
		next(st, func(w *world, _ *checkedStep) { w.machines[i].request = flying })
	case executed:
		goes("reads that the service accepted", following, note{kind: fleet.EventAccepted})
	case refusedRequest:
		knows("reads that the service refused", idle, note{kind: fleet.EventFailed, reason: fleet.ReasonRefused, running: !m.down})
		if w.drivers[d].ended {
			for _, n := range calledOff {
				knows("is called off, and knows that the service refused", idle, n)
			}
		}
	case throttled: // the client calls beforeSend again
		knows("reads that the service throttled", looked)
	case dropped:
		next(of("has no response for"), func(w *world, _ *checkedStep) { c.doubt(w, d, i) })
	default:
	}
	if w.mayFail(i) && m.request != dropped && m.request != departing {
		next(of("has no response for"), func(w *world, _ *checkedStep) {
			w.fails(i)
			c.doubt(w, d, i)
		})
	}
}

// doubt is that a response is lost.
func (c *checker) doubt(w *world, d, i int) {
	s := &w.drivers[d]
	if c.wrong == staysSilent {
		s.workers[i] = worker{}
		return
	}
	s.workers[i].phase = resolving
	s.mailbox = addNotes(s.mailbox, note{kind: fleet.EventDoubt, of: int8(i)})
}

// pollSteps mirrors follower.shows, follower.proven and follower.verdictSent.
func (c *checker) pollSteps(w *world, d, i int, of func(string) checkedStep, goes going, next stepping) {
	k, m := w.drivers[d].workers[i], w.machines[i]
	if m.request != executed {
		return
	}
	switch {
	case m.down && !k.down:
		next(of("a poll shows it down:"), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			s.workers[i].down = true
			s.mailbox = addNotes(s.mailbox, note{kind: fleet.EventDown, of: int8(i)})
		})
	case !m.down && k.down && !k.up:
		next(of("a poll shows it Running again:"), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			s.workers[i].up = true
			s.mailbox = addNotes(s.mailbox, note{kind: fleet.EventUp, of: int8(i)})
		})
	case !m.down: // by its status, or by its StartTime
		goes("has the proof of", idle, note{kind: fleet.EventHealthy})
	}
	if m.down && k.down && w.mayFail(i) && k.phase != watching {
		next(of("is not back in time:"), func(w *world, _ *checkedStep) {
			s := &w.drivers[d]
			w.fails(i)
			s.workers[i].phase = watching
			s.mailbox = addNotes(s.mailbox, note{kind: fleet.EventFailed, of: int8(i), reason: fleet.ReasonNotBack})
		})
	}
}

// witnessSteps are what the witness finds: see follower.takeUp and sender.restart.
func (c *checker) witnessSteps(w *world, d, i int, of func(string) checkedStep, goes going, next stepping) {
	k, m := w.drivers[d].workers[i], w.machines[i]
	if c.wrong == widthTwice && m.request == flying {
		return
	}
	if m.request == executed {
		goes("the witness has seen the acceptance of", following, note{kind: fleet.EventAccepted, witness: true})
	}
	if m.request == refusedRequest || m.request == throttled {
		verdict := note{kind: fleet.EventFailed, of: int8(i), reason: fleet.ReasonRefused, running: true, witness: true}
		if m.request == throttled && !k.earlier { // the instance waits for another turn
			verdict = note{kind: fleet.EventUnsent, of: int8(i), reason: fleet.ReasonThrottled, witness: true}
		}
		verdicts := []note{verdict}
		if w.drivers[d].ended {
			for _, n := range calledOff {
				if n.kind == fleet.EventUnsent && !k.earlier || n.kind == verdict.kind { // see follower.tellEnd
					n.of, n.witness = int8(i), n.kind == fleet.EventFailed
					verdicts = append(verdicts, n)
				}
			}
		}
		for _, n := range verdicts {
			next(of("the witness has seen the refusal of"), func(w *world, _ *checkedStep) {
				s := &w.drivers[d]
				w.machines[i].known = true
				s.workers[i] = worker{}
				s.mailbox = addNotes(s.mailbox, n)
			})
		}
	}
	if !m.down {
		goes("the witness has no trace of", watching, note{kind: fleet.EventUnknown, reason: fleet.ReasonNotProven})
	}
}

// crashSteps end a driver at once: its lock is free, and of what was not durable, a part
// is left. Its requests are on their way all the same.
func (c *checker) crashSteps(w *world, d int, next stepping) {
	survive := 0
	if w.lock == int8(d) || c.noLock {
		survive = len(w.pending)
	}
	for n := range survive + 1 {
		for _, torn := range []bool{false, true} {
			if torn && n == survive {
				continue
			}
			st := checkedStep{what: "crashes", driver: int8(d), machine: -1, n: int8(n), torn: torn, optional: true}
			next(st, func(w *world, _ *checkedStep) {
				lost := note{}
				if torn {
					lost = w.pending[n]
				}
				w.flush(n)
				w.pending, w.torn = nil, lost
				if w.durable == nil { // no record, as its creation was cut short: the operator removes the file
					w.torn = note{}
				}
				for i := range c.machines {
					if m := &w.machines[i]; m.request == departing && w.drivers[d].workers[i].phase == sent {
						m.request = dropped
					}
				}
				w.drivers[d] = checkedDriver{}
				if w.lock == int8(d) {
					w.lock = unlocked
				}
			})
		}
	}
}
