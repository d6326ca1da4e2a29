package ecstemporal

import (
	"slices"
	"strconv"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// runChunk is what a run knows of one of its chunks.
type runChunk struct {
	number   int
	starts   int  // how often it was started
	alive    bool // as far as is known
	doubted  bool // it is to be asked for all that it knows
	asks     []int
	hold     bool // it is to be told that nothing may be sent
	finish   bool
	speaking bool
	silent   int // questions without an answer
}

func (c *runChunk) ask(i int) {
	if !slices.Contains(c.asks, i) {
		c.asks = append(c.asks, i)
	}
}

func (c *runChunk) wants() bool { return len(c.asks) > 0 || c.hold || c.finish || c.doubted }

// maxSilent is how many questions in a row a chunk may leave without an answer, with
// watchInterval between them, until it is taken for dead. They count only while the
// run itself is worked on, so that a day without any worker does no harm.
const maxSilent = 36

// startSpeaking tells a chunk what there is to tell, unless somebody does already.
func (r *run) startSpeaking(ctx workflow.Context, c *runChunk) {
	if c.speaking {
		return
	}
	c.speaking = true
	r.busy++
	workflow.Go(ctx, func(ctx workflow.Context) {
		for c.wants() && !r.leaving {
			r.speak(ctx, c)
		}
		c.speaking = false
		r.busy--
		r.act(ctx)
	})
}

// speak starts the chunk if need be, and sends it one command. Commands come one
// after the other, so that a hold is never overtaken by what was asked before it.
func (r *run) speak(ctx workflow.Context, c *runChunk) {
	if !c.alive {
		if !r.isUnderWay(c) {
			c.asks, c.hold, c.finish, c.doubted = nil, false, false, false
			return
		}
		r.start(ctx, c)
		if r.leaving || !c.alive {
			return
		}
	}
	next := command{Key: r.head.Key, Hold: r.held(), Finish: c.finish, Answer: c.doubted}
	for _, i := range c.asks {
		if t := r.plan.Targets[i]; r.planner.StateOf(t.ID) == fleet.StateRestarting {
			next.Asks = append(next.Asks, ask{ID: t.ID, Number: r.targets[i].asks, Attempts: r.planner.Attempts(t.ID), At: r.targets[i].askedAt})
		}
	}
	c.asks, c.hold, c.finish, c.doubted = nil, false, false, false
	if err := workflow.SignalExternalWorkflow(ctx, r.chunkID(ctx, c), "", signalCommand, next).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("A chunk is gone.", "chunk", c.number, "error", err)
		for _, a := range next.Asks {
			c.ask(r.index[a.ID])
		}
		r.lose(ctx, c)
		return
	}
	for _, a := range next.Asks {
		r.targets[r.index[a.ID]].told = a.Number
	}
}

// chunkID is the id of a chunk as it was started last. A run of the same id that was
// ended may have left chunks behind; theirs are others.
func (r *run) chunkID(ctx workflow.Context, c *runChunk) string {
	key := r.head.Key[max(0, len(r.head.Key)-12):] // of a run id, whose beginning is the time
	return workflow.GetInfo(ctx).WorkflowExecution.ID + "/" + key + "/" + strconv.Itoa(c.number) + "." + strconv.Itoa(c.starts)
}

// start starts a chunk, or starts it once more after it was lost. It returns when the
// server has it: else it might get lost when the run continues as new.
func (r *run) start(ctx workflow.Context, c *runChunk) {
	in := chunkInput{
		Run: workflow.GetInfo(ctx).WorkflowExecution.ID, Key: r.head.Key, Chunk: c.number, Region: r.plan.Region, ForceStop: r.plan.ForceStop,
		Targets: r.targetsOf(c), Limits: r.head.Settings.limits(),
	}
	if r.head.SearchAttributes {
		in.Digest = r.head.Digest
	}
	if c.starts > 0 {
		in.Under = r.underWay(c)
	}
	c.starts++
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            r.chunkID(ctx, c),
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: r.head.searchAttributes(""),
	}), chunkWorkflow, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("A chunk could not be started.", "chunk", c.number, "error", err)
		_ = workflow.Sleep(ctx, retryInterval)
		return
	}
	c.alive, c.silent = true, 0
	starts := c.starts
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := child.Get(ctx, nil)
		if c.starts == starts {
			workflow.GetLogger(ctx).Debug("A chunk is over.", "chunk", c.number, "error", err)
			r.lose(ctx, c)
		}
	})
}

// underWay are the instances that a lost chunk may have restarted.
func (r *run) underWay(c *runChunk) []underWay {
	var under []underWay
	for k, t := range r.targetsOf(c) {
		i := c.number*chunkSize + k
		if r.planner.StateOf(t.ID) != fleet.StateRestarting || r.targets[i].told != r.targets[i].asks {
			continue
		}
		under = append(under, underWay{
			ask:   ask{ID: t.ID, Number: r.targets[i].asks, Attempts: r.planner.Attempts(t.ID), At: r.targets[i].askedAt},
			Known: r.targets[i].before, Accepted: r.targets[i].accepted,
		})
	}
	return under
}

// lose takes in that a chunk is over. If it had something under way, its successor
// finds out what became of that.
func (r *run) lose(ctx workflow.Context, c *runChunk) {
	c.alive = false
	r.drain(ctx) // what it told at last
	if r.isUnderWay(c) {
		r.doubt(ctx, c)
	}
}

// doubt asks a chunk, or its successor, for all that it knows of what is under way.
func (r *run) doubt(ctx workflow.Context, c *runChunk) {
	c.doubted = true
	for k, t := range r.targetsOf(c) {
		if r.planner.StateOf(t.ID) == fleet.StateRestarting {
			c.ask(c.number*chunkSize + k)
		}
	}
	r.startSpeaking(ctx, c)
}

// watchInterval is how often a run looks for chunks of which it hears nothing.
const watchInterval = 5 * time.Minute

// watch asks chunks for a word that have something under way and say nothing.
func (r *run) watch(ctx workflow.Context) {
	for {
		if err := workflow.Sleep(ctx, watchInterval); err != nil {
			return
		}
		for _, c := range r.chunks {
			switch {
			case !r.isUnderWay(c):
				c.silent = 0
				continue
			case c.silent > maxSilent:
				c.alive = false
			}
			c.silent++
			if c.silent > 1 {
				r.doubt(ctx, c)
			}
		}
	}
}
