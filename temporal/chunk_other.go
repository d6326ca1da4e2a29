package ecstemporal

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	// otherInterval is the time between two tries to have an instance for oneself that
	// another workflow has just left.
	otherInterval = 10 * time.Second
	// Whether the other one is still there is asked after firstOther, and then ever
	// more seldom: who was terminated tells nobody.
	firstOther = 30 * time.Second
	lastOther  = 5 * time.Minute
)

// awaitOther waits for the workflow of an instance that is at work already: that of
// another run, or one of this run whose chunk was ended. It reports whether the
// instance shall have one of its own then; else its end is told.
func (c *chunk) awaitOther(ctx workflow.Context, t *chunkTarget, in oneInput) (again bool) {
	t.other, t.heard, t.throttled = nil, 0, 0
	over := func() bool {
		return t.other != nil && t.other.Over || endOf(t.known).Kind != "" || c.hold != "" && !in.Look
	}
	begin, interval, limit := workflow.Now(ctx), firstOther, c.limit(false)
	ended := false
	for !ended && (limit <= 0 || workflow.Now(ctx).Sub(begin) < limit) {
		me := workflow.GetInfo(ctx).WorkflowExecution.ID
		if err := workflow.SignalExternalWorkflow(ctx, c.oneID(t), "", signalWatch, me).Get(ctx, nil); err != nil && !over() {
			_ = workflow.Sleep(ctx, otherInterval) // it has just ended
			return true
		}
		ended, _ = workflow.AwaitWithTimeout(ctx, interval, over)
		interval = min(2*interval, lastOther)
	}
	switch {
	case endOf(t.known).Kind != "": // it was one of this run
		return false
	case !ended && in.Look:
		c.giveUp(ctx, t, errOther)
		return false
	case !ended:
		c.tell(t, fleet.Event{Kind: fleet.EventFailed, At: workflow.Now(ctx), InstanceID: t.ID, Reason: fleet.ReasonNotHealthy, Error: errOther.Error()})
		return false
	case in.Look, c.hold != "": // which the next try heeds
		return true
	case endOf(t.other.Events).Kind == fleet.EventHealthy:
		c.tell(t, fleet.Event{Kind: fleet.EventSkipped, At: workflow.Now(ctx), InstanceID: t.ID, Reason: fleet.ReasonOthers})
		return false
	}
	return true // what the other could not do
}
