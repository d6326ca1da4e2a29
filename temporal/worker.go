package ecstemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// WorkerOptions configure a worker.
type WorkerOptions struct {
	// TaskQueue is the queue that the worker polls. Default [DefaultTaskQueue].
	TaskQueue string
	// RestartsPerMinute limits the restarts of all workers of the queue together; the
	// Temporal server counts the restarts. All workers must have the same value. 0 sets no
	// limit. The rate limit of ECS applies in any case.
	RestartsPerMinute float64
	// Health checks whether a restarted instance serves again, as in [fleet.Options].
	// Runs with Settings.Health call it.
	Health func(ctx context.Context, target fleet.Target) error
	// Blocker can hold a restart back, as in [fleet.Options]. Runs with
	// Settings.Blocker call Blocker right before each restart request. Two things differ.
	// Approval is valid for a third of SendTimeout, counted from before the call, so a
	// call that takes longer approves nothing. And an instance that Blocker keeps refusing loses its turn after an hour,
	// not after BlockerPatience.
	Blocker func(ctx context.Context, target fleet.Target) error
	// Notify reports the events that a person should know about; see [Notice]. Runs with
	// Settings.Notify call it. If Notify returns an error, it is retried, up to 5 calls in
	// total.
	Notify func(ctx context.Context, notice Notice) error
}

const (
	// maxFollowing limits how many instances a worker follows at once.
	maxFollowing = 10_000
	// maxSending limits how many restarts a worker sends or holds back for the rate limit
	// at once.
	maxSending = 16
	// stopTimeout is how long Stop waits.
	stopTimeout = time.Minute
	// taskTimeout is how long a workflow may compute: a run of some ten thousand
	// instances takes a second or two to begin a new execution.
	taskTimeout = 10 * time.Second
)

// Worker executes the workflows and activities of runs. Any worker of a task queue may
// execute any of its tasks. A Worker polls one task queue for restarts, and another one
// for everything else.
type Worker struct {
	main, send worker.Worker
}

// NewWorker returns a worker that has not started. The region of the ECS client must be
// the region of the runs.
func NewWorker(c client.Client, ecs *ecsreboot.Client, options WorkerOptions) (*Worker, error) {
	switch {
	case c == nil:
		return nil, input("client", "is nil")
	case ecs == nil:
		return nil, input("ecs", "is nil")
	case !(options.RestartsPerMinute >= 0) || math.IsInf(options.RestartsPerMinute, 0): // or no number
		return nil, input("RestartsPerMinute", fmt.Sprintf("is %v", options.RestartsPerMinute))
	}
	options.TaskQueue = cmp.Or(options.TaskQueue, DefaultTaskQueue)
	w := &Worker{
		main: worker.New(c, options.TaskQueue, worker.Options{
			MaxConcurrentActivityExecutionSize: maxFollowing,
			DeadlockDetectionTimeout:           taskTimeout,
			WorkerStopTimeout:                  stopTimeout,
		}),
		send: worker.New(c, sendQueue(options.TaskQueue), worker.Options{
			MaxConcurrentActivityExecutionSize: maxSending,
			TaskQueueActivitiesPerSecond:       options.RestartsPerMinute / time.Minute.Seconds(),
			WorkerStopTimeout:                  stopTimeout,
			DisableWorkflowWorker:              true,
		}),
	}
	RegisterWorkflows(w.main)
	a := &activities{client: ecs, hooks: options, confirm: func(ctx context.Context, token []byte) error {
		return c.RecordActivityHeartbeat(ctx, token)
	}}
	w.main.RegisterActivity(a)
	w.send.RegisterActivity(a)
	return w, nil
}

// RegisterWorkflows registers the workflows with a replayer. Use it to test a new version
// against the histories of runs in progress before you deploy that version:
//
//	replayer := worker.NewWorkflowReplayer()
//	ecstemporal.RegisterWorkflows(replayer)
//	err := replayer.ReplayWorkflowHistoryWithOptions(logger, history, worker.ReplayWorkflowHistoryOptions{
//		OriginalExecution: workflow.Execution{ID: id, RunID: runID}, // the IDs of child workflows derive from it
//	})
func RegisterWorkflows(registry worker.WorkflowRegistry) {
	registry.RegisterWorkflowWithOptions(rollingReboot, workflow.RegisterOptions{Name: rollingWorkflow})
	registry.RegisterWorkflowWithOptions(rebootOne, workflow.RegisterOptions{Name: oneWorkflow})
}

// sendQueue is the task queue of restarts: Temporal limits the rate of a whole queue.
func sendQueue(taskQueue string) string { return taskQueue + "-send" }

// Start starts the worker.
func (w *Worker) Start() error {
	if err := w.send.Start(); err != nil {
		return fmt.Errorf("ecstemporal: the worker does not start: %w", err)
	}
	if err := w.main.Start(); err != nil {
		w.send.Stop()
		return fmt.Errorf("ecstemporal: the worker does not start: %w", err)
	}
	return nil
}

// Stop stops the worker. It waits for the responses to the restarts that the worker has
// sent, for a minute at most, and leaves all other work to other workers.
func (w *Worker) Stop() {
	w.send.Stop()
	w.main.Stop()
}

// Run starts the worker, and stops it when ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	w.Stop()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
