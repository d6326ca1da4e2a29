package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// parts names what can be taken from a design, the biggest parts first. A part has the
// same name whatever else is taken away.
func (d design) parts() [][]string {
	var big, small, machines []string
	for n, f := range d.Fleets {
		fleet := fmt.Sprintf("fleet%d", n)
		big = append(big, fleet)
		small = append(small, fleet+".witness", fleet+".hooks")
		for i, s := range f.Sessions {
			session := fmt.Sprintf("%s.session%d", fleet, i)
			big = append(big, session)
			small = append(small, session+".crash", session+".disk", session+".rival", session+".controls", session+".resolve", session+".keys")
			for _, kind := range s.Client.Hostile {
				small = append(small, session+"."+kind)
			}
		}
		for _, m := range f.Machines {
			machines = append(machines, m.ID)
		}
	}
	for n, c := range d.Callers {
		caller := fmt.Sprintf("caller%d", n)
		big = append(big, caller)
		small = append(small, caller+".keys")
		for i := range c.Calls {
			small = append(small, fmt.Sprintf("%s.call%d", caller, i), fmt.Sprintf("%s.call%d.witness", caller, i))
		}
		for _, kind := range c.Client.Hostile {
			small = append(small, caller+"."+kind)
		}
	}
	count := func(name string, n int) {
		for i := range n {
			small = append(small, fmt.Sprintf("%s%d", name, i))
		}
	}
	count("fault", len(d.Faults))
	count("act", len(d.Acts))
	count("jump", len(d.Jumps))
	count("rotation", len(d.Rotations))
	small = append(small, "limits")

	// One at a time, but machines also by halves.
	var each [][]string
	for _, name := range big {
		each = append(each, []string{name})
	}
	for size := len(machines) / 2; size > 1; size /= 2 {
		each = slices.AppendSeq(each, slices.Chunk(machines, size))
	}
	for _, name := range slices.Concat(small, machines) {
		each = append(each, []string{name})
	}
	return each
}

// without returns the design without some of its parts.
func (d design) without(parts map[string]bool) design {
	d.Fleets, d.Callers = slices.Clone(d.Fleets), slices.Clone(d.Callers)
	for n := range d.Fleets {
		f, name := &d.Fleets[n], fmt.Sprintf("fleet%d", n)
		f.Machines = keep(f.Machines, func(i int) bool { return !parts[name] && !parts[f.Machines[i].ID] })
		if parts[name+".witness"] {
			f.Witness = nil
		}
		f.Hooks = f.Hooks && !parts[name+".hooks"]
		sessions := slices.Clone(f.Sessions)
		for i := range sessions {
			s, session := &sessions[i], fmt.Sprintf("%s.session%d", name, i)
			if parts[session+".crash"] {
				s.Crash = nil
			}
			if parts[session+".disk"] {
				s.Disk = nil
			}
			if parts[session+".rival"] {
				s.Rival = 0
			}
			if parts[session+".controls"] {
				s.Controls = nil
			}
			s.Resolve = s.Resolve && !parts[session+".resolve"]
			s.Client = s.Client.without(session, parts)
		}
		f.Sessions = keep(sessions, func(i int) bool { return !parts[fmt.Sprintf("%s.session%d", name, i)] })
	}
	for n := range d.Callers {
		c, name := &d.Callers[n], fmt.Sprintf("caller%d", n)
		calls := slices.Clone(c.Calls)
		for i := range calls {
			if parts[fmt.Sprintf("%s.call%d.witness", name, i)] {
				calls[i].Witness = nil
			}
			calls[i].Absent = parts[name] || parts[fmt.Sprintf("%s.call%d", name, i)]
		}
		c.Calls, c.Client = calls, c.Client.without(name, parts)
	}
	d.Faults = keep(d.Faults, func(i int) bool { return !parts[fmt.Sprintf("fault%d", i)] })
	d.Acts = keep(d.Acts, func(i int) bool { return !parts[fmt.Sprintf("act%d", i)] })
	d.Jumps = keep(d.Jumps, func(i int) bool { return !parts[fmt.Sprintf("jump%d", i)] })
	d.Rotations = keep(d.Rotations, func(i int) bool { return !parts[fmt.Sprintf("rotation%d", i)] })
	if parts["limits"] {
		d.Service.PerMinute, d.Service.MaxPage = 0, 0
	}
	return d
}

func (c clientDesign) without(owner string, parts map[string]bool) clientDesign {
	// A kind that is taken away leaves its place, as its place is its seed.
	c.Hostile = slices.Clone(c.Hostile)
	for i, kind := range c.Hostile {
		if parts[owner+"."+kind] {
			c.Hostile[i] = ""
		}
	}
	if parts[owner+".keys"] {
		c.KeyLate, c.KeyFails = 0, 0
	}
	return c
}

func keep[T any](list []T, is func(i int) bool) []T {
	var kept []T
	for i := range list {
		if is(i) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// A reduction counts if the rule is broken at least once in so many worlds.
const shrinkTimes = 20

// shrink takes away as many parts of a failing design as it can in the time, and returns
// them and what the rest came to.
func shrink(t *testing.T, d design, r result, limit time.Duration) (map[string]bool, result) {
	t.Helper()
	first := r.violations[0].rule
	broken := func(r result) bool {
		return slices.ContainsFunc(r.violations, func(v violation) bool { return v.rule == first })
	}
	begin, gone := time.Now(), map[string]bool{}
	for reduced := true; reduced; {
		reduced = false
		for _, part := range d.parts() {
			if time.Since(begin) > limit {
				return gone, r
			}
			try := maps.Clone(gone)
			for _, name := range part {
				try[name] = true
			}
			if len(try) == len(gone) || slices.ContainsFunc(part, func(name string) bool { return inside(name, gone) }) {
				continue
			}
			smaller := d.without(try)
			for range shrinkTimes {
				if next := run(t, smaller, false); broken(next) {
					gone, r, reduced = try, next, true
					break
				}
			}
		}
	}
	return gone, r
}

// inside reports whether a part belongs to one that is gone.
func inside(name string, gone map[string]bool) bool {
	for at := range name {
		if name[at] == '.' && gone[name[:at]] {
			return true
		}
	}
	return false
}

// names is the value of sim.without.
func names(parts map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(parts)), ",")
}
