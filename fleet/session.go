package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// session is a run from its beginning, or its resumption, to its end. It alone gives
// events to the planner; the goroutines at work only tell it what happens.
type session struct {
	clients clients
	options Options
	plan    Plan
	planner *Planner
	report  *Report
	record  recorder
	loaded  int    // events of the journal before it was locked
	chain   string // of the journal's records before this session
	resumed bool
	begun   time.Time // the first session of the run; zero unless resumed

	denials denials
	told    *mailbox
	slots   *sendSlots
	brake   brake
	working sync.WaitGroup

	// What ended the session, other than what became of the instances.
	over     bool // it is left before the planner says so
	err      error
	panicked any
}

func newSession(client *ecsreboot.Client, plan Plan, options Options) (*session, error) {
	options, err := options.forRun(client, plan)
	if err != nil {
		return nil, err
	}
	planner, err := NewPlanner(plan, options.Rules)
	if err != nil {
		return nil, err
	}
	all, err := newClients(client, plan, options.Clients)
	if err != nil {
		return nil, err
	}
	s := newBareSession(all, options)
	s.plan, s.planner, s.report = plan, planner, newReport(plan)
	return s, nil
}

// newBareSession returns a session without a plan, for what is done to one instance
// outside of a run.
func newBareSession(of clients, options Options) *session {
	return &session{clients: of, options: options, told: newMailbox(), slots: newSendSlots()}
}

// operationID begins the send IDs of the run, so that one search of the cloud's audit log
// finds all requests of the run.
func (s *session) operationID() string {
	if s.report == nil {
		return ""
	}
	return s.report.ID
}

// run takes in events, and does what the planner asks for, until nothing is under
// way. The work is done by goroutines that only tell events.
func (s *session) run(ctx context.Context, first ...Event) {
	work, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	control := s.options.Control.watch()
	meter := newPaceMeter(s.clients.all)
	clock := time.NewTimer(s.untilLook())
	defer clock.Stop()

	interrupted := false
	s.take(work, append(first, s.held()...)...)
	for !s.isOver() {
		select {
		case <-s.told.filled:
			// Once ctx has ended, goroutines report that they were called off. That must not
			// give their instances another turn, so these reports are taken after the loop.
			if ctx.Err() == nil {
				s.hear(work)
			}
		case <-control:
			control = s.options.Control.watch()
			s.take(work, s.held()...)
		case <-clock.C:
			s.take(work, append(s.held(), meter.read()...)...)
			clock.Reset(s.untilLook())
		case <-ctx.Done():
			s.fail(context.Cause(ctx))
			s.over, interrupted = true, true
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
	s.take(work, append(append(meter.read(), s.maintenance(ctx)...), end)...)
}

// isOver reports whether nothing more is begun.
func (s *session) isOver() bool { return s.over || s.planner.isOver() }

// hear takes the reports of the working goroutines.
func (s *session) hear(work context.Context) {
	for _, t := range s.told.empty() {
		if t.panicked != nil {
			s.panicked, s.over = t.panicked, true
			continue
		}
		s.fail(t.err)
		if t.Kind == "" {
			s.over = true
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

// take takes events in and does what the planner asks for then.
func (s *session) take(work context.Context, events ...Event) {
	for len(events) > 0 {
		for i := range events {
			if events[i].At.IsZero() {
				events[i].At = time.Now()
			}
			s.fail(s.tell(events[i]))
		}
		actions, err := s.plannerNext(events)
		s.fail(err)                   // a mistake of this package
		s.brake.set(s.planner.Held()) // before anybody begins
		events = nil
		for _, a := range actions {
			events = append(events, s.act(work, a)...)
		}
		if s.err != nil && s.planner.stopped() == "" && !s.isOver() {
			events = append(events, Event{Kind: EventHalt, Reason: reasonOf(s.err), Error: text(s.err)})
		}
	}
}

// plannerNext gives events to the planner. Once the session is over, nothing that it
// would ask for is done.
func (s *session) plannerNext(events []Event) ([]Action, error) {
	if !s.over {
		return s.planner.Next(events...)
	}
	for _, e := range events {
		if err := s.planner.Replay(e); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// tell records an event and passes it to OnEvent.
func (s *session) tell(e Event) error {
	err := s.record.write(e)
	s.report.Add(e)
	if s.options.OnEvent != nil {
		s.options.OnEvent(e)
	}
	return err
}

// act carries out an action of the planner, or starts a goroutine for it, and returns
// the events to report at once.
func (s *session) act(work context.Context, a Action) []Event {
	switch a.Kind {
	case ActionHalt:
		return []Event{{Kind: EventHalt, Reason: a.Reason}}
	case ActionApprove:
		if s.options.Approve == nil {
			return []Event{{Kind: EventStage, Stage: a.Stage}}
		}
		s.start(func() { s.approve(work, a.Stage) })
	case ActionRestart:
		sender := newSender(s.follower(a.InstanceID))
		s.start(func() { sender.work(work) })
	case ActionUndrain:
		follower := s.follower(a.InstanceID)
		s.start(func() { follower.undrainAgain(work) })
	case ActionFollow, ActionResolve:
		follower := s.follower(a.InstanceID)
		record, _ := s.report.Record(a.InstanceID)
		follower.undrained, follower.failedCalled = record.Call(HookUndrain).passed(), record.Call(HookFailed).passed()
		follower.consoleRead = record.Console != ""
		s.start(func() { follower.work(work, a.Kind == ActionFollow) })
	case ActionEnd:
	}
	return nil
}

// follower returns a follower of an instance, with what the report knows of it.
func (s *session) follower(id string) *follower {
	f := newFollower(s, s.plan.Targets[s.report.index[id]])
	record, _ := s.report.Record(id)
	f.attempts, f.sentAt, f.sendID, f.down = s.planner.Attempts(id), record.SentAt, record.SendID, !record.DownAt.IsZero()
	f.drained = record.Drained()
	f.drainDone = f.drained && record.State == StateRestarting && record.Call(HookDrain).passed() // an earlier session began its turn
	if record.Before != nil {
		f.before = *record.Before
	}
	return f
}

// start runs work in a goroutine. If a hook of the caller panics in it, the session ends
// and then panics in the caller's goroutine.
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
		s.told.put(told{Event: Event{Kind: EventHalt, Reason: ReasonDisapproved, Error: hookText(err)}})
	default:
		s.told.put(told{Event: Event{Kind: EventStage, Stage: stage}})
	}
}
