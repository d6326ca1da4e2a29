package fleet

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet/internal/bridge"
	"github.com/ecsreboot/ecsreboot/pace"
)

// single does for one instance what a run does, for those who drive a [Planner] by
// other means: package driver is its exported form.
type single struct {
	client  *ecsreboot.Client
	options Options
}

var _ = bridge.Lend(newSingle)

func newSingle(client *ecsreboot.Client, options Options) (bridge.Single[Target, Event, Reason], error) {
	options, err := options.forInstance()
	if err != nil {
		return nil, err
	}
	options.Control, options.Window = new(Control), nil // nothing is sent here
	options.Console = nil                               // only a run records its output
	return &single{client: client, options: options}, nil
}

// follower returns a follower that belongs to no run. It refuses a target of another
// region than the client's.
func (s *single) follower(target Target) (*follower, error) {
	if target.Region != "" && target.Region != s.client.Region() {
		return nil, input("Target", strconv.Quote(target.ID)+" is of region "+target.Region+", the client of "+s.client.Region())
	}
	return newFollower(newBareSession(oneClient(s.client), s.options), target), nil
}

// Follow follows a restart that was sent by other means than a run.
func (s *single) Follow(ctx context.Context, sent bridge.Sent[Target], tell func(Event)) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	if id := sent.Before.InstanceID; id != "" && id != sent.Target.ID {
		return input("Before", "is of "+strconv.Quote(id))
	}
	f, err := s.follower(sent.Target)
	if err != nil {
		return err
	}
	f.before, f.sentAt, f.sendID, f.down = sent.Before, sent.At, sent.SendID, sent.Down
	if !sent.SentAt.IsZero() {
		f.sentAt = sent.SentAt
		if grace := &f.session.options.UnknownGrace; *grace >= 0 { // the grace period begins at sentAt
			*grace += max(0, sent.At.Sub(sent.SentAt))
		}
	}
	var refusal error
	f.session.hearAll(tell, func() {
		err := f.takeUp(ctx, sent.Accepted)
		if outcomeOf(err) == ecsreboot.OutcomeRejected {
			refusal = err
			return
		}
		f.tellEnd(ctx, err)
	})
	return refusal
}

// AwaitOthers waits for an instance that is not Running when its turn has come.
func (s *single) AwaitOthers(ctx context.Context, target Target, tell func(Event)) (running bool, err error) {
	if err := checkContext(ctx); err != nil {
		return false, err
	}
	f, err := s.follower(target)
	if err != nil {
		return false, err
	}
	f.session.hearAll(tell, func() {
		err := newSender(f).awaitOthers(ctx)
		running = err == nil && ctx.Err() == nil
		if ctx.Err() == nil {
			f.tellEnd(ctx, err)
		}
	})
	return running, nil
}

// Judge classifies the error of a restart that did not happen, as a run does.
func (s *single) Judge(ctx context.Context, target Target, err error) (bridge.Judgement[Event, Reason], error) {
	if err := checkContext(ctx); err != nil {
		return bridge.Judgement[Event, Reason]{}, err
	}
	if outcome := ecsreboot.OutcomeOf(err); outcome != ecsreboot.OutcomeNotSent && outcome != ecsreboot.OutcomeRejected {
		return bridge.Judgement[Event, Reason]{}, input("err", "is of a restart that may have happened, or of none: "+outcome.String())
	}
	f, bad := s.follower(target)
	if bad != nil {
		return bridge.Judgement[Event, Reason]{}, bad
	}
	e, fatal := f.verdict(ctx, err)
	e.InstanceID = target.ID
	j := bridge.Judgement[Event, Reason]{
		Event: e, Retry: mayPass(err), NotRunning: errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus), ForAll: fatal != nil,
	}
	if j.Retry == ReasonThrottled {
		if apiErr, ok := errors.AsType[*ecsreboot.APIError](err); ok {
			j.RetryAfter = apiErr.RetryAfter
		}
		if state := s.client.Pace(pace.RebootInstance); state.Closed {
			j.RetryAfter = max(j.RetryAfter, time.Until(state.Until))
		}
	}
	return j, nil
}

// CallHook calls a hook as a run does. The text of its error shows no secret.
func (s *single) CallHook(ctx context.Context, call func(context.Context) error) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	if err := callHook(ctx, s.options.HookTimeout, call); err != nil {
		return errors.New(hookText(err))
	}
	return nil
}

// Permitted sends a dry run.
func (s *single) Permitted(ctx context.Context, id string, forceStop bool) (permitted, known bool) {
	d := dryRunOther(ctx, s.client, id, forceStop)
	return d == denialAlone, d != denialOpen
}

// hearAll runs work, and calls tell with each event that work reports, in the goroutine
// of the caller. A panic in work panics here.
func (s *session) hearAll(tell func(Event), work func()) {
	done := make(chan struct{})
	s.start(func() {
		defer close(done)
		work()
	})
	for over := false; !over; {
		select {
		case <-s.told.filled:
		case <-done:
			over = true
			s.working.Wait()
		}
		for _, t := range s.told.empty() {
			if t.panicked != nil {
				panic(t.panicked)
			}
			if t.Kind == "" {
				continue
			}
			if t.At.IsZero() {
				t.At = time.Now()
			}
			tell(t.Event)
		}
	}
}
