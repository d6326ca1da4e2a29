package ecstemporal

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// chunkSize is how many targets a chunk has: its history takes some 30 events for
// each, and servers begin to warn at 10,000.
const chunkSize = 200

// chunkInput is what a chunk is about.
type chunkInput struct {
	Run       string         `json:"run"` // the id of the run that it belongs to
	Key       string         `json:"key"`
	Chunk     int            `json:"chunk"`
	Region    string         `json:"region"`
	ForceStop bool           `json:"forceStop,omitempty"`
	Targets   []fleet.Target `json:"targets"`
	Limits    limits         `json:"limits"`
	Digest    string         `json:"digest,omitempty"` // for search attributes; empty for none
	// Under are instances that a chunk before this one had under way when it was
	// ended: they are looked at.
	Under []underWay `json:"under,omitempty"`
}

// underWay is an instance that may have been restarted.
type underWay struct {
	ask

	Known    *ecsreboot.Baseline `json:"known,omitempty"` // before its intent, if that was told
	Accepted bool                `json:"accepted,omitempty"`
}

// chunk is the state of RebootChunk: it does what the run commands, and tells what
// becomes of it.
type chunk struct {
	in       chunkInput
	targets  map[string]*chunkTarget
	order    []*chunkTarget // of the plan
	busy     int            // targets under way
	late     int            // targets that were given up and are still looked at
	hold     fleet.Reason   // why nothing may be sent; empty if it may
	finish   bool
	orphan   bool // nobody is there to be told
	speaking bool
	word     word // to be told next
	pending  bool // it is worth telling
}

type chunkTarget struct {
	fleet.Target

	last      ask
	busy      bool
	final     bool                         // it has an end, and is not restarted any more
	known     []fleet.Event                // all that is known since the last ask
	before    *ecsreboot.Baseline          // the instance before the last intent
	heard     int                          // how many events of the workflow at work are known
	throttled int                          // how often it was
	other     *account                     // what the workflow of another run tells
	child     workflow.ChildWorkflowFuture // at work
	endLate   workflow.CancelFunc          // ends the late look
}

// rebootChunk restarts those of its targets that the run asks for.
func rebootChunk(ctx workflow.Context, in chunkInput) error {
	c := &chunk{in: in, targets: make(map[string]*chunkTarget, len(in.Targets))}
	for _, target := range in.Targets {
		t := &chunkTarget{Target: target}
		c.targets[target.ID] = t
		c.order = append(c.order, t)
	}
	canceled := ctx
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		canceled.Done().Receive(ctx, nil)
		c.tellRun(ctx, fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser})
		c.holdAll(ctx, fleet.ReasonUser)
	})
	for _, u := range in.Under {
		t := c.targets[u.ID]
		t.last, t.busy = u.ask, true
		c.busy++
		workflow.Go(ctx, func(ctx workflow.Context) {
			in := c.lookAt(t)
			in.Known, in.Accepted = u.Known, u.Accepted
			t.before = u.Known
			c.restart(ctx, t, in)
			c.settle(ctx, t)
		})
	}
	c.listen(ctx)
	return workflow.Await(ctx, c.over)
}

// over reports whether there is nothing left to do.
func (c *chunk) over() bool {
	if c.busy > 0 || c.speaking || c.pending && !c.orphan {
		return false
	}
	if c.finish || c.orphan {
		return c.late == 0
	}
	for _, t := range c.order {
		if !t.final {
			return false
		}
	}
	return c.late == 0
}

// listen takes in signals, and tells the run what there is to tell.
func (c *chunk) listen(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		signals := workflow.NewSelector(ctx)
		signals.AddReceive(workflow.GetSignalChannel(ctx, signalCommand), func(commands workflow.ReceiveChannel, _ bool) {
			var command command
			if commands.Receive(ctx, &command); command.Key == c.in.Key {
				c.obey(ctx, command)
			}
		})
		signals.AddReceive(workflow.GetSignalChannel(ctx, signalTold), func(accounts workflow.ReceiveChannel, _ bool) {
			var account account
			accounts.Receive(ctx, &account)
			if t := c.targets[account.ID]; t != nil {
				c.hear(ctx, t, account)
			}
		})
		for {
			signals.Select(ctx)
		}
	})
	workflow.Go(ctx, c.speak)
}

// obey does what a command says. It may have come before.
func (c *chunk) obey(ctx workflow.Context, command command) {
	c.hold = command.Hold
	for _, a := range command.Asks {
		t := c.targets[a.ID]
		if t == nil || t.busy {
			continue
		}
		if a.Number <= t.last.Number || t.final {
			if command.Answer {
				c.repeat(t)
			}
			continue
		}
		t.last, t.known, t.before, t.other = a, nil, nil, nil
		if command.Hold != "" {
			c.tell(t, fleet.Event{Kind: fleet.EventUnsent, At: workflow.Now(ctx), InstanceID: t.ID, Reason: command.Hold})
			continue
		}
		t.busy = true
		c.busy++
		workflow.Go(ctx, func(ctx workflow.Context) {
			c.restart(ctx, t, c.input(t))
			c.settle(ctx, t)
		})
	}
	if command.Hold != "" {
		c.holdAll(ctx, command.Hold)
	}
	if command.Finish {
		c.finish = true
		c.endLate()
	}
	c.pending = c.pending || command.Answer
}

// holdAll takes back what was not begun to be sent.
func (c *chunk) holdAll(ctx workflow.Context, reason fleet.Reason) {
	c.hold = reason
	for _, t := range c.order {
		if t.busy && !sent(t.known) {
			workflow.Go(ctx, func(ctx workflow.Context) { c.holdOne(ctx, t, reason) })
		}
	}
}

func (c *chunk) endLate() {
	for _, t := range c.order {
		if t.endLate != nil {
			t.endLate()
		}
	}
}

// tell adds to what the run is told.
func (c *chunk) tell(t *chunkTarget, events ...fleet.Event) {
	for _, e := range events {
		if e.Kind == fleet.EventIntent {
			t.before = e.Before
		}
		t.known = append(t.known, e)
		c.word.Tidings = append(c.word.Tidings, tiding{Event: e, Number: t.last.Number})
	}
	c.pending = c.pending || len(events) > 0
}

// repeat tells once more what is known of a target.
func (c *chunk) repeat(t *chunkTarget) {
	known := t.known
	t.known = nil
	c.tell(t, known...)
}

func (c *chunk) tellRun(ctx workflow.Context, e fleet.Event) {
	e.At, e.InstanceID = workflow.Now(ctx), ""
	c.word.Tidings = append(c.word.Tidings, tiding{Event: e})
	c.pending = true
}

// speak tells the run what there is to tell: one word at a time, so that they come
// in order; what happens meanwhile goes together into the next.
func (c *chunk) speak(ctx workflow.Context) {
	for {
		_ = workflow.Await(ctx, func() bool { return c.pending && !c.orphan })
		next := c.word
		c.word, c.pending, c.speaking = word{}, false, true
		next.Key, next.Chunk, next.From = c.in.Key, c.in.Chunk, workflow.GetInfo(ctx).WorkflowExecution.ID
		err := workflow.SignalExternalWorkflow(ctx, c.in.Run, "", signalWord, next).Get(ctx, nil)
		c.speaking = false
		if err != nil {
			// The run is over or was terminated: nothing new is sent for it.
			workflow.GetLogger(ctx).Warn("The run is gone.", "run", c.in.Run, "error", err)
			c.orphan = true
			c.holdAll(ctx, fleet.ReasonInterrupted)
			c.endLate()
		}
	}
}

func sent(events []fleet.Event) bool {
	return slices.ContainsFunc(events, func(e fleet.Event) bool { return e.Kind == fleet.EventAccepted || e.Kind == fleet.EventDoubt })
}

// endOf is what became of an instance at last; its kind is empty if nothing did.
func endOf(events []fleet.Event) fleet.Event {
	for _, e := range slices.Backward(events) {
		if isEnd(e.Kind) {
			return e
		}
	}
	return fleet.Event{}
}
