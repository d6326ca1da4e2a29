package fleet_test

import (
	"bytes"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// encode returns a text that two worlds share only if they have the same future. Of the
// journal, that is its replay: a test holds the replay against the real one. If reduce is
// set, worlds that differ only in the names of machines or drivers share it too.
//
// The names of drivers never matter. The names of machines do: they are in the order of the
// plan, which decides whose turn comes first. Where all turns come at once, they matter no
// more, and elsewhere the names of those that are done with do not.
func (c *checker) encode(w *world, reduce bool) []byte {
	drivers := inOrder[:c.drivers]
	if reduce && c.drivers == 2 && !c.noLock && c.driverOrder(w, 1) < c.driverOrder(w, 0) {
		drivers = inOrder[1:]
	}
	b := &c.buffers
	settled, turns := b.settled[:0], b.turns[:0]
	for i := range c.machines {
		text, done := c.encodeMachine(b.machines[i][:0], w, i, drivers)
		b.machines[i] = text
		if reduce && (c.anyOrder || done) {
			settled = append(settled, text)
		} else {
			turns = append(turns, text)
		}
	}
	for i := range settled { // few
		for j := i; j > 0 && bytes.Compare(settled[j], settled[j-1]) < 0; j-- {
			settled[j], settled[j-1] = settled[j-1], settled[j]
		}
	}
	out := b.out[:0]
	for _, some := range [][][]byte{settled, turns} {
		out = append(out, byte(len(some)))
		for _, text := range some {
			out = append(out, byte(len(text)>>8), byte(len(text)))
			out = append(out, text...)
		}
	}
	for _, d := range drivers {
		s := &w.drivers[d]
		out = append(out, byte(s.phase), bits(s.resumed, s.ended, s.over, s.missed, w.lock == int8(d)), byte(s.batch), byte(len(s.mailbox)))
		out = appendPlan(out, s.plan)
		for i, n := range s.mailbox {
			if n.of == ofRun {
				out = appendNote(append(out, byte(i)), n)
			}
		}
	}
	out = appendPlan(out, w.replayed)
	out = append(out, bits(w.durable != nil, w.stop, w.torn.kind != "", c.wrong == tornStays && w.durable.hasTorn()), byte(w.stopsLeft), byte(w.faultsLeft), byte(len(w.pending)))
	for i, n := range w.pending {
		if n.of == ofRun {
			out = appendNote(append(out, byte(i)), n)
		}
	}
	b.settled, b.turns, b.out = settled, turns, out
	return out
}

var inOrder = []int{0, 1, 0}

// encodeBuffers are used for one world after the other.
type encodeBuffers struct {
	machines       [mostMachines][]byte
	settled, turns [][]byte
	out            []byte
}

// driverOrder puts the driver that has the lock first.
func (c *checker) driverOrder(w *world, d int) int {
	s := &w.drivers[d]
	order := 1000 - 10*int(s.phase)
	if w.lock == int8(d) {
		order -= 500
	}
	return order
}

// encodeMachine encodes all that the world has of a machine, and reports whether its turn
// is over for good.
func (c *checker) encodeMachine(out []byte, w *world, i int, drivers []int) (text []byte, done bool) {
	m := &w.machines[i]
	out = append(out, byte(m.request), bits(m.known, m.twice, m.down, m.downSeen), byte(m.restarts), byte(min(m.faults, w.faultsLeft)))
	done = m.request == executed && !m.down
	part := func(p *planning) {
		if p == nil {
			out = append(out, 0)
			return
		}
		out = append(out, p.targets[i])
		done = done && p.states[i] == fleet.StateHealthy
	}
	part(w.replayed)
	for _, d := range drivers {
		s := &w.drivers[d]
		part(s.plan)
		k := &s.workers[i]
		out = append(out, byte(k.phase), bits(k.recent, k.left, k.excused, k.down, k.up, k.earlier))
		done = done && k.phase == idle
		for at, n := range s.mailbox {
			if int(n.of) == i {
				out, done = appendNote(append(out, 'm', byte(at)), n), false
			}
		}
	}
	for at, n := range w.pending {
		if int(n.of) == i {
			out, done = appendNote(append(out, 'p', byte(at)), n), false
		}
	}
	return out, done
}

func appendPlan(out []byte, p *planning) []byte {
	if p == nil {
		return append(out, 0, 0)
	}
	return append(out, byte(p.run>>8), byte(p.run))
}

// appendNote leaves out the number of the attempt: see Planner.Facts. That of a stage is
// always the next one.
func appendNote(out []byte, n note) []byte {
	return append(out, code(string(n.kind)), code(string(n.reason)), bits(n.running, n.witness))
}

func bits(all ...bool) (b byte) {
	for i, is := range all {
		if is {
			b |= 1 << i
		}
	}
	return b
}

// codes numbers kinds and reasons.
var codes = make(map[string]byte)

func code(text string) byte {
	b, ok := codes[text]
	if !ok {
		b = byte(len(codes))
		codes[text] = b
	}
	return b
}
