package ecstemporal

import (
	"cmp"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// begin begins the run, or resumes what its predecessor had in flight.
func (r *run) begin(ctx workflow.Context) {
	for i := range r.targets { // before events make it the turn of others
		switch {
		case !r.isInFlight(i) && !r.isCalling(i):
		case r.targets[i].Started:
			r.work(ctx, i, r.check)
		default:
			r.work(ctx, i, r.start)
		}
	}
	if r.report.Sessions == 0 {
		r.first(ctx)
	}
	if r.head.Settings.Window != nil {
		r.checkWindow(ctx)
		workflow.Go(ctx, r.keepWindow)
	}
	r.act(ctx)
}

// first begins a new run. If a worker lacks a hook or a region of the run, the run halts
// before anything is sent.
func (r *run) first(ctx workflow.Context) {
	var problem string
	settings := r.head.Settings
	if len(settings.Hooks()) > 0 || settings.Notify || len(r.plan.FurtherRegions) > 0 {
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: sendSlack, RetryPolicy: retryPolicy,
		}), checkActivity, checkInput{Regions: r.regions(), Settings: settings}).Get(ctx, &problem)
		if err != nil {
			problem = text(err)
		}
	}
	r.take(ctx, fleet.Event{Kind: fleet.EventRun, Settings: &settings.Settings, Hooks: settings.Hooks(), Session: r.head.Key, Program: ecsreboot.Version})
	if problem != "" {
		r.take(ctx, fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonAccess, Error: problem})
	}
}

func (r *run) regions() (names []string) {
	for _, region := range r.plan.Regions() {
		names = append(names, region.Region)
	}
	return names
}

// take applies an event and keeps it. An event that cannot happen is dropped, because a
// status may repeat one. An end is never dropped: the run would never end.
func (r *run) take(ctx workflow.Context, e fleet.Event) {
	if e.At.IsZero() {
		e.At = workflow.Now(ctx)
	}
	e.At = e.At.UTC().Truncate(time.Millisecond) // which keeps the history small
	e.Error = shorten(e.Error)
	actions, err := r.apply(e)
	if err != nil && isEnd(e.Kind) && r.planner.StateOf(e.InstanceID) == fleet.StateRestarting {
		e = fleet.Event{Kind: fleet.EventFailed, At: e.At, InstanceID: e.InstanceID, Reason: fleet.ReasonNotWatched, Error: shorten(err.Error())}
		actions, err = r.apply(e)
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("Dropped an event.", "error", err)
		return
	}
	r.events = append(r.events, e)
	if e.InstanceID != "" && (isEnd(e.Kind) || e.Kind == fleet.EventMarked) {
		r.ends++
		if t := &r.targets[r.index[e.InstanceID]]; t.open {
			t.open = false
			r.open--
		}
	}
	r.todo = append(r.todo, actions...)
	switch e.Kind {
	case fleet.EventPause, fleet.EventStop, fleet.EventHalt:
		r.revokeAll(ctx)
		r.notify(ctx, e)
	case fleet.EventRun, fleet.EventStage, fleet.EventContinue, fleet.EventEnd, fleet.EventFailed, fleet.EventUnknown:
		r.notify(ctx, e)
	default:
	}
}

// act does what the planner has asked for. Restarts begin only after it returns, because
// later actions may have the effect that nothing is restarted any more.
func (r *run) act(ctx workflow.Context) {
	for len(r.todo) > 0 {
		a := r.todo[0]
		r.todo = r.todo[1:]
		switch a.Kind {
		case fleet.ActionRestart:
			i := r.index[a.InstanceID]
			r.choose(i, workflow.Now(ctx))
			r.work(ctx, i, r.start)
		case fleet.ActionApprove:
			r.approve(ctx, a.Stage)
		case fleet.ActionHalt:
			r.take(ctx, fleet.Event{Kind: fleet.EventHalt, Reason: a.Reason})
		case fleet.ActionEnd:
			r.ending = a.Reason
		default: // to resume an earlier session, which a run does not have
		}
	}
	if r.ending != "" && !r.ended && !slices.ContainsFunc(r.targets, func(t runTarget) bool { return t.More }) {
		r.end(ctx, r.ending)
	}
}

// approve lets a canary stage pass, or waits for a signal.
func (r *run) approve(ctx workflow.Context, stage int) {
	if !r.head.Settings.ApproveCanary {
		r.take(ctx, fleet.Event{Kind: fleet.EventStage, Stage: stage})
		return
	}
	r.awaiting = stage
	r.notify(ctx, fleet.Event{At: workflow.Now(ctx), Stage: stage})
}

// stop stops the run for good. It ends when everything in flight has reached its end.
func (r *run) stop(ctx workflow.Context) {
	if r.report.Reason == "" { // neither stopped nor ended
		r.take(ctx, fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser})
		r.act(ctx)
	}
}

// end ends the run, and the RebootOnes that watch whether an instance comes back.
func (r *run) end(ctx workflow.Context, reason fleet.Reason) {
	r.take(ctx, fleet.Event{Kind: fleet.EventEnd, Reason: reason})
	r.leaving = false
	for i, record := range r.report.Records {
		if (record.State == fleet.StateFailed || record.State == fleet.StateUnknown) && record.Before != nil {
			r.revoke(ctx, i, reason)
		}
	}
}

// heard are the signals of a run, in the order in which waiting ones are handled. Which
// of them came first is not known, so a pause is handled after an unpause: the pause may
// have been the last.
var heard = []string{signalStatus, SignalUnpause, SignalPause, SignalAbort, SignalApproveCanary}

// hasSignals reports whether signals wait.
func hasSignals(ctx workflow.Context) bool {
	return slices.ContainsFunc(heard, func(name string) bool { return workflow.GetSignalChannel(ctx, name).Len() > 0 })
}

func (r *run) drain(ctx workflow.Context) {
	for _, name := range heard {
		channel := workflow.GetSignalChannel(ctx, name)
		for channel.Len() > 0 {
			r.receive(ctx, name, channel)
		}
	}
}

func (r *run) receive(ctx workflow.Context, name string, channel workflow.ReceiveChannel) {
	var status targetStatus
	var stage int
	switch {
	case name == signalStatus:
		if channel.ReceiveAsync(&status) {
			r.hear(ctx, status)
		}
	case name == SignalApproveCanary:
		if channel.ReceiveAsync(&stage) && stage == r.awaiting && stage > 0 {
			r.take(ctx, fleet.Event{Kind: fleet.EventStage, Stage: stage})
		}
	case !channel.ReceiveAsync(nil), r.ended:
	case name == SignalPause && !r.planner.IsPaused(fleet.ReasonUser):
		r.take(ctx, fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonUser})
	case name == SignalUnpause && r.planner.IsPaused(fleet.ReasonUser):
		r.take(ctx, fleet.Event{Kind: fleet.EventContinue, Reason: fleet.ReasonUser})
	case name == SignalAbort:
		r.stop(ctx)
	}
	r.act(ctx)
}

// hear takes in the status of a RebootOne.
func (r *run) hear(ctx workflow.Context, s targetStatus) {
	i, ok := r.index[s.ID]
	if !ok {
		return
	}
	t := &r.targets[i]
	if s.Key != r.head.Key {
		r.hearOther(ctx, i, s)
		return
	}
	if s.Number != t.number {
		return // from an earlier turn
	}
	t.heardAt, t.patience = workflow.Now(ctx), checkInterval
	r.head.Throttled += max(0, s.Throttled-t.Throttled)
	t.Throttled = s.Throttled
	r.head.Rate = cmp.Or(s.Rate, r.head.Rate)
	for ; t.Events < len(s.Events) && !r.ended; t.Events++ {
		e := s.Events[t.Events]
		if e.Kind == fleet.EventHalt { // of the whole run
			e.InstanceID = ""
		}
		r.take(ctx, e)
	}
	t.More = s.More
}

func (r *run) progress() Progress {
	p := Progress{
		Digest: r.head.Digest, Begun: r.report.Begun, Ended: r.report.Ended, Targets: len(r.targets), Counts: make(map[fleet.State]int),
		Width: r.planner.Width(), Unavailable: r.planner.Unavailable(),
		Failed: r.planner.Failed(), MaxFailed: r.planner.Rules().MaxFailed.Of(len(r.targets)),
		Awaiting: r.awaiting, Paused: r.planner.IsPaused(fleet.ReasonUser),
		Reason: r.report.Reason, Error: cmp.Or(r.report.Error, r.window.Error),
		Throttled: r.head.Throttled, Rate: r.head.Rate,
	}
	for _, target := range r.plan.Targets {
		p.Counts[r.planner.StateOf(target.ID)]++
	}
	if r.stage < len(r.planner.Rules().Canary) {
		p.Stage = r.stage + 1
	}
	if r.planner.IsPaused(fleet.ReasonWindow) {
		p.WindowOpens = r.window.Until
	}
	for i, t := range r.targets {
		if t.other != nil && t.other.Run != "" && !t.Started && r.isInFlight(i) {
			p.WaitsFor = append(p.WaitsFor, OtherRun{InstanceID: t.other.ID, WorkflowID: t.other.Run})
		}
	}
	return p
}

var notifyOptions = workflow.ActivityOptions{
	StartToCloseTimeout: time.Minute,
	RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: retryInterval, MaximumAttempts: 5},
	// Without a worker, the run ends with the notice undelivered.
	ScheduleToCloseTimeout: 5 * time.Minute,
}

// notify calls the worker's Notify. The run waits for it only at its end.
func (r *run) notify(ctx workflow.Context, e fleet.Event) {
	if !r.head.Settings.Notify {
		return
	}
	notice := Notice{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Event: e, Progress: r.progress(), Regions: r.regions()}
	r.busy++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { r.busy-- }()
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, notifyOptions), notifyActivity, notice).Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("A notice was not delivered.", "error", err)
		}
	})
}
