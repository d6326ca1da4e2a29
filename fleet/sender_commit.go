package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// withheldError is why this program does not send a restart.
type withheldError struct {
	reason      Reason
	skip        bool // not now and not later
	unavailable bool // it is not Running
	cause       error
}

func (e *withheldError) Error() string {
	if e.cause == nil {
		return "fleet: held back: " + string(e.reason)
	}
	return fmt.Sprintf("fleet: held back: %s: %v", e.reason, e.cause)
}

func (e *withheldError) Unwrap() error { return e.cause }

// beforeSend is asked right before a request leaves that may restart the instance.
// When it agrees, the intent is durable. What can change meanwhile is looked at
// twice: a disk may take its time.
func (f *follower) beforeSend(ctx context.Context, before ecsreboot.Baseline) error {
	if err := f.mayLeave(before); err != nil {
		return err
	}
	if time.Since(f.consent) > max(freshTime, f.thought) {
		if err := f.askBlocker(ctx); err != nil {
			return &withheldError{reason: ReasonBlocked, cause: err}
		}
		if err := f.mayLeave(before); err != nil {
			return err
		}
	}
	f.before = Reading{Status: before.Status, StartTime: before.StartTime, Locks: before.Locks, At: before.TakenAt, ServiceTime: before.ServiceTime}
	e := Event{Kind: EventIntent, At: time.Now(), InstanceID: f.target.ID, Attempt: f.attempts + 1, Before: new(f.before)}
	if err := f.record.intend(e); err != nil {
		return &withheldError{reason: ReasonJournal, cause: err}
	}
	f.attempts++
	f.sentAt = e.At
	f.told.put(told{Event: e})
	if err := f.mayLeave(before); err != nil {
		return err
	}
	if !f.commitment.make() {
		return &withheldError{reason: ReasonInterrupted} // which is not what is told
	}
	return nil
}

// callOff cancels a restart when nothing may be sent any more, unless it is about to
// leave or has left.
func (f *follower) callOff(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		reason, changed := f.brake.state()
		if reason != "" {
			if f.commitment.rule() {
				cancel(&withheldError{reason: reason})
			}
			return
		}
		select {
		case <-changed:
		case <-f.commitment.made:
			return
		case <-ctx.Done():
			return
		}
	}
}

// commitment is the point from which a restart is not called off any more.
type commitment struct {
	mu       sync.Mutex
	made     chan struct{} // closed when it is
	ruledOut bool
}

func newCommitment() *commitment { return &commitment{made: make(chan struct{})} }

// make reports whether the restart may leave.
func (c *commitment) make() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ruledOut && !c.isMade() {
		close(c.made)
	}
	return !c.ruledOut
}

// rule reports whether the restart will not leave.
func (c *commitment) rule() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ruledOut = !c.isMade()
	return c.ruledOut
}

func (c *commitment) isMade() bool {
	select {
	case <-c.made:
		return true
	default:
		return false
	}
}

// mayLeave returns why a restart may not leave now that it is about to, or nil.
func (f *follower) mayLeave(before ecsreboot.Baseline) error {
	if reason := f.withheld(); reason != "" {
		return &withheldError{reason: reason}
	}
	if f.first.IsZero() {
		f.first = before.StartTime
	}
	switch {
	case time.Since(before.TakenAt) > freshTime:
		return &withheldError{reason: reasonStale}
	case before.StartTime.After(f.first): // since its turn came
		return &withheldError{reason: ReasonOthers, skip: true}
	case f.startedRecently(before):
		return &withheldError{reason: ReasonUptime, skip: true}
	}
	return nil
}

// startedRecently reports whether there is no need for a restart, by the service's
// own clock. In a resumed run that is also so where the instance has started since
// the run began: whatever the journal lost, it is not restarted again.
func (f *follower) startedRecently(before ecsreboot.Baseline) bool {
	ahead := time.Duration(0)
	if !before.ServiceTime.IsZero() {
		ahead = before.ServiceTime.Sub(before.TakenAt)
	}
	return f.options.MinUptime > 0 && time.Now().Add(ahead).Sub(before.StartTime) < f.options.MinUptime ||
		f.resumed && before.StartTime.After(f.begun.Add(ahead))
}

// askBlocker asks the caller's blocker. A consent counts for a while, and that of
// one who thinks for longer as long as that: it would never be of use otherwise.
func (f *follower) askBlocker(ctx context.Context) error {
	begin := time.Now()
	if f.options.Blocker != nil {
		if err := f.options.Blocker(ctx, f.target); err != nil {
			return err
		}
	}
	f.consent = time.Now()
	f.thought = f.consent.Sub(begin)
	return nil
}

// withheld returns why nothing may be sent now, or nothing.
func (s *session) withheld() Reason {
	if reason, _ := s.brake.state(); reason != "" {
		return reason
	}
	switch paused, stopped := s.options.Control.state(); {
	case paused, stopped: // which the session may not have noticed yet
		return ReasonUser
	case s.options.Window != nil:
		if open, _ := s.options.Window.at(time.Now()); !open {
			return ReasonWindow
		}
	}
	return ""
}
