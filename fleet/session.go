package fleet

import (
	"cmp"
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

	told    chan told     // by the goroutines at work
	sending chan struct{} // has a token for each restart that is on its way
	brake   brake
	working sync.WaitGroup
	err     error // what ended the session, other than what became of the instances
}

// told is an event, with the error that is its reason if that is one of the whole
// session.
type told struct {
	Event
	err error
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
		told:    make(chan told),
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
func (s *session) run(ctx context.Context, first Event) {
	work, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	control := s.options.Control.watch()
	meter := newPaceMeter(s.client)
	clock := time.NewTimer(s.untilLook())
	defer clock.Stop()

	s.take(work, nil, append([]Event{first}, s.held()...)...)
	for !s.planner.ended {
		select {
		case t := <-s.told:
			s.take(work, t.err, t.Event)
		case <-control:
			s.take(work, nil, s.held()...)
		case <-clock.C:
			s.take(work, nil, append(s.held(), meter.read()...)...)
			clock.Reset(s.untilLook())
		case <-ctx.Done():
			s.err = errors.Join(s.err, context.Cause(ctx))
			s.planner.ended = true
		}
	}
	// Who still looks at instances is called off. What was on its way is of use to
	// the next session.
	s.brake.set(ReasonInterrupted)
	leave(errSessionOver)
	idle := make(chan struct{})
	go func() {
		s.working.Wait()
		close(idle)
	}()
	for waiting := true; waiting; {
		select {
		case t := <-s.told:
			s.take(work, t.err, t.Event)
		case <-idle:
			waiting = false
		}
	}
	end := Event{Kind: EventEnd, Reason: cmp.Or(s.planner.stopping, ReasonDone)}
	if ctx.Err() != nil {
		end.Reason = ReasonInterrupted
	}
	s.take(work, nil, append(meter.read(), end)...)
}

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
	for reason, now := range map[Reason]bool{ReasonUser: paused, ReasonWindow: closed} {
		switch before := s.planner.paused[reason]; {
		case now && !before:
			events = append(events, Event{Kind: EventPause, Reason: reason})
		case !now && before:
			events = append(events, Event{Kind: EventContinue, Reason: reason})
		}
	}
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

// take takes events in and does what the planner asks for then. The error is why
// the session cannot go on, if that is what they tell.
func (s *session) take(work context.Context, err error, events ...Event) {
	for len(events) > 0 {
		for i := range events {
			if events[i].At.IsZero() {
				events[i].At = time.Now()
			}
			err = errors.Join(err, s.tell(events[i]))
		}
		actions, wrong := s.planner.Next(events...) // wrong: a mistake of this package
		err = errors.Join(err, wrong)
		events = nil
		for _, a := range actions {
			events = append(events, s.act(work, a)...)
		}
		if err != nil && s.planner.stopping == "" {
			events = append(events, Event{Kind: EventHalt, Reason: reasonOf(err), Error: err.Error()})
		}
		s.err = errors.Join(s.err, err)
		err = nil
		s.brake.set(s.planner.held())
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
		s.working.Go(func() { s.approve(work, a.Stage) })
	case ActionRestart, ActionFollow, ActionResolve:
		f := s.newFollower(a.InstanceID)
		s.working.Go(func() { f.work(work, a.Kind) })
	case ActionEnd:
	}
	return nil
}

// approve asks the caller whether to go on after a canary stage.
func (s *session) approve(ctx context.Context, stage int) {
	err := s.options.Approve(ctx, stage)
	switch {
	case ctx.Err() != nil: // nobody asks any more
	case err != nil:
		s.told <- told{Event: Event{Kind: EventHalt, Reason: ReasonDisapproved, Error: err.Error()}}
	default:
		s.told <- told{Event: Event{Kind: EventStage, Stage: stage}}
	}
}

// brake tells the goroutines at work whether they may send.
type brake struct {
	mu      sync.Mutex
	reason  Reason
	changed chan struct{} // closed at the next change; nil while nobody waits
}

func (b *brake) set(reason Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reason == b.reason {
		return
	}
	b.reason = reason
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// state returns why nothing may be sent, or nothing, and a channel that tells of a
// change.
func (b *brake) state() (Reason, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.reason, b.changed
}
