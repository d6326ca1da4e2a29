package ecsreboot

import (
	"fmt"
	"time"
)

// fact is one thing that became known of a restart: an event and what only the
// verdict needs of it.
type fact struct {
	Event
	before    Baseline      // EventBaseline
	locked    ErrorCode     // EventStatus: the code with which a restart would be refused
	locks     []string      // EventStatus: all locks, those that refuse nothing included
	clockAway time.Duration // EventStatus: the service's clock less ours …
	hasClock  bool          // … if the response had a usable Date
	denied    bool          // EventPollFailed: by permissions, which will not pass
	throttled bool          // EventPollFailed: by flow control, which is no fault
	sentAt    time.Time     // EventAccepted, EventOutcomeUnknown: when the send left
	ended     error         // nothing was sent, or the service refused
	outcome   Outcome       // of ended
	attempts  int           // with sentAt: how many requests the send took
	panicked  any           // ended: by a panic with this value
}

// evidence is what is known of one restart. It follows from the facts alone: no clock,
// no I/O. A watch collects it for all, and judges it by the default options; each
// follower has evidence of its own, as it takes the facts in at its own time, and judges
// it by its own options.
type evidence struct {
	before         Baseline // zero if none was taken
	outcome        Outcome
	sends          int
	attempts       int       // requests they took
	sending        bool      // one more is under way …
	sendingSince   time.Time // … since then
	requestID      string
	firstSentAt    time.Time // by the clock of the process that sent; a restart since then is looked for
	sentAt         time.Time // of the last send
	unsettledSince time.Time // outcome unknown since then; zero if it is not
	last           Observation
	seen           []Observation // with news
	signsFrom      time.Time     // a poll that left before shows nothing of the send
	down           bool          // seen Stopping, Stopped or Starting since the send
	moved          bool          // seen since the send with a StartTime that proves a restart
	inTheWay       bool          // a second send was refused, for the first had taken effect
	locked         ErrorCode
	locks          []string
	faults         int // in a row
	fault          error
	absent         int // in a row
	denied         error
	ended          error
}

// take applies a fact, and judges all that is known then.
func (e *evidence) take(f fact, options WaitOptions, probed ProbeResult) (verdict, Proof, error) {
	e.apply(f)
	return e.judge(options, probed)
}

func (e *evidence) apply(f fact) {
	switch f.Kind {
	case EventBaseline:
		e.before = f.before
	case EventSending:
		e.sending, e.sendingSince = true, f.At
		e.outcome = OutcomeUnknown // until there is an answer
	case EventAccepted:
		e.sent(f)
		e.outcome, e.requestID, e.unsettledSince = OutcomeAccepted, f.RequestID, time.Time{}
	case EventOutcomeUnknown:
		e.sent(f)
		e.outcome, e.unsettledSince = OutcomeUnknown, f.At
	case EventResendRefused:
		e.sent(f)
		e.outcome, e.unsettledSince = OutcomeUnknown, f.At
		e.inTheWay = true
	case EventPollFailed:
		switch {
		case f.denied:
			e.denied = f.Err
		case !f.throttled:
			e.faults++
			e.fault = f.Err
		}
	case EventStatus:
		e.observe(f)
	case EventProbeFailed: // a follower tells its own, which is no fact of the watch
	}
	if f.ended != nil {
		e.ended, e.sending = f.ended, false
		e.attempts += f.attempts
		if !f.sentAt.IsZero() {
			e.sentAt = f.sentAt
		}
		if e.sends == 0 { // an earlier send stays as unknown as it was
			e.outcome = f.outcome
		}
	}
}

func (e *evidence) sent(f fact) {
	if e.sends == 0 { // what was seen before is no sign of it
		e.firstSentAt, e.signsFrom = f.sentAt, f.sentAt
		e.down, e.moved = false, false
	}
	e.sends++
	e.attempts += f.attempts
	e.sending = false
	e.sentAt = f.sentAt
}

func (e *evidence) observe(f fact) {
	e.faults = 0
	seen := Observation{At: f.At, Status: f.Status, StartTime: f.StartTime}
	if n := len(e.seen); n == 0 || e.seen[n-1].Status != seen.Status || !e.seen[n-1].StartTime.Equal(seen.StartTime) {
		e.seen = append(e.seen, seen)
	}
	if seen.Status == "" {
		e.absent++ // which is not a status, and no sign of a restart
		return
	}
	e.absent = 0
	e.last = seen
	e.locked, e.locks = f.locked, f.locks
	if f.At.Before(e.signsFrom) {
		return
	}
	e.down = e.down || seen.Status.isDown()
	e.moved = e.moved || startProves(f.StartTime, e.before, e.serviceTimeOfSend(f))
}

// isDown reports whether the status is one that an instance passes through when it
// restarts. Pending, which is of an instance that is being created, is none, nor is a
// status that the API does not document: nobody knows what it says of the instance.
func (s Status) isDown() bool {
	return s == StatusStopping || s == StatusStopped || s == StatusStarting
}

// serviceTimeOfSend returns the time by the service's clock from which on a start is
// looked for, or zero if no response had a usable Date. The baseline's clock comes
// first, because one local clock measured the time from the baseline to the send. The
// clock of the poll f is as good only if the local clock is the one of the sender and
// was not set since the send.
func (e *evidence) serviceTimeOfSend(f fact) time.Time {
	switch {
	case e.firstSentAt.IsZero(): // others sent, after the baseline
		return e.before.ServiceTime
	case !e.before.ServiceTime.IsZero():
		return e.before.ServiceTime.Add(max(0, e.firstSentAt.Sub(e.before.TakenAt)) + clockMargin)
	case f.hasClock:
		return e.firstSentAt.Add(f.clockAway + clockMargin)
	}
	return time.Time{}
}

// verdict is what the facts amount to.
type verdict uint8

const (
	pending verdict = iota
	proven
	failed
	resend
)

// judge says whether the wait is over. probed is what the caller's probe made of
// the last poll, or ProbeHealthy if there is none. The error is why the wait
// failed.
func (e *evidence) judge(options WaitOptions, probed ProbeResult) (verdict, Proof, error) {
	switch {
	case e.ended != nil:
		return failed, "", e.ended
	case e.denied != nil:
		return failed, "", e.denied
	case e.faults > options.MaxPollFailures:
		return failed, "", fmt.Errorf("%d readings in a row failed, the last: %w", e.faults, e.fault)
	case e.absent > 1:
		return failed, "", notListed()
	case e.absent > 0 || e.last.Status == "":
		return pending, "", nil
	}
	if e.last.Status == StatusRunning {
		switch {
		case probed == ProbeRestarted:
			return proven, ProofProbe, nil
		case probed == ProbeHealthy && e.down:
			return proven, ProofStatus, nil
		case probed == ProbeHealthy && e.moved:
			return proven, ProofStartTime, nil
		}
	}
	if e.locked != "" && !e.before.TakenAt.IsZero() && e.locked != (Instance{Locks: e.before.Locks}).locked(time.Time{}) {
		return failed, "", predictedRefusal(e.locked, "the instance was locked since the restart")
	}
	// Only Running settles it: in another status, whichever it is, something goes on.
	if e.last.Status == StatusRunning && !e.unsettledSince.IsZero() && !e.down && !e.moved && e.last.At.Sub(e.unsettledSince) >= e.unknownGrace(options) {
		switch {
		case e.inTheWay && probed == ProbeHealthy:
			// The service said that it was not Running. No poll has shown that, but
			// what polls show may be old. By now it is not.
			return proven, ProofRefusal, nil
		case e.inTheWay:
			return pending, "", nil
		case options.ResendUnknown && e.sends == 1:
			return resend, "", nil
		}
		return failed, "", fmt.Errorf("%w: it was neither Stopping, Stopped nor Starting within %v of the send, and its StartTime did not prove a restart",
			ErrNotProven, options.UnknownGrace)
	}
	return pending, "", nil
}

// unknownGrace is how long an unknown send may take to show. After a refused second one
// it must be long enough for old responses to be over, whatever the options say: after
// it, Running is treated as the end of the restart.
func (e *evidence) unknownGrace(options WaitOptions) time.Duration {
	if e.inTheWay {
		return max(options.UnknownGrace, defaultUnknownGrace)
	}
	return options.UnknownGrace
}

// predictedRefusal is the refusal that the service would send.
func predictedRefusal(code ErrorCode, message string) error {
	return &APIError{Code: code, Message: message}
}

func notListed() error {
	return predictedRefusal(ErrInvalidInstanceIDNotFound,
		"the service does not list the instance; it also lists nothing to those without the permission ecs:DescribeInstances")
}

// Refusal returns the error with which the service would refuse to restart the instance
// at the given time, judging by the fields of the instance. The error is an [APIError]
// with StatusCode 0; it is nil if no field rules a restart out.
//
// The lock "security" leads to [ErrInstanceLockedForSecurity] and the lock "financial"
// to [ErrInstanceExpiredOrInArrears], in upper or lower case. Refusal leaves all other
// locks to the service. The error names every lock of the instance.
func (i Instance) Refusal(now time.Time) error {
	switch code := i.locked(now); {
	case !i.Listed():
		return notListed()
	case code == ErrInstanceLockedForSecurity:
		return predictedRefusal(code, "the instance is locked for security reasons"+locksText(i.Locks))
	case code != "":
		return predictedRefusal(code, "the instance has expired, or its account is in arrears"+locksText(i.Locks))
	case i.Status != StatusRunning:
		return predictedRefusal(ErrIncorrectInstanceStatus, fmt.Sprintf("the instance is %s; only a Running one can be restarted", i.Status)+locksText(i.Locks))
	}
	return nil
}

// maxClockSkew is how far the time of a request may be from the service's clock. The
// service refuses a request that is further away.
const maxClockSkew = 15 * time.Minute

// serviceClock returns the Date of a response if it can be the time by the service's
// clock, or else zero. The request left and the response arrived at the given times by
// our corrected clock: ours, plus the offset that a refused clock taught. The service
// accepted the time that the request bore, so its clock is not further away than
// maxClockSkew; a Date that is comes from a cache, a proxy or a broken host.
func serviceClock(date, left, arrived time.Time) time.Time {
	left = left.Truncate(time.Second) // a request's time has whole seconds, as has a Date
	if date.Before(left.Add(-maxClockSkew)) || date.After(arrived.Add(maxClockSkew)) {
		return time.Time{}
	}
	return date
}

// clockMargin is added to each time of the service that is worked out from a Date: a Date
// is cut to the second, so the service's clock is up to a second further, and not a whole
// one. So the error goes one way: the calculated time of the send is later than the true
// one, by less than a second and the time that the response took. A restart that leaves
// no other trace may be missed, but a start from before the minute of the send is not
// mistaken for one after it.
const clockMargin = time.Second - 1

// startProves reports whether the StartTime of a reading proves that the instance
// restarted since the baseline, and not before the send, which left at the time sent by
// the service's clock.
//
// A minute is a range: a StartTime of 12:01 is that of a start from 12:01:00 on and
// before 12:02:00.
//
//   - It must be in a later minute than the baseline's. In the same minute it may be
//     the same start.
//   - It must not be in a minute before that of the send. In the same minute, it is a
//     start that the baseline, which is at most seconds older, did not show.
//   - Without a baseline, it must be in a later minute than the send: in the same
//     minute, the instance may have started before it.
//   - Without a time of the send it proves nothing, nor after a baseline without
//     StartTime.
func startProves(start time.Time, before Baseline, sent time.Time) bool {
	minute := sent.Truncate(time.Minute)
	switch {
	case start.IsZero() || sent.IsZero():
		return false
	case before.TakenAt.IsZero():
		return start.After(minute)
	case before.StartTime.IsZero():
		return false
	}
	return start.After(before.StartTime) && !start.Before(minute)
}
