package fleet_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// searched is what a search has seen: the graph of all worlds that can be reached.
type searched struct {
	c           *checker
	states      int
	transitions int
	classes     int // of states that symmetry takes for one, if the search does not do so
	finished    int // worlds in which nothing is left to do
	depth       int
	broken      string // the property that does not hold; empty if all hold
	why         string
	trace       []checkedStep

	parents []parent
	first   []uint32 // of the edges of a state
	edges   []uint32 // where they lead; the highest bit is of those that need not be taken
	good    []bool
	busy    []bool // a driver runs
}

// parent is how a state was reached first, which is by the fewest steps.
type parent struct {
	state uint32
	step  uint16
}

const optionalEdge = 1 << 31

// search visits all worlds that can be reached, the nearest first, until a property does
// not hold.
func search(within bounds) *searched {
	c := &checker{bounds: within}
	r := &searched{c: c}
	start := c.init()
	known := make(map[[16]byte]uint32)
	key := func(w *world) (k [16]byte) {
		sum := sha256.Sum256(c.encode(w, !c.full))
		copy(k[:], sum[:])
		return k
	}
	classes := make(map[string]bool)
	visit := func(w *world, from parent) {
		if c.full {
			classes[string(c.encode(w, true))] = true
			r.classes = len(classes)
		}
		r.parents = append(r.parents, from)
		idle := w.drivers[0].phase == off && w.drivers[1].phase == off
		good := idle && len(w.pending) == 0 && w.replayed.over
		for _, state := range w.replayed.states {
			good = good && state != fleet.StateRestarting
		}
		r.good = append(r.good, good)
		r.finished += toInt(good && w.replayed.finished)
		working := false
		for d := range w.drivers {
			working = working || w.drivers[d].phase > loaded || w.drivers[d].phase == creating
		}
		r.busy = append(r.busy, working)
	}
	known[key(&start)] = 0
	visit(&start, parent{})
	level := []world{start}
	for len(level) > 0 {
		var below []world
		for i := range level {
			from := len(r.first)
			r.first = append(r.first, uint32(len(r.edges)))
			n := 0
			c.steps(&level[i], func(st checkedStep, w *world) {
				k := key(w)
				to, ok := known[k]
				if !ok {
					to = uint32(len(r.parents))
					known[k] = to
					visit(w, parent{uint32(from), uint16(n)})
					below = append(below, *w)
				}
				if w.broken != "" && r.broken == "" {
					r.broken, r.why = w.broken, w.why
					r.trace = r.path(from, n)
				}
				if st.optional {
					to |= optionalEdge
				}
				r.edges = append(r.edges, to)
				n++
			})
			if r.broken != "" {
				r.states, r.transitions = len(r.parents), len(r.edges)
				return r
			}
		}
		level = below
		r.depth++
	}
	r.first = append(r.first, uint32(len(r.edges)))
	r.states, r.transitions = len(r.parents), len(r.edges)
	r.checkEnds()
	return r
}

// path returns the steps that lead to a state, and one more.
func (r *searched) path(state, last int) []checkedStep {
	choices := []int{last}
	for s := state; s != 0; s = int(r.parents[s].state) {
		choices = append(choices, int(r.parents[s].step))
	}
	var trace []checkedStep
	w := r.c.initAgain()
	for _, choice := range slices.Backward(choices) {
		n := 0
		var next world
		var taken checkedStep
		r.c.steps(&w, func(st checkedStep, after *world) {
			if n == choice {
				next, taken = *after, st
			}
			n++
		})
		w = next
		trace = append(trace, taken)
	}
	return trace
}

// pathTo returns the steps that lead to a state.
func (r *searched) pathTo(state int) []checkedStep {
	if state == 0 {
		return nil
	}
	return r.path(int(r.parents[state].state), int(r.parents[state].step))
}

func (r *searched) edgesOf(s int) []uint32 { return r.edges[r.first[s]:r.first[s+1]] }

// checkEnds checks what no single state shows: from every state there is a way to one in
// which the session has ended and every intent has its end; and a session that nothing
// interrupts comes to its end, whatever the order of events is.
func (r *searched) checkEnds() {
	// Backwards from the good states.
	incoming := make([]uint32, r.states+1)
	for _, to := range r.edges {
		incoming[to&^optionalEdge+1]++
	}
	for i := range r.states {
		incoming[i+1] += incoming[i]
	}
	sources := make([]uint32, len(r.edges))
	at := append([]uint32(nil), incoming...)
	for s := range r.states {
		for _, to := range r.edgesOf(s) {
			to &^= optionalEdge
			sources[at[to]] = uint32(s)
			at[to]++
		}
	}
	reaches := make([]bool, r.states)
	var queue []uint32
	for s := range r.states {
		if r.good[s] {
			reaches[s] = true
			queue = append(queue, uint32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, from := range sources[incoming[s]:incoming[s+1]] {
			if !reaches[from] {
				reaches[from] = true
				queue = append(queue, from)
			}
		}
	}
	for s := range r.states {
		if !reaches[s] {
			r.broken, r.why, r.trace = everyEnd, "no way leads from here to the end of every intent", r.pathTo(s)
			return
		}
	}

	// Of the steps that cannot be left out, there is always another while a session runs,
	// and no way by them is endless.
	left := make([]uint32, r.states) // steps into the state that are still to be taken
	for s := range r.states {
		must := 0
		for _, to := range r.edgesOf(s) {
			if to&optionalEdge == 0 {
				left[to]++
				must++
			}
		}
		if must == 0 && r.busy[s] {
			r.broken, r.why, r.trace = sessionEnds, "the session runs, and nothing can happen", r.pathTo(s)
			return
		}
	}
	done := 0
	queue = queue[:0]
	for s := range r.states {
		if left[s] == 0 {
			queue = append(queue, uint32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		done++
		for _, to := range r.edgesOf(int(s)) {
			if to&optionalEdge == 0 {
				if left[to]--; left[to] == 0 {
					queue = append(queue, to)
				}
			}
		}
	}
	if done < r.states {
		for s := range r.states {
			if left[s] > 0 {
				r.broken, r.why, r.trace = sessionEnds, "from here a session can go on for ever", r.pathTo(s)
				return
			}
		}
	}
}

// String is the trace by which a property was broken.
func (r *searched) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%q does not hold: %s\n", r.broken, r.why)
	for i, st := range r.trace {
		fmt.Fprintf(&text, "%3d. %v\n", i+1, st)
	}
	return text.String()
}
