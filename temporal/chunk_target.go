package ecstemporal

import (
	"errors"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	// maxLooks bounds how often an instance is looked at whose workflows are ended by
	// somebody.
	maxLooks = 3
	// strayTime is how much longer than all its limits the workflow of an instance
	// may take until it is ended: a week without any worker is no reason.
	strayTime = 7 * 24 * time.Hour
)

// oneID is the id of the workflow that restarts an instance, of whatever run.
func (c *chunk) oneID(t *chunkTarget) string { return "reboot/" + c.in.Region + "/" + t.ID }

func (c *chunk) input(t *chunkTarget) oneInput {
	return oneInput{
		work: work{Region: c.in.Region, Target: t.Target}, Key: c.in.Key, ForceStop: c.in.ForceStop, Number: t.last.Number,
		Attempts: t.last.Attempts, AskedAt: t.last.At, Limits: c.in.Limits,
	}
}

// restart has an instance restarted, or looked at, and returns when its end is told.
func (c *chunk) restart(ctx workflow.Context, t *chunkTarget, in oneInput) {
	for looks := 0; ; {
		if c.hold != "" && !in.Look {
			c.tell(t, fleet.Event{Kind: fleet.EventUnsent, At: workflow.Now(ctx), InstanceID: t.ID, Reason: c.hold})
			return
		}
		result, err := c.runOne(ctx, t, in)
		if already(err) {
			if !c.awaitOther(ctx, t, in) {
				return
			}
			continue
		}
		if err == nil {
			c.hear(ctx, t, result)
			if endOf(t.known).Kind != "" {
				return
			}
			err = errors.New("it did not say what became of the instance")
		}
		// It was terminated, or took for ever. It may have sent the restart.
		workflow.GetLogger(ctx).Warn("The workflow of an instance has no result.", "instance", t.ID, "error", err)
		if looks++; looks > maxLooks {
			c.giveUp(ctx, t, err)
			return
		}
		in = c.lookAt(t)
	}
}

// lookAt is the work of finding out what an ended workflow did.
func (c *chunk) lookAt(t *chunkTarget) oneInput {
	in := c.input(t)
	in.Look, in.Known = true, t.before
	in.Accepted = slices.ContainsFunc(t.known, func(e fleet.Event) bool { return e.Kind == fleet.EventAccepted })
	return in
}

// giveUp tells that nobody knows what became of an instance.
func (c *chunk) giveUp(ctx workflow.Context, t *chunkTarget, err error) {
	now := workflow.Now(ctx)
	if !sent(t.known) {
		c.tell(t, fleet.Event{Kind: fleet.EventIntent, At: t.last.At, InstanceID: t.ID, Attempt: t.last.Attempts + 1})
	}
	c.tell(t, fleet.Event{Kind: fleet.EventUnknown, At: now, InstanceID: t.ID, Reason: fleet.ReasonNotWatched, Error: text(err)})
}

// runOne runs the workflow of an instance.
func (c *chunk) runOne(ctx workflow.Context, t *chunkTarget, in oneInput) (account, error) {
	t.heard, t.throttled = 0, 0
	info := workflow.GetInfo(ctx)
	in.Chunk, in.SendQueue = info.WorkflowExecution.ID, sendQueue(info.TaskQueueName)
	options := workflow.ChildWorkflowOptions{
		WorkflowID:               c.oneID(t),
		WaitForCancellation:      true,
		ParentClosePolicy:        enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowExecutionTimeout: c.limit(in.Late),
		TypedSearchAttributes:    searchAttributes(c.in.Digest != "", c.in.Digest, t.Group),
	}
	var result account
	t.child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), oneWorkflow, in)
	err := t.child.Get(ctx, &result)
	t.child = nil
	return result, err
}

// limit is for how long the workflow of an instance may take; 0 means for ever.
func (c *chunk) limit(late bool) time.Duration {
	l := c.in.Limits
	if late || l.ReadyTimeout < 0 {
		return 0
	}
	return strayTime + throttlePatience + sendPatience + queueTime + 2*l.ReadyTimeout + 2*l.SendTimeout + 2*max(0, l.UnknownGrace)
}

// errOther is of an instance that another workflow does not leave.
var errOther = errors.New("another workflow restarts it and does not end")

// already reports whether a workflow was not started, as one of its id goes on.
func already(err error) bool { return temporal.IsWorkflowExecutionAlreadyStartedError(err) }

// hear takes in what the workflow of an instance tells.
func (c *chunk) hear(ctx workflow.Context, t *chunkTarget, a account) {
	if a.Key != c.in.Key || a.Number != t.last.Number {
		t.other = &a
		return
	}
	c.word.Throttled += max(0, a.Throttled-t.throttled)
	t.throttled = a.Throttled
	if a.Rate != 0 {
		c.word.Rate = a.Rate
	}
	if t.heard < len(a.Events) {
		news := a.Events[t.heard:]
		t.heard = len(a.Events)
		for _, e := range news {
			if e.Kind == fleet.EventHalt {
				c.tellRun(ctx, e)
				continue
			}
			c.tell(t, e)
		}
	}
}

// holdOne takes an instance back that was not begun to be sent.
func (c *chunk) holdOne(ctx workflow.Context, t *chunkTarget, reason fleet.Reason) {
	if t.child != nil {
		// If it did not begin, the one of a chunk before this one may be at work.
		_ = t.child.GetChildWorkflowExecution().Get(ctx, nil)
	}
	// One that has ended meanwhile needs nothing.
	_ = workflow.SignalExternalWorkflow(ctx, c.oneID(t), "", signalHold, hold{Key: c.in.Key, Reason: reason}).Get(ctx, nil)
}

// settle makes a target free whose end is told.
func (c *chunk) settle(ctx workflow.Context, t *chunkTarget) {
	t.busy = false
	c.busy--
	end := endOf(t.known)
	t.final = end.Kind != fleet.EventUnsent
	if given := end.Kind == fleet.EventUnknown || end.Kind == fleet.EventFailed && t.before != nil; !given || t.before == nil || c.finish || c.orphan {
		return
	}
	// It may come back, and then others may go on.
	late, cancel := workflow.WithCancel(ctx)
	t.endLate = cancel
	c.late++
	in := c.input(t)
	in.Late, in.Known = true, t.before
	if result, err := c.runOne(late, t, in); err == nil {
		c.hear(ctx, t, result)
	}
	cancel()
	t.endLate = nil
	c.late--
}
