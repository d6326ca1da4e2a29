package ecstemporal

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
	"github.com/ecsreboot/ecsreboot/pace"
)

// activities are what workers do for the workflows. What becomes of an instance is a
// result; an error is a problem of the worker, so that the activity is retried.
type activities struct {
	client  *ecsreboot.Client
	health  func(ctx context.Context, target fleet.Target) error
	blocker func(ctx context.Context, target fleet.Target) error
	notify  func(ctx context.Context, notice Notice) error
	// confirm asks the server whether it still waits for the activity of a token.
	confirm func(ctx context.Context, token []byte) error
}

// work is what an activity works on.
type work struct {
	Region string       `json:"region"`
	Target fleet.Target `json:"target"`
}

// verdict is why an instance was not restarted.
type verdict struct {
	Event      fleet.Event   `json:"event"`           // the end, if nobody retries
	Retry      fleet.Reason  `json:"retry,omitempty"` // why a retry may succeed
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	NotRunning bool          `json:"notRunning,omitempty"`
	ForAll     bool          `json:"forAll,omitempty"` // every instance would meet it
}

// snapshot is an instance before its restart, or why it is not restarted.
type snapshot struct {
	Baseline ecsreboot.Baseline `json:"baseline"`
	Verdict  *verdict           `json:"verdict,omitempty"`
}

// readTimeout limits a poll of an instance.
const readTimeout = 20 * time.Second

// Snapshot polls an instance before its restart.
func (a *activities) Snapshot(ctx context.Context, in work) (snapshot, error) {
	if v := haltAll(in, a.unfit(in, Settings{})); v != nil {
		return snapshot{Verdict: v}, nil
	}
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	baseline, err := a.client.TakeBaseline(limited, in.Target.ID)
	if ctx.Err() != nil {
		return snapshot{}, errStopping
	}
	if err == nil {
		read := ecsreboot.Instance{ID: baseline.InstanceID, Status: baseline.Status, Locks: baseline.Locks}
		err = read.Refusal(time.Now())
	}
	if err == nil {
		return snapshot{Baseline: baseline}, nil
	}
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		err = failed.Err // it is the error of a restart here, not that of a poll
	}
	v, err := a.judge(ctx, in.Target, &ecsreboot.OperationError{
		Operation: "Snapshot", InstanceID: in.Target.ID, Outcome: ecsreboot.OutcomeNotSent, Err: err,
	})
	return snapshot{Baseline: baseline, Verdict: v}, err
}

// judge classifies the error of a restart that did not happen.
func (a *activities) judge(ctx context.Context, target fleet.Target, err error) (*verdict, error) {
	drive, bad := driver.New(a.client, fleet.Options{})
	if bad != nil {
		return nil, bad
	}
	j, bad := drive.Judge(ctx, target, err)
	if bad != nil {
		return nil, bad
	}
	v := &verdict{Event: j.Event, Retry: j.Retry, NotRunning: j.NotRunning, ForAll: j.ForAll}
	v.Event.Error = shorten(v.Event.Error)
	if apiErr, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		v.RetryAfter = apiErr.RetryAfter
	}
	if state := a.client.Pace(pace.RebootInstance); v.Retry == fleet.ReasonThrottled && state.Closed {
		v.RetryAfter = max(v.RetryAfter, time.Until(state.Until))
	}
	return v, nil
}

// Notify calls the worker's Notify.
func (a *activities) Notify(ctx context.Context, notice Notice) error {
	if a.notify == nil {
		return temporal.NewApplicationError("the run needs Notify, which this worker does not have", "NoNotify")
	}
	return a.notify(ctx, notice)
}

// unfit returns why this worker cannot do some work as it was set up; empty if it can.
func (a *activities) unfit(in work, s Settings) string {
	switch {
	case in.Region != a.client.Region():
		return "the run is of region " + in.Region + ", the worker's client of " + a.client.Region()
	case s.Health && a.health == nil:
		return "the run needs Health, which this worker does not have"
	case s.Blocker && a.blocker == nil:
		return "the run needs Blocker, which this worker does not have"
	}
	return ""
}

// haltAll is the verdict of a worker that is unfit, or nil.
func haltAll(in work, problem string) *verdict {
	if problem == "" {
		return nil
	}
	return &verdict{ForAll: true, Event: fleet.Event{
		Kind: fleet.EventUnsent, InstanceID: in.Target.ID, Reason: fleet.ReasonAccess, Error: problem,
	}}
}

// errStopping makes the server give the activity to another worker. It must not be the
// error of a context, which would mean that the activity was canceled.
var errStopping = temporal.NewApplicationError("the worker stops", "WorkerStops")

// untilStop returns a context that also ends when the worker stops.
func untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := activity.GetWorkerStopChannel(ctx)
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// text is the text of an error as package fleet has it, and not too long for a history.
func text(err error) string {
	if err == nil {
		return ""
	}
	return shorten(strings.TrimPrefix(err.Error(), "ecsreboot: "))
}
