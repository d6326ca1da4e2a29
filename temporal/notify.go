package ecstemporal

import (
	"context"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Notice is what a run tells [WorkerOptions].Notify: that it waits for an approval,
// is paused, goes on, stops or has ended, or that an instance failed or is unknown.
type Notice struct {
	WorkflowID string `json:"workflowId"`
	// Event is what happened; its kind is empty for a canary stage that waits for
	// approval, and Stage is set then.
	Event    fleet.Event `json:"event"`
	Progress Progress    `json:"progress"`
}

// Notify tells the worker's Notify.
func (a *activities) Notify(ctx context.Context, notice Notice) error {
	if a.notify == nil {
		return temporalError("NoNotify", "the worker has no Notify, which the run asks for")
	}
	return a.notify(ctx, notice)
}

// noteworthy reports whether people are told of an event.
func noteworthy(e fleet.Event) bool {
	switch e.Kind {
	case fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt, fleet.EventEnd, fleet.EventFailed, fleet.EventUnknown:
		return true
	default:
		return false
	}
}
