package ecstemporal

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
	"github.com/ecsreboot/ecsreboot/pace"
)

// activities are what the workflows have done outside. What becomes of an instance
// they return as values; an error is of the worker, and means to try again.
type activities struct {
	client *ecsreboot.Client
	health func(ctx context.Context, target fleet.Target) error
	notify func(ctx context.Context, notice Notice) error
	// confirm asks the server whether it still waits for the activity of a token.
	confirm func(ctx context.Context, token []byte) error
}

// work is what an activity is about.
type work struct {
	Region string       `json:"region"`
	Target fleet.Target `json:"target"`
}

// verdict is why an instance was not restarted.
type verdict struct {
	Event      fleet.Event   `json:"event"`           // the end, if nobody tries again
	Retry      fleet.Reason  `json:"retry,omitempty"` // why a later try may succeed
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	NotRunning bool          `json:"notRunning,omitempty"`
	ForAll     bool          `json:"forAll,omitempty"` // it would meet every instance
}

// snapshot is an instance before its restart, or why there will be none.
type snapshot struct {
	Baseline ecsreboot.Baseline `json:"baseline"`
	Verdict  *verdict           `json:"verdict,omitempty"`
}

// readTimeout limits the reading of an instance.
const readTimeout = 20 * time.Second

// Snapshot reads an instance before its restart.
func (a *activities) Snapshot(ctx context.Context, in work) (snapshot, error) {
	if v := a.misplaced(in); v != nil {
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
	v, err := a.judge(ctx, in.Target, &ecsreboot.OperationError{
		Operation: "Snapshot", InstanceID: in.Target.ID, Outcome: ecsreboot.OutcomeNotSent, Err: cause(err),
	})
	return snapshot{Baseline: baseline, Verdict: v}, err
}

// cause takes the layer off an error of a reading, as it is one of a restart here.
func cause(err error) error {
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		return failed.Err
	}
	return err
}

// judge says what an error means that kept an instance from being restarted.
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

// misplaced refuses work that this worker cannot do as it was set up, which is a
// reason for the whole run to halt. Nil if it can.
func (a *activities) misplaced(in work) *verdict {
	if in.Region == a.client.Region() {
		return nil
	}
	return &verdict{
		Event: fleet.Event{
			Kind: fleet.EventUnsent, InstanceID: in.Target.ID, Reason: fleet.ReasonAccess,
			Error: "the run is of region " + in.Region + ", the worker's client of " + a.client.Region(),
		},
		ForAll: true,
	}
}

// errStopping makes the server give the work to another worker. It must not be the
// context's own error, which would say that the work was called off.
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
