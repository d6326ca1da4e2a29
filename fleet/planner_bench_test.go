package fleet_test

import (
	"fmt"
	"testing"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// BenchmarkPlanner is what one event costs, with 2 % of the targets under way:
//
//	go test -run '^$' -bench 'Planner$' -benchtime 2000000x -benchmem ./fleet
func BenchmarkPlanner(b *testing.B) { benchmarkPlanner(b, restartAll) }

// BenchmarkPlannerMixed is BenchmarkPlanner with the events of all targets under way in
// turn, as in a session: what the planner knows of a target has left the caches when the
// next event of the target comes.
//
//	go test -run '^$' -bench 'PlannerMixed$' -benchtime 2000000x -benchmem ./fleet
func BenchmarkPlannerMixed(b *testing.B) { benchmarkPlanner(b, restartAllMixed) }

func benchmarkPlanner(b *testing.B, restartAll func(b *testing.B, planner *fleet.Planner, most int) int) {
	b.Helper()
	for _, n := range []int{1_000, 10_000, 100_000} {
		for _, groups := range []int{1, n / 10, n} {
			b.Run(fmt.Sprintf("targets=%d/groups=%d", n, groups), func(b *testing.B) {
				plan := fleet.Plan{Targets: make([]fleet.Target, n)}
				for i := range plan.Targets {
					plan.Targets[i] = fleet.Target{ID: fmt.Sprintf("i-%06d", i), Group: fmt.Sprint(i % groups)}
				}
				b.ReportAllocs()
				for done := 0; done < b.N; {
					b.StopTimer()
					planner, err := fleet.NewPlanner(plan, fleet.Rules{Canary: []int{}})
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					done += restartAll(b, planner, b.N-done)
				}
			})
		}
	}
}

var restartKinds = []fleet.EventKind{fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp, fleet.EventHealthy}

// restartAll goes through a run, up to so many events, and returns how many they
// were.
func restartAll(b *testing.B, planner *fleet.Planner, most int) int {
	b.Helper()
	var underWay []fleet.Action
	tell := func(e fleet.Event) {
		actions, err := planner.Next(e)
		if err != nil {
			b.Fatal(err)
		}
		underWay = append(underWay, actions...)
	}
	tell(fleet.Event{Kind: fleet.EventRun})
	told := 1
	for ; told < most && underWay[0].Kind == fleet.ActionRestart; told++ {
		kind := restartKinds[(told-1)%len(restartKinds)]
		tell(fleet.Event{Kind: kind, InstanceID: underWay[0].InstanceID, Attempt: 1})
		if kind == fleet.EventHealthy {
			underWay = underWay[1:]
		}
	}
	return told
}

// restartAllMixed does the same, with one event of each target under way in turn.
func restartAllMixed(b *testing.B, planner *fleet.Planner, most int) int {
	b.Helper()
	type restart struct {
		id   string
		told int // events
	}
	actions, err := planner.Next(fleet.Event{Kind: fleet.EventRun})
	var underWay []restart
	told := 1
	for at := 0; told < most; at++ {
		if err != nil {
			b.Fatal(err)
		}
		for _, a := range actions {
			if a.Kind == fleet.ActionEnd {
				return told
			}
			underWay = append(underWay, restart{id: a.InstanceID})
		}
		at %= len(underWay)
		r := &underWay[at]
		actions, err = planner.Next(fleet.Event{Kind: restartKinds[r.told], InstanceID: r.id, Attempt: 1})
		told++
		if r.told++; r.told == len(restartKinds) {
			underWay[at] = underWay[len(underWay)-1]
			underWay = underWay[:len(underWay)-1]
		}
	}
	return told
}

// BenchmarkPlannerResume is what it costs to go on with a run half of which is done.
func BenchmarkPlannerResume(b *testing.B) {
	const n = 10_000
	var plan fleet.Plan
	history := []fleet.Event{{Kind: fleet.EventRun}}
	for i := range n {
		id := fmt.Sprintf("i-%06d", i)
		plan.Targets = append(plan.Targets, fleet.Target{ID: id, Group: fmt.Sprint(i % 3)})
		if i < n/2 {
			for _, kind := range []fleet.EventKind{fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp, fleet.EventHealthy} {
				history = append(history, fleet.Event{Kind: kind, InstanceID: id, Attempt: 1})
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		planner, err := fleet.NewPlanner(plan, fleet.Rules{Canary: []int{}})
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range history {
			if err := planner.Replay(e); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := planner.Next(fleet.Event{Kind: fleet.EventResume}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(history)), "ns/event")
}
