package ecstemporal

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

var notifyOptions = workflow.ActivityOptions{
	StartToCloseTimeout: time.Minute,
	RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval, MaximumAttempts: 5},
	// A worker must be there at all: the run ends without having told.
	ScheduleToCloseTimeout: 5 * time.Minute,
}

// heard are the signals of a run, in the order in which those are taken in that wait
// together. Which of them came first is not known then, so that a pause must come
// after a resume: what was asked for last may have been the pause.
var heard = []string{signalWord, SignalResume, SignalPause, SignalAbort, SignalApproveCanary}

// listen takes in signals from now on.
func (r *run) listen(ctx, canceled workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		canceled.Done().Receive(ctx, nil)
		r.stop(ctx)
	})
	workflow.Go(ctx, r.watch)
	workflow.Go(ctx, func(ctx workflow.Context) {
		signals := workflow.NewSelector(ctx)
		for _, name := range heard {
			signals.AddReceive(workflow.GetSignalChannel(ctx, name), func(channel workflow.ReceiveChannel, _ bool) {
				r.receive(ctx, name, channel)
			})
		}
		for {
			signals.Select(ctx)
		}
	})
}

// drain takes in the signals that wait.
func (r *run) drain(ctx workflow.Context) {
	for _, name := range heard {
		channel := workflow.GetSignalChannel(ctx, name)
		for channel.Len() > 0 {
			r.receive(ctx, name, channel)
		}
	}
}

// receive takes in one signal that waits.
func (r *run) receive(ctx workflow.Context, name string, channel workflow.ReceiveChannel) {
	switch name {
	case signalWord:
		var w word
		if channel.ReceiveAsync(&w) {
			r.hear(ctx, w)
		}
	case SignalApproveCanary:
		var stage int
		if channel.ReceiveAsync(&stage) && stage == r.awaiting && stage > 0 {
			r.take(ctx, fleet.Event{Kind: fleet.EventStage, Stage: stage})
		}
	default:
		if channel.ReceiveAsync(nil) {
			r.control(ctx, name)
		}
	}
	r.act(ctx)
}

func (r *run) control(ctx workflow.Context, name string) {
	switch {
	case r.ended:
	case name == SignalPause && !r.paused:
		r.take(ctx, fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonUser})
	case name == SignalResume && r.paused:
		r.take(ctx, fleet.Event{Kind: fleet.EventContinue, Reason: fleet.ReasonUser})
	case name == SignalAbort:
		r.stop(ctx)
	}
}

// stop sends nothing more. The run ends when all that was sent is settled.
func (r *run) stop(ctx workflow.Context) {
	if r.stopping == "" && !r.ended {
		r.take(ctx, fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser})
		r.act(ctx)
	}
}

// hear takes in what a chunk tells.
func (r *run) hear(ctx workflow.Context, w word) {
	if w.Key != r.head.Key || w.Chunk >= len(r.chunks) {
		return // of a run of the same id that was ended
	}
	r.chunks[w.Chunk].silent = 0
	r.head.Throttled += w.Throttled
	if w.Rate != 0 {
		r.head.Rate = w.Rate
	}
	for _, t := range w.Tidings {
		if r.ended {
			return
		}
		i, known := r.index[t.InstanceID]
		switch {
		case t.InstanceID == "":
			r.take(ctx, t.Event)
		case known && t.Number == r.targets[i].asks:
			r.take(ctx, t.Event)
		}
	}
}

// isLong reports whether the history is long enough to continue as new.
func (r *run) isLong(ctx workflow.Context) bool {
	if limit := r.head.Settings.ContinueAfter; limit > 0 && r.settled >= limit {
		return true
	}
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// answer answers queries.
func (r *run) answer(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryProgress, func() (Progress, error) { return r.progress(ctx), nil }); err != nil {
		return err
	}
	return workflow.SetQueryHandler(ctx, queryReport, func() ([]byte, error) { return r.pack(), nil })
}

// progress is where the run is.
func (r *run) progress(workflow.Context) Progress {
	p := Progress{
		Digest: r.head.Digest, Targets: len(r.plan.Targets), Counts: make(map[fleet.State]int),
		Width: r.planner.Width(), Unavailable: r.planner.Unavailable(),
		Failed: r.planner.Failed(), MaxFailed: r.planner.Rules().MaxFailed.Of(len(r.plan.Targets)),
		Awaiting: r.awaiting, Paused: r.paused, Reason: r.stopping, Error: r.problem,
		Throttled: r.head.Throttled, Rate: r.head.Rate,
	}
	for _, s := range []fleet.State{
		fleet.StateWaiting, fleet.StateRestarting, fleet.StateHealthy, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
	} {
		if n := r.planner.Count(s); n > 0 {
			p.Counts[s] = n
		}
	}
	if r.stage < len(r.planner.Rules().Canary) {
		p.Stage = r.stage + 1
	}
	if len(r.events) > 0 {
		p.Begun = r.events[0].At
		if last := r.events[len(r.events)-1]; last.Kind == fleet.EventEnd {
			p.Ended, p.Reason = last.At, last.Reason
		}
	}
	return p
}
