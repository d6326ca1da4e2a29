package fleet_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// planning is a real planner in one of its states. It does not change: what an event leads
// to is another planning, which the real planner is asked for once.
type planning struct {
	all      *plannings
	calls    []plannerCall // that lead here, from a new planner
	targets  []byte        // a number for the facts of each target
	run      uint16        // likewise for those of the run
	states   []fleet.State
	attempts []uint8
	again    []int8 // what a resumed run gives another turn
	held     fleet.Reason
	stopped  fleet.Reason
	ending   fleet.Reason
	finished bool
	over     bool
	known    map[plannerCall]*planned
	replays  map[note]*planned // of one note, which is what most calls are
	nexts    map[note]*planned
}

// plannerCall is a call of Planner.Next or Planner.Replay.
type plannerCall struct {
	replay bool
	notes  [6]note // filled up with the zero note
}

// planned is what a call leads to.
type planned struct {
	next    *planning
	actions []fleet.Action
	err     error
}

// plannings holds all planners of a search.
type plannings struct {
	plan     fleet.Plan
	rules    fleet.Rules
	settings fleet.Settings
	byFacts  map[string]*planning
	targets  map[string]byte
	runs     map[string]uint16
	calls    int // of the real planner
}

func newPlannings(machines int, rules fleet.Rules) *plannings {
	all := &plannings{
		rules: rules, byFacts: make(map[string]*planning), targets: make(map[string]byte), runs: make(map[string]uint16),
	}
	for i := range machines {
		all.plan.Targets = append(all.plan.Targets, fleet.Target{ID: machineID(i)})
	}
	planner := all.newPlanner()
	all.settings = fleet.Settings{Rules: planner.Rules()}
	return all
}

func (all *plannings) newPlanner() *fleet.Planner {
	planner, err := fleet.NewPlanner(all.plan, all.rules)
	if err != nil {
		panic(err)
	}
	return planner
}

// first is a new planner.
func (all *plannings) first() *planning { return all.keep(all.newPlanner(), nil) }

// keep returns the planning that has the facts of a planner.
func (all *plannings) keep(planner *fleet.Planner, calls []plannerCall) *planning {
	targets, run := planner.Facts()
	key := strings.Join(targets, "\n") + "\n\n" + run
	if p := all.byFacts[key]; p != nil {
		return p
	}
	p := &planning{
		all: all, calls: calls, known: make(map[plannerCall]*planned), replays: make(map[note]*planned), nexts: make(map[note]*planned),
		held: planner.Held(), stopped: planner.Stopped(), ending: planner.Ending(), finished: planner.IsFinished(), over: planner.IsOver(),
	}
	again := make(map[string]bool)
	for _, id := range planner.Again() {
		again[id] = true
	}
	for i, t := range all.plan.Targets {
		code, ok := all.targets[targets[i]]
		if !ok {
			code = byte(len(all.targets) + 1)
			all.targets[targets[i]] = code
		}
		p.targets = append(p.targets, code)
		p.states = append(p.states, planner.StateOf(t.ID))
		p.attempts = append(p.attempts, uint8(planner.Attempts(t.ID)))
		if again[t.ID] {
			p.again = append(p.again, int8(i))
		}
	}
	code, ok := all.runs[run]
	if !ok {
		code = uint16(len(all.runs) + 1)
		all.runs[run] = code
	}
	p.run = code
	all.byFacts[key] = p
	return p
}

// planner returns the real planner.
func (p *planning) planner() *fleet.Planner {
	planner := p.all.newPlanner()
	for _, call := range p.calls {
		if _, err := p.all.call(planner, call); err != nil {
			panic(err)
		}
	}
	return planner
}

func (all *plannings) call(planner *fleet.Planner, call plannerCall) (actions []fleet.Action, err error) {
	all.calls++
	var events []fleet.Event
	for _, n := range call.notes {
		if n.kind != "" {
			events = append(events, n.event(&all.plan, &all.settings, ""))
		}
	}
	if !call.replay {
		return planner.Next(events...)
	}
	for _, e := range events {
		if err := planner.Replay(e); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// after returns what the real planner makes of events.
func (p *planning) after(replay bool, notes ...note) *planned {
	if len(notes) != 1 {
		return p.ask(replay, notes...)
	}
	known := p.nexts
	if replay {
		known = p.replays
	}
	result := known[notes[0]]
	if result == nil {
		result = p.ask(replay, notes...)
		known[notes[0]] = result
	}
	return result
}

func (p *planning) ask(replay bool, notes ...note) *planned {
	call := plannerCall{replay: replay}
	if copy(call.notes[:], notes) < len(notes) {
		panic(fmt.Sprint("too many events at once: ", notes))
	}
	if known := p.known[call]; known != nil {
		return known
	}
	planner := p.planner()
	result := new(planned)
	result.actions, result.err = p.all.call(planner, call)
	if result.err == nil {
		result.next = p.all.keep(planner, append(slices.Clone(p.calls), call))
	}
	p.known[call] = result
	return result
}
