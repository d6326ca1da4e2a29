package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

const (
	// retryInterval is the time between two tries of what certainly did not happen.
	retryInterval = 10 * time.Second
	// sendPatience is for how long these go on without a connection, credentials, or
	// an instance that is free for the operation.
	sendPatience = 5 * time.Minute
	// freshTime is how old a reading or the consent of a blocker may be when the
	// restart leaves.
	freshTime = 10 * time.Second
)

// restart restarts the instance and follows it. It tells the proof and returns
// nil, or returns why there is none.
func (f *follower) restart(ctx context.Context) error {
	if f.target.ID == f.options.SelfID {
		return &withheldError{reason: ReasonSelf, skip: true}
	}
	var failing time.Time // since when tries fail for what should pass soon
	for {
		if err := f.askBlocker(ctx); err != nil {
			failing = time.Time{}
			if err := f.hold(ctx, f.options.BlockerInterval, ReasonBlocked, err); err != nil {
				return err
			}
			continue
		}
		if reason := f.takeWay(ctx); reason != "" {
			return &withheldError{reason: reason}
		}
		err := f.rebootAndWait(ctx)
		f.leaveWay()
		if err == nil || ctx.Err() != nil {
			return err
		}
		why := f.mayPass(err)
		if errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus) && !f.settled {
			if other := f.awaitOthers(ctx); other != nil {
				return other
			}
			why = ReasonRefused // for a moment, as it seems
		}
		wait := retryInterval
		switch {
		case why == "":
			return err
		case why == ReasonBlocked:
			wait, failing = f.options.BlockerInterval, time.Time{}
		case why == ReasonThrottled:
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > sendPatience:
			return err
		}
		if why == reasonStale {
			wait = 0
		}
		if err := f.hold(ctx, wait, why, err); err != nil {
			return err
		}
	}
}

// reasonStale is why a send is tried once more at once: the reading before it is
// too old by now. It is never told.
const reasonStale Reason = "stale"

// hold waits before the next try, and tells why. The error is what else came up.
func (f *follower) hold(ctx context.Context, d time.Duration, why Reason, err error) error {
	if e := (Event{Kind: EventHeld, Reason: why, Error: text(err)}); why != reasonStale && (why != f.held.Reason || e.Error != f.held.Error) {
		f.held = e
		f.tell(e)
	}
	f.sleep(ctx, d)
	if ctx.Err() != nil {
		return &withheldError{reason: ReasonInterrupted}
	}
	if reason := f.withheld(); reason != "" {
		return &withheldError{reason: reason}
	}
	return nil
}

// mayPass returns why a send that certainly did not happen may succeed later, or
// nothing.
func (f *follower) mayPass(err error) Reason {
	withheld, isWithheld := errors.AsType[*withheldError](err)
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	apiErr, answered := errors.AsType[*ecsreboot.APIError](err)
	outcome := ecsreboot.OutcomeOf(err)
	switch {
	case outcome != ecsreboot.OutcomeNotSent && outcome != ecsreboot.OutcomeRejected:
		return ""
	case isWithheld && (withheld.reason == ReasonBlocked || withheld.reason == reasonStale):
		return withheld.reason
	case isWithheld:
		return ""
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ReasonThrottled
	case busy(err):
		return ReasonRefused
	case outcome == ecsreboot.OutcomeNotSent && answered && apiErr.StatusCode >= 500: // a reading
		return ReasonNotSent
	case outcome == ecsreboot.OutcomeRejected, badCertificate, answered, errors.Is(err, ecsreboot.ErrInvalidInput):
		return ""
	}
	return ReasonNotSent
}

// busy reports whether the service refuses for a moment only.
func busy(err error) bool {
	for _, code := range []ecsreboot.ErrorCode{
		ecsreboot.ErrOperationConflict, ecsreboot.ErrInvalidOperationConflict, ecsreboot.ErrLastTokenProcessing,
		ecsreboot.ErrInstanceNotReady, ecsreboot.ErrIncorrectInstanceStatusInitializing,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// rebootAndWait sends the restart and follows it. The limit of ReadyTimeout counts
// from the send; until there is an intent, it is called off when nothing may be
// sent any more.
func (f *follower) rebootAndWait(ctx context.Context) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.commitment = newCommitment()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.callOff(limited, cancel)
	}()
	options := f.waitOptions()
	options.BeforeSend = f.beforeSend
	seen := options.OnEvent
	options.OnEvent = func(e ecsreboot.Event) {
		before := f.settled
		seen(e)
		if limit := f.options.ReadyTimeout; f.settled && !before && limit >= 0 {
			timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w: %v are over", errNotReady, limit)) })
			context.AfterFunc(limited, func() { timer.Stop() })
		}
	}
	request := ecsreboot.RebootInstanceRequest{InstanceID: f.target.ID, ForceStop: f.plan.ForceStop}
	result, err := f.client.RebootAndWait(limited, request, options)
	cause := context.Cause(limited)
	cancel(nil)
	<-watched
	if withheld, ok := errors.AsType[*withheldError](cause); ok && ecsreboot.OutcomeOf(err) == ecsreboot.OutcomeNotSent && ctx.Err() == nil {
		return withheld // the wait keeps the reason as a text only
	}
	if err != nil {
		return err
	}
	f.proven(result)
	return nil
}

// takeWay waits until one more restart may be on its way, or returns why none may.
func (f *follower) takeWay(ctx context.Context) Reason {
	for {
		_, changed := f.brake.state()
		if reason := f.withheld(); reason != "" {
			return reason
		}
		select {
		case f.sending <- struct{}{}:
			f.onWay = true
			return ""
		case <-changed:
		case <-ctx.Done():
			return ReasonInterrupted
		}
	}
}

// leaveWay makes room for the next.
func (f *follower) leaveWay() {
	if f.onWay {
		f.onWay = false
		<-f.sending
	}
}

// sleep waits, unless something happens to the session meanwhile.
func (f *follower) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	_, changed := f.brake.state()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}
