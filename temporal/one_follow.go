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

const scheduleToStart = enums.TIMEOUT_TYPE_SCHEDULE_TO_START

func asTimeout(err error) *temporal.TimeoutError {
	timeout, _ := errors.AsType[*temporal.TimeoutError](err)
	return timeout
}

// reading is the context of a short reading, which is tried again.
func (w *one) reading(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: readTimeout + sendSlack,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval},
	})
}

// watching is the context of a wait, which is tried again for ever: it changes
// nothing.
func (w *one) watching(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: forEver,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval},
	})
}

// forEver is longer than any wait: activities limit themselves.
const forEver = 10 * 365 * 24 * time.Hour

func (w *one) waitInput(sentAt time.Time) waitInput {
	l := w.in.Limits
	return waitInput{
		work: w.in.work, Before: w.before, SentAt: sentAt,
		MinReady: l.MinReady, ReadyTimeout: l.ReadyTimeout, UnknownGrace: l.UnknownGrace, Health: l.Health,
	}
}

// follow follows a restart that was sent, or may have been, and tells its end.
func (w *one) follow(ctx workflow.Context, activityName string, sentAt time.Time) {
	var seen waitResult
	if err := workflow.ExecuteActivity(w.watching(ctx), activityName, w.waitInput(sentAt)).Get(ctx, &seen); err != nil {
		w.tell(ctx, fleet.Event{Kind: fleet.EventUnknown, Reason: fleet.ReasonNotWatched, Error: text(err)})
		return
	}
	for _, e := range seen.Events {
		w.tell(ctx, e)
	}
}

// awaitOthers waits for an instance that is not Running. The restart may be tried
// again if there is neither an end nor a verdict.
func (w *one) awaitOthers(ctx workflow.Context) (why *verdict, sent bool) {
	w.tell(ctx, fleet.Event{Kind: fleet.EventHeld, Reason: fleet.ReasonOthers})
	w.inform(ctx, w.in.Chunk)
	cancellable, cancel := workflow.WithCancel(w.watching(ctx))
	defer cancel()
	w.calling = cancel
	if w.held != "" {
		cancel()
	}
	var seen waitResult
	err := workflow.ExecuteActivity(cancellable, awaitOthersActivity, w.waitInput(time.Time{})).Get(ctx, &seen)
	w.calling = nil
	for _, e := range seen.Events {
		w.tell(ctx, e)
	}
	switch {
	case w.held != "", temporal.IsCanceledError(err):
		return nil, false
	case err != nil:
		return &verdict{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent, Error: text(err)}}, false
	case seen.Running: // it was on its way for a moment, as it seems
		return &verdict{
			Retry: fleet.ReasonRefused,
			Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonRefused, Code: ecsreboot.ErrIncorrectInstanceStatus},
		}, false
	}
	return nil, false
}

// look finds out what became of a restart that an earlier workflow may have sent.
func (w *one) look(ctx workflow.Context) {
	if w.in.Known == nil {
		// It may have been at any point. What it began has an end by then.
		_ = workflow.Sleep(ctx, w.in.Limits.SendTimeout+sendSlack+max(0, w.in.Limits.UnknownGrace))
		w.tell(ctx, fleet.Event{Kind: fleet.EventIntent, At: w.in.AskedAt, Attempt: w.in.Attempts + 1})
		w.tell(ctx, fleet.Event{Kind: fleet.EventDoubt, Error: "the workflow that restarted it was ended"})
		w.follow(ctx, resolveActivity, w.in.AskedAt) // a restart since then is what is looked for
		return
	}
	w.before = *w.in.Known
	activity := resolveActivity
	if w.in.Accepted {
		activity = waitActivity
	}
	w.follow(ctx, activity, workflow.Now(ctx))
}

// followLate follows an instance that was given up, until it is well or somebody
// cancels it.
func (w *one) followLate(ctx workflow.Context) {
	if w.in.Known == nil || w.held != "" {
		return
	}
	w.before = *w.in.Known
	in := w.waitInput(time.Time{})
	in.Late = true
	cancellable, cancel := workflow.WithCancel(w.watching(ctx))
	defer cancel()
	w.calling = cancel
	var seen waitResult
	if err := workflow.ExecuteActivity(cancellable, waitActivity, in).Get(ctx, &seen); err != nil {
		return // called off
	}
	for _, e := range seen.Events {
		w.tell(ctx, e)
	}
}
