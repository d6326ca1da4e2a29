package ecstemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	client *ecsreboot.Client // of the worker's first region; see of
	hooks  WorkerOptions
	// confirm asks the server whether it still waits for the activity of a token.
	confirm func(ctx context.Context, token []byte) error
}

// work is what an activity works on.
type work struct {
	Region string       `json:"region"`
	Target fleet.Target `json:"target"`
}

// forHooks returns the target as hooks get it, always with its region: a worker may have
// clients of several.
func (w work) forHooks() fleet.Target {
	w.Target.Region = w.Region
	return w.Target
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
	baseline, err := a.of(in.Region).TakeBaseline(limited, in.Target.ID)
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
	refusal, err := a.judge(ctx, in, &ecsreboot.OperationError{
		Operation: "Snapshot", InstanceID: in.Target.ID, Outcome: ecsreboot.OutcomeNotSent, Err: err,
	})
	return snapshot{Baseline: baseline, Refusal: refusal}, err
}

// judge classifies the error of a restart that did not happen. Some errors need a poll:
// whether the instance is Running decides whether it takes a place of those that may be
// unavailable. The service may throttle the poll, and the server waits for the activity only
// sendSlack longer than for the request, so the poll has judgeTime.
func (a *activities) judge(ctx context.Context, in work, err error) (*driver.Judgement, error) {
	drive, bad := driver.New(a.of(in.Region), fleet.Options{})
	if bad != nil {
		return nil, bad
	}
	limited, cancel := context.WithTimeout(ctx, judgeTime)
	defer cancel()
	j, bad := drive.Judge(limited, in.Target, err)
	j.Event.Error = shorten(j.Event.Error)
	return &j, bad
}

// Notify calls the worker's Notify.
func (a *activities) Notify(ctx context.Context, notice Notice) error {
	if a.hooks.Notify == nil {
		return temporal.NewApplicationError(a.lacks(Settings{Notify: true}), "Unfit")
	}
	return a.hooks.Notify(ctx, notice)
}

// unfit halts the run if this worker cannot do some work as it was set up. It returns
// nil if the worker can.
func (a *activities) unfit(in work, s Settings) *driver.Judgement {
	s.Notify = false // which only Check and Notify need
	problem := a.lacks(s)
	if a.of(in.Region) == nil {
		problem = "the run is of region " + in.Region + ", the worker's client of " + a.client.Region()
		for _, c := range a.hooks.Clients {
			problem += ", " + c.Region()
		}
	}
	if problem == "" {
		return nil
	}
	return &driver.Judgement{ForAll: true, Event: fleet.Event{
		Kind: fleet.EventUnsent, InstanceID: in.Target.ID, Reason: fleet.ReasonAccess, Error: problem,
	}}
}

// of returns the client of a region; nil if the worker has none.
func (a *activities) of(region string) *ecsreboot.Client {
	for _, c := range append([]*ecsreboot.Client{a.client}, a.hooks.Clients...) {
		if c.Region() == region {
			return c
		}
	}
	return nil
}

// lacks says which hook of the run this worker does not have; empty if it has all.
func (a *activities) lacks(s Settings) string {
	var missing string
	switch {
	case s.Health && a.hooks.Health == nil:
		missing = "health"
	case s.Blocker && a.hooks.Blocker == nil:
		missing = "blocker"
	case s.Drain && a.hooks.Drain == nil:
		missing = "drain"
	case s.Undrain && a.hooks.Undrain == nil:
		missing = "undrain"
	case s.Failed && a.hooks.Failed == nil:
		missing = "failed"
	case s.Notify && a.hooks.Notify == nil:
		missing = "notify"
	default:
		return ""
	}
	return fmt.Sprintf("the run needs the hook %q, which a worker of the task queue %q does not have", missing, cmp.Or(a.hooks.TaskQueue, DefaultTaskQueue))
}

// Check returns why this worker cannot do the work of a run; empty if it can.
func (a *activities) Check(_ context.Context, in checkInput) (problem string, err error) {
	for _, region := range in.Regions {
		if unfit := a.unfit(work{Region: region}, in.Settings); unfit != nil {
			return unfit.Event.Error, nil
		}
	}
	return a.lacks(in.Settings), nil
}

// checkInput is the input of Check.
type checkInput struct {
	Regions  []string `json:"regions"`
	Settings Settings `json:"settings"`
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

// unfitError makes the server give an activity to another worker.
func unfitError(unfit *driver.Judgement) error {
	return temporal.NewApplicationError(unfit.Event.Error, "Unfit")
}
