package ecstemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
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
	// Clients are the clients of further regions, one for each. A worker needs a client
	// for each region of a run.
	Clients []*ecsreboot.Client
	// Health checks whether a restarted instance serves again, as in [fleet.Options].
	// Runs with Settings.Health call it. The target of this and of all other hooks has
	// its Region.
	Health func(ctx context.Context, target fleet.Target) error
	// Blocker can hold a restart back, as in [fleet.Options]. Runs with Settings.Blocker
	// call Blocker before Drain, and always once more right before the restart request.
	// Approval is valid for a third of SendTimeout, counted from before the call, so a call
	// that takes longer approves nothing.
	Blocker func(ctx context.Context, target fleet.Target) error
	// Drain, Undrain and Failed are called around the restart of an instance, as in
	// [fleet.Options]; see Settings.Drain, Undrain and Failed. The history of the run has
	// the call before the hook runs. If the worker dies during a call, another worker
	// repeats the call after 20 s. A panic is an error of the hook.
	Drain   func(ctx context.Context, target fleet.Target) error
	Undrain func(ctx context.Context, target fleet.Target) error
	Failed  func(ctx context.Context, target fleet.Target, failure fleet.Event) error
	// Witness is asked about each restart request whose response was lost, also if the worker
	// that sent the request died, as in [fleet.Options]. All workers should have one, because
	// a worker without a Witness resolves what it follows by polls alone. If the witness says
	// that the service refused the request for a reason that may pass, the run emits
	// [fleet.EventUnsent], and the instance gets another turn.
	Witness ecsreboot.Witness
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

// NewWorker returns a worker that has not started. The ECS client must be of the region of
// the runs; see also WorkerOptions.Clients.
func NewWorker(c client.Client, ecs *ecsreboot.Client, options WorkerOptions) (*Worker, error) {
	switch {
	case c == nil:
		return nil, input("client", "is nil")
	case ecs == nil:
		return nil, input("ecs", "is nil")
	case !(options.RestartsPerMinute >= 0) || math.IsInf(options.RestartsPerMinute, 0): // or no number
		return nil, input("RestartsPerMinute", fmt.Sprintf("is %v", options.RestartsPerMinute))
	}
	seen := map[string]bool{ecs.Region(): true}
	for _, other := range options.Clients {
		switch {
		case other == nil:
			return nil, input("Clients", "has a client that is nil")
		case seen[other.Region()]:
			return nil, input("Clients", "has a second client of region "+other.Region())
		}
		seen[other.Region()] = true
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
// sent and for the hooks that it calls, for a minute at most, and leaves all other work to
// other workers.
func (w *Worker) Stop() {
	var stopping sync.WaitGroup
	stopping.Go(w.send.Stop)
	stopping.Go(w.main.Stop)
	stopping.Wait()
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
