package ecstemporal

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	// maxLosses limits how often a RebootOne that was terminated gets a successor.
	maxLosses = 3
	// strayTime is how much longer than all its limits a RebootOne may take before the
	// server ends it: a week without any worker must be possible.
	strayTime = 7 * 24 * time.Hour
	// checkInterval is after how long without a status a run checks that a RebootOne was
	// not terminated. The interval doubles with each check.
	checkInterval = 5 * time.Minute
	// maxDryRuns is for how many other instances at most a dry run is sent after one was
	// denied: as many as the planner lets be denied in a row.
	maxDryRuns = 3
)

// oneID is the ID of the RebootOne of a target, whichever run starts it.
func (r *run) oneID(i int) string {
	target := r.plan.Targets[i]
	return "reboot/" + r.plan.RegionOf(target) + "/" + target.ID
}

// work begins to work on a target in flight. A coroutine does so only while it waits for
// the server. Then the target waits for signals: the SDK resumes every coroutine for
// every event, so that one for each target would make the events of large runs slow.
func (r *run) work(ctx workflow.Context, i int, do func(ctx workflow.Context, i int, over func() bool)) {
	number := r.targets[i].number
	workflow.Go(ctx, func(ctx workflow.Context) {
		do(ctx, i, func() bool { return r.targets[i].number != number || !r.isInFlight(i) })
		r.act(ctx)
	})
}

// start starts the RebootOne of a target. It restarts the instance or, if an earlier one
// was started, resolves what that one has done.
func (r *run) start(ctx workflow.Context, i int, over func() bool) {
	look := r.targets[i].Started
	if id := r.plan.Targets[i].ID; id == r.head.Settings.SelfID {
		r.take(ctx, fleet.Event{Kind: fleet.EventSkipped, InstanceID: id, Reason: fleet.ReasonSelf})
		return
	}
	for !over() {
		if !look && r.planner.Held() != "" {
			r.take(ctx, fleet.Event{Kind: fleet.EventUnsent, InstanceID: r.plan.Targets[i].ID, Reason: r.planner.Held()})
			return
		}
		err := r.startOne(ctx, i, look)
		switch {
		case temporal.IsWorkflowExecutionAlreadyStartedError(err):
			r.awaitOther(ctx, i, look, over)
			continue
		case err != nil:
			r.lose(ctx, i, over, err)
		case r.planner.Held() != "" && !look:
			r.revoke(ctx, i, r.planner.Held())
		}
		return
	}
}

// startOne starts a RebootOne, and returns when the server has it.
func (r *run) startOne(ctx workflow.Context, i int, look bool) error {
	defer r.enter(ctx)()
	t, target, s, info := &r.targets[i], r.plan.Targets[i], r.head.Settings, workflow.GetInfo(ctx)
	in := oneInput{
		work: work{Region: r.plan.RegionOf(target), Target: target}, Key: r.head.Key, Run: info.WorkflowExecution.ID, Number: t.number, ForceStop: r.plan.ForceStop,
		Attempts: r.planner.Attempts(target.ID), AskedAt: t.AskedAt, Settings: s,
		Drained: r.report.Records[i].Drained(), Others: r.others(i),
		OperationID: fmt.Sprintf("%s-%d-%d", r.head.Key, i, t.number),
	}
	if t.marked {
		in.Since = r.report.Begun
	}
	if s.Window != nil {
		in.SendBefore = r.window.Until
	}
	if look {
		in.Look = true
		if record := r.report.Records[i]; r.isSent(i) {
			in.Known, in.Accepted, in.SentAt, in.SendID = record.Before, !record.Accepted.IsZero(), record.SentAt, record.SendID
		}
		t.Events, t.Throttled = 0, 0
	}
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            r.oneID(i),
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: r.head.searchAttributes(target.Group),
	}
	if s.ReadyTimeout >= 0 && s.HookTimeout >= 0 {
		options.WorkflowExecutionTimeout = strayTime + holdTimeout + s.BlockerPatience + 3*s.HookTimeout + retryTimeout + queueTime +
			2*s.ReadyTimeout + 2*s.SendTimeout + 2*max(0, s.UnknownGrace) + 2*max(0, s.WitnessTimeout)
	}
	t.Started = true
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), oneWorkflow, in).GetChildWorkflowExecution().Get(ctx, nil)
	if err != nil {
		t.Started = look || !temporal.IsWorkflowExecutionAlreadyStartedError(err)
		return err
	}
	t.open, t.heardAt, t.patience = true, workflow.Now(ctx), checkInterval
	r.open++
	r.leaving = r.leaving || !r.ended && r.isLong(ctx)
	return nil
}

// others returns the instances for whose restart a dry run is sent if that of a target is
// denied: those after it in the plan, without those that were denied.
func (r *run) others(i int) []dryRunTarget {
	var others []dryRunTarget
	for n := 1; n < len(r.targets) && len(others) < maxDryRuns; n++ {
		other := r.report.Records[(i+n)%len(r.targets)]
		denied := other.State == fleet.StateFailed && other.Reason == fleet.ReasonDenied
		if !denied && other.ID != r.head.Settings.SelfID {
			others = append(others, dryRunTarget{Region: r.plan.RegionOf(other.Target), ID: other.ID})
		}
	}
	return others
}

// enter waits for a slot for a request to the server, and returns what frees it. A run
// that is about to continue as new begins nothing: its successor does.
func (r *run) enter(ctx workflow.Context) (leave func()) {
	for {
		_ = workflow.Await(ctx, func() bool { return !r.leaving })
		_ = r.slots.Acquire(ctx, 1)
		if !r.leaving {
			break
		}
		r.slots.Release(1)
	}
	r.busy++
	return func() {
		r.busy--
		r.slots.Release(1)
	}
}

// subscribe makes the RebootOne of a target report to this execution. The error means
// that there is none.
func (r *run) subscribe(ctx workflow.Context, i int) error {
	defer r.enter(ctx)()
	return workflow.SignalExternalWorkflow(ctx, r.oneID(i), "", signalSubscribe, workflow.GetInfo(ctx).WorkflowExecution.ID).Get(ctx, nil)
}

// check subscribes to a RebootOne that this run has started.
func (r *run) check(ctx workflow.Context, i int, over func() bool) {
	t := &r.targets[i]
	t.heardAt, t.patience = workflow.Now(ctx), 2*max(t.patience, checkInterval)
	if err := r.subscribe(ctx, i); err != nil {
		r.drain(ctx) // it may have reported its end
		t.More = false
		r.lose(ctx, i, over, errGone)
	}
}

// supervise checks the RebootOnes that have reported nothing for a while.
func (r *run) supervise(ctx workflow.Context) {
	for workflow.Sleep(ctx, checkInterval) == nil {
		for i := range r.targets {
			if t := &r.targets[i]; !t.heardAt.IsZero() && (r.isInFlight(i) || r.isCalling(i)) && workflow.Now(ctx).Sub(t.heardAt) >= t.patience {
				r.work(ctx, i, r.check)
			}
		}
	}
}

var errGone = errors.New("its workflow ended without a result")

// lose handles a RebootOne that ended without a result: it was terminated, and may have
// sent the restart. A second RebootOne sends nothing and resolves the outcome.
func (r *run) lose(ctx workflow.Context, i int, over func() bool, err error) {
	t, id := &r.targets[i], r.plan.Targets[i].ID
	if over() {
		return
	}
	workflow.GetLogger(ctx).Warn("A RebootOne has no result.", "instance", id, "error", err)
	if t.losses++; t.losses <= maxLosses {
		r.start(ctx, i, over)
		return
	}
	if !r.isSent(i) {
		r.take(ctx, r.intent(i))
	}
	r.take(ctx, fleet.Event{Kind: fleet.EventUnknown, InstanceID: id, Reason: fleet.ReasonNotWatched, Error: text(err)})
}

// awaitOther waits for the RebootOne of another run, or an earlier one of this run, to
// leave the instance. If the other run restarts the instance, this run need not.
func (r *run) awaitOther(ctx workflow.Context, i int, look bool, over func() bool) {
	t := &r.targets[i]
	t.other = nil
	done := func() bool {
		return over() || t.other != nil && t.other.end().Kind != "" || !look && r.planner.Held() != ""
	}
	for interval := retryInterval; !done() && r.subscribe(ctx, i) == nil; interval = min(2*interval, checkInterval) {
		_, _ = workflow.AwaitWithTimeout(ctx, interval, done)
	}
	other := t.other
	t.other = nil
	switch {
	case over():
	case other != nil && other.end().Kind == fleet.EventHealthy && !look:
		r.take(ctx, fleet.Event{Kind: fleet.EventSkipped, InstanceID: r.plan.Targets[i].ID, Reason: fleet.ReasonOthers})
	case look || r.planner.Held() == "":
		_ = workflow.Sleep(ctx, retryInterval) // until it has closed
	}
}

// hearOther takes in the status of the RebootOne of another run.
func (r *run) hearOther(ctx workflow.Context, i int, s targetStatus) {
	t := &r.targets[i]
	if !r.isInFlight(i) {
		return
	}
	if t.other = &s; t.Started { // it resolves a restart
		return
	}
	why := "the run " + s.Run + " has its turn with the instance"
	if record := r.report.Records[i]; s.end().Kind == "" && (record.Reason != fleet.ReasonOthers || record.Error != shorten(why)) {
		r.take(ctx, fleet.Event{Kind: fleet.EventHeld, InstanceID: s.ID, Reason: fleet.ReasonOthers, Error: why})
	}
}

// revokeAll revokes every restart that may not have been sent.
func (r *run) revokeAll(ctx workflow.Context) {
	for i := range r.targets {
		if t := &r.targets[i]; !t.heardAt.IsZero() && !r.isSent(i) && r.isInFlight(i) {
			r.revoke(ctx, i, r.planner.Held())
		}
	}
}

// revoke makes the RebootOne of a target, if there is one, send nothing any more.
func (r *run) revoke(ctx workflow.Context, i int, reason fleet.Reason) {
	r.signal(ctx, i, reason, false)
}

func (r *run) signal(ctx workflow.Context, i int, reason fleet.Reason, marked bool) {
	number := r.targets[i].number
	r.busy++ // until it is sent: a run that continues as new would forget it
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { r.busy-- }()
		_ = r.slots.Acquire(ctx, 1)
		defer r.slots.Release(1)
		_ = workflow.SignalExternalWorkflow(ctx, r.oneID(i), "", signalRevoke, revocation{Key: r.head.Key, Number: number, Reason: reason, Marked: marked}).Get(ctx, nil)
	})
}
