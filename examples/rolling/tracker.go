package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// tracker knows how a run goes, from its events. A planner that only replays does
// the counting.
type tracker struct {
	mu       sync.Mutex
	planner  *fleet.Planner
	pace     func() pace.State
	total    int
	begun    time.Time // this session
	accepted []time.Time
	holds    map[fleet.Reason]bool // why nothing is sent for now
	ends     fleet.Reason          // why nothing is sent any more
	blocked  string                // what the blocker said last
	failures []string              // the last ones

	stages, passed int       // of canaries
	since          time.Time // the last stage passed, or the session began
	settled        int       // instances that have come to an end since

	unhealthy map[string]string // what their health check said last
	last      string            // the instance that it said something of last
}

// rateSpan is the time over which restarts are counted, and lastFailures how many
// failures are shown.
const (
	rateSpan     = time.Minute
	lastFailures = 3
)

func newTracker(run session) (*tracker, error) {
	planner, err := fleet.NewPlanner(run.plan, run.options.Rules)
	if err != nil {
		return nil, err
	}
	t := &tracker{
		planner: planner, total: len(run.plan.Targets), begun: time.Now(), since: time.Now(), holds: map[fleet.Reason]bool{},
		stages: len(planner.Rules().Canary), unhealthy: map[string]string{},
		pace: func() pace.State { return run.client.Pace(pace.RebootInstance) },
	}
	if run.history != nil {
		for _, e := range run.history.Events {
			_ = planner.Replay(e) // a run refuses what cannot be
			t.passed = max(t.passed, e.Stage)
		}
	}
	return t, nil
}

// add takes an event in.
func (t *tracker) add(e fleet.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.planner.Replay(e) // an unsent one that was never under way changes nothing
	switch e.Kind {
	case fleet.EventAccepted:
		t.accepted = append(t.accepted, e.At)
		t.blocked = ""
	case fleet.EventUnsent:
		t.blocked = ""
	case fleet.EventHeld:
		t.blocked = strings.TrimSuffix(string(e.Reason)+": "+e.Error, ": ")
	case fleet.EventHealthy, fleet.EventSkipped:
		t.settled++
		delete(t.unhealthy, e.InstanceID)
	case fleet.EventFailed, fleet.EventUnknown:
		t.settled++
		t.failures = append(t.failures, clean(eventLine(e)))
		t.failures = t.failures[max(0, len(t.failures)-lastFailures):]
	case fleet.EventStage:
		t.passed, t.since, t.settled = e.Stage, e.At, 0 // canaries say nothing of the pace of the others
	case fleet.EventPause:
		t.holds[e.Reason] = true
	case fleet.EventContinue:
		delete(t.holds, e.Reason)
	case fleet.EventStop, fleet.EventHalt:
		t.ends = cmp.Or(t.ends, e.Reason)
	default:
	}
}

// standing is how a run goes at a moment.
type standing struct {
	total, done int
	states      string
	unavailable string
	rate        string
	gate        string // why nothing is sent for now; empty if something is
	health      string // whose health check does not pass; empty if nobody's
	took, left  time.Duration
	failures    []string
	broken      bool
}

func (t *tracker) now() standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	waiting, restarting := t.planner.Count(fleet.StateWaiting), t.planner.Count(fleet.StateRestarting)
	s := standing{
		total: t.total, done: t.total - waiting - restarting, took: now.Sub(t.begun),
		failures: slices.Clone(t.failures), broken: t.planner.Failed() > 0,
	}
	var parts []string
	for _, state := range states {
		if n := t.planner.Count(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	s.states = strings.Join(parts, ", ")
	s.unavailable = fmt.Sprintf("unavailable %d of %d", t.planner.Unavailable(), t.planner.Width())
	s.rate = t.rate(now)
	s.gate = t.gate(now)
	s.health = t.health()
	if t.settled > 0 && t.ends == "" && t.passed >= t.stages {
		s.left = time.Duration(float64(now.Sub(t.since)) / float64(t.settled) * float64(waiting+restarting))
	}
	return s
}

// watchHealth has the answers of a health check shown.
func (t *tracker) watchHealth(ask func(context.Context, fleet.Target) error) func(context.Context, fleet.Target) error {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, target fleet.Target) error {
		err := ask(ctx, target)
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case err == nil:
			delete(t.unhealthy, target.ID)
		case ctx.Err() == nil:
			t.unhealthy[target.ID], t.last = err.Error(), target.ID
		}
		return err
	}
}

// health sums up whose health check does not pass, and why.
func (t *tracker) health() string {
	if len(t.unhealthy) == 0 {
		return ""
	}
	if _, ok := t.unhealthy[t.last]; !ok {
		t.last = slices.Sorted(maps.Keys(t.unhealthy))[0]
	}
	return fmt.Sprintf("%d not healthy, such as %s: %s", len(t.unhealthy), t.last, oneLine(clean(t.unhealthy[t.last])))
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// rate is how many restarts a minute the service accepts, and what the pace is.
func (t *tracker) rate(now time.Time) string {
	first, _ := slices.BinarySearchFunc(t.accepted, now.Add(-rateSpan), time.Time.Compare)
	t.accepted = t.accepted[first:]
	text := "no restart in the last minute"
	if n := len(t.accepted); n > 0 {
		span := max(min(rateSpan, now.Sub(t.begun)), time.Second)
		text = fmt.Sprintf("%.0f restarts/min", float64(n)/span.Minutes())
	}
	state := t.pace()
	if state.RatePerMinute > 0 {
		text += fmt.Sprintf(", paced to %.0f", state.RatePerMinute)
	}
	if state.Throttled > 0 {
		text += fmt.Sprintf(", %d throttled", state.Throttled)
	}
	return text
}

// gate says why nothing is sent.
func (t *tracker) gate(now time.Time) string {
	state := t.pace()
	switch {
	case t.ends != "":
		return "settling: " + reasonText(t.ends)
	case len(t.holds) > 0:
		return holdsText(slices.Sorted(maps.Keys(t.holds)))
	case state.Closed:
		return fmt.Sprintf("throttled by the service, next probe in %v", max(0, state.Until.Sub(now)).Round(time.Second))
	case t.blocked != "":
		return "waiting: " + clean(t.blocked)
	case state.Waiting > 0:
		return fmt.Sprintf("%d wait for their turn at the service", state.Waiting)
	case t.planner.Count(fleet.StateWaiting) > 0 && t.planner.Unavailable() >= t.planner.Width():
		return "limit used up for now (-max-unavailable)"
	}
	return ""
}

// eventLine tells of an event that people want to know of, and is empty for others.
func eventLine(e fleet.Event) string {
	line := e.InstanceID
	switch e.Kind {
	case fleet.EventIntent:
		line += " restarting"
		if e.Attempt > 1 {
			line += fmt.Sprintf(", attempt %d", e.Attempt)
		}
	case fleet.EventDoubt:
		line += " may be restarting: the answer was lost"
	case fleet.EventHeld:
		line += " is held back"
	case fleet.EventUnsent:
		line += " waits again"
	case fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped:
		line += " " + string(e.Kind)
	case fleet.EventStage:
		return fmt.Sprintf("canary stage %d passed", e.Stage)
	case fleet.EventRun, fleet.EventResume:
		return ""
	case fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt, fleet.EventEnd:
		line = string(e.Kind)
	default:
		return ""
	}
	for _, why := range []string{reasonText(e.Reason), string(e.Code), e.Error} {
		if why != "" {
			line += ": " + why
		}
	}
	if e.RequestID != "" && (e.Kind == fleet.EventFailed || e.Kind == fleet.EventUnknown) {
		line += " (request " + e.RequestID + ")"
	}
	return line
}
