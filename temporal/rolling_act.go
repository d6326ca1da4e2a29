package ecstemporal

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// begin begins the run, or goes on with it: then what is under way is asked for once
// more, which also shows whether the chunks are alive.
func (r *run) begin(ctx workflow.Context) {
	if len(r.events) == 0 {
		rules := r.planner.Rules()
		r.take(ctx, fleet.Event{Kind: fleet.EventRun, Rules: &rules, Program: ecsreboot.Version})
		r.act(ctx)
		return
	}
	r.drain(ctx)
	for i := range r.targets {
		if c := r.chunks[i/chunkSize]; r.planner.StateOf(r.plan.Targets[i].ID) == fleet.StateRestarting {
			c.ask(i)
			r.startSpeaking(ctx, c)
		}
	}
	r.act(ctx)
}

// take takes in what happened. What cannot be is left out: a chunk may tell a thing
// twice. But an end is always one, or the run would wait for ever.
func (r *run) take(ctx workflow.Context, e fleet.Event) {
	if e.At.IsZero() {
		e.At = workflow.Now(ctx)
	}
	e.At = e.At.UTC().Truncate(time.Millisecond) // as it is packed
	e.Error = shorten(e.Error)
	actions, err := r.planner.Next(e)
	if err != nil && isEnd(e.Kind) && r.planner.StateOf(e.InstanceID) == fleet.StateRestarting {
		e = fleet.Event{Kind: fleet.EventFailed, At: e.At, InstanceID: e.InstanceID, Reason: fleet.ReasonNotWatched, Error: shorten(err.Error())}
		actions, err = r.planner.Next(e)
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("An event is left out.", "error", err)
		return
	}
	r.note(e)
	if e.InstanceID != "" && isEnd(e.Kind) {
		r.settled++
	}
	r.todo = append(r.todo, actions...)
	switch e.Kind {
	case fleet.EventPause, fleet.EventStop, fleet.EventHalt:
		r.hold(ctx)
	default:
	}
	if noteworthy(e) {
		r.notify(ctx, e)
	}
}

// act does what the planner has asked for. Restarts come last, as what is asked for
// meanwhile may be that nothing is restarted any more.
func (r *run) act(ctx workflow.Context) {
	var restarts []int
	for len(r.todo) > 0 {
		a := r.todo[0]
		r.todo = r.todo[1:]
		switch a.Kind {
		case fleet.ActionRestart:
			i := r.index[a.InstanceID]
			r.targets[i].asks++
			r.targets[i].askedAt = workflow.Now(ctx)
			restarts = append(restarts, i)
		case fleet.ActionApprove:
			r.approve(ctx, a.Stage)
		case fleet.ActionHalt:
			r.take(ctx, fleet.Event{Kind: fleet.EventHalt, Reason: a.Reason})
		case fleet.ActionEnd:
			r.end(ctx, a.Reason)
		default: // to look at what an earlier session left, which there is none of
		}
		if len(r.todo) == 0 && r.held() != "" {
			held := restarts
			restarts = nil
			for _, i := range held {
				r.take(ctx, fleet.Event{Kind: fleet.EventUnsent, InstanceID: r.plan.Targets[i].ID, Reason: r.held()})
			}
		}
	}
	for _, i := range restarts {
		c := r.chunks[i/chunkSize]
		c.ask(i)
		r.startSpeaking(ctx, c)
	}
}

// held returns why nothing may be sent now, or nothing.
func (r *run) held() fleet.Reason {
	if r.stopping == "" && r.paused {
		return fleet.ReasonUser
	}
	return r.stopping
}

// approve lets the stage pass, or waits for a signal.
func (r *run) approve(ctx workflow.Context, stage int) {
	if !r.head.Settings.ApproveCanary {
		r.take(ctx, fleet.Event{Kind: fleet.EventStage, Stage: stage})
		return
	}
	r.awaiting = stage
	r.notify(ctx, fleet.Event{At: workflow.Now(ctx), Stage: stage})
}

// hold takes back what is not sent yet.
func (r *run) hold(ctx workflow.Context) {
	for _, c := range r.chunks {
		if c.alive && r.isUnderWay(c) {
			c.hold = true
			r.startSpeaking(ctx, c)
		}
	}
}

// isUnderWay reports whether a chunk has something under way.
func (r *run) isUnderWay(c *runChunk) bool {
	for _, t := range r.targetsOf(c) {
		if r.planner.StateOf(t.ID) == fleet.StateRestarting {
			return true
		}
	}
	return false
}

func (r *run) targetsOf(c *runChunk) []fleet.Target {
	return r.plan.Targets[c.number*chunkSize : min((c.number+1)*chunkSize, len(r.plan.Targets))]
}

// end ends the run. Chunks that still look at what was given up are told.
func (r *run) end(ctx workflow.Context, reason fleet.Reason) {
	r.take(ctx, fleet.Event{Kind: fleet.EventEnd, Reason: reason})
	r.leaving = false
	for _, c := range r.chunks {
		if c.alive {
			c.finish = true
			r.startSpeaking(ctx, c)
		}
	}
}

// notify tells people. The run waits for it only when it has nothing else to do.
func (r *run) notify(ctx workflow.Context, e fleet.Event) {
	if !r.head.Settings.Notify {
		return
	}
	notice := Notice{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Event: e, Progress: r.progress(ctx)}
	r.busy++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { r.busy-- }()
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, notifyOptions), notifyActivity, notice).Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("Nobody could be told.", "error", err)
		}
	})
}
