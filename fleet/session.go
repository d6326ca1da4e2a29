package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// session is a run from its beginning, or its resumption, to its end.
type session struct {
	client  *ecsreboot.Client
	plan    Plan
	targets map[string]Target
	options Options
	planner *Planner
	report  *Report
	record  recorder
	resumed bool
	begun   time.Time // the first session of the run; zero unless resumed

	told    mailbox       // by the goroutines at work
	sending chan struct{} // has a token for each restart that is on its way
	brake   brake
	working sync.WaitGroup

	// What ended the session, other than what became of the instances.
	err      error
	panicked any
}

// told is an event, or what ends the session: an error that would meet every
// instance, a panic in a hook of the caller's.
type told struct {
	Event
	err      error
	panicked any
}

func newSession(client *ecsreboot.Client, plan Plan, options Options) (*session, error) {
	options = options.withDefaults()
	if err := options.check(client, plan); err != nil {
		return nil, err
	}
	planner, err := NewPlanner(plan, options.Rules)
	if err != nil {
		return nil, err
	}
	s := &session{
		client:  client,
		plan:    plan,
		targets: make(map[string]Target, len(plan.Targets)),
		options: options,
		planner: planner,
		report:  newReport(plan),
		told:    mailbox{filled: make(chan struct{}, 1)},
		sending: make(chan struct{}, maxSending),
	}
	for _, t := range plan.Targets {
		s.targets[t.ID] = t
	}
	return s, nil
}

// lookInterval is how often the pace is read.
const lookInterval = 10 * time.Second

// run takes in events, and does what the planner asks for, until nothing is under
// way. The work is done by goroutines that only tell events.
func (s *session) run(ctx context.Context, first ...Event) {
	work, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	control := s.options.Control.watch()
	meter := newPaceMeter(s.client)
	clock := time.NewTimer(s.untilLook())
	defer clock.Stop()

	interrupted := false
	s.take(work, append(first, s.held()...)...)
	for !s.planner.ended {
		select {
		case <-s.told.filled:
			s.hear(work)
		case <-control:
			control = s.options.Control.watch()
			s.take(work, s.held()...)
		case <-clock.C:
			s.take(work, append(s.held(), meter.read()...)...)
			clock.Reset(s.untilLook())
		case <-ctx.Done():
			s.fail(context.Cause(ctx))
			s.planner.ended, interrupted = true, true
		}
	}
	// Who still looks at instances is called off. What was on its way is of use to
	// the next session.
	leave(errSessionOver)
	s.working.Wait()
	s.hear(work)
	end := Event{Kind: EventEnd, Reason: s.planner.ending()}
	if interrupted || s.panicked != nil || errors.Is(s.err, errHookEnded) {
		end.Reason = ReasonInterrupted
	}
	s.take(work, append(meter.read(), end)...)
}

// hear takes in what the goroutines at work have told.
func (s *session) hear(work context.Context) {
	for _, t := range s.told.empty() {
		if t.panicked != nil {
			s.panicked, s.planner.ended = t.panicked, true
			continue
		}
		s.fail(t.err)
		if t.Kind == "" {
			s.planner.ended = true
			continue
		}
		// Why somebody did not send may be news, and then nobody else shall try.
		s.take(work, append(s.held(), t.Event)...)
	}
}

// fail keeps the first error that ends the session.
func (s *session) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// errHookEnded is of a hook that calls runtime.Goexit, as a test's FailNow does.
var errHookEnded = errors.New("fleet: a hook has ended its goroutine")

// errSessionOver calls off what still looks at instances.
var errSessionOver = errors.New("fleet: the session is over")

// held returns what changed of the reasons for which nothing may be sent: the
// caller's, and the window's.
func (s *session) held() []Event {
	paused, stopped := s.options.Control.state()
	closed := false
	if s.options.Window != nil {
		open, _ := s.options.Window.at(time.Now())
		closed = !open
	}
	var events []Event
	change := func(reason Reason, now bool) {
		switch before := s.planner.paused[reason]; {
		case now && !before:
			events = append(events, Event{Kind: EventPause, Reason: reason})
		case !now && before:
			events = append(events, Event{Kind: EventContinue, Reason: reason})
		}
	}
	change(ReasonUser, paused)
	change(ReasonWindow, closed)
	if stopped && s.planner.stopping == "" {
		events = append(events, Event{Kind: EventStop, Reason: ReasonUser})
	}
	return events
}

// untilLook is when to look at the clock next.
func (s *session) untilLook() time.Duration {
	wait := lookInterval
	if s.options.Window != nil {
		now := time.Now()
		_, until := s.options.Window.at(now)
		wait = min(wait, until.Sub(now))
	}
	return wait
}

// take takes events in and does what the planner asks for then.
func (s *session) take(work context.Context, events ...Event) {
	for len(events) > 0 {
		for i := range events {
			if events[i].At.IsZero() {
				events[i].At = time.Now()
			}
			s.fail(s.tell(events[i]))
		}
		actions, err := s.planner.Next(events...)
		s.fail(err)                   // a mistake of this package
		s.brake.set(s.planner.held()) // before anybody begins
		events = nil
		for _, a := range actions {
			events = append(events, s.act(work, a)...)
		}
		if s.err != nil && s.planner.stopping == "" && !s.planner.ended {
			events = append(events, Event{Kind: EventHalt, Reason: reasonOf(s.err), Error: text(s.err)})
		}
	}
}

// tell records an event and tells the caller of it.
func (s *session) tell(e Event) error {
	err := s.record.write(e)
	s.report.add(e)
	if s.options.OnEvent != nil {
		s.options.OnEvent(e)
	}
	return err
}

// act does what the planner asks for, or has it done, and returns what there is to
// tell at once.
func (s *session) act(work context.Context, a Action) []Event {
	switch a.Kind {
	case ActionHalt:
		return []Event{{Kind: EventHalt, Reason: a.Reason}}
	case ActionApprove:
		if s.options.Approve == nil {
			return []Event{{Kind: EventStage, Stage: a.Stage}}
		}
		s.start(func() { s.approve(work, a.Stage) })
	case ActionRestart, ActionFollow, ActionResolve:
		f := s.newFollower(a.InstanceID)
		s.start(func() { f.work(work, a.Kind) })
	case ActionEnd:
	}
	return nil
}

// start has something done in a goroutine. A panic in it, of a hook of the caller's,
// ends the session, and then panics in the caller's goroutine.
func (s *session) start(work func()) {
	s.working.Go(func() {
		returned := false
		defer func() {
			if value := recover(); value != nil {
				s.told.put(told{panicked: value})
			} else if !returned {
				s.told.put(told{err: errHookEnded})
			}
		}()
		work()
		returned = true
	})
}

// approve asks the caller whether to go on after a canary stage.
func (s *session) approve(ctx context.Context, stage int) {
	err := s.options.Approve(ctx, stage)
	switch {
	case ctx.Err() != nil: // nobody asks any more
	case err != nil:
		s.told.put(told{Event: Event{Kind: EventHalt, Reason: ReasonDisapproved, Error: err.Error()}})
	default:
		s.told.put(told{Event: Event{Kind: EventStage, Stage: stage}})
	}
}
