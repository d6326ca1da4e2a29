package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Baseline is the state of an instance before a restart. A Baseline is plain data: a
// program can store it while something else sends the restart.
type Baseline struct {
	InstanceID string    `json:"instanceId"`
	Status     Status    `json:"status"`
	StartTime  time.Time `json:"startTime,omitzero"` // to the minute; zero if the service did not report it
	Locks      []string  `json:"locks,omitempty"`    // see [Instance].Locks
	TakenAt    time.Time `json:"takenAt,omitzero"`   // when the request of the poll was sent
	// ServiceTime is the time of the poll by the service's clock, to the second.
	// StartTime is by that clock too. For WaitUntilRestarted, a StartTime proves a restart
	// only if ServiceTime is known; RebootAndWait and Resolve can use the Date of their
	// polls instead. In either case the poll that shows the StartTime needs a Date.
	// ServiceTime is zero if the response had no Date, or a Date more than
	// 15 minutes from the client's corrected clock. Such a Date cannot be from the
	// service's clock, because the service would have refused a request with a time so far
	// off.
	ServiceTime time.Time `json:"serviceTime,omitzero"`
}

// SendIntent is a request that is about to be sent and may restart the instance. See
// [WaitOptions].BeforeSend.
type SendIntent struct {
	Baseline Baseline `json:"baseline"` // the state of the instance when it was last read
	Request  int      `json:"request"`  // number of the request in this call, 1 for the first
	SendID   string   `json:"sendId"`   // identifies the request; see [SentRequest]
}

// Observation is what one poll showed.
type Observation struct {
	At        time.Time `json:"at,omitzero"`
	Status    Status    `json:"status"` // empty: the service did not list the instance
	StartTime time.Time `json:"startTime,omitzero"`
}

// WaitOptions configures how a call waits for a restart. A zero field means its default.
type WaitOptions struct {
	// Timeout limits the whole call, including the wait. The call returns within a second
	// of the timeout, or of the end of its context, even if a RoundTripper or the Probe
	// is still running. OnEvent, BeforeSend, a [CallObserver] and a log handler delay the
	// return further if they block. Default 25 min, because the vendor documents that a
	// restart usually takes 3 to 5 minutes and never more than 20; negative: only the
	// context limits the wait.
	Timeout time.Duration
	// UnknownGrace is how long to look for signs of a restart whose response was lost.
	// Default 60 s; negative: poll once.
	UnknownGrace time.Duration
	// MaxPollFailures is how many polls in a row may fail before the wait ends.
	// Throttled polls are not failures. Default 5; negative: the first failure ends
	// the wait.
	MaxPollFailures int
	// Probe is a check by the caller, such as a comparison of boot ids or a health check.
	// If nil, no probe runs.
	//
	// After the restart was sent, the probe runs after each poll that shows the instance
	// Running, in a separate goroutine, and at most once at a time for each call. The
	// call does not wait for a probe that ignores the end of its context. If the probe
	// panics while the call waits for it, the panic is raised again in the goroutine of
	// the caller.
	Probe func(ctx context.Context, seen Observation) (ProbeResult, error)
	// OnEvent is called for each event, in order, in the goroutine of the call. OnEvent
	// must not block for long: the call cannot return while OnEvent runs, not even at its
	// deadline. If nil, events are dropped.
	OnEvent func(Event)
	// BeforeSend is called right before each request that may restart the instance: the
	// first request, each retry of a request that certainly did nothing, and the request
	// of ResendUnknown. Use BeforeSend to record the intent durably, or for a last check.
	// If BeforeSend returns an error, the request is not sent and the call ends with that
	// error. The error matches [ErrNotSent], unless the outcome of an earlier request is
	// unknown. If BeforeSend is nil, every request is sent.
	//
	// The client fetches the credentials before it calls BeforeSend, and again if
	// BeforeSend takes longer than 30 s.
	//
	// BeforeSend never runs concurrently with itself within a call. Different calls may
	// run it concurrently, even calls for the same instance, because a call with
	// BeforeSend shares its restart with no other call. BeforeSend may run in any
	// goroutine. Its context ends with the call. BeforeSend may call the client, for
	// example [Client.Check]. It should not block for long: the Baseline becomes stale,
	// the call cannot return, and other calls of a throttled client may wait for this
	// request, for up to two seconds. [Client.WaitUntilRestarted] and [Client.Resolve]
	// send nothing and never call BeforeSend.
	BeforeSend func(ctx context.Context, intent SendIntent) error
	// OperationID begins the send ID of each request, and replaces the client's
	// [WithOperationID]. If several calls share a restart, the OperationID of the first call
	// applies.
	OperationID string
	// ResendUnknown resends the restart once if the outcome is unknown and no poll has
	// shown a sign of a restart within UnknownGrace. This may restart the instance twice,
	// because the first request may still be on its way. If the second request fails, the
	// wait ends, unless the service refused the request with
	// [ErrIncorrectInstanceStatus]: see [ProofRefusal].
	ResendUnknown bool
	// Witness is asked about a request whose response was lost, until the restart is proven
	// or WitnessTimeout since the request has passed. If Witness is nil, polls alone decide.
	//
	//   - Accepted: the outcome is no longer unknown, and the wait continues, because only
	//     polls show that the instance is Running again.
	//   - Refused: the wait ends with [ErrRejected] and the code of the refusal. Nothing is
	//     resent. If there are signs of a restart nevertheless, the wait ends with
	//     [ErrNotProven] and [ErrOutcomeUnknown], and the error text has both findings.
	//   - No trace: the outcome stays unknown. A missing record proves nothing.
	//   - Changes of status since the request are signs of a restart; see [ProofRecord].
	//
	// An unknown outcome ends the wait, or causes the resend of ResendUnknown, only after
	// UnknownGrace and after the Witness has given its final testimony or WitnessTimeout has
	// passed. The Witness runs in a separate goroutine; a panic in it is raised again in the
	// goroutine of the caller. [Client.WaitUntilRestarted] does not ask the Witness.
	Witness Witness
	// WitnessTimeout is how long the Witness is asked about a request, from when the request
	// was sent. The Witness is asked a last time when this time is over. Default 15 min,
	// because ActionTrail shows a request after about 10 minutes; negative: only Timeout
	// limits the wait.
	WitnessTimeout time.Duration
}

const (
	// defaultWaitTimeout is more than the 20 minutes that the vendor documents as the
	// longest time of a restart.
	defaultWaitTimeout     = 25 * time.Minute
	defaultUnknownGrace    = time.Minute
	defaultMaxPollFailures = 5
	defaultWitnessTimeout  = 15 * time.Minute
	// joinLimit is how long after the first call of a restart began other calls may join it.
	joinLimit = 10 * time.Minute
	// baselineLifetime is how old a baseline may be once the pacer has let the restart go
	// and the client has its credentials.
	baselineLifetime = 5 * time.Second
)

func (o WaitOptions) withDefaults() WaitOptions {
	o.Timeout = orDefault(o.Timeout, defaultWaitTimeout)
	o.UnknownGrace = max(0, orDefault(o.UnknownGrace, defaultUnknownGrace))
	o.MaxPollFailures = max(0, orDefault(o.MaxPollFailures, defaultMaxPollFailures))
	o.WitnessTimeout = orDefault(o.WitnessTimeout, defaultWitnessTimeout)
	return o
}

// unprobed returns the result to assume before the probe has run.
func (o WaitOptions) unprobed() ProbeResult {
	if o.Probe != nil {
		return ProbePending
	}
	return ProbeHealthy
}

// ProbeResult is the result of a probe.
type ProbeResult uint8

// The results of a probe.
const (
	ProbePending   ProbeResult = iota // not ready yet: the wait continues
	ProbeHealthy                      // ready; the status or StartTime from the service must still prove the restart
	ProbeRestarted                    // ready, and the probe itself has proof of the restart, such as a changed boot id
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

// UnmarshalText reads the texts of the constants. Any other text is an error.
func (r *ProbeResult) UnmarshalText(text []byte) error {
	return unmarshalWord(r, text, ProbePending, ProbeHealthy, ProbeRestarted)
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventBaseline       EventKind = "baseline"        // a poll before the restart was sent: Status, StartTime
	EventSending        EventKind = "sending"         // a request that may restart the instance is being sent, the first one or a retry: SendID
	EventAccepted       EventKind = "accepted"        // the service accepted the restart: RequestID, SendID
	EventOutcomeUnknown EventKind = "outcome unknown" // the response was lost: Err, SendID
	EventResendRefused  EventKind = "resend refused"  // the service refused the resend with IncorrectInstanceStatus, so the instance was not Running, probably because of the first request: Err, SendID
	EventStatus         EventKind = "status"          // a poll: Status, StartTime
	EventPollFailed     EventKind = "poll failed"     // a poll failed: Err
	EventProbeFailed    EventKind = "probe failed"    // the probe returned an error: Err
	EventWitness        EventKind = "witness"         // the Witness found something, or is not asked again: Testimony, SendID
	EventWitnessFailed  EventKind = "witness failed"  // the Witness returned an error: Err, SendID. An error with the same text as the one before is not reported again
	EventAwaitsWitness  EventKind = "awaits witness"  // polls have shown no sign of the restart within UnknownGrace, or fail, and the wait continues only because of the Witness
)

// Event is one step of a restart.
type Event struct {
	Kind      EventKind `json:"kind"`
	At        time.Time `json:"at,omitzero"`
	Status    Status    `json:"status,omitempty"`
	StartTime time.Time `json:"startTime,omitzero"`
	RequestID string    `json:"requestId,omitempty"`
	SendID    string    `json:"sendId,omitempty"` // see [SentRequest]
	Testimony Testimony `json:"testimony,omitzero"`
	Err       error     `json:"-"` // in JSON its text, under "error"
}

// Proof says what proved a restart.
type Proof string

// The proofs. Each needs the instance Running in the end.
const (
	// ProofStatus means that a poll after the request showed the instance Stopping,
	// Stopped or Starting. No other status is a sign of a restart.
	ProofStatus Proof = "status"
	// ProofStartTime means that StartTime is in a later minute than the baseline's
	// StartTime, and not before the minute of the request by the service's clock. Without a
	// baseline, it means that StartTime is in a later minute than the request. A StartTime
	// that is ahead of the service's clock proves nothing; if it is more than 5 s ahead, it
	// proves nothing later in that wait either, because the clock was set back.
	//
	// If someone else restarted the instance in the same minute as the request, and the
	// baseline does not show that restart yet, that restart is mistaken for the caller's.
	ProofStartTime Proof = "start time"
	// ProofProbe means that [WaitOptions.Probe] returned [ProbeRestarted].
	ProofProbe Proof = "probe"
	// ProofRefusal means that the service refused the resend of
	// [WaitOptions.ResendUnknown] with [ErrIncorrectInstanceStatus], and that the
	// instance is Running once UnknownGrace, or 60 s if that is longer, has passed since
	// the refusal. The refusal shows that the instance was not Running, although no poll
	// showed that. Any other refusal of the resend proves nothing.
	ProofRefusal Proof = "refusal"
	// ProofRecord means that [WaitOptions.Witness] reported that the instance was Stopping,
	// Stopped or Starting after the request, by the service's clock, or became Running again
	// after it, and that a later poll showed the instance Running.
	ProofRecord Proof = "record"
)

// RestartResult is the evidence of a restart. The evidence proves that the instance
// restarted after the baseline was taken, but not that this call caused the restart.
type RestartResult struct {
	InstanceID     string        `json:"instanceId"`
	Proof          Proof         `json:"proof"`
	RequestID      string        `json:"requestId,omitempty"`     // of the response that accepted the restart; empty if there is none
	Requests       int           `json:"requests"`                // how often this client sent the restart
	Before         Baseline      `json:"before,omitzero"`         // the baseline; [Client.Resolve] takes it from the error, if the error has one
	StartTimeAfter time.Time     `json:"startTimeAfter,omitzero"` // to the minute
	Observations   []Observation `json:"observations,omitempty"`  // the polls after the request, except those that showed nothing new
	SentAt         time.Time     `json:"sentAt,omitzero"`         // when the last restart request was sent; zero after [Client.WaitUntilRestarted]
	Sent           []SentRequest `json:"sent,omitempty"`          // the requests that may have reached the service, the last one last
	Testimony      []Testimony   `json:"testimony,omitempty"`     // what the Witness found
	Elapsed        time.Duration `json:"-"`                       // from SentAt to the proof; if SentAt is zero, from the beginning of the wait
}

// WaitError is the reason why a wait ended without proof, and the evidence gathered so
// far.
type WaitError struct {
	LastStatus   Status        `json:"lastStatus,omitempty"` // of the last poll that succeeded; empty if none did
	LastSeen     time.Time     `json:"lastSeen,omitzero"`    // the time of that poll; zero if none succeeded
	Requests     int           `json:"requests"`             // how often the restart was sent
	RequestID    string        `json:"requestId,omitempty"`  // of the response that accepted the restart
	Before       Baseline      `json:"before,omitzero"`
	Observations []Observation `json:"observations,omitempty"` // the polls after the request, except those that showed nothing new
	Locks        []string      `json:"locks,omitempty"`        // see [Instance].Locks; from the last poll that listed the instance, otherwise from Before
	// Sent has the requests that may have reached the service, the last one last. If other
	// calls still shared the restart when this one ended, and the outcome is unknown, one
	// more entry, without a SendID, stands for the requests that they may send.
	Sent      []SentRequest `json:"sent,omitempty"`
	Testimony []Testimony   `json:"testimony,omitempty"` // what the Witness found
	Err       error         `json:"-"`                   // why the wait ended

	at time.Time // when the wait ended
}

// Error returns why the wait ended, what the last poll showed, and which locks the
// instance has.
func (e *WaitError) Error() string {
	text := errorText(e.Err)
	switch {
	case e.LastSeen.IsZero():
		text += "; no poll has shown the instance since then"
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

// RebootAndWait restarts an instance and follows the restart until the instance is
// Running again, with proof that it restarted.
//
// The status Running alone proves nothing, because the instance was Running before. So
// the call takes a baseline of the instance before it sends the restart, and succeeds
// once the instance is Running with one of the proofs: [ProofStatus],
// [ProofStartTime], [ProofRefusal], [ProofRecord], or [ProofProbe]. If the baseline shows
// that the service would refuse the restart, the call sends nothing and returns an
// [OperationError] that wraps an [APIError] with StatusCode 0.
//
// If the response to the restart is lost, the call polls. A change within UnknownGrace
// proves the restart. If there is no change, the wait ends with [ErrNotProven] and
// [ErrOutcomeUnknown]. With ResendUnknown, the call resends the restart once instead. With
// a Witness, the call does neither before the testimony of the Witness is final or
// WitnessTimeout has passed.
//
// ProofStartTime needs the time of the request by the service's clock: the baseline's
// ServiceTime plus the time that passed until the request was sent, so a wrong local clock
// does no harm. Without ServiceTime, the client derives the time of the request from the
// Date header of each poll. A Date has only whole seconds, so in both cases the client
// adds one second to be safe. The calculated time of the request is therefore later than
// the true time, by up to one second plus the time that the response took. If the
// calculated time falls into the next minute, a StartTime in the true minute of the
// request proves nothing: a restart that started the instance within that minute is
// proven only if a poll, a probe or the Witness showed the restart. If the response to a poll
// has no plausible Date, the StartTime in that response proves nothing.
//
// The result is nil on error. The error is an [OperationError] with the outcome of the
// request. If a request was sent, the OperationError wraps a [WaitError] with the
// evidence. Denied access and a new lock end the wait at once, and so do two polls in a
// row that do not list the instance. Throttled polls slow the wait.
//
// Overlapping calls for the same instance and the same ForceStop share one restart and
// its polls, except calls with BeforeSend, each of which sends a separate restart. Each
// call obeys its own context and options, and a resend by ResendUnknown is sent once for
// all of these calls. So a call may return a restart that was sent before the call began.
// A call does not join a restart that is proven or that began more than 10 minutes ago. If
// a call ends while other calls still share its restart, its outcome is unknown even if
// nothing has been sent yet, because the restart may still be sent.
//
// The call polls a second after the response, and then at growing intervals: at most 2.6 s
// for 73 s, and then 3.6 % of the elapsed time. The elapsed time begins with the response,
// and begins again with the first poll that shows the instance down. The intervals are at
// most 5 s before that poll, and at most 20 s after it. Up to a tenth is added as jitter.
//
// All waits of a client share the requests of their polls, up to 100 instances a request: a
// thousand restarts of 30 to 90 s take about 210 requests instead of thirty thousand. A
// single wait is not delayed. Many waits poll less often, because baselines and polls take no more than
// about three requests a second. If the client knows the rate limit of the service, from
// [WithRateHint] or because the pacer has learned it from throttled requests, they take at
// most half of the limit, and more than a thousand waits may use all of that half. If many
// waits begin at once, their baselines are delayed by half a second, and those of more than
// a thousand waits by up to 30 s.
//
// If the service refuses a request of polls, and one of the instances in the request may be
// the reason, the client splits the request and polls again, so that only the waits for the
// refused instances fail. Once three instances have each been refused alone, and none could
// be read, all instances of the request are treated as refused.
//
// A RoundTripper or a probe that ignores its context does not keep the call from
// returning: the RoundTripper or probe continues in a separate goroutine, and its result
// is dropped. If the RoundTripper was about to send a restart, the outcome is unknown.
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
	if problem := operationIDProblem(options.OperationID); problem != "" {
		return nil, &OperationError{
			Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeNotSent,
			Err: &InputError{Field: "OperationID", Problem: problem},
		}
	}
	if ctx.Err() != nil {
		return nil, &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeNotSent, Err: contextEnd(ctx)}
	}
	return c.sendingWatch(ctx, request, options).wait(ctx, operation, options)
}

// TakeBaseline reads what [Client.WaitUntilRestarted] needs to know of an instance before
// the instance is restarted by other means.
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

// readBaseline polls an instance before it is restarted. It returns the baseline, and in
// refusal the error with which the service would refuse a restart now, if any. An instance
// that is not listed is polled a second time, because the list may lag behind.
func (c *Client) readBaseline(ctx context.Context, id string) (baseline Baseline, refusal, err error) {
	for again := range 2 {
		if again > 0 {
			sleep(ctx, time.Second)
		}
		if ctx.Err() != nil {
			return Baseline{}, nil, contextEnd(ctx)
		}
		seen, err := c.poller.await(ctx, c.poller.pollSoon(ctx, id, true))
		if err != nil {
			return Baseline{}, nil, err
		}
		if i := &seen.instance; i.Listed() {
			baseline = Baseline{InstanceID: id, Status: i.Status, StartTime: i.StartTime, Locks: i.Locks, TakenAt: seen.left, ServiceTime: seen.clockThen()}
			return baseline, i.Refusal(seen.now()), nil
		}
	}
	return Baseline{}, nil, notListed()
}

// WaitUntilRestarted waits until an instance has restarted since the baseline was taken,
// whoever restarted the instance. WaitUntilRestarted sends no restart; its errors have no
// outcome.
//
// WaitUntilRestarted knows no time of a request, so [ProofStartTime] compares StartTime
// with the minute of the baseline's ServiceTime. Keep ServiceTime when you store a baseline: without
// ServiceTime, StartTime proves nothing.
func (c *Client) WaitUntilRestarted(ctx context.Context, baseline Baseline, options WaitOptions) (*RestartResult, error) {
	const operation = "WaitUntilRestarted"
	err := checkCall(ctx, baseline.InstanceID)
	switch {
	case err != nil:
	case baseline.TakenAt.IsZero():
		err = &InputError{Field: "Baseline", Problem: "was not taken: it has no TakenAt"}
	case baseline.Status != StatusRunning:
		// The instance may become Running without a restart.
		err = &InputError{Field: "Baseline", Problem: fmt.Sprintf("shows the instance %s; a restart can be proven only for an instance that was Running", baseline.Status)}
	}
	if err != nil {
		return nil, &OperationError{Operation: operation, InstanceID: baseline.InstanceID, Err: err}
	}
	w := c.newWatch(ctx, baseline.InstanceID, evidence{before: baseline})
	return w.wait(ctx, operation, options)
}

// Resolve determines whether a restart of unknown outcome took place: Resolve polls until
// the instance is Running with [ProofStatus], [ProofStartTime], [ProofRecord] or
// [ProofProbe]. Resolve polls at least once. If UnknownGrace since the request has passed
// without a sign of a restart, Resolve returns an error that is [ErrNotProven] and still
// [ErrOutcomeUnknown]. If the Witness of the options finds that the service refused the
// request, the error is [ErrRejected]. If it finds that the service accepted the request,
// Resolve polls until Timeout, and an error is [ErrAccepted]. Resolve sends no restart.
//
// The argument unknown is the error that an earlier call returned. The error may come
// from another process, because an [OperationError] can be stored as JSON. If the outcome
// of that error is not unknown, for example because nothing was sent, Resolve polls
// nothing and returns [ErrInvalidInput].
//
//   - If a request was sent, an error of [Client.RebootAndWait] contains the baseline. If
//     the baseline has a ServiceTime, any process can resolve the error, even if the local
//     clock of that process is wrong.
//   - Without a baseline, as in an error of [Client.RebootInstance], or without its
//     ServiceTime, Resolve depends on SentAt, which is by the local clock of the sender.
//     Resolve such an error on the same machine, or on a machine whose clock agrees. If
//     the sender's clock was d behind that of the machine that resolves, a start up to d
//     before the request is mistaken for one after the request; if the clock was ahead, a
//     restart may be missed.
//   - If a call of RebootAndWait ended before the request was sent, and other calls still
//     shared the restart, the error has no baseline, and SentAt is when the call ended.
//
// Resolve cannot determine who restarted the instance. If the instance was not Running
// when the restart was sent, the service refused the restart, but Resolve can still
// succeed, because it mistakes a start by someone else for the restart.
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
	begin := evidence{
		outcome: OutcomeUnknown, firstSentAt: failed.SentAt, sentAt: failed.SentAt, unsettledSince: failed.SentAt,
		sent: []SentRequest{{SendID: failed.SendID, SentAt: failed.SentAt}},
	}
	if now := time.Now(); failed.SentAt.After(now) { // by the clock of another machine
		begin.unsettledSince = now
	}
	if waited, ok := errors.AsType[*WaitError](failed.Err); ok {
		begin.before = waited.Before
		if len(waited.Sent) > 0 {
			begin.sent = waited.Sent
		}
	}
	begin.unknown, begin.unanswered = begin.sent, begin.sent
	w := c.newWatch(ctx, failed.InstanceID, begin)
	return w.wait(ctx, operation, options)
}

// causeOf returns the cause of an [OperationError], for a call that is a part of another
// call.
func causeOf(err error) error {
	if failed, ok := errors.AsType[*OperationError](err); ok {
		return failed.Err
	}
	return err
}

// schedule plans the polls of a watch. The wait before the next poll depends on the time
// since begun: it is a second plus a fifteenth of that time, at most 2.6 s, or a 28th of
// that time if that is longer, at most 20 s.
//
//   - Until a poll shows the instance down, a restart may still begin, so the wait is at
//     most 5 s. The first poll that shows the instance down sets begun again.
//   - With each poll that fails or does not list the instance, the wait doubles, up to 10 s,
//     so that a short outage or a late list does not end the watch.
type schedule struct {
	begun time.Time // when the watch began, the restart was sent, or a poll first showed the instance down
	down  bool      // a poll showed another status than Running
	vain  int       // polls in a row that failed or did not list the instance
}

// delay returns the wait before the next poll. The jitter keeps clients from polling at the
// same times. The clock seeds the jitter, so that a test in virtual time gives the same
// result each time.
func (s *schedule) delay() time.Duration {
	elapsed, longest := time.Since(s.begun), 20*time.Second
	if !s.down {
		longest = 5 * time.Second
	}
	wait := min(max(min(time.Second+elapsed/15, 2600*time.Millisecond), elapsed/28), longest)
	wait = max(wait, min(wait<<s.vain, 10*time.Second))
	jitter := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)) //nolint:gosec // jitter needs no secrecy
	return wait + time.Duration(jitter.Int64N(int64(min(wait, elapsed)/10)+1))
}

// observe records the status that a poll showed, or "" if the poll failed or did not list
// the instance.
func (s *schedule) observe(status Status) {
	switch {
	case status == "":
		s.vain = min(s.vain+1, 4)
	case status != StatusRunning && !s.down:
		*s = schedule{begun: time.Now(), down: true}
	default:
		s.vain = 0
	}
}
