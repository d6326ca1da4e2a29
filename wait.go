package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Baseline is an instance as it was before a restart. It is plain data, for those
// who keep it while they send by other means.
type Baseline struct {
	InstanceID string    `json:"instanceId"`
	Status     Status    `json:"status"`
	StartTime  time.Time `json:"startTime,omitzero"` // to the minute; zero if the service did not tell
	Locks      []string  `json:"locks,omitempty"`    // as [Instance] has them
	TakenAt    time.Time `json:"takenAt,omitzero"`   // when the poll left
	// ServiceTime is the time by the service's clock then, to the second. StartTime is
	// by that clock too, so it proves a restart only where ServiceTime is known. It is
	// zero if the answer had no Date, or one that is more than 15 minutes from our
	// clock as corrected by the service: the service refuses requests that are further
	// away, so such a Date is not that of its clock.
	ServiceTime time.Time `json:"serviceTime,omitzero"`
}

// SendIntent is a request that is about to be sent and may restart the instance. See
// [WaitOptions].BeforeSend.
type SendIntent struct {
	Baseline Baseline `json:"baseline"` // the instance when it was last read
	Request  int      `json:"request"`  // number of the request in this call, 1 for the first
}

// Observation is what one poll showed.
type Observation struct {
	At        time.Time `json:"at,omitzero"`
	Status    Status    `json:"status"` // empty: the service did not list the instance
	StartTime time.Time `json:"startTime,omitzero"`
}

// WaitOptions says how a restart is followed. A zero field means its default.
type WaitOptions struct {
	// Timeout limits the wait as a whole, from the call on. The call returns within a
	// second of it, and of the end of its context, even if a RoundTripper or the Probe
	// is still at work. Default 25 min, because the vendor documents 3 to 5 minutes
	// for a restart, and at most 20; negative: only the context ends the wait.
	Timeout time.Duration
	// UnknownGrace is how long a send of unknown outcome may take to show. Default
	// 60 s; negative: the first poll decides.
	UnknownGrace time.Duration
	// MaxPollFailures is how many polls in a row may fail, beyond throttled
	// ones, before the wait gives up. Default 5; negative: none may.
	MaxPollFailures int
	// Probe lets the caller add proof of its own, such as a boot id or a health
	// check. It is asked after each poll that shows the instance Running once
	// the restart was sent, in a goroutine of its own, once at a time for each call.
	// One that does not return when its context ends is left alone; while the call
	// waits for it, a panic in it is one in the goroutine of the call. Nil asks nobody.
	Probe func(ctx context.Context, seen Observation) (ProbeResult, error)
	// OnEvent is told what happens, in order, in the goroutine of the call. It
	// must not block for long: the call cannot return meanwhile, not even at its
	// deadline.
	OnEvent func(Event)
	// BeforeSend is asked right before each request that may restart the instance:
	// the first, each that is sent again because the one before certainly did
	// nothing, and the one of ResendUnknown. It is for writing the intent down where
	// it lasts, or for a last look. Nil lets all pass, an error calls the send off: the call ends with it,
	// and with [ErrNotSent] unless an earlier send is unknown. Credentials are there when
	// it is asked; if it takes more than 30 s they are fetched anew after it.
	//
	// One call asks once at a time, calls for several instances concurrently, in no
	// particular goroutine. The context ends with the call. It may make calls of its
	// own, such as [Client.Check]. It should not block for long: the Baseline becomes stale, the
	// call cannot return meanwhile, and other calls of a throttled client may wait for
	// this very send, although for no more than two seconds. A call with BeforeSend
	// shares its restart with no other call. [Client.WaitUntilRestarted] and
	// [Client.Resolve] send nothing and never ask.
	BeforeSend func(ctx context.Context, intent SendIntent) error
	// ResendUnknown sends once more if a send of unknown outcome has not shown
	// within UnknownGrace. This may restart the instance twice: the first send may
	// still be on its way. A second send that fails ends the wait.
	ResendUnknown bool
}

const (
	// defaultWaitTimeout is more than the 20 minutes that the vendor documents for a
	// restart at most.
	defaultWaitTimeout     = 25 * time.Minute
	defaultUnknownGrace    = time.Minute
	defaultMaxPollFailures = 5
	// joinLimit is for how long a restart may be joined from when its first call began.
	joinLimit = 10 * time.Minute
	// baselineLifetime is how old a baseline may be when the restart is let go by the
	// pacer and has its credentials.
	baselineLifetime = 5 * time.Second
)

func (o WaitOptions) withDefaults() WaitOptions {
	o.Timeout = orDefault(o.Timeout, defaultWaitTimeout)
	o.UnknownGrace = max(0, orDefault(o.UnknownGrace, defaultUnknownGrace))
	o.MaxPollFailures = max(0, orDefault(o.MaxPollFailures, defaultMaxPollFailures))
	return o
}

// unprobed is the result of the probe before it was asked.
func (o WaitOptions) unprobed() ProbeResult {
	if o.Probe != nil {
		return ProbePending
	}
	return ProbeHealthy
}

// ProbeResult is what a probe found.
type ProbeResult uint8

// The results of a probe.
const (
	ProbePending   ProbeResult = iota // not ready yet: go on waiting
	ProbeHealthy                      // ready, which alone proves no restart: what the service shows must prove it
	ProbeRestarted                    // ready, and proof of the restart by itself, such as another boot id
)

// String returns "pending", "healthy" or "restarted".
func (r ProbeResult) String() string {
	switch r {
	case ProbePending:
		return "pending"
	case ProbeHealthy:
		return "healthy"
	case ProbeRestarted:
		return "restarted"
	}
	return "ProbeResult(" + strconv.Itoa(int(r)) + ")"
}

// MarshalText returns what [ProbeResult.String] returns.
func (r ProbeResult) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ProbeResult.MarshalText] writes for the results that exist.
func (r *ProbeResult) UnmarshalText(text []byte) error {
	return unmarshalWord(r, text, ProbePending, ProbeHealthy, ProbeRestarted)
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventBaseline       EventKind = "baseline"        // the instance was read before the send: Status, StartTime
	EventSending        EventKind = "sending"         // the restart is being sent
	EventAccepted       EventKind = "accepted"        // the service accepted it: RequestID
	EventOutcomeUnknown EventKind = "outcome unknown" // the answer was lost: Err
	EventResendRefused  EventKind = "resend refused"  // with IncorrectInstanceStatus: the instance is not Running, so the first send took effect: Err
	EventStatus         EventKind = "status"          // a poll: Status, StartTime
	EventPollFailed     EventKind = "poll failed"     // a poll failed: Err
	EventProbeFailed    EventKind = "probe failed"    // the probe returned an error: Err
)

// Event is one step on the way of a restart.
type Event struct {
	Kind      EventKind `json:"kind"`
	At        time.Time `json:"at,omitzero"`
	Status    Status    `json:"status,omitempty"`
	StartTime time.Time `json:"startTime,omitzero"`
	RequestID string    `json:"requestId,omitempty"`
	Err       error     `json:"-"` // in JSON its text, under "error"
}

// Proof says what proved a restart.
type Proof string

// The proofs. Each needs the instance Running in the end.
const (
	// ProofStatus means that a poll after the send showed the instance Stopping,
	// Stopped or Starting. No other status is a sign of a restart.
	ProofStatus Proof = "status"
	// ProofStartTime means that StartTime is in a later minute than the baseline's,
	// and not in a minute before that of the send by the service's clock. Where there
	// is no baseline, it is in a later minute than the send.
	// A restart by others within the minute of the send that the baseline did not show
	// yet cannot be told from the caller's own.
	ProofStartTime Proof = "start time"
	// ProofProbe means that [WaitOptions.Probe] returned [ProbeRestarted].
	ProofProbe Proof = "probe"
	// ProofRefusal means that the service refused a second send, that of
	// [WaitOptions.ResendUnknown], with [ErrIncorrectInstanceStatus]: the instance was
	// not Running then, though no poll showed that. It is Running since, after
	// UnknownGrace, or after 60 s if UnknownGrace is shorter. Any other refusal of a second
	// send proves nothing.
	ProofRefusal Proof = "refusal"
)

// RestartResult is a restart that took place, with the evidence. It proves that
// the instance restarted since the baseline, not that this call was the reason.
type RestartResult struct {
	InstanceID     string        `json:"instanceId"`
	Proof          Proof         `json:"proof"`
	RequestID      string        `json:"requestId,omitempty"`     // of the accepted send; empty if its answer was lost, or if others sent
	Requests       int           `json:"requests"`                // how often this client sent the restart
	Before         Baseline      `json:"before,omitzero"`         // in the result of [Client.Resolve], that of the error, or zero
	StartTimeAfter time.Time     `json:"startTimeAfter,omitzero"` // to the minute
	Observations   []Observation `json:"observations,omitempty"`  // the polls after the send, those without news left out
	SentAt         time.Time     `json:"sentAt,omitzero"`         // when the last send left; zero if others sent
	Elapsed        time.Duration `json:"-"`                       // from the send, or else the beginning of the wait, to the proof
}

// WaitError is why a wait ended without proof, and what it had seen.
type WaitError struct {
	LastStatus   Status        `json:"lastStatus,omitempty"` // the last that was read; empty if nothing was
	LastSeen     time.Time     `json:"lastSeen,omitzero"`    // when that was; zero if nothing was
	Requests     int           `json:"requests"`             // how often the restart was sent
	RequestID    string        `json:"requestId,omitempty"`  // of the accepted send
	Before       Baseline      `json:"before,omitzero"`
	Observations []Observation `json:"observations,omitempty"` // the polls after the send, those without news left out
	Locks        []string      `json:"locks,omitempty"`        // as last read, as [Instance] has them; Before's if nothing was read since
	Err          error         `json:"-"`                      // why the wait ended

	at time.Time // when that was
}

// Error says why the wait ended, what was seen last, and which locks the instance has.
func (e *WaitError) Error() string {
	text := errorText(e.Err)
	switch {
	case e.LastSeen.IsZero():
		text += "; the instance was not seen since"
	default:
		text += fmt.Sprintf("; last seen %s %v ago", e.LastStatus, e.at.Sub(e.LastSeen).Round(time.Second))
	}
	text += locksText(e.Locks)
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *WaitError) Unwrap() error { return e.Err }

// RebootAndWait restarts an instance and follows the restart to its end: until the
// instance is Running again with proof that it restarted.
//
// Running alone proves nothing, as the instance was Running before. So it is read
// before the restart is sent, and counts as restarted once it is Running with one of
// the proofs: [ProofStatus], [ProofStartTime], [ProofRefusal], or [ProofProbe]. An
// instance that would be refused is refused before anything is sent, by an [APIError]
// with StatusCode 0.
//
// A lost answer is settled by looking: a change within UnknownGrace proves the
// restart; none ends the wait with [ErrNotProven] and [ErrOutcomeUnknown]. The
// restart is sent once, or twice with ResendUnknown.
//
// The time of the send by the service's clock, which ProofStartTime needs, is the
// baseline's ServiceTime plus the time that passed until the send, so a wrong local
// clock does no harm. Without ServiceTime, it is worked out from the Date of each
// poll. It is taken a second late rather than early: a restart that is over within
// the last second of a minute, and that no poll showed, is missed. If no answer has
// a Date that can be right, StartTime proves nothing.
//
// The result is nil on error. The error is an [OperationError] whose outcome is
// that of the send, over a [WaitError] with what was seen. Denied access, a
// vanished instance and a lock end the wait at once; throttled polls slow it.
//
// Calls for the same instance and ForceStop that overlap share the work: one send,
// and the polls; but for those with BeforeSend, which send for themselves. Each
// obeys its own context and options, and what ResendUnknown sends again is sent once
// for all. So a call may get a restart that was sent before it; one that was proven,
// or sent more than 10 minutes ago, is not joined. A call that leaves while others go
// on has an unknown outcome, even if nothing was sent yet.
//
// All waits of a client gather their polls, up to 100 instances a request: a
// thousand take some hundred requests in place of thirteen thousand. A lone wait is
// not held up; of many that begin at once, the first polls take half a second.
// If the service refuses a request, and one of its instances may be the reason, the
// client asks again in parts, and only the waits for the instances to blame fail. Once
// three of them have been refused by themselves, and nothing could be read, all
// instances of the request count as refused.
//
// A RoundTripper or a probe that does not heed its context does not keep the call from
// returning: it goes on in a goroutine of its own, and what it returns is dropped. A
// restart that it was about to send is of unknown outcome then.
func (c *Client) RebootAndWait(ctx context.Context, request RebootInstanceRequest, options WaitOptions) (*RestartResult, error) {
	const operation = "RebootAndWait"
	if err := checkCall(ctx, request.InstanceID); err != nil {
		return nil, &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeNotSent, Err: err}
	}
	if request.DryRun {
		return nil, &OperationError{
			Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeNotSent,
			Err: &InputError{Field: "DryRun", Problem: "is set, and there would be nothing to wait for; use Check"},
		}
	}
	if ctx.Err() != nil {
		return nil, &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeNotSent, Err: contextEnd(ctx)}
	}
	return c.sendingWatch(ctx, request, options).wait(ctx, operation, options)
}

// TakeBaseline reads what [Client.WaitUntilRestarted] needs to know of an instance
// before it is restarted by other means.
func (c *Client) TakeBaseline(ctx context.Context, instanceID string) (Baseline, error) {
	const operation = "TakeBaseline"
	if err := checkCall(ctx, instanceID); err != nil {
		return Baseline{}, &OperationError{Operation: operation, InstanceID: instanceID, Err: err}
	}
	baseline, _, err := c.readBaseline(ctx, instanceID)
	if err != nil {
		return Baseline{}, &OperationError{Operation: operation, InstanceID: instanceID, Err: causeOf(err)}
	}
	return baseline, nil
}

// readBaseline polls an instance before it is restarted, and returns with the baseline
// the error with which the service would refuse a restart now, if any. An instance that
// is not listed is polled twice: a list can be late.
func (c *Client) readBaseline(ctx context.Context, id string) (baseline Baseline, refusal, err error) {
	for again := range 2 {
		if again > 0 {
			sleep(ctx, time.Second)
		}
		if ctx.Err() != nil {
			return Baseline{}, nil, contextEnd(ctx)
		}
		seen, err := c.poller.await(ctx, c.poller.pollSoon(ctx, id, true))
		switch i := seen.instance; {
		case err != nil:
			return Baseline{}, nil, err
		case i.Listed():
			baseline = Baseline{InstanceID: id, Status: i.Status, StartTime: i.StartTime, Locks: i.Locks, TakenAt: seen.sentAt, ServiceTime: seen.clock}
			return baseline, i.Refusal(seen.now()), nil
		}
	}
	return Baseline{}, nil, notListed()
}

// WaitUntilRestarted waits until an instance has restarted since the baseline was
// taken, whoever restarted it. It sends nothing; its errors have no outcome.
//
// [ProofStartTime] compares with the minute of the baseline's ServiceTime, as there is
// no send. Keep that field: a baseline without it is never proven by StartTime.
func (c *Client) WaitUntilRestarted(ctx context.Context, baseline Baseline, options WaitOptions) (*RestartResult, error) {
	const operation = "WaitUntilRestarted"
	err := checkCall(ctx, baseline.InstanceID)
	switch {
	case err != nil:
	case baseline.TakenAt.IsZero():
		err = &InputError{Field: "Baseline", Problem: "was not taken: it has no TakenAt"}
	case baseline.Status != StatusRunning:
		// It would be Running some time, without any restart.
		err = &InputError{Field: "Baseline", Problem: fmt.Sprintf("shows the instance %s; only what was Running can be seen to restart", baseline.Status)}
	}
	if err != nil {
		return nil, &OperationError{Operation: operation, InstanceID: baseline.InstanceID, Err: err}
	}
	w := c.newWatch(ctx, baseline.InstanceID, evidence{before: baseline})
	return w.wait(ctx, operation, options)
}

// Resolve settles an error of unknown outcome, met earlier, by looking at the
// instance: it has restarted if it is Running with [ProofStatus] or [ProofStartTime].
// Without such a sign within UnknownGrace of the send, the error is [ErrNotProven] and
// still [ErrOutcomeUnknown]. It sends nothing.
//
// An error of [Client.RebootAndWait] has a baseline, which tells the time of the send
// by the service's clock, as [Client.RebootAndWait] says: it can be resolved by any
// process, whatever its clock. An error without a baseline, as those of
// [Client.RebootInstance] are, has only SentAt, which is by the clock of the process
// that sent. Resolve such an error on the same machine, or with a clock that agrees: if
// the sender's clock was behind by d, a start up to d before the send is taken for one
// after it; if it was ahead, a restart may be missed.
//
// An [OperationError] can be stored as JSON until then.
//
// It cannot tell whose restart it sees: of an instance that was not Running when
// the restart was sent, which the service would have refused, it proves nothing.
func (c *Client) Resolve(ctx context.Context, unknown error, options WaitOptions) (*RestartResult, error) {
	const operation = "Resolve"
	if err := checkContext(ctx); err != nil {
		return nil, &OperationError{Operation: operation, Outcome: OutcomeOf(unknown), Err: err}
	}
	var failed *OperationError
	count := 0
	for failed = range operationErrors(unknown) {
		count++
	}
	switch {
	case count > 1:
		return nil, &OperationError{Operation: operation, Outcome: OutcomeOf(unknown), Err: &InputError{
			Field: "unknown", Problem: fmt.Sprintf("joins the errors of %d calls; resolve each by itself", count),
		}}
	case count == 0:
		return nil, &OperationError{Operation: operation, Err: &InputError{Field: "unknown", Problem: "is not the error of a call"}}
	case failed.Outcome != OutcomeUnknown, failed.InstanceID == "", failed.SentAt.IsZero():
		return nil, &OperationError{Operation: operation, InstanceID: failed.InstanceID, Outcome: failed.Outcome, Err: &InputError{
			Field: "unknown", Problem: "is not an error of unknown outcome",
		}}
	}
	begin := evidence{outcome: OutcomeUnknown, firstSentAt: failed.SentAt, sentAt: failed.SentAt, unsettledSince: failed.SentAt}
	if now := time.Now(); failed.SentAt.After(now) { // by the clock of another machine
		begin.unsettledSince = now
	}
	if waited, ok := errors.AsType[*WaitError](failed.Err); ok {
		begin.before = waited.Before
	}
	w := c.newWatch(ctx, failed.InstanceID, begin)
	return w.wait(ctx, operation, options)
}

// causeOf takes the layer off an error of a call that is a part of another.
func causeOf(err error) error {
	if failed, ok := errors.AsType[*OperationError](err); ok {
		return failed.Err
	}
	return err
}

// schedule is a watch's plan of its polls. The waits between them are short until the
// instance was seen down, for a forced restart is over in seconds, and longer until it is
// up. They grow with each poll.
type schedule struct {
	down  bool // a poll showed another status than Running
	polls int  // planned since the schedule began, or began anew
}

// next returns the wait before the next poll.
func (s *schedule) next() time.Duration {
	waits := [...]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second}
	if s.down {
		waits = [...]time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}
	}
	wait := waits[min(s.polls, len(waits)-1)]
	s.polls++
	if wait >= 5*time.Second { // many waits must not fall into step
		wait += rand.N(wait*2/5) - wait/5 //nolint:gosec // jitter needs no secrecy
	}
	return wait
}

// beginAtOnce begins the schedule anew with a poll at once in place of the first wait.
func (s *schedule) beginAtOnce() { s.polls = 1 }

// observe begins the schedule anew when the instance is first seen down.
func (s *schedule) observe(status Status) {
	if !s.down && status != "" && status != StatusRunning {
		s.down, s.polls = true, 0
	}
}
