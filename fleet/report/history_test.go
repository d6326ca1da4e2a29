package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// begun is when the histories begin.
var begun = time.Date(2026, 3, 14, 1, 58, 12, 0, time.UTC)

// course is what befalls a fleet of which a history is made.
type course struct {
	instances int
	groups    int
	rules     fleet.Rules
	seed      uint64
	perMinute int           // that the service accepts; 0 for no limit
	broken    float64       // share of the instances that fail or are unknown
	skipped   float64       // and that are left alone
	crashAt   time.Duration // of the run; 0 if it does not crash
	away      time.Duration // until it goes on; 0 if it never does
	pauseAt   time.Duration
	pauseFor  time.Duration
}

// simulation drives a planner as a run does, with made-up instances.
type simulation struct {
	course
	random  *rand.Rand
	planner *fleet.Planner
	history *fleet.History
	now     time.Time
	queue   []fleet.Event // to come, by time
	minute  time.Time
	calls   int // in the minute
	pace    fleet.Event
	paused  bool
}

// simulated has the histories made so far: several tests look at the same samples.
var simulated sync.Map // from the course as text to *fleet.History

// simulate returns a history that a planner agrees with. The caller may append to its
// events, and must not change them.
func simulate(tb testing.TB, c course) *fleet.History {
	tb.Helper()
	key := fmt.Sprintf("%+v", c)
	made, ok := simulated.Load(key)
	if !ok {
		made, _ = simulated.LoadOrStore(key, makeHistory(tb, c))
	}
	history := *made.(*fleet.History)
	history.Events = slices.Clip(history.Events)
	return &history
}

func makeHistory(tb testing.TB, c course) *fleet.History {
	tb.Helper()
	plan := fleet.Plan{Region: "cn-hangzhou", Endpoint: "ecs.cn-hangzhou.aliyuncs.com"}
	for i := range c.instances {
		zone := fmt.Sprintf("cn-hangzhou-%c", 'g'+i%max(c.groups, 1))
		target := fleet.Target{ID: fmt.Sprintf("i-bp1%017x", uint64(i)*0x9e3779b97f4a7c15>>4), Name: fmt.Sprintf("web-%04d", i+1), Zone: zone}
		if c.groups > 1 {
			target.Group = zone
		}
		plan.Targets = append(plan.Targets, target)
	}
	planner, err := fleet.NewPlanner(plan, c.rules)
	require.NoError(tb, err)
	s := &simulation{
		course: c, random: rand.New(rand.NewPCG(c.seed, 7)), planner: planner,
		history: &fleet.History{Plan: plan}, now: begun,
	}
	rules := planner.Rules()
	s.take(tb, fleet.Event{Kind: fleet.EventRun, Plan: &plan, Settings: &fleet.Settings{Rules: rules}, Program: "1.4.0"})
	s.run(tb)
	return s.history
}

// run plays the events to come.
func (s *simulation) run(tb testing.TB) {
	tb.Helper()
	ended := false
	for len(s.queue) > 0 {
		e := s.queue[0]
		s.queue = s.queue[1:]
		if s.crashAt > 0 && e.At.After(begun.Add(s.crashAt)) {
			s.crash(tb)
			continue
		}
		if e.Kind != fleet.EventPace || !ended {
			s.now = e.At
		}
		if e.Kind == fleet.EventPace {
			if ended {
				continue
			}
			s.pace.Rate = float64(s.perMinute)
			e.Accepted, e.Throttled, e.Rate = s.pace.Accepted, s.pace.Throttled, s.pace.Rate
			if s.planner.Count(fleet.StateRestarting) > 0 {
				s.later(10*time.Second, fleet.Event{Kind: fleet.EventPace})
			}
		}
		ended = ended || e.Kind == fleet.EventEnd
		s.take(tb, e)
	}
}

// crash forgets what was to come, and goes on later by the journal.
func (s *simulation) crash(tb testing.TB) {
	tb.Helper()
	s.queue, s.crashAt = nil, 0
	if s.away == 0 {
		return
	}
	planner, err := fleet.NewPlanner(s.history.Plan, s.rules)
	require.NoError(tb, err)
	for _, e := range s.history.Events {
		require.NoError(tb, planner.Replay(e))
	}
	s.planner, s.now, s.pace, s.paused = planner, s.now.Add(s.away), fleet.Event{}, false
	rules := planner.Rules()
	s.take(tb, fleet.Event{Kind: fleet.EventResume, Settings: &fleet.Settings{Rules: rules}, Program: "1.4.1"})
}

// later puts events into the queue.
func (s *simulation) later(after time.Duration, e fleet.Event) time.Duration {
	e.At = s.now.Add(after)
	i, _ := slices.BinarySearchFunc(s.queue, e, func(a, b fleet.Event) int {
		if a.At.After(b.At) {
			return 1
		}
		return -1
	})
	s.queue = slices.Insert(s.queue, i, e)
	return after
}

// take records an event and does what the planner asks for.
func (s *simulation) take(tb testing.TB, e fleet.Event) {
	tb.Helper()
	e.At = s.now
	s.history.Events = append(s.history.Events, e)
	actions, err := s.planner.Next(e)
	require.NoError(tb, err)
	if e.Kind == fleet.EventRun || e.Kind == fleet.EventResume {
		s.later(10*time.Second, fleet.Event{Kind: fleet.EventPace})
		if s.pauseFor > 0 && e.Kind == fleet.EventRun {
			s.later(s.pauseAt, fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonUser})
			s.later(s.pauseAt+s.pauseFor, fleet.Event{Kind: fleet.EventContinue, Reason: fleet.ReasonUser})
		}
	}
	for _, a := range actions {
		s.act(a)
	}
}

func (s *simulation) act(a fleet.Action) {
	switch a.Kind {
	case fleet.ActionRestart:
		s.restart(a.InstanceID)
	case fleet.ActionUndrain: // no hook is played
	case fleet.ActionFollow:
		s.settle(a.InstanceID, 0)
	case fleet.ActionResolve:
		s.later(s.some(5), fleet.Event{Kind: fleet.EventHealthy, InstanceID: a.InstanceID, Proof: ecsreboot.ProofStartTime})
	case fleet.ActionApprove:
		s.later(time.Second, fleet.Event{Kind: fleet.EventStage, Stage: a.Stage})
	case fleet.ActionHalt:
		s.later(0, fleet.Event{Kind: fleet.EventHalt, Reason: a.Reason})
	case fleet.ActionEnd:
		s.later(0, fleet.Event{Kind: fleet.EventEnd, Reason: a.Reason})
	}
}

// some is a time around so many seconds.
func (s *simulation) some(around float64) time.Duration {
	return time.Duration(around * math.Exp(0.25*s.random.NormFloat64()) * float64(time.Second))
}

// restart plans what happens to an instance.
func (s *simulation) restart(id string) {
	switch roll := s.random.Float64(); {
	case roll < s.skipped/2:
		s.later(s.some(0.3), fleet.Event{Kind: fleet.EventSkipped, InstanceID: id, Reason: fleet.ReasonUptime})
		return
	case roll < s.skipped:
		s.later(s.some(0.3), fleet.Event{Kind: fleet.EventSkipped, InstanceID: id, Reason: fleet.ReasonNotRunning, Unavailable: true})
		return
	}
	before := &ecsreboot.Baseline{InstanceID: id, Status: ecsreboot.StatusRunning, StartTime: begun.AddDate(0, -1, 0), TakenAt: s.now}
	at := s.turn() + s.some(0.4)
	s.later(at, fleet.Event{Kind: fleet.EventIntent, InstanceID: id, Attempt: s.planner.Attempts(id) + 1, Before: before})
	at += s.some(0.25)
	request := fmt.Sprintf("%08X-0000-5000-8000-%012X", s.random.Uint32(), s.random.Uint32())
	if s.random.Float64() >= s.broken {
		s.later(at, fleet.Event{Kind: fleet.EventAccepted, InstanceID: id, RequestID: request})
		s.pace.Accepted++
		s.settle(id, at)
		return
	}
	switch s.random.IntN(4) {
	case 0:
		s.later(at, fleet.Event{
			Kind: fleet.EventFailed, InstanceID: id, Reason: fleet.ReasonRefused, Code: "OperationDenied.NoStock",
			Error: "RebootInstance: 403 OperationDenied: the operation is not permitted", RequestID: request,
		})
	case 1:
		s.later(at, fleet.Event{Kind: fleet.EventDoubt, InstanceID: id, Error: "RebootInstance: read: connection reset by peer"})
		s.later(at+s.some(60), fleet.Event{Kind: fleet.EventUnknown, InstanceID: id, Reason: fleet.ReasonNotProven, Error: "no sign of a restart within 1m0s"})
	default:
		s.later(at, fleet.Event{Kind: fleet.EventAccepted, InstanceID: id, RequestID: request})
		s.later(at+s.some(6), fleet.Event{Kind: fleet.EventDown, InstanceID: id})
		s.later(at+10*time.Minute, fleet.Event{
			Kind: fleet.EventFailed, InstanceID: id, Reason: fleet.ReasonNotBack, Error: "not healthy in time: 10m0s are over; last seen Starting", RequestID: request,
		})
	}
}

// turn is how long the service makes the next call wait, by minutes of the clock.
func (s *simulation) turn() time.Duration {
	if s.perMinute == 0 {
		return 0
	}
	minute := s.now.Truncate(time.Minute)
	if minute.After(s.minute) {
		s.minute, s.calls = minute, 0
	}
	s.calls++
	late := (s.calls - 1) / s.perMinute
	if late > 0 {
		s.pace.Throttled++
		return s.minute.Add(time.Duration(late) * time.Minute).Sub(s.now)
	}
	return 0
}

// settle plans how an accepted restart goes on.
func (s *simulation) settle(id string, at time.Duration) {
	down := at + s.some(7)
	up := down + s.some(45)
	s.later(down, fleet.Event{Kind: fleet.EventDown, InstanceID: id})
	s.later(up, fleet.Event{Kind: fleet.EventUp, InstanceID: id})
	s.later(up+s.some(32), fleet.Event{Kind: fleet.EventHealthy, InstanceID: id, Proof: ecsreboot.ProofStartTime})
}
