package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
)

const (
	// retryInterval is the time between two tries of what certainly did not happen.
	retryInterval = 10 * time.Second
	// sendPatience is for how long these go on without a connection, credentials, or
	// an instance that is free for the operation.
	sendPatience = 5 * time.Minute
	// maxAttempts is how many requests for an instance may be sent if a witness finds that the
	// service refused the last one. After that, the instance fails.
	maxAttempts = 10
	// freshTime is how old a reading or the consent of a blocker may be when the
	// restart leaves.
	freshTime = 10 * time.Second
	// leastPatience is the shortest time for which a blocked instance keeps its turn: a
	// run in which all are blocked must not fill its journal.
	leastPatience = 10 * time.Second
)

// sender restarts one instance, as soon as it may, and has it followed.
type sender struct {
	session  *session
	follower *follower

	held      heldFor       // what the last EventHeld reported
	consent   time.Time     // the blocker's last
	thought   time.Duration // how long the blocker took for it
	first     time.Time     // the StartTime when its turn had come
	departure *Departure    // of the send under way
	onWay     bool          // a slot of the session is ours
}

// heldFor says why a restart waits for its next attempt.
type heldFor struct {
	reason Reason
	detail string
}

func newSender(f *follower) *sender { return &sender{session: f.session, follower: f} }

// work restarts the instance and follows it to its end.
func (s *sender) work(ctx context.Context) { s.follower.tellEnd(ctx, s.restart(ctx)) }

// restart restarts the instance and follows it. It reports the proof and returns nil,
// or returns why there is no proof.
func (s *sender) restart(ctx context.Context) error {
	if s.follower.target.ID == s.session.options.SelfID {
		return &withheldError{reason: ReasonSelf, skip: true}
	}
	if slices.Contains(s.session.options.Exclude, s.follower.target.ID) {
		return &withheldError{reason: ReasonExcluded, skip: true}
	}
	var failing time.Time // since when tries fail for what should pass soon
	var blocked time.Time // since when the blocker refuses
	for {
		switch err := s.askBlocker(ctx); {
		case err == nil:
			blocked = time.Time{}
		case !blocked.IsZero() && time.Since(blocked) >= max(s.session.options.BlockerPatience, leastPatience):
			return &withheldError{reason: ReasonBlocked, cause: err}
		default:
			if blocked.IsZero() {
				blocked = time.Now()
			}
			failing = time.Time{}
			if err := s.hold(ctx, s.session.options.BlockerInterval, ReasonBlocked, err); err != nil {
				return err
			}
			continue
		}
		if reason := s.session.withheld(); reason != "" {
			return &withheldError{reason: reason}
		}
		if err := s.follower.drain(ctx); err != nil {
			return err
		}
		if reason := s.takeWay(ctx); reason != "" {
			return &withheldError{reason: reason}
		}
		err := s.rebootAndWait(ctx)
		s.leaveWay(false)
		if err == nil || ctx.Err() != nil {
			return err
		}
		why := mayPass(err)
		if errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus) && !s.follower.settled {
			if other := s.awaitOthers(ctx); other != nil {
				return other
			}
			why = ReasonRefused // for a moment, as it seems
		}
		wait := retryInterval
		switch {
		case why == "":
			return err
		case s.follower.spared && s.follower.attempts < maxAttempts:
			return &withheldError{reason: why, cause: err} // the instance waits for another turn
		case s.follower.spared:
			return err
		case why == ReasonBlocked:
			wait, failing = s.session.options.BlockerInterval, time.Time{}
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
		if err := s.hold(ctx, wait, why, err); err != nil {
			return err
		}
	}
}

// hold waits before the next attempt, and reports why. The error err adds detail to the
// reason.
func (s *sender) hold(ctx context.Context, d time.Duration, why Reason, err error) error {
	if now := (heldFor{why, text(err)}); why != reasonStale && now != s.held {
		s.held = now
		s.follower.tell(Event{Kind: EventHeld, Reason: why, Error: now.detail})
	}
	s.sleep(ctx, d)
	if ctx.Err() != nil {
		return &withheldError{reason: ReasonInterrupted}
	}
	if reason := s.session.withheld(); reason != "" {
		return &withheldError{reason: reason}
	}
	return nil
}

// rebootAndWait sends the restart and follows it. The limit of ReadyTimeout counts
// from the send; until there is an intent, it is called off when nothing may be
// sent any more.
func (s *sender) rebootAndWait(ctx context.Context) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.follower.giveUp = cancel
	defer s.follower.leave()
	s.departure = NewDeparture(0)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.callOff(limited, cancel)
	}()
	options := s.follower.waitOptions()
	options.BeforeSend, options.OperationID = s.beforeSend, s.session.operationID()
	seen := options.OnEvent
	var late *time.Timer // ends the wait after ReadyTimeout
	defer func() {
		if late != nil {
			late.Stop()
		}
	}()
	options.OnEvent = func(e ecsreboot.Event) {
		if e.Kind == ecsreboot.EventAccepted || e.Kind == ecsreboot.EventOutcomeUnknown {
			s.leaveWay(e.Kind == ecsreboot.EventAccepted)
		}
		before := s.follower.settled
		seen(e)
		if limit := s.session.options.ReadyTimeout; s.follower.settled && !before && limit >= 0 {
			late = time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w: %v are over", errNotReady, limit)) })
		}
	}
	request := ecsreboot.RebootInstanceRequest{InstanceID: s.follower.target.ID, ForceStop: s.session.plan.ForceStop}
	result, err := s.follower.client.RebootAndWait(limited, request, options)
	cause := context.Cause(limited)
	cancel(nil)
	<-watched
	if withheld, ok := errors.AsType[*withheldError](cause); ok && ecsreboot.OutcomeOf(err) == ecsreboot.OutcomeNotSent && ctx.Err() == nil {
		return withheld // the wait keeps the reason as a text only
	}
	if err != nil {
		if ecsreboot.OutcomeOf(err) == ecsreboot.OutcomeRejected { // possibly found by a witness
			s.follower.settled = false
		}
		return err
	}
	return s.follower.proven(ctx, result)
}

// takeWay waits until one more restart may be on its way, or returns why none may.
func (s *sender) takeWay(ctx context.Context) Reason {
	for {
		_, changed := s.session.brake.state()
		if reason := s.session.withheld(); reason != "" {
			return reason
		}
		select {
		case s.session.slots.taken <- struct{}{}:
			s.onWay = true
			return ""
		case <-changed:
		case <-ctx.Done():
			return ReasonInterrupted
		}
	}
}

// leaveWay makes room for the next. If accepted, the service has accepted the restart.
func (s *sender) leaveWay(accepted bool) {
	if s.onWay {
		s.onWay = false
		s.session.slots.leave(s.follower.client.Pace(pace.RebootInstance), accepted)
	}
}

// sleep waits for d, or until the brake of the session changes or ctx ends.
func (s *sender) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	_, changed := s.session.brake.state()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}
