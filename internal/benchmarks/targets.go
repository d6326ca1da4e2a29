package main

import "fmt"

// target is what this project has set itself against the vendor's clients.
type target struct {
	label  string
	metric metric
	factor float64 // how many times better than each of them
	higher bool    // is better
}

var targets = []target{
	{label: "client-side time of a call, 8 times less", metric: metric{benchmark: inMemoryCall, unit: timeUnit}, factor: 8},
	{label: "allocations of a call, 7 times fewer", metric: metric{benchmark: inMemoryCall, unit: allocUnit}, factor: 7},
	{label: "calls a second of 64 callers over http, 3 times more", metric: metric{benchmark: manyCallers, unit: rateUnit}, factor: 3, higher: true},
	{label: "calls a second of 64 callers over https, 3 times more", metric: metric{benchmark: manyOverTLS, unit: rateUnit}, factor: 3, higher: true},
	{label: "connections of 64 callers over http, 10 times fewer", metric: metric{benchmark: manyCallers, unit: connectionUnit}, factor: 10},
	{label: "connections of 64 callers over https, 10 times fewer", metric: metric{benchmark: manyOverTLS, unit: connectionUnit}, factor: 10},
}

const (
	binaryTarget = "stripped binary, 0.3 MB below the smaller of the vendor's"
	binaryMargin = 300_000 // bytes
)

// targetSection tells which targets hold. What is made by hand stands next to them, as
// it shows how far any client could get.
func targetSection(t *timings, weights []weight) string {
	result := table{head: []string{"target", "against classic", "against openapi", "holds", "floor against the better one"}}
	for _, goal := range targets {
		classic, openapi, floor := goal.margins(t)
		result.rows = append(result.rows, []string{
			goal.label, fmt.Sprintf("%.1f", classic), fmt.Sprintf("%.1f", openapi),
			verdict(min(classic, openapi) >= goal.factor), fmt.Sprintf("%.1f", floor),
		})
	}
	sizes := make(map[string]int64)
	for _, w := range weights {
		sizes[w.client] = w.stripped
	}
	below := func(client string) string { return fmt.Sprintf("%.2f MB", megabytes(sizes[client]-sizes["ours"])) }
	smallest := smallestOfVendor(weights)
	result.rows = append(result.rows, []string{
		binaryTarget, below("classic"), below("openapi"), verdict(sizes["ours"] <= smallest-binaryMargin),
		fmt.Sprintf("%.2f MB", megabytes(smallest-sizes["floor"])),
	})
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
