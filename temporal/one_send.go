package ecstemporal

import (
	"errors"
	"strconv"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// send sends the restart once, and follows it. From here on, the history says that the
// restart may have been sent. send returns why it was not; nil if there is an end, or the
// next attempt may be made at once.
func (o *one) send(ctx workflow.Context) *driver.Judgement {
	scheduled := workflow.Now(ctx)
	o.sends++
	operationID := o.in.OperationID + "-" + strconv.Itoa(o.sends)
	limited, done := o.revocable(ctx)
	var result sendResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(limited, workflow.ActivityOptions{
		TaskQueue:              sendQueue(workflow.GetInfo(ctx).TaskQueueName),
		ScheduleToStartTimeout: queueTime,
		StartToCloseTimeout:    o.in.Settings.SendTimeout + sendSlack,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		// An activity that waits for a worker is canceled at once, for certain. One that
		// has begun does not learn of it, and its result applies.
		WaitForCancellation: true,
	}), sendActivity, sendInput{
		work: o.in.work, Settings: o.in.Settings, ForceStop: o.in.ForceStop, AskedAt: o.in.AskedAt, StartTime: o.first, SendBefore: o.in.SendBefore, Since: o.in.Since,
		OperationID: operationID,
	}).Get(ctx, &result)
	done()
	o.status.Rate = result.Rate
	switch {
	case neverStarted(err):
		return nil
	case err != nil: // its worker died, or is about to
		result.Error = "the worker that sent it did not answer: " + err.Error()
	case result.Refusal != nil:
		return o.refused(ctx, result.Refusal)
	}
	if result.Before != nil {
		o.before = *result.Before
	}
	o.sent = true
	if result.SentAt.IsZero() {
		result.SentAt = scheduled
	}
	if result.Accepted || result.SendID == "" {
		// The beginning identifies the request if its worker died. It is enough if the
		// request was accepted and has a RequestID, and keeps the history of the run small.
		result.SendID = operationID + "."
	}
	o.in.Attempts++
	o.add(ctx, fleet.Event{Kind: fleet.EventIntent, At: result.SentAt, Attempt: o.in.Attempts, Before: new(o.before), SendID: result.SendID})
	since := result.SentAt
	if result.Accepted {
		o.add(ctx, fleet.Event{Kind: fleet.EventAccepted, RequestID: result.RequestID})
	} else {
		o.add(ctx, fleet.Event{Kind: fleet.EventDoubt, Error: result.Error})
		since = workflow.Now(ctx)
	}
	o.report(ctx, o.in.Run)
	return o.follow(ctx, followInput{Accepted: result.Accepted, SentAt: result.SentAt, Since: since, SendID: result.SendID})
}

// neverStarted reports whether an error means that certainly no worker began to send.
// The activity has no heartbeat, so that one that has begun is never canceled.
func neverStarted(err error) bool {
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	return temporal.IsCanceledError(err) || ok && timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// retryPolicy is for activities that send nothing: they are retried without a limit.
var retryPolicy = &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval}

// forEver is for the activity that follows an instance, which limits itself.
const forEver = 10 * 365 * 24 * time.Hour

// poll executes the activity that follows an instance.
func (o *one) poll(ctx workflow.Context, in followInput) (result followResult, err error) {
	in.work, in.Before, in.Settings = o.in.work, o.before, o.in.Settings
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: forEver, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: retryPolicy,
	}), followActivity, in).Get(ctx, &result)
	return result, err
}

// denied says what it means that the restart of the instance was denied: if a dry run of
// another instance is permitted, only this one fails, and if none is, the run halts.
func (o *one) denied(ctx workflow.Context, refusal *driver.Judgement) *driver.Judgement {
	var others dryRunResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: maxDryRuns*readTimeout + sendSlack, RetryPolicy: retryPolicy,
	}), dryRunActivity, dryRunInput{ForceStop: o.in.ForceStop, Others: o.in.Others}).Get(ctx, &others)
	switch {
	case err != nil: // nothing is known of the others
	case others.OfAll:
		refusal.ForAll = true
		refusal.Event.Kind, refusal.Event.Reason, refusal.Event.Running = fleet.EventUnsent, fleet.ReasonAccess, false
	default:
		refusal.Event.Alone = others.Alone
	}
	return refusal
}

// refused returns why a restart that the service refused is retried later, or not at all;
// nil if there is an end.
func (o *one) refused(ctx workflow.Context, refusal *driver.Judgement) *driver.Judgement {
	switch {
	case refusal.NotRunning:
		return o.awaitOthers(ctx)
	case refusal.Event.Reason == fleet.ReasonDenied:
		return o.denied(ctx, refusal)
	}
	return refusal
}

// follow follows a restart that was or may have been sent to its end. If a witness says
// that the service refused the restart, follow returns the refusal.
func (o *one) follow(ctx workflow.Context, in followInput) *driver.Judgement {
	limited, cancel := workflow.WithCancel(ctx)
	defer cancel()
	o.endFollow = cancel
	if o.marked {
		cancel()
	}
	result, err := o.poll(limited, in)
	for err == nil && !o.marked && result.isOpen() { // the run must know of it now
		o.add(ctx, result.Events...)
		o.report(ctx, o.in.Run)
		in = in.after(result)
		result, err = o.poll(limited, in)
	}
	o.endFollow = nil
	switch {
	case o.marked:
	case err != nil:
		o.add(ctx, fleet.Event{Kind: fleet.EventUnknown, Reason: fleet.ReasonNotWatched, Error: text(err)})
	case result.Refusal != nil:
		o.add(ctx, result.Events...)
		return o.refusedLate(ctx, result.Refusal)
	default:
		o.prove(ctx, result.Events)
	}
	return nil
}

// refusedLate ends the turn of an instance whose restart the service refused, as a witness
// says. Others may have taken the place of the instance in the meantime, and the run may be
// paused. So if the restart is worth a retry, the instance waits for another turn.
func (o *one) refusedLate(ctx workflow.Context, refusal *driver.Judgement) *driver.Judgement {
	o.sent = false
	witness := refusal.Event.Witness
	if refusal = o.refused(ctx, refusal); refusal == nil {
		return nil
	}
	if refusal.Retry != "" && o.in.Attempts < maxAttempts {
		refusal.Event.Kind, refusal.Event.Reason, refusal.Event.Running = fleet.EventUnsent, refusal.Retry, false
	}
	refusal.Event.Witness, refusal.Retry = witness, ""
	return refusal
}

// awaitOthers waits for an instance that is not Running. It returns why the restart is to
// be retried later; nil if there is an end, or the restart is revoked.
func (o *one) awaitOthers(ctx workflow.Context) *driver.Judgement {
	o.tellHeld(ctx, fleet.ReasonOthers, "")
	limited, done := o.revocable(ctx)
	result, err := o.poll(limited, followInput{Others: true})
	done()
	switch n := len(result.Events); {
	case n > 0 && isEnd(result.Events[n-1].Kind):
		o.add(ctx, result.Events[:n-1]...)
		o.giveUp(ctx, result.Events[n-1])
	case o.revoked != "", temporal.IsCanceledError(err):
	case err != nil:
		return &driver.Judgement{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent, Error: text(err)}}
	case result.Running: // it was not Running for a moment
		return &driver.Judgement{Retry: fleet.ReasonRefused, Event: fleet.Event{
			Kind: fleet.EventFailed, Reason: fleet.ReasonRefused, Code: ecsreboot.ErrIncorrectInstanceStatus,
		}}
	}
	return nil
}

// look resolves a restart that an earlier RebootOne may have sent.
func (o *one) look(ctx workflow.Context) {
	if o.in.Known != nil {
		o.before, o.sent = *o.in.Known, true
		o.resolve(ctx, followInput{Accepted: o.in.Accepted, SentAt: o.in.SentAt, Since: workflow.Now(ctx), SendID: o.in.SendID})
		return
	}
	// It may have ended at any point. A request that it began has an end by then.
	_ = workflow.Sleep(ctx, o.in.Settings.SendTimeout+sendSlack+max(0, o.in.Settings.UnknownGrace))
	o.in.Attempts++
	o.add(ctx, fleet.Event{Kind: fleet.EventIntent, At: o.in.AskedAt, Attempt: o.in.Attempts},
		fleet.Event{Kind: fleet.EventDoubt, Error: "the workflow that restarted it was ended"})
	o.resolve(ctx, followInput{SentAt: o.in.AskedAt, Since: o.in.AskedAt}) // any restart since then is evidence
}

// resolve follows a restart of an earlier RebootOne to its end.
func (o *one) resolve(ctx workflow.Context, in followInput) {
	if refusal := o.follow(ctx, in); refusal != nil {
		o.end(ctx, refusal)
	}
}

// watch watches whether an instance that is failed or unknown comes back.
func (o *one) watch(ctx workflow.Context) {
	if !o.sent || o.revoked != "" {
		return
	}
	limited, done := o.revocable(ctx)
	defer done()
	result, err := o.poll(limited, followInput{Accepted: true, Late: true})
	if err != nil || len(result.Events) == 0 || o.marked {
		return
	}
	o.status.More = o.in.Settings.Undrain // if the run is about to end, it waits for that
	o.prove(ctx, result.Events)
	o.status.More = false
	o.reportAll(ctx)
}
