package ecsreboot

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// fact is one thing that became known of a restart: an event and what only the
// verdict needs of it.
type fact struct {
	Event
	before    Baseline      // EventBaseline
	locked    ErrorCode     // EventStatus: the code with which a restart would be refused
	locks     []string      // EventStatus: all locks, those that refuse nothing included
	clock     time.Time     // EventStatus: the time of the response by the service's clock, or zero if it had no usable Date
	clockAway time.Duration // EventStatus: that clock less ours
	denied    bool          // EventPollFailed: by permissions, which will not pass
	throttled bool          // EventPollFailed: by flow control, which is no fault
	sentAt    time.Time     // EventAccepted, EventOutcomeUnknown: when the send left
	ended     error         // nothing was sent, or the service refused
	outcome   Outcome       // of ended
	attempts  int           // with sentAt: how many requests the send took
	panicked  any           // ended: by a panic with this value
	dropped   bool          // the resend was not sent, or did nothing: by then, it was not called for
	final     bool          // EventWitness, EventWitnessFailed: the witness is not asked about the request again
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
	sendingSince   time.Time // … since then …
	sendingID      string    // … with this send ID
	sent           []SentRequest
	unknown        []SentRequest // those of sent whose outcome is unknown …
	unanswered     []SentRequest // … and about which the witness may still find something
	testimony      []Testimony   // the last one of each witness about each request
	requestID      string
	acceptedID     string    // the send id of the request that a witness has found accepted
	refusal        error     // a witness has found that the first request was refused, when the resend was under way
	firstSentAt    time.Time // by the clock of the process that sent; a restart since then is looked for
	sentAt         time.Time // of the last send
	unsettledSince time.Time // outcome unknown since then; zero if it is not
	last           Observation
	seen           []Observation // with news
	signsFrom      time.Time     // a poll that left before shows nothing of the send
	down           bool          // seen Stopping, Stopped or Starting since the send
	moved          bool          // seen since the send with a StartTime that proves a restart
	ahead          []time.Time   // each StartTime that was ahead of the service's clock by more than hostMargin; see mayProve
	recorded       bool          // a witness reported it Stopping, Stopped or Starting since the send …
	recordedAt     time.Time     // … at this time, by our clock
	recordedAhead  time.Time     // the latest recorded change that was ahead of the service's clock; a change up to that time proves nothing
	clockAway      time.Duration // the service's clock less ours, by the last poll that showed it …
	hasClock       bool          // … if a poll has shown it
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
func (e *evidence) take(f *fact, options WaitOptions, probed ProbeResult) (verdict, Proof, error) {
	e.apply(f)
	return e.judge(options, probed)
}

func (e *evidence) apply(f *fact) {
	switch f.Kind {
	case EventBaseline:
		e.before = f.before
	case EventSending:
		e.sending, e.sendingSince, e.sendingID = true, f.At, f.SendID
		e.doubt(time.Time{}) // until there is an answer
	case EventAccepted:
		e.addSend(f)
		e.outcome, e.requestID, e.unsettledSince = OutcomeAccepted, f.RequestID, time.Time{}
	case EventOutcomeUnknown:
		e.addSend(f)
		e.doubt(f.At)
		e.unknown, e.unanswered = append(e.unknown, e.lastSent()), append(e.unanswered, e.lastSent())
	case EventResendRefused:
		e.addSend(f)
		e.doubt(f.At)
		e.inTheWay = true
		if e.refusal != nil {
			e.endAgainstSigns(e.refusal)
		}
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
	case EventWitness:
		e.testify(f)
	case EventWitnessFailed:
		if f.final {
			e.unanswered = without(e.unanswered, f.SendID)
		}
	case EventProbeFailed, EventAwaitsWitness: // facts of one follower, not of the watch
	}
	if f.dropped {
		e.sending = false
		e.attempts += f.attempts
		if e.refusal != nil {
			e.outcome, e.ended = OutcomeRejected, e.refusal
		}
	}
	if f.ended != nil {
		e.ended, e.sending = f.ended, false
		e.attempts += f.attempts
		if !f.sentAt.IsZero() {
			e.sentAt = f.sentAt
			e.sent = append(e.sent, SentRequest{SendID: f.SendID, SentAt: f.sentAt})
		}
		if e.sends == 0 { // an earlier send stays as unknown as it was
			e.outcome = f.outcome
		}
	}
}

// doubt takes in that a request of unknown outcome was sent, and since when its outcome is
// unsettled. If a witness has found an earlier one accepted, that is certain nevertheless.
func (e *evidence) doubt(since time.Time) {
	if e.outcome == OutcomeAccepted {
		return
	}
	e.outcome = OutcomeUnknown
	if !since.IsZero() {
		e.unsettledSince = since
	}
}

func (e *evidence) addSend(f *fact) {
	if e.sends == 0 { // what was seen before is no sign of it
		e.firstSentAt, e.signsFrom = f.sentAt, f.sentAt
		e.down, e.moved = false, false
	}
	e.sends++
	e.attempts += f.attempts
	e.sending = false
	e.sentAt = f.sentAt
	e.sent = append(e.sent, SentRequest{SendID: f.SendID, SentAt: f.sentAt})
}

func (e *evidence) lastSent() SentRequest { return e.sent[len(e.sent)-1] }

// without returns the requests except the one with this send ID.
func without(requests []SentRequest, sendID string) []SentRequest {
	return slices.DeleteFunc(slices.Clone(requests), func(r SentRequest) bool { return r.SendID == sendID })
}

// testify takes in the testimony of a witness about a request whose outcome was unknown.
func (e *evidence) testify(f *fact) {
	t := &f.Testimony
	wasRefused := slices.ContainsFunc(e.testimony, func(earlier Testimony) bool {
		return earlier.SendID == t.SendID && earlier.Finding == FindingRefused
	})
	e.testimony = slices.DeleteFunc(slices.Clone(e.testimony), func(earlier Testimony) bool {
		return earlier.Witness == t.Witness && earlier.SendID == t.SendID
	})
	e.testimony = append(e.testimony, *t)
	if f.final || t.Finding != FindingNoTrace {
		e.unanswered = without(e.unanswered, t.SendID)
	}
	for i, change := range t.Changes {
		sent, now := e.serviceTimeAt(e.firstSentAt), e.serviceTimeAt(f.At)
		if e.hasClock { // which is newer than the baseline
			now = f.At.Add(e.clockAway)
		}
		if !now.IsZero() && change.At.After(now.Add(futureMargin)) {
			if change.At.After(e.recordedAhead) {
				e.recordedAhead = change.At
			}
			continue // the change cannot have happened yet
		}
		// When it became Running, it was down until then. If it went down before the baseline,
		// which showed it Running, the change is recorded late.
		wasDown := change.Status.isDown() || i > 0 && change.Status == StatusRunning && t.Changes[i-1].Status.isDown() &&
			!e.before.ServiceTime.IsZero() && !t.Changes[i-1].At.Before(e.before.ServiceTime)
		if wasDown && !sent.IsZero() && !change.At.Before(sent) && change.At.After(e.recordedAhead) && !e.recorded {
			e.recorded, e.recordedAt = true, f.At
		}
	}
	isUnknown := slices.ContainsFunc(e.unknown, func(r SentRequest) bool { return r.SendID == t.SendID })
	switch {
	case t.Finding == FindingAccepted && isUnknown:
		e.unknown, e.unsettledSince = nil, time.Time{}
		e.outcome, e.requestID, e.acceptedID = OutcomeAccepted, t.RequestID, t.SendID
	case t.Finding == FindingAccepted && wasRefused && e.outcome == OutcomeRejected:
		e.outcome = OutcomeUnknown
		e.ended = fmt.Errorf("%w: %s recorded that the service accepted the request (request %s), but %w", ErrNotProven, t.Witness, t.RequestID, e.ended)
	case t.Finding == FindingRefused && e.outcome == OutcomeAccepted && e.acceptedID != t.SendID: // another one was accepted
	case t.Finding == FindingRefused && (isUnknown || e.outcome == OutcomeAccepted):
		e.refused(f)
	}
}

// refused takes in a testimony that the service refused a request whose response was lost.
// If other evidence contradicts the testimony, the outcome stays unknown.
func (e *evidence) refused(f *fact) {
	t := &f.Testimony
	isResend := len(e.sent) > 1 && t.SendID == e.lastSent().SendID
	e.unknown = without(e.unknown, t.SendID)
	refusal := fmt.Errorf("%s recorded that the service refused the request: %w", t.Witness,
		&APIError{Code: t.Code, Message: t.Message, RequestID: t.RequestID})
	switch {
	case e.outcome == OutcomeAccepted:
		e.outcome = OutcomeUnknown
		e.ended = fmt.Errorf("%w: another record shows that the service accepted the request (request %s), but %w", ErrNotProven, e.requestID, refusal)
	case isResend && t.Code == ErrIncorrectInstanceStatus && len(e.unknown) > 0: // as if the response had arrived
		e.inTheWay, e.unsettledSince = true, f.At
	case e.down || e.moved || e.recorded || e.inTheWay || isResend && t.Code == ErrIncorrectInstanceStatus:
		e.endAgainstSigns(refusal)
	case e.sending: // the resend
		e.refusal = refusal
	case len(e.unknown) == 0:
		e.outcome, e.ended = OutcomeRejected, refusal
	case isResend:
		e.ended = refusal // the first request stays unknown
	}
}

// endAgainstSigns ends the wait because a refusal and signs of a restart contradict each
// other.
func (e *evidence) endAgainstSigns(refusal error) {
	e.ended = fmt.Errorf("%w: there are signs of a restart since the request was sent, but %w", ErrNotProven, refusal)
}

func (e *evidence) observe(f *fact) {
	e.faults, e.denied = 0, nil
	if !f.clock.IsZero() {
		e.clockAway, e.hasClock = f.clockAway, true
	}
	mayProve := e.mayProve(f) // of each poll, so that it remembers
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
	e.moved = e.moved || mayProve && startProves(f.StartTime, e.before, e.serviceTimeOfSend(f))
}

// mayProve reports whether the StartTime of a poll can be that of a restart since the send:
// whether it is not ahead of the service's clock, neither now nor, by more than hostMargin,
// in an earlier poll. Such a start was before the clock was set back, so it proves nothing,
// even when the clock has caught up. Without a Date nobody knows.
//
// A StartTime that is ahead by less proves nothing yet: the instance started just after a
// minute began, and the host that sent the response is behind the one that recorded the
// start. The next poll decides.
func (e *evidence) mayProve(f *fact) bool {
	if f.clock.IsZero() || slices.ContainsFunc(e.ahead, f.StartTime.Equal) {
		return false
	}
	if f.StartTime.After(f.clock.Add(hostMargin)) {
		e.ahead = append(e.ahead, f.StartTime)
	}
	return !f.StartTime.After(f.clock.Add(clockMargin))
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
func (e *evidence) serviceTimeOfSend(f *fact) time.Time {
	switch {
	case e.firstSentAt.IsZero(): // others sent, after the baseline
		return e.before.ServiceTime
	case !e.before.ServiceTime.IsZero():
		return e.serviceTimeAt(e.firstSentAt)
	case !f.clock.IsZero():
		return e.firstSentAt.Add(f.clockAway + clockMargin)
	}
	return time.Time{}
}

// serviceTimeAt converts a time by the sender's clock to the service's clock, with the
// baseline or else with the last poll that showed the service's clock. The result is zero
// if neither showed it.
func (e *evidence) serviceTimeAt(sent time.Time) time.Time {
	switch {
	case sent.IsZero():
		return time.Time{}
	case !e.before.ServiceTime.IsZero():
		return e.before.ServiceTime.Add(max(0, sent.Sub(e.before.TakenAt)) + clockMargin)
	case e.hasClock:
		return sent.Add(e.clockAway + clockMargin)
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
	result, proof, err := e.judgeSeen(options, probed)
	if e.isHeld(result, options) {
		return pending, "", nil
	}
	return result, proof, err
}

// isHeld reports whether a verdict must wait because the witness may still resolve the
// outcome of a request.
func (e *evidence) isHeld(result verdict, options WaitOptions) bool {
	return (result == failed || result == resend) && e.ended == nil &&
		options.Witness != nil && e.outcome == OutcomeUnknown && len(e.unanswered) > 0
}

// judgeSeen judges by the evidence so far, even if the witness may still find more.
func (e *evidence) judgeSeen(options WaitOptions, probed ProbeResult) (verdict, Proof, error) {
	switch {
	case e.ended != nil:
		return failed, "", e.ended
	case e.denied != nil:
		return failed, "", e.denied
	case e.faults > options.MaxPollFailures:
		return failed, "", fmt.Errorf("%d polls in a row failed, the last: %w", e.faults, e.fault)
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
		case probed == ProbeHealthy && e.recorded && !e.last.At.Before(e.recordedAt):
			return proven, ProofRecord, nil
		}
	}
	if e.locked != "" && !e.before.TakenAt.IsZero() && e.locked != lockCode(e.before.Locks, time.Time{}, time.Time{}) {
		return failed, "", predictedRefusal(e.locked, "the instance was locked since the restart")
	}
	// Only Running settles it: in another status, whichever it is, something goes on.
	if e.last.Status == StatusRunning && !e.unsettledSince.IsZero() && !e.down && !e.moved && !e.recorded && e.last.At.Sub(e.unsettledSince) >= e.unknownGrace(options) {
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
		return failed, "", fmt.Errorf("%w: it was neither Stopping, Stopped nor Starting within %v of the request, and its StartTime did not prove a restart%s",
			ErrNotProven, options.UnknownGrace, e.noTrace())
	}
	return pending, "", nil
}

// noTrace returns the end of an error text, which names the witnesses that found nothing.
func (e *evidence) noTrace() string {
	var names []string
	for _, t := range e.testimony {
		if t.Finding == FindingNoTrace && t.Code == "" && !slices.Contains(names, t.Witness) {
			names = append(names, t.Witness)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; no trace of the request, which proves nothing: " + strings.Join(names, ", ")
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
	switch code := lockCode(i.Locks, i.ExpiredTime, now); {
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

// hostMargin is how far the clocks of two hosts of the service may differ.
const hostMargin = 5 * time.Second

// futureMargin is how far ahead of the service's clock a recorded change may be.
const futureMargin = time.Minute

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
