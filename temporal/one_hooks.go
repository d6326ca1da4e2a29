package ecstemporal

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// ask asks Blocker whether the instance may be restarted. It returns why not; nil if it
// may, or if the restart is revoked.
func (o *one) ask(ctx workflow.Context) *driver.Judgement {
	if !o.in.Settings.Blocker {
		return nil
	}
	limited, done := o.revocable(ctx)
	defer done()
	var result askResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(limited, workflow.ActivityOptions{
		StartToCloseTimeout: o.in.Settings.askTimeout() + sendSlack, RetryPolicy: retryPolicy,
	}), askActivity, askInput{work: o.in.work, Settings: o.in.Settings}).Get(ctx, &result)
	switch {
	case o.revoked != "":
		return nil
	case err != nil:
		return notSentFor(err)
	case result.Refusal == nil:
		o.blocked = time.Time{}
	}
	return result.Refusal
}

// call calls a hook of a worker, and returns the result. Before the hook runs, the history
// of the run has the call.
func (o *one) call(ctx workflow.Context, hook fleet.Hook, failure *fleet.Event) hookResult {
	o.add(ctx, fleet.Event{Kind: fleet.EventHook, Hook: hook})
	o.report(ctx, o.in.Run)
	var result hookResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: forEver, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: retryPolicy, // HookTimeout limits the hook
	}), hookActivity, hookInput{work: o.in.work, Settings: o.in.Settings, Hook: hook, Failure: failure}).Get(ctx, &result)
	switch {
	case err != nil:
		result.Error = text(err)
	case result.Refusal != nil:
		result.Error = result.Refusal.Event.Error
	}
	o.add(ctx, fleet.Event{Kind: fleet.EventHooked, Hook: hook, Error: result.Error})
	return result
}

// hookText is the error of an instance whose hook failed, as in package fleet.
func hookText(hook fleet.Hook, problem string) string {
	return fmt.Sprintf("%s hook: %s", hook, problem)
}

// drain calls Drain, once in a turn. It returns why the instance is not restarted; nil if
// it may be.
func (o *one) drain(ctx workflow.Context) *driver.Judgement {
	if !o.in.Settings.Drain || o.drainDone {
		return nil
	}
	before := o.drained
	o.drained, o.drainDone = true, true // also if it fails: it may be half done
	result := o.call(ctx, fleet.HookDrain, nil)
	switch {
	case result.Refusal != nil: // it was not called
		o.drained = before
		return result.Refusal
	case result.Error != "":
		return &driver.Judgement{Event: fleet.Event{
			Kind: fleet.EventFailed, Reason: fleet.ReasonNotDrained, Error: hookText(fleet.HookDrain, result.Error), Running: result.Running,
		}}
	}
	return nil
}

// giveUp ends the turn of an instance that certainly was not restarted. If the instance
// is drained, giveUp puts it into service before.
func (o *one) giveUp(ctx workflow.Context, e fleet.Event) {
	if o.drained && o.in.Settings.Undrain && !o.undrained {
		o.undrained = true
		if result := o.call(ctx, fleet.HookUndrain, nil); result.Error != "" {
			e = fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotUndrained, Error: hookText(fleet.HookUndrain, result.Error), Witness: e.Witness}
		}
	}
	o.add(ctx, e)
}

// prove adds what a follow has observed. Before an instance is healthy, it is put into
// service.
func (o *one) prove(ctx workflow.Context, events []fleet.Event) {
	last := len(events) - 1
	if last < 0 || events[last].Kind != fleet.EventHealthy || !o.in.Settings.Undrain || o.undrained {
		o.add(ctx, events...)
		return
	}
	o.undrained = true
	o.add(ctx, events[:last]...)
	healthy := events[last]
	healthy.At = time.Time{}
	if result := o.call(ctx, fleet.HookUndrain, nil); result.Error != "" {
		healthy = fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotUndrained, Error: hookText(fleet.HookUndrain, result.Error)}
	}
	o.add(ctx, healthy)
}
