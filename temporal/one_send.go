package ecstemporal

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// send sends the restart once. From here on, the history knows that it may have
// left.
func (w *one) send(ctx workflow.Context) (why *verdict, sent bool) {
	scheduled := workflow.Now(ctx)
	cancellable, cancel := workflow.WithCancel(ctx)
	defer cancel()
	w.calling = cancel
	var result sendResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(cancellable, workflow.ActivityOptions{
		TaskQueue:              w.in.SendQueue,
		ScheduleToStartTimeout: queueTime,
		StartToCloseTimeout:    w.in.Limits.SendTimeout + sendSlack,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		// What waits for a worker is called off at once, for certain. What has begun
		// knows nothing of it, and its result counts.
		WaitForCancellation: true,
	}), sendActivity, sendInput{
		work: w.in.work, ForceStop: w.in.ForceStop, Health: w.in.Limits.Health, StartTime: w.before.StartTime, Timeout: w.in.Limits.SendTimeout,
	}).Get(ctx, &result)
	w.calling = nil
	w.account.Rate = result.Rate
	switch {
	case neverStarted(err):
		return nil, false
	case err != nil: // its worker died, or is about to
		result = sendResult{Outcome: sendUnknown, Error: "the worker that sent it did not answer: " + err.Error()}
	case result.Outcome == sendNot && result.Verdict.NotRunning:
		return w.awaitOthers(ctx)
	case result.Outcome == sendNot:
		return result.Verdict, false
	}
	if result.Before != nil {
		w.before = *result.Before
	}
	if result.SentAt.IsZero() {
		result.SentAt = scheduled
	}
	w.tell(ctx, fleet.Event{Kind: fleet.EventIntent, At: result.SentAt, Attempt: w.in.Attempts + 1, Before: new(w.before)})
	if result.Outcome == sendAccepted {
		w.tell(ctx, fleet.Event{Kind: fleet.EventAccepted, RequestID: result.RequestID})
	} else {
		w.tell(ctx, fleet.Event{Kind: fleet.EventDoubt, Error: result.Error})
	}
	w.inform(ctx, w.in.Chunk)
	if result.Outcome == sendAccepted {
		w.follow(ctx, waitActivity, result.SentAt)
	} else {
		w.follow(ctx, resolveActivity, workflow.Now(ctx))
	}
	return nil, true
}

// neverStarted reports whether an error tells for certain that no worker began with
// a send. A send has no heartbeat, so that one that has begun is never called off.
func neverStarted(err error) bool {
	if temporal.IsCanceledError(err) {
		return true
	}
	timeout := asTimeout(err)
	return timeout != nil && timeout.TimeoutType() == scheduleToStart
}
