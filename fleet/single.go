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
	return &single{client: client, options: options}, nil
}

// follower returns a follower that belongs to no run.
func (s *single) follower(target Target) *follower {
	return newFollower(newBareSession(s.client, s.options), target)
}

// Follow follows a restart that was sent by other means than a run.
func (s *single) Follow(ctx context.Context, sent bridge.Sent[Target], tell func(Event)) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	if id := sent.Before.InstanceID; id != "" && id != sent.Target.ID {
		return input("Before", "is of "+strconv.Quote(id))
	}
	f := s.follower(sent.Target)
	f.before, f.sentAt, f.down = sent.Before, sent.At, sent.Down
	f.session.hearAll(tell, func() { f.work(ctx, sent.Accepted) })
	return nil
}

// AwaitOthers waits for an instance that is not Running when its turn has come.
func (s *single) AwaitOthers(ctx context.Context, target Target, tell func(Event)) (running bool, err error) {
	if err := checkContext(ctx); err != nil {
		return false, err
	}
	f := s.follower(target)
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
	e, fatal := s.follower(target).verdict(ctx, err)
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
