package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
)

// forecastTime fills in how long the run takes at least: its bounds if each restart takes no
// time, and its rounds.
func (f *Forecast) forecastTime(clients clients, minReady time.Duration) {
	minReady = max(0, minReady)
	findings := make(map[string]Finding, len(f.Findings))
	for _, finding := range f.Findings {
		findings[finding.ID] = finding
	}
	restarts := make(map[*ecsreboot.Client]int, len(clients.all))
	for _, t := range f.Plan.Targets {
		if _, found := findings[t.ID]; !found {
			restarts[clients.client(t)]++
		}
	}
	for _, client := range clients.all {
		n := restarts[client]
		if rate := knownRate(client, pace.RebootInstance); rate > 0 && n > 0 {
			f.Bounds.Requests = max(f.Bounds.Requests, f.atRate(n, rate, minReady))
		}
		f.Bounds.Polls = max(f.Bounds.Polls, leastPolls(n, f.Width, minReady, knownRate(client, pace.DescribeInstances)))
	}
	f.Rounds = int(f.lineUp(findings, 1))
	f.Bounds.Width = f.lineUp(findings, minReady)
	f.AtLeast = f.Bounds.Largest()
}

// atRate returns how long n restarts of one region take at a rate a minute. The canaries may
// be instances of other regions, so atRate leaves them out if there are several.
func (f *Forecast) atRate(n int, rate float64, each time.Duration) time.Duration {
	rules := f.Rules
	if len(f.Plan.FurtherRegions) > 0 {
		rules.Canary = []int{}
	}
	plan := f.Plan
	plan.Targets = plan.Targets[:n]
	planner, err := newCanaryPlanner(plan, rules)
	if err != nil {
		return 0
	}
	return lineUp(planner, queue{every: during(1, rate)}, func(string) (time.Duration, bool, Event) { return each, true, Event{} })
}

// knownRate returns the rate limit a minute that a client knows; 0 if it knows none.
func knownRate(client *ecsreboot.Client, operation pace.Operation) float64 {
	if state := client.Pace(operation); !state.Seeking && isRate(state.RatePerMinute) {
		return state.RatePerMinute
	}
	return 0
}

// lineUp returns how long the run takes if each restart takes so long. The instances of the
// findings end as they were found.
func (f *Forecast) lineUp(findings map[string]Finding, each time.Duration) time.Duration {
	planner, err := NewPlanner(f.Plan, f.Rules)
	if err != nil {
		return 0
	}
	return lineUp(planner, queue{}, func(id string) (time.Duration, bool, Event) {
		finding, found := findings[id]
		return each, !found, finding.event()
	})
}

// event returns the event with which the instance of a finding ends.
func (f Finding) event() Event {
	running := f.Status == ecsreboot.StatusRunning
	if f.State == StateFailed {
		return Event{Kind: EventFailed, InstanceID: f.ID, Reason: f.Reason, Running: running, Alone: true}
	}
	return Event{Kind: EventSkipped, InstanceID: f.ID, Reason: f.Reason, Unavailable: f.Status != "" && !running}
}
