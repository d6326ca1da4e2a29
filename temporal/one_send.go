package ecstemporal

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// send sends the restart once, and follows it. From here on, the history says that it
// may have been sent. It returns why it was not; nil if there is an end, or it may be
// tried again at once.
func (o *one) send(ctx workflow.Context) *verdict {
	scheduled := workflow.Now(ctx)
	s := o.in.Settings
	limited, done := o.revocable(ctx)
	var result sendResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(limited, workflow.ActivityOptions{
		TaskQueue:              o.in.SendQueue,
		ScheduleToStartTimeout: queueTime,
		StartToCloseTimeout:    s.SendTimeout + sendSlack,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		// An activity that waits for a worker is canceled at once, for certain. One that
		// has begun does not learn of it, and its result applies.
		WaitForCancellation: true,
	}), sendActivity, sendInput{
		work: o.in.work, ForceStop: o.in.ForceStop, StartTime: o.before.StartTime, SendBefore: o.in.SendBefore,
		Timeout: s.SendTimeout, MinUptime: s.MinUptime, Health: s.Health, Blocker: s.Blocker,
	}).Get(ctx, &result)
	done()
	o.status.Rate = result.Rate
	switch {
	case neverStarted(err):
		return nil
	case err != nil: // its worker died, or is about to
		result = sendResult{Outcome: sendUnknown, Error: "the worker that sent it did not answer: " + err.Error()}
	case result.Outcome == sendNot && result.Verdict.NotRunning:
		return o.awaitOthers(ctx)
	case result.Outcome == sendNot:
		return result.Verdict
	}
	if result.Before != nil {
		o.before = *result.Before
	}
	o.sent = true
	if result.SentAt.IsZero() {
		result.SentAt = scheduled
	}
	o.add(ctx, fleet.Event{Kind: fleet.EventIntent, At: result.SentAt, Attempt: o.in.Attempts + 1, Before: reading(o.before)})
	accepted, since := result.Outcome == sendAccepted, result.SentAt
	if accepted {
		o.add(ctx, fleet.Event{Kind: fleet.EventAccepted, RequestID: result.RequestID})
	} else {
		o.add(ctx, fleet.Event{Kind: fleet.EventDoubt, Error: result.Error})
		since = workflow.Now(ctx)
	}
	o.report(ctx, o.in.Run)
	o.follow(ctx, accepted, since)
	return nil
}

// neverStarted reports whether an error means that certainly no worker began to send.
// The activity has no heartbeat, so that one that has begun is never canceled.
func neverStarted(err error) bool {
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	return temporal.IsCanceledError(err) || ok && timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// shortPoll is the context of an activity that polls once. It is retried.
func (o *one) shortPoll(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: readTimeout + sendSlack,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval},
	})
}

// longPoll is the context of an activity that polls until something is known. It
// changes nothing, so it is retried for ever.
func (o *one) longPoll(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: forEver,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval},
	})
}

// forEver is longer than any poll: the activities limit themselves.
const forEver = 10 * 365 * 24 * time.Hour

func (o *one) followInput(accepted bool, sentAt time.Time) followInput {
	s := o.in.Settings
	return followInput{
		work: o.in.work, Before: o.before, SentAt: sentAt, Accepted: accepted,
		MinReady: s.MinReady, ReadyTimeout: s.ReadyTimeout, UnknownGrace: s.UnknownGrace, Health: s.Health,
	}
}

// follow follows a restart that was or may have been sent to its end.
func (o *one) follow(ctx workflow.Context, accepted bool, sentAt time.Time) {
	var seen followResult
	if err := workflow.ExecuteActivity(o.longPoll(ctx), followActivity, o.followInput(accepted, sentAt)).Get(ctx, &seen); err != nil {
		o.add(ctx, fleet.Event{Kind: fleet.EventUnknown, Reason: fleet.ReasonNotWatched, Error: text(err)})
		return
	}
	o.add(ctx, seen.Events...)
}

// awaitOthers waits for an instance that is not Running. It returns why the restart is
// tried again later; nil if there is an end, or it is revoked.
func (o *one) awaitOthers(ctx workflow.Context) *verdict {
	o.add(ctx, fleet.Event{Kind: fleet.EventHeld, Reason: fleet.ReasonOthers})
	o.report(ctx, o.in.Run)
	limited, done := o.revocable(o.longPoll(ctx))
	var seen followResult
	err := workflow.ExecuteActivity(limited, awaitOthersActivity, o.followInput(false, time.Time{})).Get(ctx, &seen)
	done()
	o.add(ctx, seen.Events...)
	switch {
	case o.revoked != "", temporal.IsCanceledError(err):
		return nil
	case err != nil:
		return &verdict{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent, Error: text(err)}}
	case seen.Running: // it was not Running for a moment
		return &verdict{
			Retry: fleet.ReasonRefused,
			Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonRefused, Code: ecsreboot.ErrIncorrectInstanceStatus},
		}
	}
	return nil
}

// look finds out what became of a restart that an earlier RebootOne may have sent.
func (o *one) look(ctx workflow.Context) {
	if o.in.Known != nil {
		o.before, o.sent = baselineOf(o.in.Target.ID, *o.in.Known), true
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
	in := o.followInput(true, time.Time{})
	in.Late = true
	limited, done := o.revocable(o.longPoll(ctx))
	defer done()
	var seen followResult
	if err := workflow.ExecuteActivity(limited, followActivity, in).Get(ctx, &seen); err == nil && len(seen.Events) > 0 {
		o.add(ctx, seen.Events...)
		o.reportAll(ctx)
	}
}
