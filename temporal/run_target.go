package ecstemporal

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	// maxLooks limits how often an instance is looked at whose RebootOne somebody ends.
	maxLooks = 3
	// strayTime is how much longer than all its limits a RebootOne may take before the
	// server ends it: a week without any worker must be possible.
	strayTime = 7 * 24 * time.Hour
	// otherInterval is the time between two attempts to start a RebootOne after another
	// one has left the instance.
	otherInterval = 10 * time.Second
	// A RebootOne that this execution has not started is asked for its status after
	// firstCheck, and then ever more seldom: if it was terminated, it tells nobody.
	firstCheck = 30 * time.Second
	lastCheck  = 10 * time.Minute
)

// oneID is the ID of the RebootOne of a target, whichever run starts it.
func (r *run) oneID(i int) string { return "reboot/" + r.plan.Region + "/" + r.plan.Targets[i].ID }

// start works on a target in a coroutine of its own, until its end is known.
func (r *run) start(ctx workflow.Context, i int) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		r.work(ctx, i)
		r.act(ctx)
	})
}

// work has a target restarted. If its RebootOne ends and has not said what became of
// the instance, it was terminated or took for ever, and may have sent the restart. Then
// a second RebootOne sends nothing and looks.
func (r *run) work(ctx workflow.Context, i int) {
	t := &r.targets[i]
	number := t.number
	over := func() bool { return t.number != number || !r.isInFlight(i) }
	in := r.input(i)
	adopt := t.started // by an earlier execution
	for looks := 0; !over(); {
		err := errGone
		switch {
		case adopt:
			adopt = false
			r.subscribe(ctx, i, over)
		case !in.Look && r.held() != "":
			r.take(ctx, fleet.Event{Kind: fleet.EventUnsent, InstanceID: in.Target.ID, Reason: r.held()})
			return
		default:
			if err = r.runOne(ctx, i, in, over); temporal.IsWorkflowExecutionAlreadyStartedError(err) {
				r.awaitOther(ctx, i, in.Look, over)
				continue
			}
		}
		if over() {
			return
		}
		workflow.GetLogger(ctx).Warn("A RebootOne has no result.", "instance", in.Target.ID, "error", err)
		if looks++; looks > maxLooks {
			r.giveUp(ctx, i, err)
			return
		}
		in = r.input(i)
		in.Look, in.Known, in.Accepted = true, t.before, t.accepted
		t.events, t.throttle = 0, 0
	}
}

var errGone = errors.New("its workflow ended and did not say what became of the instance")

func (r *run) input(i int) oneInput {
	t := &r.targets[i]
	target := r.plan.Targets[i]
	return oneInput{
		work: work{Region: r.plan.Region, Target: target}, Key: r.head.Key, ForceStop: r.plan.ForceStop, Number: t.number,
		Attempts: r.planner.Attempts(target.ID), AskedAt: t.askedAt, Settings: r.head.Settings.forInstance(),
	}
}

// giveUp records that nobody knows what became of a target.
func (r *run) giveUp(ctx workflow.Context, i int, err error) {
	t, id := &r.targets[i], r.plan.Targets[i].ID
	if !t.sent {
		r.take(ctx, fleet.Event{Kind: fleet.EventIntent, At: t.askedAt, InstanceID: id, Attempt: r.planner.Attempts(id) + 1})
	}
	r.take(ctx, fleet.Event{Kind: fleet.EventUnknown, InstanceID: id, Reason: fleet.ReasonNotWatched, Error: text(err)})
}

// enter waits for a slot to send a request to the server in, and returns what frees it.
// A run that is about to continue as new begins nothing: its successor does.
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

// runOne starts the RebootOne of a target, and returns when the end of the target is
// known or the RebootOne has ended.
func (r *run) runOne(ctx workflow.Context, i int, in oneInput, over func() bool) error {
	t := &r.targets[i]
	if t.child != nil {
		_ = t.child.Get(ctx, nil) // its last one has reported the end, and closes
	}
	leave := r.enter(ctx)
	info := workflow.GetInfo(ctx)
	in.Run, in.SendQueue = info.WorkflowExecution.ID, sendQueue(info.TaskQueueName)
	if r.head.Window != nil {
		in.SendBefore = r.window.Until
	}
	s := in.Settings
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            r.oneID(i),
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: r.head.searchAttributes(in.Target.Group),
	}
	if s.ReadyTimeout >= 0 {
		options.WorkflowExecutionTimeout = strayTime + holdTimeout + retryTimeout + queueTime + 2*s.ReadyTimeout + 2*s.SendTimeout + 2*max(0, s.UnknownGrace)
	}
	before := t.started
	t.started = true
	t.child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), oneWorkflow, in)
	err := t.child.GetChildWorkflowExecution().Get(ctx, nil)
	leave()
	if err != nil {
		t.child = nil
		t.started = before || !temporal.IsWorkflowExecutionAlreadyStartedError(err)
		return err
	}
	if r.open++; r.open >= maxOpen {
		r.leaving = !r.ended
	}
	defer func() { r.open-- }()
	if r.held() != "" && !in.Look {
		r.revoke(ctx, i, r.held())
	}
	_ = workflow.Await(ctx, func() bool { return over() || t.child.IsReady() })
	if over() {
		return nil
	}
	var result targetStatus
	if err := t.child.Get(ctx, &result); err != nil {
		return err
	}
	r.hear(ctx, result)
	return errGone
}

// subscribe has the RebootOne of a target report to this execution. It returns when done
// returns true or the RebootOne has ended.
func (r *run) subscribe(ctx workflow.Context, i int, done func() bool) {
	for interval := firstCheck; !done(); interval = min(2*interval, lastCheck) {
		leave := r.enter(ctx)
		err := workflow.SignalExternalWorkflow(ctx, r.oneID(i), "", signalSubscribe, workflow.GetInfo(ctx).WorkflowExecution.ID).Get(ctx, nil)
		leave()
		if err != nil {
			r.drain(ctx) // it may have reported its end
			return
		}
		_, _ = workflow.AwaitWithTimeout(ctx, interval, done)
	}
}

// awaitOther waits for a RebootOne of another run, or one that this run did not know to
// have started. If the other run restarts the instance, this run need not.
func (r *run) awaitOther(ctx workflow.Context, i int, look bool, over func() bool) {
	t := &r.targets[i]
	t.other = nil
	r.subscribe(ctx, i, func() bool { return over() || t.other != nil && t.other.Ended || !look && r.held() != "" })
	switch {
	case over():
	case t.other != nil && t.other.end().Kind == fleet.EventHealthy && !look:
		r.take(ctx, fleet.Event{Kind: fleet.EventSkipped, InstanceID: r.plan.Targets[i].ID, Reason: fleet.ReasonOthers})
	case look || r.held() == "":
		_ = workflow.Sleep(ctx, otherInterval) // until it has closed
	}
}

// revokeAll revokes every restart that may not have been sent.
func (r *run) revokeAll(ctx workflow.Context) {
	for i := range r.targets {
		if t := &r.targets[i]; t.started && !t.sent && r.isInFlight(i) {
			r.revoke(ctx, i, r.held())
		}
	}
}

// revoke tells the RebootOne of a target to send nothing any more. One that has ended
// needs no telling.
func (r *run) revoke(ctx workflow.Context, i int, reason fleet.Reason) {
	r.busy++ // until it is sent: a run that continues as new would forget it
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { r.busy-- }()
		if child := r.targets[i].child; child != nil {
			_ = child.GetChildWorkflowExecution().Get(ctx, nil)
		}
		_ = r.slots.Acquire(ctx, 1)
		defer r.slots.Release(1)
		_ = workflow.SignalExternalWorkflow(ctx, r.oneID(i), "", signalRevoke, revocation{Key: r.head.Key, Reason: reason}).Get(ctx, nil)
	})
}
