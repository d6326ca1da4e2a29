package ecstemporal

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// run is the state of RollingReboot: a planner, all that it was told, and the chunks
// that do what it asks for.
type run struct {
	head    runHead
	plan    fleet.Plan
	packed  []byte // the plan
	planner *fleet.Planner
	events  []fleet.Event
	index   map[string]int // of targets, by id
	targets []runTarget
	chunks  []*runChunk

	todo     []fleet.Action
	awaiting int // the canary stage that waits for approval; 0 if none does
	stage    int // the last one that has passed
	paused   bool
	stopping fleet.Reason // why nothing more is asked for
	problem  string       // more of that
	ended    bool
	settled  int  // instances that came to an end in this execution
	busy     int  // signals, starts and notices under way
	leaving  bool // nothing new is begun, as the run is about to continue as new
}

type runTarget struct {
	asks     int // how often it was asked for
	askedAt  time.Time
	before   *ecsreboot.Baseline // its intent
	accepted bool
	told     int // the last ask that its chunk has heard
	held     int // where in the events is why it is held back, from 1; 0 if nowhere
}

// versionFirst is the change id under which changes of what this workflow decides
// are known: see workflow.GetVersion.
const versionFirst = "ecsreboot"

// rollingReboot runs a whole plan. It returns the packed run.
func rollingReboot(ctx workflow.Context, head runHead, packed []byte) ([]byte, error) {
	workflow.GetVersion(ctx, versionFirst, workflow.DefaultVersion, 1)
	r, err := newRun(ctx, head, packed)
	if err != nil {
		return nil, err
	}
	if err := r.answer(ctx); err != nil {
		return nil, err
	}
	canceled := ctx
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	r.begin(ctx)
	r.listen(ctx, canceled)
	for {
		err := workflow.Await(ctx, func() bool {
			r.leaving = r.leaving || !r.ended && r.isLong(ctx)
			return (r.ended || r.leaving) && r.busy == 0
		})
		if err != nil {
			return nil, err
		}
		r.drain(ctx) // what has come meanwhile must not get lost
		switch {
		case r.busy > 0: // and there is something to do
		case r.ended:
			return r.pack(), nil
		default:
			return nil, workflow.NewContinueAsNewError(ctx, rollingWorkflow, r.handOver(), r.pack())
		}
	}
}

// newRun takes up a run where it was packed.
func newRun(ctx workflow.Context, head runHead, packed []byte) (*run, error) {
	history, err := unpackRun(packed)
	if err != nil {
		return nil, badInput("the packed run: " + err.Error())
	}
	planner, err := fleet.NewPlanner(history.Plan, head.Settings.Rules)
	if err != nil {
		return nil, badInput(err.Error())
	}
	plan, _, err := splitRun(packed)
	if err != nil {
		return nil, badInput(err.Error())
	}
	if head.Key == "" {
		head.Key = workflow.GetInfo(ctx).FirstRunID
	}
	r := &run{
		head: head, plan: history.Plan, packed: plan, planner: planner,
		index:   make(map[string]int, len(history.Plan.Targets)),
		targets: make([]runTarget, len(history.Plan.Targets)),
	}
	for i := range r.plan.Targets {
		r.index[r.plan.Targets[i].ID] = i
	}
	for i := 0; i*chunkSize < len(r.plan.Targets); i++ {
		r.chunks = append(r.chunks, &runChunk{number: i})
	}
	for i, starts := range head.Chunks[:min(len(head.Chunks), len(r.chunks))] {
		r.chunks[i].starts, r.chunks[i].alive = max(starts, -starts), starts > 0
	}
	for _, e := range history.Events {
		if err := r.replay(e); err != nil {
			return nil, badInput(err.Error())
		}
	}
	for _, asked := range head.Asked {
		t := &r.targets[asked.Index]
		t.askedAt = milli(asked.Milli)
		if asked.Told {
			t.told = t.asks
		}
	}
	return r, nil
}

// replay takes in an event that an earlier execution had: the planner asks for the
// same again.
func (r *run) replay(e fleet.Event) error {
	actions, err := r.planner.Next(e)
	if err != nil {
		return err
	}
	for _, a := range actions {
		switch a.Kind {
		case fleet.ActionRestart:
			r.targets[r.index[a.InstanceID]].asks++
		case fleet.ActionApprove:
			r.awaiting = a.Stage
		default:
		}
	}
	r.note(e)
	return nil
}

// note keeps an event, and what else follows from it.
func (r *run) note(e fleet.Event) {
	r.keep(e)
	switch e.Kind {
	case fleet.EventStage:
		r.stage, r.awaiting = e.Stage, 0
	case fleet.EventPause:
		r.paused = true
	case fleet.EventContinue:
		r.paused = false
	case fleet.EventStop, fleet.EventHalt:
		if r.stopping == "" {
			r.stopping, r.problem = e.Reason, e.Error
		}
	case fleet.EventEnd:
		r.ended = true
	case fleet.EventIntent:
		t := &r.targets[r.index[e.InstanceID]]
		t.before, t.accepted = e.Before, false
	case fleet.EventAccepted:
		r.targets[r.index[e.InstanceID]].accepted = true
	default:
	}
}

// keep adds an event to those that are handed over and reported. Why an instance was
// held back is of no use any more once something else is known.
func (r *run) keep(e fleet.Event) {
	if e.InstanceID != "" {
		t := &r.targets[r.index[e.InstanceID]]
		if t.held > 0 {
			r.events[t.held-1] = fleet.Event{}
		}
		t.held = 0
		if e.Kind == fleet.EventHeld {
			t.held = len(r.events) + 1
		}
	}
	r.events = append(r.events, e)
}

// pack packs the run as it is now.
func (r *run) pack() []byte {
	events := slices.DeleteFunc(slices.Clone(r.events), func(e fleet.Event) bool { return e.Kind == "" })
	return packRun(r.packed, events, r.index)
}

// handOver is the readable part of what the next execution is given.
func (r *run) handOver() runHead {
	head := r.head
	head.Chunks, head.Asked = nil, nil
	for _, c := range r.chunks {
		starts := c.starts
		if !c.alive {
			starts = -starts
		}
		head.Chunks = append(head.Chunks, starts)
	}
	for i := range r.targets {
		if r.planner.StateOf(r.plan.Targets[i].ID) == fleet.StateRestarting {
			t := &r.targets[i]
			head.Asked = append(head.Asked, askedTarget{Index: i, Milli: t.askedAt.UnixMilli(), Told: t.told == t.asks})
		}
	}
	return head
}

// badInput fails the workflow for good: what it was given is no run.
func badInput(problem string) error {
	return temporal.NewNonRetryableApplicationError(problem, "InvalidInput", nil)
}
