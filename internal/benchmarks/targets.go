package main

import "fmt"

// target is what this project has set itself against the vendor's clients.
type target struct {
	label  string
	metric metric
	factor float64 // how many times better than each of them
	higher bool    // is better
}

// The first two held until each attempt got a goroutine and hooks of its own, so that no
// RoundTripper can hold a call up or send a restart twice.
var targets = []target{
	{label: "client-side time of a call, 8 times less", metric: metric{benchmark: inMemoryCall, unit: timeUnit}, factor: 8},
	{label: "allocations of a call, 7 times fewer", metric: metric{benchmark: inMemoryCall, unit: allocUnit}, factor: 7},
	{label: "calls a second of 64 callers over http, 2.5 times more", metric: metric{benchmark: manyCallers, unit: rateUnit}, factor: 2.5, higher: true},
	{label: "calls a second of 64 callers over https, 3 times more", metric: metric{benchmark: manyOverTLS, unit: rateUnit}, factor: 3, higher: true},
	{label: "connections of 64 callers over http, 10 times fewer", metric: metric{benchmark: manyCallers, unit: connectionUnit}, factor: 10},
	{label: "connections of 64 callers over https, 10 times fewer", metric: metric{benchmark: manyOverTLS, unit: connectionUnit}, factor: 10},
}

// targetSection returns a table of the targets and whether they hold. The hand-written
// client is next to them, because it shows how far any client could get.
func targetSection(t *timings) string {
	result := table{head: []string{"target", "against classic", "against openapi", "holds", "floor against the better one"}}
	for _, goal := range targets {
		classic, openapi, floor := goal.margins(t)
		result.rows = append(result.rows, []string{
			goal.label, fmt.Sprintf("%.1f", classic), fmt.Sprintf("%.1f", openapi),
			verdict(min(classic, openapi) >= goal.factor), fmt.Sprintf("%.1f", floor),
		})
	}
	return result.String()
}

// margins are how many times better ours is than each of the vendor's clients, and
// the floor than the better one of them.
func (goal target) margins(t *timings) (classic, openapi, floor float64) {
	of := func(client string) float64 {
		ratio := t.ratio(2, goal.metric, client)
		if goal.higher {
			return 1 / ratio
		}
		return ratio
	}
	classic, openapi = of("classic"), of("openapi")
	return classic, openapi, min(classic, openapi) / of("floor")
}

func verdict(holds bool) string {
	if holds {
		return "yes"
	}
	return "**no**"
}
