package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Sent is a restart that somebody sent, or may have sent, who drives a [Planner] by
// other means than a run of this package, as a durable workflow does.
type Sent struct {
	Target   Target
	Before   Reading   // zero if nobody looked
	At       time.Time // an answer that was lost may take Options.UnknownGrace from then to show
	Accepted bool      // or else its answer was lost
	Down     bool      // the instance was seen in another status since
}

// Follow follows a restart that was sent as a run does, and tells what it sees as
// events; the last is [EventHealthy], [EventFailed] or [EventUnknown]. It sends
// nothing. After a failure it goes on looking, as the instance may come back, until
// ctx ends; if that ends earlier, the end is not told. Of the options, Health,
// MinReady, ReadyTimeout, which counts from now, and UnknownGrace count. Tell is called
// in the goroutine of the call.
func Follow(ctx context.Context, client *ecsreboot.Client, sent Sent, options Options, tell func(Event)) error {
	f, err := newStep(client, sent.Target, options)
	if err != nil {
		return err
	}
	f.before, f.sentAt, f.down = sent.Before, sent.At, sent.Down
	kind := ActionResolve
	if sent.Accepted {
		kind = ActionFollow
	}
	f.step(tell, func() { f.work(ctx, kind) })
	return nil
}

// AwaitOthers looks what keeps an instance from being restarted that is not Running
// when its turn has come. If others restart it, it waits until it is healthy. It
// tells [EventSkipped] or [EventFailed], and returns true without one if the instance
// is Running after all. Options and tell are those of [Follow].
func AwaitOthers(ctx context.Context, client *ecsreboot.Client, target Target, options Options, tell func(Event)) (running bool, err error) {
	f, err := newStep(client, target, options)
	if err != nil {
		return false, err
	}
	f.step(tell, func() {
		err := f.awaitOthers(ctx)
		running = err == nil && ctx.Err() == nil
		if ctx.Err() == nil {
			f.tellEnd(ctx, err)
		}
	})
	return running, nil
}

// Judgement is what an error means for an instance that it kept from being
// restarted.
type Judgement struct {
	// Event tells what becomes of the instance if nobody tries again: [EventFailed],
	// [EventSkipped], or [EventUnsent].
	Event Event
	// Retry is why another try may succeed later; empty if none would.
	Retry Reason
	// NotRunning tells that it is not Running; see [AwaitOthers].
	NotRunning bool
	// ForAll tells that the error would meet every instance: the run must halt.
	ForAll bool
}

// Judge says what the error of a restart means that certainly did not happen, as
// its outcome is [ecsreboot.OutcomeNotSent] or [ecsreboot.OutcomeRejected]. It may
// read the instance. It is what a run makes of such an error.
func Judge(ctx context.Context, client *ecsreboot.Client, target Target, err error) (Judgement, error) {
	f, bad := newStep(client, target, Options{})
	if bad != nil {
		return Judgement{}, bad
	}
	if outcome := ecsreboot.OutcomeOf(err); outcome != ecsreboot.OutcomeNotSent && outcome != ecsreboot.OutcomeRejected {
		return Judgement{}, input("err", "is of a restart that may have happened, or of none: "+outcome.String())
	}
	j := Judgement{Retry: f.mayPass(err), NotRunning: errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus)}
	e, fatal := f.verdict(ctx, err)
	e.InstanceID = target.ID
	j.Event, j.ForAll = e, fatal != nil
	return j, nil
}

// newStep returns a follower that belongs to no run.
func newStep(client *ecsreboot.Client, target Target, options Options) (*follower, error) {
	plan := Plan{Targets: []Target{target}}
	if client != nil {
		plan.Region = client.Region()
	}
	options.Rules, options.Control, options.Window = Rules{}, nil, nil
	s, err := newSession(client, plan, options)
	if err != nil {
		return nil, err
	}
	return s.newFollower(target.ID), nil
}

// step has a follower work, and tells what it tells. A panic in it panics here.
func (f *follower) step(tell func(Event), work func()) {
	done := make(chan struct{})
	f.start(func() {
		defer close(done)
		work()
	})
	for over := false; !over; {
		select {
		case <-f.told.filled:
		case <-done:
			over = true
			f.working.Wait()
		}
		for _, t := range f.told.empty() {
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
