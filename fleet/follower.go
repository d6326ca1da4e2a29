package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// follower follows one restart until the instance is healthy. It reports each step to
// the session.
type follower struct {
	session  *session
	client   *ecsreboot.Client // of the target's region
	target   Target
	attempts int
	before   ecsreboot.Baseline // the last intent's
	sentAt   time.Time          // likewise
	sendID   string             // likewise

	settled      bool // the send had an answer, or lost it
	spared       bool // the instance waited for the witness and was not unavailable, so others may have taken its place
	earlier      bool // the wait is not the first one since the send
	down         bool
	up           bool
	shown        ecsreboot.Observation   // the last reading
	since        time.Time               // of being Running and healthy; zero if it is not
	unhealthy    error                   // what the health check said last
	gone         bool                    // the service did not list it for goneTime
	stoppedAt    time.Time               // since when polls show it Stopped; zero if the last one did not
	intended     bool                    // an intent was recorded in this turn
	drainDone    bool                    // Options.Drain was called in this turn
	drained      bool                    // Options.Drain was called, and no Options.Undrain has passed since
	undrained    bool                    // Options.Undrain was called in this session, or has passed in this attempt
	failedCalled bool                    // likewise Options.Failed
	consoleRead  bool                    // likewise Options.Console
	giveUp       context.CancelCauseFunc // ends the wait; nil if it is not to be ended
}

func newFollower(s *session, target Target) *follower {
	return &follower{session: s, client: s.clients.client(target), target: target}
}

// work follows a restart that was sent before, and reports its end.
func (f *follower) work(ctx context.Context, accepted bool) { f.tellEnd(ctx, f.takeUp(ctx, accepted)) }

// takeUp follows a restart that was sent before, and that was accepted or whose outcome is
// unknown. It reports the proof and returns nil, or returns why there is no proof.
func (f *follower) takeUp(ctx context.Context, accepted bool) error {
	f.settled, f.earlier = true, true
	if accepted {
		return f.await(ctx, ecsreboot.OutcomeAccepted, f.waitUntilRestarted)
	}
	wasDown := f.down
	err := f.await(ctx, ecsreboot.OutcomeUnknown, f.lookForRestart)
	switch {
	case outcomeOf(err) != ecsreboot.OutcomeRejected:
	case wasDown: // the client does not know this
		refusal, _ := errors.AsType[*ecsreboot.OperationError](err)
		return &followError{ecsreboot.OutcomeUnknown, fmt.Errorf("%w: earlier polls have shown a restart since the request was sent, but %w", ecsreboot.ErrNotProven, refusal.Err)}
	default: // a witness found the refusal
		f.settled = false
	}
	return err
}

func (f *follower) tell(e Event) {
	e.InstanceID = f.target.ID
	f.session.told.put(told{Event: e})
}

func (f *follower) waitUntilRestarted(ctx context.Context, options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	return f.client.WaitUntilRestarted(ctx, f.baseline(), options)
}

// lookForRestart settles an intent whose end is not in the journal.
func (f *follower) lookForRestart(ctx context.Context, options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	return f.client.Resolve(ctx, &ecsreboot.OperationError{
		Operation: "RebootInstance", InstanceID: f.target.ID, Outcome: ecsreboot.OutcomeUnknown, SentAt: f.sentAt, SendID: f.sendID,
		Err: &ecsreboot.WaitError{Before: f.baseline(), Err: errors.New("the journal has no answer")},
	}, options)
}

func (f *follower) baseline() ecsreboot.Baseline {
	before := f.before
	before.InstanceID = f.target.ID // also where nobody looked
	return before
}

// errNotReady ends the wait for an instance after Options.ReadyTimeout.
var errNotReady = errors.New("fleet: not healthy in time")

// await follows a restart until it is proven and the instance healthy, for as long
// as ReadyTimeout; outcome is what is known of the send, for those waits whose
// errors do not tell.
func (f *follower) await(ctx context.Context, outcome ecsreboot.Outcome, wait waitFunc) error {
	limited, cancel := f.limit(ctx)
	defer cancel()
	limited, f.giveUp = context.WithCancelCause(limited)
	defer f.leave()
	result, err := wait(limited, f.waitOptions())
	if err != nil {
		return &followError{outcome: outcome, err: err}
	}
	return f.proven(ctx, result)
}

type waitFunc func(context.Context, ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error)

// limit puts ReadyTimeout on a context.
func (f *follower) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.session.options.ReadyTimeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, f.session.options.ReadyTimeout, fmt.Errorf("%w: %v are over", errNotReady, f.session.options.ReadyTimeout))
}

func (f *follower) waitOptions() ecsreboot.WaitOptions {
	options := f.session.options
	return ecsreboot.WaitOptions{
		Timeout: -1, UnknownGrace: options.UnknownGrace, Probe: f.probe, OnEvent: f.seen,
		Witness: options.Witness, WitnessTimeout: options.WitnessTimeout,
	}
}

// proven calls Options.Undrain and reports the proof. ProofProbe stands for a sign that an
// earlier poll showed, so it is reported as ProofStatus.
func (f *follower) proven(ctx context.Context, result *ecsreboot.RestartResult) error {
	if err := f.undrain(ctx); err != nil {
		return err
	}
	proof := result.Proof
	if proof == ecsreboot.ProofProbe {
		proof = ecsreboot.ProofStatus
	}
	f.tell(Event{Kind: EventHealthy, Proof: proof, RequestID: result.RequestID})
	return nil
}

// seen is called for the events of the wait.
func (f *follower) seen(e ecsreboot.Event) {
	switch e.Kind {
	case ecsreboot.EventAccepted:
		f.settled = true
		f.tell(Event{Kind: EventAccepted, At: e.At, RequestID: e.RequestID})
	case ecsreboot.EventOutcomeUnknown:
		f.settled = true
		f.tell(Event{Kind: EventDoubt, At: e.At, Error: text(e.Err)})
	case ecsreboot.EventAwaitsWitness:
		f.spared = f.shown.Status == ecsreboot.StatusRunning && !f.drained // a drained instance is out of service
		f.tell(Event{Kind: EventAwaiting, At: e.At, Running: f.spared})
	case ecsreboot.EventWitness:
		if e.Testimony.Finding == ecsreboot.FindingAccepted {
			f.tell(Event{Kind: EventAccepted, At: e.At, RequestID: e.Testimony.RequestID, Witness: e.Testimony.Witness})
		}
	case ecsreboot.EventStatus:
		f.shows(e)
	default:
	}
}

// leave ends the wait under way.
func (f *follower) leave() {
	f.giveUp(nil)
	f.giveUp = nil
}

// errStopped ends the wait for an instance that others have stopped.
var errStopped = errors.New("fleet: the instance stays Stopped")

// watchStopped ends the wait once polls have shown the instance Stopped for
// Options.StoppedTimeout. A restart passes through Stopped in less.
func (f *follower) watchStopped(e ecsreboot.Event) {
	limit := f.session.options.StoppedTimeout
	switch {
	case e.Status == "": // not listed, which is no status
	case e.Status != ecsreboot.StatusStopped || !f.settled:
		f.stoppedAt = time.Time{}
	case f.stoppedAt.IsZero():
		f.stoppedAt = e.At
	case limit >= 0 && e.At.Sub(f.stoppedAt) >= limit && f.giveUp != nil:
		f.giveUp(fmt.Errorf("%w for %v", errStopped, e.At.Sub(f.stoppedAt).Round(time.Second)))
	}
}

// shows takes in a reading since the send.
func (f *follower) shows(e ecsreboot.Event) {
	if e.Status != ecsreboot.StatusRunning || !e.StartTime.Equal(f.shown.StartTime) {
		f.since, f.unhealthy = time.Time{}, nil // what was Running before is not what is ready now
	}
	f.watchStopped(e)
	f.shown = ecsreboot.Observation{At: e.At, Status: e.Status, StartTime: e.StartTime}
	switch running := e.Status == ecsreboot.StatusRunning; {
	case e.Status == "": // not listed, which is no status
	case !f.down && isDown(e.Status):
		f.down = true
		f.tell(Event{Kind: EventDown, At: e.At})
	case running && f.down && !f.up:
		f.up = true
		f.tell(Event{Kind: EventUp, At: e.At})
	}
}

// isDown reports whether a status is one of a restart, as a proof by status needs it.
func isDown(s ecsreboot.Status) bool {
	return s == ecsreboot.StatusStopping || s == ecsreboot.StatusStopped || s == ecsreboot.StatusStarting
}

// probe says whether the instance has been Running and healthy for long enough.
// The first reading of that begins the time anew: it may be of before the restart.
func (f *follower) probe(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
	if f.session.options.Health != nil {
		f.unhealthy = scrubbed(f.session.options.Health(ctx, f.target))
	}
	now := time.Now()
	switch {
	case f.unhealthy != nil:
		f.since = time.Time{}
	case f.since.IsZero():
		f.since = now
	}
	if f.since.IsZero() || now.Sub(f.since) < f.session.options.MinReady {
		return ecsreboot.ProbePending, nil
	}
	if f.earlier && f.down { // not since this wait began, but since the send
		return ecsreboot.ProbeRestarted, nil
	}
	return ecsreboot.ProbeHealthy, nil
}

// tellEnd reports the end of the instance; err is nil if the end is reported already.
// If the instance may have restarted and is not healthy, tellEnd keeps polling it until
// the session ends, because the instance may come back.
func (f *follower) tellEnd(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if err = f.followListed(ctx, err); err == nil {
		return
	}
	e, fatal := f.verdict(ctx, err)
	if fatal != nil {
		f.session.told.put(told{Event: Event{Kind: EventHalt, Reason: reasonOf(fatal), Error: text(fatal)}, err: fatal})
	}
	if e.Kind == "" {
		return
	}
	if f.earlier && e.Kind == EventUnsent && e.Reason == ReasonInterrupted {
		return // the next session asks the witness again
	}
	if f.earlier && e.Witness != "" && (e.Kind == EventSkipped || e.Kind == EventUnsent) {
		// If an earlier session gave the instance up, only "failed" is a valid event. A
		// resumed run tries again.
		e.Kind, e.Running, e.Unavailable = EventFailed, f.isRunning(ctx), false
		if e.Reason == ReasonAccess {
			e.Reason = ReasonDenied
		}
	}
	if e = f.giveBack(ctx, e); e.Kind == "" {
		return
	}
	f.tell(e)
	f.readConsole(ctx, e)
	f.callFailed(ctx, e)
	if e.Reason == ReasonNotUndrained {
		return // it is proven; a resumed run calls Undrain once more
	}
	if e.Kind != EventUnknown && (e.Kind != EventFailed || !f.settled) || ctx.Err() != nil {
		return
	}
	f.since, f.earlier = time.Time{}, true
	options := f.waitOptions()
	options.MaxPollFailures = patientPolls
	if result, err := f.client.WaitUntilRestarted(ctx, f.baseline(), options); err == nil {
		if err := f.proven(ctx, result); err != nil && hookContext(ctx).Err() == nil {
			f.tell(Event{Kind: EventFailed, Reason: ReasonNotUndrained, Error: text(err)})
		}
	}
}

// patientPolls is how many readings in a row may fail where nothing depends on them.
const patientPolls = 1000

// status reads the status of the instance; empty if it is not listed.
func (f *follower) status(ctx context.Context) (ecsreboot.Status, error) {
	for instance, err := range f.client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{f.target.ID}}) {
		return instance.Status, err
	}
	return "", nil
}
