package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// atLeast is how long the run takes if each restart takes so long. The planner of the run
// decides: all instances that it restarts at once are healthy at once, and the instances of
// the findings end as they were found.
func (f *Forecast) atLeast(each time.Duration) time.Duration {
	planner, err := NewPlanner(f.Plan, f.Rules)
	if err != nil || each <= 0 {
		return 0
	}
	findings := make(map[string]Finding, len(f.Findings))
	for _, finding := range f.Findings {
		findings[finding.ID] = finding
	}
	rounds, healthy, events := 0, []Event(nil), []Event{{Kind: EventRun}}
	for !planner.isOver() {
		actions, err := planner.Next(events...)
		if err != nil {
			return 0 // a mistake of this package
		}
		events = nil
		for _, a := range actions {
			finding, found := findings[a.InstanceID]
			switch {
			case a.Kind == ActionApprove:
				events = append(events, Event{Kind: EventStage, Stage: a.Stage})
			case a.Kind == ActionHalt:
				events = append(events, Event{Kind: EventHalt, Reason: a.Reason})
			case a.Kind == ActionRestart && found:
				events = append(events, finding.event())
			case a.Kind == ActionRestart:
				events = append(events, Event{Kind: EventIntent, InstanceID: a.InstanceID, Attempt: 1}, Event{Kind: EventAccepted, InstanceID: a.InstanceID})
				healthy = append(healthy, Event{Kind: EventHealthy, InstanceID: a.InstanceID})
			default:
			}
		}
		if len(events) > 0 {
			continue
		}
		if len(healthy) == 0 { // the run has ended
			break
		}
		events, healthy = healthy, nil // no more fit in: this round ends
		rounds++
	}
	return time.Duration(rounds) * each
}

// event returns the event with which the instance of a finding ends.
func (f Finding) event() Event {
	running := f.Status == ecsreboot.StatusRunning
	if f.State == StateFailed {
		return Event{Kind: EventFailed, InstanceID: f.ID, Reason: f.Reason, Running: running, Alone: true}
	}
	return Event{Kind: EventSkipped, InstanceID: f.ID, Reason: f.Reason, Unavailable: f.Status != "" && !running}
}
