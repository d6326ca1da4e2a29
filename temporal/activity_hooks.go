package ecstemporal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// askInput asks the Blocker whether an instance may be restarted.
type askInput struct {
	work

	Settings Settings `json:"settings"`
}

// askResult has why Blocker does not approve; no refusal if it does.
type askResult struct {
	Refusal *driver.Judgement `json:"refusal,omitempty"`
}

// askTimeout limits a call of Blocker.
func (s Settings) askTimeout() time.Duration { return s.SendTimeout / 3 }

// Ask calls Blocker before anything is done to an instance. Send calls Blocker once more:
// the approval may have become stale by then.
func (a *activities) Ask(ctx context.Context, in askInput) (askResult, error) {
	if refusal := a.unfit(in.work, in.Settings); refusal != nil {
		return askResult{Refusal: refusal}, nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, in.Settings.askTimeout(), errTooLate)
	defer cancel()
	err := a.block(limited, in.work)
	switch {
	case ctx.Err() != nil:
		return askResult{}, errStopping
	case err == nil && limited.Err() != nil:
		err = context.Cause(limited)
	case err == nil:
		return askResult{}, nil
	}
	return askResult{Refusal: in.refusal(fleet.EventUnsent, fleet.ReasonBlocked, fleet.ReasonBlocked, text(err))}, nil
}

// block calls Blocker, until ctx ends. The text of its error shows no secret.
func (a *activities) block(ctx context.Context, in work) error {
	drive, err := driver.New(a.of(in.Region), fleet.Options{Settings: fleet.Settings{HookTimeout: -1}})
	if err != nil {
		return err
	}
	return drive.CallHook(ctx, func(ctx context.Context) error {
		return recovered(func() error { return a.hooks.Blocker(ctx, in.forHooks()) })
	})
}

// hookInput asks for one call of Drain, Undrain or Failed.
type hookInput struct {
	work

	Settings Settings     `json:"settings"`
	Hook     fleet.Hook   `json:"hook"`
	Failure  *fleet.Event `json:"failure,omitempty"` // the argument of Failed
}

// hookResult is the result of a hook.
type hookResult struct {
	Error   string            `json:"error,omitempty"`   // of the hook; empty if it has passed
	Running bool              `json:"running,omitempty"` // the instance is Running after a Drain that failed
	Refusal *driver.Judgement `json:"refusal,omitempty"` // why Drain was not called
}

// Hook calls a hook. If the worker dies, the server gives the call to another worker, so
// a hook is called at least once. A worker that lacks the hook leaves it to another
// worker. If the hook is Drain, nothing is in flight yet, so the run halts instead: an
// instance is drained only by a worker that has all hooks of the run.
func (a *activities) Hook(ctx context.Context, in hookInput) (hookResult, error) {
	settings := Settings{Undrain: in.Hook == fleet.HookUndrain, Failed: in.Hook == fleet.HookFailed}
	if in.Hook == fleet.HookDrain {
		settings = in.Settings
	}
	switch refusal := a.unfit(in.work, settings); {
	case refusal != nil && in.Hook == fleet.HookDrain:
		return hookResult{Refusal: refusal}, nil
	case refusal != nil:
		return hookResult{}, unfitError(refusal)
	}
	drive, err := driver.New(a.of(in.Region), fleet.Options{Settings: fleet.Settings{HookTimeout: in.Settings.HookTimeout}})
	if err != nil {
		return hookResult{}, err
	}
	done := make(chan struct{})
	var heartbeats sync.WaitGroup
	heartbeats.Go(func() { beat(ctx, done, func() any { return nil }) })
	err = drive.CallHook(ctx, func(ctx context.Context) error { return recovered(func() error { return a.hook(ctx, in) }) })
	var result hookResult
	if err != nil {
		result.Error = shorten(err.Error())
		result.Running = in.Hook == fleet.HookDrain && a.isRunning(ctx, in.work)
	}
	failed := err != nil && ctx.Err() != nil // because the context ended, as it seems
	close(done)
	heartbeats.Wait()
	if failed {
		return hookResult{}, errStopping
	}
	return result, nil // also if the context has ended: a call that has passed is not repeated
}

func (a *activities) hook(ctx context.Context, in hookInput) error {
	switch in.Hook {
	case fleet.HookDrain:
		return a.hooks.Drain(ctx, in.forHooks())
	case fleet.HookUndrain:
		return a.hooks.Undrain(ctx, in.forHooks())
	case fleet.HookFailed:
		failure := fleet.Event{InstanceID: in.Target.ID}
		if in.Failure != nil {
			failure = *in.Failure
		}
		return a.hooks.Failed(ctx, in.forHooks(), failure)
	default: // the workflow asks for no other
		return fmt.Errorf("hook %q is not called by an activity", in.Hook)
	}
}

// isRunning reports whether a poll shows an instance Running.
func (a *activities) isRunning(ctx context.Context, in work) bool {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for instance, err := range a.of(in.Region).DescribeInstances(limited, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{in.Target.ID}}) {
		return err == nil && instance.Status == ecsreboot.StatusRunning
	}
	return false
}

// dryRunInput asks whether other instances may be restarted after one was denied.
type dryRunInput struct {
	ForceStop bool           `json:"forceStop,omitempty"`
	Others    []dryRunTarget `json:"others"` // which were not denied
}

// dryRunTarget is an instance for whose restart a dry run is sent.
type dryRunTarget struct {
	Region string `json:"region"`
	ID     string `json:"id"`
}

// dryRunResult is what the dry runs show; if both fields are false, they show nothing.
type dryRunResult struct {
	Alone bool `json:"alone,omitempty"` // another instance may be restarted
	OfAll bool `json:"ofAll,omitempty"` // no other may be restarted
}

// DryRun sends a dry run for each of the others until one is permitted.
func (a *activities) DryRun(ctx context.Context, in dryRunInput) (dryRunResult, error) {
	for _, other := range in.Others {
		if unfit := a.unfit(work{Region: other.Region}, Settings{}); unfit != nil {
			return dryRunResult{}, unfitError(unfit)
		}
		drive, err := driver.New(a.of(other.Region), fleet.Options{})
		if err != nil {
			return dryRunResult{}, err
		}
		limited, cancel := context.WithTimeout(ctx, readTimeout)
		permitted, known := drive.Permitted(limited, other.ID, in.ForceStop)
		cancel()
		switch {
		case ctx.Err() != nil:
			return dryRunResult{}, errStopping
		case permitted:
			return dryRunResult{Alone: true}, nil
		case !known:
			return dryRunResult{}, nil
		}
	}
	return dryRunResult{OfAll: true}, nil
}
