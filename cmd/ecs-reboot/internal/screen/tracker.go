package screen

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

// Tracker knows how a run goes, from its events. A planner that only replays does
// the counting.
type Tracker struct {
	mu       sync.Mutex
	planner  *fleet.Planner
	progress *fleet.Progress
	flight   flight
	pace     func() []pace.State
	total    int
	begun    time.Time // this session
	accepted []time.Time
	holds    map[fleet.Reason]bool // why nothing is sent for now
	ends     fleet.Reason          // why nothing is sent any more
	blocked  string                // what the blocker said last
	failures []string              // the last ones

	unhealthy map[string]string // what their health check said last
	last      string            // the instance that it said something of last
}

// rateSpan is the time over which restarts are counted, and lastFailures how many
// failures are shown.
const (
	rateSpan     = time.Minute
	lastFailures = 3
)

// NewTracker returns a tracker of a session. History is what happened before; nil for a
// new run. Pace returns the pace of the restarts of each client.
func NewTracker(plan fleet.Plan, rules fleet.Rules, history *fleet.History, pace func() []pace.State) (*Tracker, error) {
	planner, err := fleet.NewPlanner(plan, rules)
	if err != nil {
		return nil, err
	}
	t := &Tracker{
		planner: planner, progress: fleet.NewProgress(plan), flight: newFlight(plan), total: len(plan.Targets),
		begun: time.Now(), holds: map[fleet.Reason]bool{}, unhealthy: map[string]string{}, pace: pace,
	}
	if history != nil {
		for _, e := range history.Events {
			_ = planner.Replay(e) // a run refuses what cannot be
			t.progress.Add(e)
			t.flight.add(e, planner.StateOf(e.InstanceID))
		}
	}
	return t, nil
}

// Add takes in an event.
func (t *Tracker) Add(e fleet.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.planner.Replay(e) // an unsent one that was never under way changes nothing
	t.progress.Add(e)
	t.flight.add(e, t.planner.StateOf(e.InstanceID))
	switch e.Kind {
	case fleet.EventAccepted:
		t.accepted = append(t.accepted, e.At)
		t.blocked = ""
	case fleet.EventUnsent:
		t.blocked = ""
	case fleet.EventHeld:
		t.blocked = strings.TrimSuffix(string(e.Reason)+": "+e.Error, ": ")
	case fleet.EventHealthy, fleet.EventSkipped:
		delete(t.unhealthy, e.InstanceID)
	case fleet.EventFailed, fleet.EventUnknown:
		delete(t.unhealthy, e.InstanceID)
		t.failures = append(t.failures, Clean(EventLine(e)))
		t.failures = t.failures[max(0, len(t.failures)-lastFailures):]
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
	flight      []string // who is in flight, the slowest first
	groups      []string // a line for each group
}

func (t *Tracker) now() standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	waiting, restarting := t.planner.Count(fleet.StateWaiting), t.planner.Count(fleet.StateRestarting)
	s := standing{
		total: t.total, done: t.total - waiting - restarting, took: now.Sub(t.begun),
		failures: slices.Clone(t.failures), broken: t.planner.Failed() > 0,
	}
	s.states = Counts(t.planner.Count)
	s.unavailable = fmt.Sprintf("unavailable %d of %d", t.planner.Unavailable(), t.planner.Width())
	s.rate = t.rate(now)
	s.gate = t.gate(now)
	s.health = t.health()
	if left, ok := t.progress.Remaining(now); ok {
		s.left = left
	}
	s.flight, s.groups = t.flight.lines(now), t.flight.groupLines()
	return s
}

// WatchHealth returns a health check whose answers the tracker shows; nil for nil.
func (t *Tracker) WatchHealth(ask func(context.Context, fleet.Target) error) func(context.Context, fleet.Target) error {
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
func (t *Tracker) health() string {
	if len(t.unhealthy) == 0 {
		return ""
	}
	if _, ok := t.unhealthy[t.last]; !ok {
		t.last = slices.Sorted(maps.Keys(t.unhealthy))[0]
	}
	return fmt.Sprintf("%d not healthy, such as %s: %s", len(t.unhealthy), t.last, oneLine(Clean(t.unhealthy[t.last])))
}

// rate is how many restarts a minute the service accepts, and what the pace is.
func (t *Tracker) rate(now time.Time) string {
	first, _ := slices.BinarySearchFunc(t.accepted, now.Add(-rateSpan), time.Time.Compare)
	t.accepted = t.accepted[first:]
	text := "no restart in the last minute"
	if n := len(t.accepted); n > 0 {
		span := max(min(rateSpan, now.Sub(t.begun)), time.Second)
		text = fmt.Sprintf("%.0f restarts/min", float64(n)/span.Minutes())
	}
	state := t.slowest()
	if state.RatePerMinute > 0 {
		text += fmt.Sprintf(", paced to %.0f", state.RatePerMinute)
	}
	if state.Throttled > 0 {
		text += fmt.Sprintf(", %d throttled", state.Throttled)
	}
	return text
}

// gate says why nothing is sent.
func (t *Tracker) gate(now time.Time) string {
	state := t.slowest()
	switch {
	case t.ends != "":
		return "sends nothing more: " + Reason(t.ends)
	case len(t.holds) > 0:
		return Paused(slices.Sorted(maps.Keys(t.holds)))
	case state.Closed:
		return fmt.Sprintf("throttled by the service, next request in %v", max(0, state.Until.Sub(now)).Round(time.Second))
	case t.blocked != "":
		return "waiting: " + Clean(t.blocked)
	case state.Waiting > 0:
		return fmt.Sprintf("%d waiting for the rate limit", state.Waiting)
	case t.planner.Count(fleet.StateWaiting) > 0 && t.planner.Unavailable() >= t.planner.Width():
		return "limit used up for now (--max-unavailable)"
	}
	return ""
}

// slowest sums up the pace of all clients: what holds back any of them is shown.
func (t *Tracker) slowest() (state pace.State) {
	for _, is := range t.pace() {
		state.RatePerMinute += is.RatePerMinute
		state.Waiting += is.Waiting
		state.Throttled += is.Throttled
		if is.Closed && (!state.Closed || is.Until.After(state.Until)) {
			state.Closed, state.Until = true, is.Until
		}
	}
	return state
}
