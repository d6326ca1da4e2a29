package ecstemporal

import (
	"context"

	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Notice is the argument of [WorkerOptions].Notify: a run waits for approval, is paused,
// goes on, stops or has ended, or an instance failed or is unknown.
type Notice struct {
	WorkflowID string `json:"workflowId"`
	// Event is what happened. If a canary stage waits for approval, its kind is empty
	// and its Stage is set.
	Event    fleet.Event `json:"event"`
	Progress Progress    `json:"progress"`
}

// Notify calls the worker's Notify.
func (a *activities) Notify(ctx context.Context, notice Notice) error {
	if a.notify == nil {
		return temporal.NewApplicationError("the run needs Notify, which this worker does not have", "NoNotify")
	}
	return a.notify(ctx, notice)
}

// noteworthy reports whether Notify is called for an event.
func noteworthy(e fleet.Event) bool {
	switch e.Kind {
	case fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt, fleet.EventEnd, fleet.EventFailed, fleet.EventUnknown:
		return true
	default:
		return false
	}
}
