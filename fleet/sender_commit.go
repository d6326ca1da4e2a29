package fleet

import (
	"context"
	"fmt"
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

// beforeSend is called right before each request that may restart the instance. If it
// returns nil, the intent is durable. Writing the intent may take long, so beforeSend
// checks whether the request may leave both before and after the write.
func (s *sender) beforeSend(ctx context.Context, intent ecsreboot.SendIntent) error {
	before := intent.Baseline
	if err := s.mayLeave(before); err != nil {
		return err
	}
	if time.Since(s.consent) > max(freshTime, s.thought) {
		if err := s.askBlocker(ctx); err != nil {
			return &withheldError{reason: ReasonBlocked, cause: err}
		}
		if err := s.mayLeave(before); err != nil {
			return err
		}
	}
	s.follower.before = before
	e := Event{Kind: EventIntent, At: time.Now(), InstanceID: s.follower.target.ID, Attempt: s.follower.attempts + 1, Before: new(s.follower.before), SendID: intent.SendID}
	if err := s.session.record.intend(e); err != nil {
		return &withheldError{reason: ReasonJournal, cause: err}
	}
	s.follower.intended = true
	s.follower.attempts++
	s.follower.sentAt, s.follower.sendID = e.At, e.SendID
	s.session.told.put(told{Event: e})
	if err := s.mayLeave(before); err != nil {
		return err
	}
	if !s.departure.Leave() {
		return &withheldError{reason: ReasonInterrupted} // the session does not report this reason
	}
	return nil
}

// callOff cancels a restart when nothing may be sent any more, unless it is about to
// leave or has left.
func (s *sender) callOff(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		reason, changed := s.session.brake.state()
		if reason != "" {
			if s.departure.Revoke() {
				cancel(&withheldError{reason: reason})
			}
			return
		}
		select {
		case <-changed:
		case <-s.departure.Left():
			return
		case <-ctx.Done():
			return
		}
	}
}

// mayLeave returns why a restart may not leave now that it is about to, or nil.
func (s *sender) mayLeave(before ecsreboot.Baseline) error {
	if reason := s.session.withheld(); reason != "" {
		return &withheldError{reason: reason}
	}
	if s.first.IsZero() {
		s.first = before.StartTime
	}
	switch {
	case time.Since(before.TakenAt) > freshTime:
		return &withheldError{reason: reasonStale}
	case before.StartTime.After(s.first): // since its turn came
		return &withheldError{reason: ReasonOthers, skip: true}
	case s.startedRecently(before):
		return &withheldError{reason: ReasonUptime, skip: true}
	}
	return nil
}

// startedRecently reports whether there is no need for a restart, by the service's
// own clock. In a resumed run that is also so where the instance has started since
// the run began: whatever the journal lost, it is not restarted again.
func (s *sender) startedRecently(before ecsreboot.Baseline) bool {
	return s.session.options.MinUptime > 0 && time.Now().Add(clockAhead(before)).Sub(before.StartTime) < s.session.options.MinUptime ||
		s.session.resumed && s.session.startedSince(before)
}

// askBlocker calls the blocker. Its approval is valid for freshTime, or for as long as
// the blocker ran, whichever is longer: the approval of a slow blocker would otherwise
// be stale before it can be used.
func (s *sender) askBlocker(ctx context.Context) error {
	begin := time.Now()
	if s.session.options.Blocker != nil {
		if err := s.session.options.Blocker(ctx, s.follower.target); err != nil {
			return scrubbed(err)
		}
	}
	s.consent = time.Now()
	s.thought = s.consent.Sub(begin)
	return nil
}
