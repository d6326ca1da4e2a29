package ecstemporal

import (
	"errors"
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
		work: o.in.work, Settings: o.in.Settings, ForceStop: o.in.ForceStop, AskedAt: o.in.AskedAt, StartTime: o.first, SendBefore: o.in.SendBefore,
	}).Get(ctx, &result)
	done()
	o.status.Rate = result.Rate
	switch {
	case neverStarted(err):
		return nil
	case err != nil: // its worker died, or is about to
		result.Error = "the worker that sent it did not answer: " + err.Error()
	case result.Refusal != nil && result.Refusal.NotRunning:
		return o.awaitOthers(ctx)
	case result.Refusal != nil:
		return result.Refusal
	}
	if result.Before != nil {
		o.before = *result.Before
	}
	o.sent = true
	if result.SentAt.IsZero() {
		result.SentAt = scheduled
	}
	o.add(ctx, fleet.Event{Kind: fleet.EventIntent, At: result.SentAt, Attempt: o.in.Attempts + 1, Before: new(o.before)})
	since := result.SentAt
	if result.Accepted {
		o.add(ctx, fleet.Event{Kind: fleet.EventAccepted, RequestID: result.RequestID})
	} else {
		o.add(ctx, fleet.Event{Kind: fleet.EventDoubt, Error: result.Error})
		since = workflow.Now(ctx)
	}
	o.report(ctx, o.in.Run)
	o.follow(ctx, result.Accepted, since)
	return nil
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

// follow follows a restart that was or may have been sent to its end.
func (o *one) follow(ctx workflow.Context, accepted bool, sentAt time.Time) {
	result, err := o.poll(ctx, followInput{Accepted: accepted, SentAt: sentAt})
	if err != nil {
		result.Events = []fleet.Event{{Kind: fleet.EventUnknown, Reason: fleet.ReasonNotWatched, Error: text(err)}}
	}
	o.add(ctx, result.Events...)
}

// awaitOthers waits for an instance that is not Running. It returns why the restart is to
// be retried later; nil if there is an end, or the restart is revoked.
func (o *one) awaitOthers(ctx workflow.Context) *driver.Judgement {
	o.add(ctx, fleet.Event{Kind: fleet.EventHeld, Reason: fleet.ReasonOthers})
	o.report(ctx, o.in.Run)
	limited, done := o.revocable(ctx)
	result, err := o.poll(limited, followInput{Others: true})
	done()
	o.add(ctx, result.Events...)
	switch {
	case o.revoked != "", temporal.IsCanceledError(err):
		return nil
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
		o.follow(ctx, o.in.Accepted, workflow.Now(ctx))
		return
	}
	// It may have ended at any point. A request that it began has an end by then.
	_ = workflow.Sleep(ctx, o.in.Settings.SendTimeout+sendSlack+max(0, o.in.Settings.UnknownGrace))
	o.add(ctx, fleet.Event{Kind: fleet.EventIntent, At: o.in.AskedAt, Attempt: o.in.Attempts + 1},
		fleet.Event{Kind: fleet.EventDoubt, Error: "the workflow that restarted it was ended"})
	o.follow(ctx, false, o.in.AskedAt) // any restart since then is evidence
}

// watch watches whether an instance that is failed or unknown comes back.
func (o *one) watch(ctx workflow.Context) {
	if !o.sent || o.revoked != "" {
		return
	}
	limited, done := o.revocable(ctx)
	defer done()
	if result, err := o.poll(limited, followInput{Accepted: true, Late: true}); err == nil && len(result.Events) > 0 {
		o.add(ctx, result.Events...)
		o.reportAll(ctx)
	}
}
