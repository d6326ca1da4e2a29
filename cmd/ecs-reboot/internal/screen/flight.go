package screen

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	mostInFlight = 5 // instances in flight that are shown
	mostGroups   = 8 // groups that are shown
)

// flight knows which instances are in flight, and where each group stands.
type flight struct {
	instances map[string]*instance
	groups    []string // names, sorted
	flying    map[string]*instance
}

// instance is an instance of the plan.
type instance struct {
	fleet.Target

	state fleet.State
	since time.Time // its turn came
	doing string    // since then, or last
}

func newFlight(plan fleet.Plan) flight {
	f := flight{instances: make(map[string]*instance, len(plan.Targets)), flying: map[string]*instance{}}
	for _, t := range plan.Targets {
		f.instances[t.ID] = &instance{Target: t, state: fleet.StateWaiting}
		f.groups = append(f.groups, t.Group)
	}
	slices.Sort(f.groups)
	f.groups = slices.Compact(f.groups)
	return f
}

// add takes in an event that has led to a state.
func (f *flight) add(e fleet.Event, state fleet.State) {
	i, ok := f.instances[e.InstanceID]
	if !ok {
		return
	}
	i.doing = cmp.Or(doing(e), i.doing)
	if state == i.state {
		return
	}
	i.state = state
	delete(f.flying, i.ID)
	if state == fleet.StateRestarting {
		i.since = e.At
		f.flying[i.ID] = i
	}
}

// doing says what an instance in flight does after an event.
func doing(e fleet.Event) string {
	switch e.Kind {
	case fleet.EventHook:
		return string(e.Hook) + " hook"
	case fleet.EventHooked:
		return string(e.Hook) + " hook has run"
	case fleet.EventIntent:
		return "request is being sent"
	case fleet.EventAccepted:
		return "accepted"
	case fleet.EventDoubt:
		return "response was lost"
	case fleet.EventAwaiting:
		return "response was lost, waiting for the witness"
	case fleet.EventDown:
		return "down"
	case fleet.EventUp:
		return "up, not healthy yet"
	default:
		return ""
	}
}

// lines lists who is in flight, the slowest first.
func (f *flight) lines(now time.Time) []string {
	flying := make([]*instance, 0, len(f.flying))
	for _, i := range f.flying {
		flying = append(flying, i)
	}
	slices.SortFunc(flying, func(a, b *instance) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.ID, b.ID)) })
	var lines []string
	for _, i := range flying[:min(len(flying), mostInFlight)] {
		name := i.ID
		if i.Name != "" && i.Name != i.ID {
			name += " (" + Clean(i.Name) + ")"
		}
		lines = append(lines, fmt.Sprintf("%s  %v  %s", name, now.Sub(i.since).Truncate(time.Second), i.doing))
	}
	if more := len(flying) - mostInFlight; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more in flight", more))
	}
	return lines
}

// groupLines returns a line for each group; nothing if there is one group only.
func (f *flight) groupLines() []string {
	if len(f.groups) < 2 {
		return nil
	}
	counts := map[string]map[fleet.State]int{}
	for _, i := range f.instances {
		if counts[i.Group] == nil {
			counts[i.Group] = map[fleet.State]int{}
		}
		counts[i.Group][i.state]++
	}
	var lines []string
	for _, group := range f.groups[:min(len(f.groups), mostGroups)] {
		name := cmp.Or(group, "(no group)")
		lines = append(lines, Clean(name)+": "+Counts(func(s fleet.State) int { return counts[group][s] }))
	}
	if more := len(f.groups) - mostGroups; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more groups", more))
	}
	return lines
}
