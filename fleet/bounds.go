package fleet

import (
	"container/heap"
	"encoding/json"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// Bounds are three lower bounds of the time of a run. Each of them is how long the run would
// take if one limit alone slowed the run down. The largest one shows which limit to change
// for a faster run; the rest of the time is lost elsewhere: between two restarts, because a
// poll shows the end of a restart a little late, and in pauses, hooks and retries.
type Bounds struct {
	// Width is the bound of MaxUnavailable, MaxUnavailablePerGroup and the canary stages: how
	// long the restarts take if each instance begins, in the order of the plan, as soon as the
	// rules have a place for it. It includes the rounds, and the slow restarts at the end.
	//
	// An instance keeps its place for its Drain and Undrain, for its restart until a poll shows
	// it Running again, and for MinReady. If the run has Options.Health, or if no poll showed the instance
	// down, it keeps its place until it is healthy. Approve, pauses and the maintenance window
	// take no time. Instances that were not restarted with proof take no place.
	Width time.Duration
	// Requests is the bound of the rate limit for restart requests, and of the canary stages:
	// how long the restarts take if the requests leave one after the other at this rate, in
	// the order in which they left. It is zero if no rate limit is known, by a hint or because
	// the service throttled. Requests that left before the limit was known take no time. A
	// learned limit changes with time, and Requests uses its mean.
	Requests time.Duration
	// Polls is the bound of the rate limit for polls, of which a run uses half: how long the
	// polls take that no run can do without. For each instance, these are one before the
	// restart, one that shows it Running again, and one at the end of MinReady. A request
	// polls up to 100 instances, and no more than may be unavailable at once. Polls is zero if
	// no rate limit is known.
	Polls time.Duration
}

// Largest returns the largest bound.
func (b Bounds) Largest() time.Duration { return max(b.Width, b.Requests, b.Polls) }

// jsonBounds has the JSON of Bounds.
type jsonBounds struct {
	Width    seconds.Duration `json:"widthSeconds"`
	Requests seconds.Duration `json:"requestsSeconds,omitzero"`
	Polls    seconds.Duration `json:"pollsSeconds,omitzero"`
}

// MarshalJSON writes durations as numbers of seconds.
func (b Bounds) MarshalJSON() ([]byte, error) { return json.Marshal(b.json()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Bounds) UnmarshalJSON(text []byte) error {
	j := b.json()
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*b = Bounds{time.Duration(j.Width), time.Duration(j.Requests), time.Duration(j.Polls)}
	return nil
}

func (b Bounds) json() jsonBounds {
	return jsonBounds{seconds.Duration(b.Width), seconds.Duration(b.Requests), seconds.Duration(b.Polls)}
}

// LogValue gives slog the bounds under stable keys.
func (b Bounds) LogValue() slog.Value { return logvalue.Of(b.json()) }

// String returns the bounds that are known as text, such as
// "width 12m0s, restart requests 3m20s".
func (b Bounds) String() string {
	text := "width " + b.Width.Round(time.Second).String()
	if b.Requests > 0 {
		text += ", restart requests " + b.Requests.Round(time.Second).String()
	}
	if b.Polls > 0 {
		text += ", polls " + b.Polls.Round(time.Second).String()
	}
	return text
}

// limits are what the pace events of a run show of the rate limits.
type limits struct {
	restarts, polls knownLimit
	paced           int   // restart requests that were accepted while their limit was known
	last            Event // of this session
}

// begin takes in that a session begins, which counts from zero.
func (l *limits) begin() { l.last = Event{} }

func (l *limits) add(e Event) {
	if passed := e.At.Sub(l.last.At); passed > 0 && !l.last.At.IsZero() {
		l.restarts.add(l.last.Rate, passed)
		l.polls.add(l.last.PollRate, passed)
	}
	if l.last.Rate > 0 {
		l.paced += max(0, e.Accepted-l.last.Accepted)
	}
	l.last = e
}

// knownLimit is a rate limit over time.
type knownLimit struct{ minutes, requests float64 }

// add takes in that a limit was known to be so much a minute, for a time.
func (k *knownLimit) add(rate float64, passed time.Duration) {
	if rate > 0 {
		k.minutes += passed.Minutes()
		k.requests += rate * passed.Minutes()
	}
}

// mean returns the mean limit a minute while it was known; 0 if it never was.
func (k *knownLimit) mean() float64 {
	if k.minutes == 0 {
		return 0
	}
	return k.requests / k.minutes
}

// bounds returns the bounds of the run.
func (r *Report) bounds() Bounds {
	planner, err := NewPlanner(r.Plan, r.Settings.Rules)
	if err != nil || r.index == nil { // a decoded report takes in no events of instances
		return Bounds{}
	}
	inOrder := r.Plan
	inOrder.Targets = nil
	for i := range r.Records {
		if isProven(&r.Records[i]) {
			inOrder.Targets = append(inOrder.Targets, r.Records[i].Target)
		}
	}
	sent := len(inOrder.Targets)
	b := Bounds{Polls: leastPolls(sent, planner.Width(), max(0, r.Settings.MinReady), r.limits.polls.mean())}
	b.Width = lineUp(planner, queue{}, func(id string) (time.Duration, bool, Event) {
		record := &r.Records[r.index[id]]
		return plus(timeIn(record, HookDrain), r.place(record)), isProven(record), Event{Kind: EventSkipped, InstanceID: id, Reason: ReasonExcluded}
	})
	if r.limits.paced == 0 {
		return b
	}
	slices.SortStableFunc(inOrder.Targets, func(a, b Target) int {
		return r.Records[r.index[a.ID]].SentAt.Compare(r.Records[r.index[b.ID]].SentAt)
	})
	planner, err = newCanaryPlanner(inOrder, r.Settings.Rules)
	if err != nil {
		return b
	}
	requests := queue{free: max(0, sent-r.limits.paced), every: during(1, r.limits.restarts.mean())}
	b.Requests = lineUp(planner, requests, func(id string) (time.Duration, bool, Event) {
		return r.place(&r.Records[r.index[id]]), true, Event{}
	})
	return b
}

// newCanaryPlanner returns a Planner that nothing but the canary stages hold back.
func newCanaryPlanner(plan Plan, rules Rules) (*Planner, error) {
	return NewPlanner(plan, Rules{MaxUnavailable: Percent(100), AllowWide: true, Canary: rules.Canary})
}

func isProven(r *Record) bool { return r.State == StateHealthy && !r.SentAt.IsZero() }

// place returns how long the restart of an instance takes; see Bounds.Width.
func (r *Report) place(record *Record) time.Duration {
	whole := max(0, record.EndedAt.Sub(record.SentAt))
	if record.UpAt.IsZero() || r.hasHealth {
		return whole
	}
	up := plus(max(0, record.UpAt.Sub(record.SentAt)), max(0, r.Settings.MinReady))
	return min(whole, plus(up, timeIn(record, HookUndrain)))
}

// timeIn returns how long the last call of a hook took.
func timeIn(r *Record, hook Hook) time.Duration {
	call := r.Call(hook)
	if call.Ended.IsZero() {
		return 0
	}
	return max(0, call.Ended.Sub(call.At))
}

// leastPolls returns Bounds.Polls.
func leastPolls(restarts, width int, minReady time.Duration, rate float64) time.Duration {
	each := 2.0
	if minReady > 0 {
		each++
	}
	const shared, share = 100, 2 // instances in a request, and the part of the limit that polls use
	return during(math.Ceil(float64(restarts)/float64(min(shared, width)))*each, rate/share)
}

// during returns how long so many requests take at a rate a minute; 0 if there is no rate.
func during(requests, rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(min(requests/rate*float64(time.Minute), float64(longest)))
}

// longest is the longest bound. Clocks that were wrong by centuries would lead to more, which
// JSON could not hold as seconds.
const longest = 100 * 365 * 24 * time.Hour

// plus adds durations of at least zero, up to the longest.
func plus(a, b time.Duration) time.Duration { return min(min(a, longest)+min(b, longest), longest) }

// lineUp returns how long the restarts of a plan take if the planner decides and nothing
// else delays it: each restart begins as soon as the planner asks for it, and the planner
// learns at once that it has ended. The requests leave as the queue says. The function take
// returns how long an instance keeps its place, or false and the event with which the
// instance ends without a restart.
func lineUp(planner *Planner, requests queue, take func(id string) (place time.Duration, restarts bool, end Event)) time.Duration {
	var now time.Duration
	var places ends
	events := []Event{{Kind: EventRun}}
	for {
		actions, err := planner.Next(events...)
		if err != nil {
			return 0 // a mistake of this package
		}
		events = events[:0]
		for _, a := range actions {
			switch a.Kind {
			case ActionApprove:
				events = append(events, Event{Kind: EventStage, Stage: a.Stage})
			case ActionHalt:
				events = append(events, Event{Kind: EventHalt, Reason: a.Reason})
			case ActionRestart:
				place, restarts, end := take(a.InstanceID)
				if !restarts {
					events = append(events, end)
					continue
				}
				events = append(events, Event{Kind: EventIntent, InstanceID: a.InstanceID, Attempt: 1}, Event{Kind: EventAccepted, InstanceID: a.InstanceID})
				heap.Push(&places, placeEnd{plus(requests.leave(now), place), a.InstanceID})
			default:
			}
		}
		if len(events) > 0 {
			continue
		}
		if len(places) == 0 { // the run has ended
			return now
		}
		now = places[0].at
		for len(places) > 0 && places[0].at == now {
			events = append(events, Event{Kind: EventHealthy, InstanceID: heap.Pop(&places).(placeEnd).id})
		}
	}
}

// queue is when requests leave: some at once, and each of the others a while after the one
// before.
type queue struct {
	free  int
	every time.Duration
	next  time.Duration
}

// leave returns when the next request leaves.
func (q *queue) leave(now time.Duration) time.Duration {
	if q.free > 0 {
		q.free--
		return now
	}
	at := max(now, q.next)
	q.next = plus(at, q.every)
	return at
}

// placeEnd is when a restart ends.
type placeEnd struct {
	at time.Duration
	id string
}

// ends is a heap of these, the first one on top.
type ends []placeEnd

func (h *ends) Len() int           { return len(*h) }
func (h *ends) Less(i, j int) bool { return (*h)[i].at < (*h)[j].at }
func (h *ends) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *ends) Push(x any)         { *h = append(*h, x.(placeEnd)) }
func (h *ends) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
