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
)

// activities are what workers do for the workflows. What becomes of an instance is a
// result; an error is a problem of the worker, so that the activity is retried.
type activities struct {
	client *ecsreboot.Client
	hooks  WorkerOptions
	// confirm asks the server whether it still waits for the activity of a token.
	confirm func(ctx context.Context, token []byte) error
}

// work is what an activity works on.
type work struct {
	Region string       `json:"region"`
	Target fleet.Target `json:"target"`
}

// snapshot is an instance before its restart, or why it is not restarted.
type snapshot struct {
	Baseline ecsreboot.Baseline `json:"baseline"`
	Refusal  *driver.Judgement  `json:"refusal,omitempty"`
}

// readTimeout limits a poll of an instance.
const readTimeout = 20 * time.Second

// Snapshot polls an instance before its restart.
func (a *activities) Snapshot(ctx context.Context, in work) (snapshot, error) {
	if refusal := a.unfit(in, Settings{}); refusal != nil {
		return snapshot{Refusal: refusal}, nil
	}
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	baseline, err := a.client.TakeBaseline(limited, in.Target.ID)
	if ctx.Err() != nil {
		return snapshot{}, errStopping
	}
	if err == nil {
		err = ecsreboot.Instance{ID: baseline.InstanceID, Status: baseline.Status, Locks: baseline.Locks}.Refusal(time.Now())
	}
	if err == nil {
		return snapshot{Baseline: baseline}, nil
	}
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		err = failed.Err // it is the error of a restart here, not that of a poll
	}
	refusal, err := a.judge(ctx, in.Target, &ecsreboot.OperationError{
		Operation: "Snapshot", InstanceID: in.Target.ID, Outcome: ecsreboot.OutcomeNotSent, Err: err,
	})
	return snapshot{Baseline: baseline, Refusal: refusal}, err
}

// judge classifies the error of a restart that did not happen.
func (a *activities) judge(ctx context.Context, target fleet.Target, err error) (*driver.Judgement, error) {
	drive, bad := driver.New(a.client, fleet.Options{})
	if bad != nil {
		return nil, bad
	}
	j, bad := drive.Judge(ctx, target, err)
	j.Event.Error = shorten(j.Event.Error)
	return &j, bad
}

// Notify calls the worker's Notify.
func (a *activities) Notify(ctx context.Context, notice Notice) error {
	if a.hooks.Notify == nil {
		return temporal.NewApplicationError("the run needs Notify, which this worker does not have", "NoNotify")
	}
	return a.hooks.Notify(ctx, notice)
}

// unfit halts the run if this worker cannot do some work as it was set up. It returns
// nil if the worker can.
func (a *activities) unfit(in work, s Settings) *driver.Judgement {
	var problem string
	switch {
	case in.Region != a.client.Region():
		problem = "the run is of region " + in.Region + ", the worker's client of " + a.client.Region()
	case s.Health && a.hooks.Health == nil:
		problem = "the run needs Health, which this worker does not have"
	case s.Blocker && a.hooks.Blocker == nil:
		problem = "the run needs Blocker, which this worker does not have"
	default:
		return nil
	}
	return &driver.Judgement{ForAll: true, Event: fleet.Event{
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
	return shorten(strings.TrimPrefix(err.Error(), "ecsreboot: "))
}
