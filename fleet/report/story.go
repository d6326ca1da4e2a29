package report

import (
	"math"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// story is what the events of a run amount to.
type story struct {
	history *fleet.History
	report  *fleet.Report
	planner *fleet.Planner
	index   map[string]int // of the plan, by id

	begun, last time.Time // of the events, by a clock that never goes back
	version     string
	hooks       []fleet.Hook
	sessions    []session
	idle        []interval // nothing was under way, or nobody looked
	levels      []Level
	progress    []progress
	marks       []Mark
	calls       []Calls
	accepted    int
	throttled   int
	lanes       []lane // as the targets of the plan
	peak        int
	over        bool // the failures of this session exceed MaxFailed
	inFlight    int  // when that happened
	ignored     int
}

type interval struct{ from, to time.Time }

// session is a part of the run from its beginning or resumption on.
type session struct {
	interval
	ended     bool
	throttled int // as its last pace event said
}

// progress is how many instances are in each of the states from a time on.
type progress struct {
	at     time.Time
	counts [len(states)]int
}

// states are in the order in which they are stacked and listed.
var states = [...]fleet.State{
	fleet.StateHealthy, fleet.StateFailed, fleet.StateUnknown, fleet.StateRestarting, fleet.StateWaiting, fleet.StateSkipped,
}

func newStory(history *fleet.History) (*story, error) {
	if history == nil || len(history.Events) == 0 || !isFirst(history.Events[0]) {
		return nil, &ecsreboot.InputError{Field: "history", Problem: "does not begin with a run and its rules"}
	}
	first := history.Events[0]
	planner, err := fleet.NewPlanner(history.Plan, first.Settings.Rules)
	if err != nil {
		return nil, err
	}
	s := &story{
		history: history,
		report:  history.Report(),
		planner: planner,
		index:   make(map[string]int, len(history.Plan.Targets)),
		begun:   first.At,
		last:    first.At,
		lanes:   make([]lane, len(history.Plan.Targets)),
		calls:   []Calls{}, // not null in JSON
	}
	for i, t := range history.Plan.Targets {
		s.index[t.ID] = i
	}
	for i, e := range history.Events {
		if e.Settings != nil && i > 0 {
			s.judgeBy(e.Settings.Rules, i)
		}
		s.add(e)
	}
	for i := range s.lanes {
		s.lanes[i].close(s.last)
	}
	return s, nil
}

// isFirst reports whether a history may begin with the event.
func isFirst(e fleet.Event) bool {
	return e.Kind == fleet.EventRun && e.InstanceID == "" && e.Settings != nil
}

// judgeBy applies the rules that a resumption brings; invalid ones leave them as they
// were. Before it, n events were added.
func (s *story) judgeBy(rules fleet.Rules, n int) {
	planner, err := fleet.NewPlanner(s.history.Plan, rules)
	if err != nil {
		return
	}
	for _, e := range s.history.Events[:n] {
		_ = planner.Replay(e) // what it refuses is ignored, as before
	}
	s.planner = planner
}

// add takes an event in.
func (s *story) add(e fleet.Event) {
	before := s.last
	if e.At.After(s.last) {
		s.last = e.At
	}
	if e.Kind == fleet.EventResume || s.planner.Count(fleet.StateRestarting) == 0 {
		s.rest(before)
	}
	if err := s.planner.Replay(e); err != nil {
		s.ignored++
		return
	}
	if e.InstanceID == "" {
		s.addRun(e)
	} else {
		s.lanes[s.index[e.InstanceID]].add(e, s.last)
		if e.Kind == fleet.EventAccepted {
			s.accepted++
			s.minute().Accepted++
		}
	}
	s.exceed(e)
	s.sessions[len(s.sessions)-1].to = s.last
	s.level(Level{At: s.last, Unavailable: s.planner.Unavailable(), Max: s.planner.Width()})
}

// exceed notes how many restarts are in progress when the failures exceed the limit.
func (s *story) exceed(e fleet.Event) {
	switch limit := s.planner.Rules().MaxFailed.Of(len(s.lanes)); {
	case e.Kind == fleet.EventRun, e.Kind == fleet.EventResume:
		s.over, s.inFlight = s.planner.Failed() > limit, 0
	case !s.over && s.planner.Failed() > limit:
		s.over, s.inFlight = true, s.planner.Count(fleet.StateRestarting)
	}
}

// rest notes that nothing was under way since a time.
func (s *story) rest(since time.Time) {
	switch n := len(s.idle); {
	case !s.last.After(since):
	case n > 0 && s.idle[n-1].to.Equal(since):
		s.idle[n-1].to = s.last
	default:
		s.idle = append(s.idle, interval{since, s.last})
	}
}

// addRun takes an event of the whole run in.
func (s *story) addRun(e fleet.Event) {
	mark := Mark{At: s.last, Kind: e.Kind, Reason: e.Reason, Error: e.Error, Stage: e.Stage}
	switch e.Kind {
	case fleet.EventRun, fleet.EventResume:
		if n := len(s.sessions); n > 0 {
			mark.Crashed = !s.sessions[n-1].ended
		}
		s.sessions = append(s.sessions, session{interval: interval{s.last, s.last}})
		s.version, s.hooks = e.Program, e.Hooks
	case fleet.EventPace:
		now := &s.sessions[len(s.sessions)-1]
		if more := e.Throttled - now.throttled; more > 0 {
			s.throttled += more
			s.minute().Throttled += more
		}
		now.throttled = e.Throttled
		return
	case fleet.EventEnd:
		s.sessions[len(s.sessions)-1].ended = true
	default: // they leave nothing but their mark
	}
	s.marks = append(s.marks, mark)
}

// minute returns the calls of the minute of the last event.
func (s *story) minute() *Calls {
	now := s.last.Truncate(time.Minute).UTC()
	if n := len(s.calls); n == 0 || !s.calls[n-1].Minute.Equal(now) {
		s.calls = append(s.calls, Calls{Minute: now})
	}
	return &s.calls[len(s.calls)-1]
}

// level notes what an event has changed.
func (s *story) level(now Level) {
	s.peak = max(s.peak, now.Unavailable)
	if n := len(s.levels); n == 0 || s.levels[n-1].Unavailable != now.Unavailable || s.levels[n-1].Max != now.Max {
		s.levels = append(s.levels, now)
	}
	p := progress{at: s.last}
	for i, state := range states {
		p.counts[i] = s.planner.Count(state)
	}
	if n := len(s.progress); n == 0 || s.progress[n-1].counts != p.counts {
		s.progress = append(s.progress, p)
	}
}

// active is how long the sessions took.
func (s *story) active() time.Duration {
	var sum time.Duration
	for _, one := range s.sessions {
		sum = plus(sum, one.to.Sub(one.from))
	}
	return sum
}

// plus adds times, of which clocks that were wrong by centuries may make more than
// can be counted.
func plus(a, b time.Duration) time.Duration {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func (s *story) ending() Ending {
	switch r := s.report; {
	case r.Ended.IsZero() && s.history.Holder != "":
		return EndingRunning
	case r.Ended.IsZero() && s.history.HolderKnown:
		return EndingCrashed
	case r.Ended.IsZero():
		return EndingOpen
	case r.Reason == fleet.ReasonDone:
		return EndingDone
	case r.Reason == fleet.ReasonUser:
		return EndingStopped
	case r.Reason == fleet.ReasonInterrupted:
		return EndingInterrupted
	}
	return EndingHalted
}

func (s *story) data() *Data {
	return &Data{
		Summary: s.summary(),
		Records: s.report.Records,
		Series:  Series{Unavailable: s.levels, Calls: s.calls, Marks: s.marks},
	}
}

func (s *story) summary() Summary {
	r := s.report
	total, groups := s.settle()
	sum := Summary{
		Region: r.Plan.Region, Endpoint: r.Plan.Endpoint, FurtherRegions: r.Plan.FurtherRegions, ForceStop: r.Plan.ForceStop, Digest: r.Digest,
		Version: s.version, Settings: r.Settings,
		Begun: r.Begun, Last: s.last, Ended: r.Ended, Ending: s.ending(), Reason: r.Reason, Error: r.Error,
		Sessions: r.Sessions, ActiveSeconds: s.active().Seconds(), Bounds: r.Bounds,
		Instances: len(r.Records), States: make(map[fleet.State]int, len(states)),
		Failures: s.planner.Failed(), MaxFailed: r.Settings.MaxFailed.Of(len(r.Records)),
		InFlight: s.inFlight,
		Peak:     s.peak, MaxUnavailable: s.levels[len(s.levels)-1].Max,
		Accepted: s.accepted, Throttled: s.throttled,
		Maintenance: r.Maintenance(s.last, fleet.DeadlineMargin),
		Settle:      total, Groups: groups,
		TornBytes: s.history.Torn, Ignored: s.ignored,
	}
	for _, state := range states {
		sum.States[state] = r.Count(state)
	}
	if minutes := s.active().Minutes(); minutes > 0 {
		sum.PerMinute = float64(sum.States[fleet.StateHealthy]) / minutes
	}
	return sum
}

// regional are instances of a region.
type regional struct {
	fleet.PlanRegion

	ids []string
}

// regionsOf returns the regions of instances, in the order of the plan's regions.
func (s *story) regionsOf(ids []string) (regions []regional) {
	plan := s.report.Plan
	in := make(map[string][]string)
	for _, id := range ids {
		if record, ok := s.report.Record(id); ok {
			region := plan.RegionOf(record.Target)
			in[region] = append(in[region], id)
		}
	}
	for _, r := range plan.Regions() {
		if len(in[r.Region]) > 0 {
			regions = append(regions, regional{r, in[r.Region]})
		}
	}
	return regions
}
