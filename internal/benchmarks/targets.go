package main

import (
	"fmt"
	"strings"
	"time"
)

// A target is what this project wants to reach.
type target struct {
	label string
	// reached returns the measured value and whether it reaches the target.
	reached func(*found) (string, bool)
	part    string // which measures it
}

// Of the client's share of a call, on one processor:
//
//   - The goroutine of an attempt takes 6 allocations and 0.4 µs. It lets a call return at
//     its deadline while a RoundTripper blocks. If another processor is idle, waking it for
//     the goroutine takes 8 µs more. Over sockets, 64 callers make 2 % more calls without
//     the goroutine, and take 5 % less CPU time: too little for a second way to send.
//   - The send ID takes 6 allocations. ActionTrail shows it in the User-Agent, so that a
//     witness finds the request whose response was lost.
//   - The hooks take 4 allocations and 0.2 µs. They find out whether the request left, and
//     stop a second one.
//   - The time limit takes 5 allocations and 0.5 µs. It begins anew when the request leaves.
//   - Reading the body ahead takes 3 allocations. The response is complete before the
//     attempt ends.
//   - The HMAC takes 6 allocations and 0.8 µs, of which 5 and 0.4 µs could be saved by
//     keeping its state. The state would let its owner sign as the secret does.
var targets = []target{
	{"time of a call in memory: at most that of the floor", atMostFloor, "calls"},
	{"time of a call in memory: 8 times less than typed", against("typed", metric{benchmark: inMemoryCall, unit: timeUnit}, 8), "calls"},
	{"calls a second of 64 callers over http: 2.5 times more than each of the vendor's", vendors(metric{benchmark: manyCallers, unit: rateUnit}, 2.5), "calls"},
	{"calls a second of 64 callers over https: 3 times more", vendors(metric{benchmark: manyOverTLS, unit: rateUnit}, 3), "calls"},
	{"connections of 64 callers over http: 10 times fewer", vendors(metric{benchmark: manyCallers, unit: connectionUnit}, 10), "calls"},
	{"connections of 64 callers over https: 10 times fewer", vendors(metric{benchmark: manyOverTLS, unit: connectionUnit}, 10), "calls"},
	{"mean lag of restarts of 5 to 20 s: 1.2 s; at most 22 requests", meanLag(0, 1200*time.Millisecond, 22), "waits"},
	{"mean lag of restarts of 20 to 60 s: 1.5 s; at most 34 requests", meanLag(1, 1500*time.Millisecond, 34), "waits"},
	{"mean lag of restarts of 1 to 5 min: 2 % of the restart; at most 75 requests", meanShare(2, 0.02, 75), "waits"},
	{"mean lag of restarts of 5 to 20 min: 2 % of the restart; at most 130 requests", meanShare(3, 0.02, 130), "waits"},
	{"restarts of 5 to 20 s: no wait with as few requests and a shorter mean lag", noneAhead(0), "waits"},
	{"restarts of 20 to 60 s: the same", noneAhead(1), "waits"},
	{"restarts of 1 to 5 min: the same", noneAhead(2), "waits"},
	{"restarts of 5 to 20 min: the same", noneAhead(3), "waits"},
	{"all restarts: no wait with as few requests at most and a lag that is a smaller share of the restart at worst", noneAheadOverall, "waits"},
	{"wrong answers of `RebootAndWait`: none", noneWrong, "waits"},
}

const targetText = `Ratios are medians over the rounds of one run. The floor makes none of the client's promises;
comments in targets.go say what the promises cost.
`

// targetSection returns a table of the targets whose part was measured.
func targetSection(f *found) string {
	result := table{head: []string{"target", "measured", "holds", "command"}}
	for _, goal := range targets {
		if goal.part == "calls" && f.times == nil || goal.part == "waits" && f.waits == nil {
			continue
		}
		measured, holds := goal.reached(f)
		result.rows = append(result.rows, []string{goal.label, measured, verdict(holds), "`go run . -part " + goal.part + "`"})
	}
	if len(result.rows) == 0 {
		return ""
	}
	return result.String()
}

func verdict(holds bool) string {
	if holds {
		return "yes"
	}
	return "**no**"
}

func atMostFloor(f *found) (string, bool) {
	times := 1 / f.times.ratio(2, metric{benchmark: inMemoryCall, unit: timeUnit}, "floor")
	return fmt.Sprintf("%.2f times the floor's", times), times <= 1
}

// against returns how many times better ours is than a client, which should be a factor.
func against(client string, of metric, factor float64) func(*found) (string, bool) {
	return func(f *found) (string, bool) {
		times := f.times.better(of, client)
		return fmt.Sprintf("%.1f times", times), times >= factor
	}
}

// vendors does it for each client of the vendor.
func vendors(of metric, factor float64) func(*found) (string, bool) {
	return func(f *found) (string, bool) {
		var texts []string
		holds := true
		for _, client := range []string{"classic", "openapi", "typed"} {
			times := f.times.better(of, client)
			texts = append(texts, fmt.Sprintf("%.1f %s", times, client))
			holds = holds && times >= factor
		}
		return strings.Join(texts, ", "), holds
	}
}

// better is how many times better ours is than a client.
func (t *timings) better(of metric, client string) float64 {
	ratio := t.ratio(2, of, client)
	if of.unit == rateUnit {
		return 1 / ratio
	}
	return ratio
}

func meanLag(band int, lag time.Duration, requests int) func(*found) (string, bool) {
	return func(f *found) (string, bool) {
		got := f.waits.Bands[band].ours()
		return fmt.Sprintf("%s; %d requests", seconds(got.MeanLag), got.MaxRequests), got.MeanLag <= lag && got.MaxRequests <= requests
	}
}

func meanShare(band int, share float64, requests int) func(*found) (string, bool) {
	return func(f *found) (string, bool) {
		got := f.waits.Bands[band].ours()
		return fmt.Sprintf("%.2f %%; %d requests", 100*got.MeanShare, got.MaxRequests), got.MeanShare <= share && got.MaxRequests <= requests
	}
}

func noneAhead(band int) func(*found) (string, bool) {
	return func(f *found) (string, bool) {
		b := &f.waits.Bands[band]
		var texts []string
		for _, way := range b.rivals() {
			if way.beats(b.ours()) {
				texts = append(texts, fmt.Sprintf("%s: %s, %.0f requests", way.Name, seconds(way.MeanLag), way.MeanRequests))
			}
		}
		if len(texts) == 0 {
			return "none", true
		}
		texts = append(texts, fmt.Sprintf("ours: %s, %.0f requests", seconds(b.ours().MeanLag), b.ours().MeanRequests))
		return strings.Join(texts, "; "), false
	}
}

func noneAheadOverall(f *found) (string, bool) {
	names := f.waits.aheadOverall()
	share, requests := f.waits.worst(0)
	text := fmt.Sprintf("ours: %.1f %%, %d requests", 100*share, requests)
	if len(names) > 0 {
		text = strings.Join(names, ", ") + "; " + text
	}
	return text, len(names) == 0
}

func noneWrong(f *found) (string, bool) {
	wrong, of := 0, 0
	for _, band := range f.waits.Bands {
		wrong, of = wrong+band.ours().Wrong, of+band.Seeds
	}
	for _, doubt := range f.waits.Doubts {
		wrong, of = wrong+doubt.Ways[0].Wrong, of+doubt.Seeds
	}
	return fmt.Sprintf("%d of %d", wrong, of), wrong == 0
}
