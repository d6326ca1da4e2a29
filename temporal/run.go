package ecstemporal

import (
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// run is the state of RollingReboot.
//
// The planner decides. For each restart that it asks for, the run starts a RebootOne
// (run_target.go), whose status comes back by signals and becomes events for the planner
// (run_events.go). Everything else here serves to continue as new: the history so far
// is handed over and replayed, and the next execution subscribes to the RebootOnes that
// its predecessor has started.
type run struct {
	head    runHead
	plan    fleet.Plan
	planner *fleet.Planner
	packed  []byte         // the plan, and the events of earlier executions
	events  []fleet.Event  // of this execution
	index   map[string]int // of targets, by ID
	targets []runTarget

	report   *fleet.Report // of all events
	todo     []fleet.Action
	awaiting int // the canary stage that waits for approval; 0 if none does
	stage    int // the last one that has passed
	window   windowState
	ending   fleet.Reason // why the planner has asked to end the run; empty if it has not
	ended    bool

	// For continuing as new.
	ends    int  // of targets in this execution
	open    int  // RebootOnes that it started and whose end is not known
	busy    int  // requests to the server, and notices, that must not get lost
	leaving bool // nothing new is begun
	slots   workflow.Semaphore
}

type runTarget struct {
	inFlight

	number   int           // of its turn, from 1; one more after a mark
	sent     bool          // its turn has an intent: it may have restarted
	marked   bool          // an operator has marked it at any time
	open     bool          // it is included in run.open
	heardAt  time.Time     // when it last reported or was asked to; zero until the server has it
	patience time.Duration // for how long it may report nothing
	losses   int           // how often its RebootOne ended without a result
	other    *targetStatus // from the RebootOne of another run; nil unless this run waits for it
}

const (
	// maxSlots limits the requests to the server that are under way; a server refuses
	// more than 2,000.
	maxSlots = 200
	// maxOpen is the number of open RebootOnes at which a run continues as new. A server
	// refuses more than 2,000 for one execution.
	maxOpen = 1_000
)

// rollingReboot runs a whole plan. It returns the packed history.
func rollingReboot(ctx workflow.Context, head runHead, packed []byte) ([]byte, error) {
	r, err := newRun(ctx, head, packed)
	if err != nil {
		// The input is invalid, so no retry helps.
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "InvalidInput", nil)
	}
	err = errors.Join(
		workflow.SetQueryHandler(ctx, QueryProgress, func() (Progress, error) { return r.progress(), nil }),
		workflow.SetQueryHandler(ctx, queryHistory, func() ([]byte, error) { return r.pack(r.maybeSent()...), nil }),
	)
	if err != nil {
		return nil, err
	}
	canceled := ctx
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.handleMarks(ctx); err != nil {
		return nil, err
	}
	r.begin(ctx)
	workflow.Go(ctx, r.supervise)
	workflow.Go(ctx, func(ctx workflow.Context) {
		canceled.Done().Receive(ctx, nil)
		r.stop(ctx)
	})
	for {
		err := workflow.Await(ctx, func() bool {
			r.leaving = r.leaving || !r.ended && r.isLong(ctx)
			return (r.ended || r.leaving) && r.busy == 0 || hasSignals(ctx)
		})
		if err != nil {
			return nil, err
		}
		r.drain(ctx) // what has arrived must not get lost
		switch {
		case r.busy > 0:
		case r.ended:
			return r.pack(), nil
		case r.leaving:
			return nil, workflow.NewContinueAsNewError(ctx, rollingWorkflow, r.handOver(), r.pack())
		}
	}
}

// isLong reports whether the execution is long enough to continue as new.
func (r *run) isLong(ctx workflow.Context) bool {
	limit := r.head.Settings.ContinueAfter
	return limit > 0 && r.ends >= limit || r.open >= maxOpen || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// newRun takes up a run where its history ends.
func newRun(ctx workflow.Context, head runHead, packed []byte) (*run, error) {
	history, err := unpackHistory(packed)
	if err != nil {
		return nil, err
	}
	planner, err := fleet.NewPlanner(history.Plan, head.Settings.Rules)
	if err != nil {
		return nil, err
	}
	if head.Key == "" {
		head.Key = workflow.GetInfo(ctx).FirstRunID
	}
	r := &run{
		head: head, plan: history.Plan, packed: packed, planner: planner, report: (&fleet.History{Plan: history.Plan}).Report(),
		index:   make(map[string]int, len(history.Plan.Targets)),
		targets: make([]runTarget, len(history.Plan.Targets)),
		window:  windowState{Open: true},
		slots:   workflow.NewSemaphore(ctx, maxSlots),
	}
	for i := range r.plan.Targets {
		r.index[r.plan.Targets[i].ID] = i
	}
	for _, e := range history.Events {
		actions, err := r.apply(e)
		if err != nil {
			return nil, err
		}
		for _, a := range actions {
			switch a.Kind {
			case fleet.ActionRestart:
				r.choose(r.index[a.InstanceID], time.Time{})
			case fleet.ActionApprove:
				r.awaiting = a.Stage
			case fleet.ActionEnd:
				r.ending = a.Reason
			default:
			}
		}
	}
	for _, f := range head.InFlight {
		r.targets[f.Index].inFlight = f
	}
	return r, nil
}

// choose begins a turn of a target.
func (r *run) choose(i int, at time.Time) {
	before := r.targets[i]
	r.targets[i] = runTarget{inFlight: inFlight{Index: i, AskedAt: at}, number: before.number + 1, marked: before.marked}
}

// isInFlight reports whether a target's turn has come and its end is not known.
func (r *run) isInFlight(i int) bool {
	return r.planner.StateOf(r.plan.Targets[i].ID) == fleet.StateRestarting
}

// isSent reports whether a target in flight has an intent, so that it may have restarted.
func (r *run) isSent(i int) bool { return r.targets[i].sent }

// isCalling reports whether a hook of a target is being called after its end.
func (r *run) isCalling(i int) bool { return r.targets[i].More }

// apply applies an event, or returns why it cannot happen.
func (r *run) apply(e fleet.Event) ([]fleet.Action, error) {
	actions, err := r.planner.Next(e)
	if err != nil {
		return nil, err
	}
	r.report.Add(e)
	switch e.Kind {
	case fleet.EventStage:
		r.stage, r.awaiting = e.Stage, 0
	case fleet.EventIntent:
		r.targets[r.index[e.InstanceID]].sent = true
	case fleet.EventMarked: // the turn is over, and nothing more is heard of it
		t := &r.targets[r.index[e.InstanceID]]
		t.number, t.marked, t.More = t.number+1, true, false
	default:
	}
	r.ended = e.Kind == fleet.EventEnd
	return actions, nil
}

// pack packs the history of the run.
func (r *run) pack(more ...fleet.Event) []byte {
	return packEvents(r.packed, append(slices.Clip(r.events), more...))
}

// maybeSent returns intents of the restarts that may have been sent although no RebootOne
// has reported it: a report that is made now must not say that nothing was sent. Why such
// a restart was held back last follows, because an intent supersedes it.
func (r *run) maybeSent() []fleet.Event {
	var events []fleet.Event
	for i, record := range r.report.Records {
		t := &r.targets[i]
		if !t.Started || !r.isInFlight(i) || r.isSent(i) {
			continue
		}
		events = append(events, r.intent(i))
		if record.Reason != "" {
			events = append(events, fleet.Event{Kind: fleet.EventHeld, At: t.AskedAt, InstanceID: record.ID, Reason: record.Reason, Error: record.Error})
		}
	}
	return events
}

// intent returns the intent of a restart of which only the request is known.
func (r *run) intent(i int) fleet.Event {
	id, at := r.plan.Targets[i].ID, r.targets[i].AskedAt
	if drained := r.report.Records[i].Call(fleet.HookDrain).Ended; drained.After(at) {
		at = drained
	}
	return fleet.Event{Kind: fleet.EventIntent, At: at, InstanceID: id, Attempt: r.planner.Attempts(id) + 1}
}

// handOver returns the readable part of the next execution's input.
func (r *run) handOver() runHead {
	head := r.head
	head.InFlight = nil
	for i, record := range r.report.Records {
		watched := (record.State == fleet.StateFailed || record.State == fleet.StateUnknown) && r.targets[i].Events > 0
		if r.isInFlight(i) || r.isCalling(i) || watched {
			head.InFlight = append(head.InFlight, r.targets[i].inFlight)
		}
	}
	return head
}
