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
)

// restart restarts the instance and follows it. It tells the proof and returns
// nil, or returns why there is none.
func (f *follower) restart(ctx context.Context) error {
	if f.target.ID == f.options.SelfID {
		return &withheldError{reason: ReasonSelf, skip: true}
	}
	for begin := time.Now(); ; {
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
		switch {
		case why == "", why != ReasonBlocked && why != reasonThrottled && time.Since(begin) > sendPatience:
			return err
		case why == ReasonBlocked:
			f.sleep(ctx, f.options.BlockerInterval)
		default:
			f.sleep(ctx, retryInterval)
		}
	}
}

// reasonThrottled is why a send may pass later; it is no end, and so never told.
const reasonThrottled Reason = "throttled"

// mayPass returns why a send that certainly did not happen may succeed later, or
// nothing.
func (f *follower) mayPass(err error) Reason {
	withheld, isWithheld := errors.AsType[*withheldError](err)
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	outcome := ecsreboot.OutcomeOf(err)
	switch {
	case outcome != ecsreboot.OutcomeNotSent && outcome != ecsreboot.OutcomeRejected:
		return ""
	case isWithheld && withheld.reason == ReasonBlocked:
		return ReasonBlocked
	case isWithheld:
		return ""
	case errors.Is(err, ecsreboot.ErrThrottled):
		return reasonThrottled
	case busy(err):
		return ReasonRefused
	case outcome == ecsreboot.OutcomeRejected, badCertificate, isAPIError(err), errors.Is(err, ecsreboot.ErrInvalidInput):
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

func isAPIError(err error) bool {
	_, ok := errors.AsType[*ecsreboot.APIError](err)
	return ok
}

// rebootAndWait sends the restart and follows it. The limit of ReadyTimeout counts
// from the send.
func (f *follower) rebootAndWait(ctx context.Context) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
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
	if err != nil {
		return err
	}
	f.proven(result)
	return nil
}

// withheldError is why this program does not send a restart.
type withheldError struct {
	reason Reason
	skip   bool // not now and not later
	cause  error
}

func (e *withheldError) Error() string {
	if e.cause == nil {
		return "fleet: held back: " + string(e.reason)
	}
	return fmt.Sprintf("fleet: held back: %s: %v", e.reason, e.cause)
}

func (e *withheldError) Unwrap() error { return e.cause }

// beforeSend is asked right before a request leaves that may restart the instance.
// When it agrees, the intent is durable.
func (f *follower) beforeSend(ctx context.Context, before ecsreboot.Baseline) error {
	if reason := f.withheld(); reason != "" {
		return &withheldError{reason: reason}
	}
	if f.startedRecently(before) {
		return &withheldError{reason: ReasonUptime, skip: true}
	}
	if f.options.Blocker != nil {
		if err := f.options.Blocker(ctx, f.target); err != nil {
			return &withheldError{reason: ReasonBlocked, cause: err}
		}
		if reason := f.withheld(); reason != "" { // it may have taken its time
			return &withheldError{reason: reason}
		}
	}
	f.before = Reading{Status: before.Status, StartTime: before.StartTime, Locks: before.Locks, At: before.TakenAt}
	e := Event{Kind: EventIntent, At: time.Now(), InstanceID: f.target.ID, Attempt: f.attempts + 1, Before: new(f.before)}
	if err := f.record.intend(e); err != nil {
		return &withheldError{reason: ReasonJournal, cause: err}
	}
	f.attempts++
	f.sentAt = e.At
	f.told <- told{Event: e}
	return nil
}

// withheld returns why nothing may be sent now, or nothing.
func (f *follower) withheld() Reason {
	if reason, _ := f.brake.state(); reason != "" {
		return reason
	}
	if f.options.Window != nil {
		if open, _ := f.options.Window.at(time.Now()); !open {
			return ReasonWindow
		}
	}
	return ""
}

// startedRecently reports whether there is no need for a restart. In a resumed run
// that is also so where the instance has started since the run began: whatever the
// journal lost, it is not restarted again.
func (f *follower) startedRecently(before ecsreboot.Baseline) bool {
	return f.options.MinUptime > 0 && time.Since(before.StartTime) < f.options.MinUptime ||
		f.resumed && before.StartTime.After(f.begun)
}

// takeWay waits until one more restart may be on its way, or returns why none may.
func (f *follower) takeWay(ctx context.Context) Reason {
	for {
		reason, changed := f.brake.state()
		if reason == "" {
			reason = f.withheld()
		}
		if reason != "" {
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

// awaitOthers looks what keeps an instance from being restarted that is not
// Running. One that others restart is waited for, as a second restart would do
// nobody any good. It returns nil if the instance is Running after all.
func (f *follower) awaitOthers(ctx context.Context) error {
	var before ecsreboot.Status
	for begin := time.Now(); ; f.sleep(ctx, retryInterval) {
		now, err := f.status(ctx)
		switch {
		case ctx.Err() != nil:
			return &withheldError{reason: ReasonInterrupted}
		case err != nil:
			return err
		case now == ecsreboot.StatusRunning && before == "":
			return nil
		case now == ecsreboot.StatusRunning:
			return &withheldError{reason: ReasonOthers, skip: true}
		case now == "" && before == "",
			now == ecsreboot.StatusStopped && (before == now || before == ""),
			f.options.ReadyTimeout >= 0 && time.Since(begin) > f.options.ReadyTimeout:
			return &withheldError{reason: ReasonNotRunning, skip: true}
		}
		before = now
	}
}

// status reads the status of the instance; empty if it is not listed.
func (f *follower) status(ctx context.Context) (ecsreboot.Status, error) {
	for instance, err := range f.client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{f.target.ID}}) {
		return instance.Status, err
	}
	return "", nil
}
