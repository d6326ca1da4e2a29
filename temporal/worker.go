package ecstemporal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// WorkerOptions say what a worker does.
type WorkerOptions struct {
	// TaskQueue is where the worker takes work from. Default [DefaultTaskQueue].
	TaskQueue string
	// RestartsPerMinute limits how often restarts are sent, over all workers of the
	// queue; the server counts. All must be given the same. 0 sets no limit. What
	// the service throttles is heeded in any case.
	RestartsPerMinute float64
	// Health says whether a restarted instance serves again, as [fleet.Options] has
	// it. Runs ask for it by Settings.Health.
	Health func(ctx context.Context, target fleet.Target) error
	// Notify is told what matters to people, if Settings.Notify asks for it. An error
	// has it told again, a few times.
	Notify func(ctx context.Context, notice Notice) error
}

const (
	// maxWaiting bounds how many instances a worker follows at once; each costs a
	// goroutine and some memory. It is more than the width of most fleets.
	maxWaiting = 10_000
	// maxSending bounds how many restarts of a worker are on their way at once, as
	// those do that are held back by the service's throttling.
	maxSending = 16
	// stopPatience is how long a worker that stops waits for its restarts to be
	// answered; waits are given to others at once.
	stopPatience = time.Minute
	// taskPatience is how long a workflow may think: a run of ten thousands of
	// instances that continues as new takes some hundred milliseconds for it.
	taskPatience = 10 * time.Second
)

// Worker does the work of runs: workflows and waits from one task queue, and sends
// from another.
type Worker struct {
	main, send worker.Worker
	stopOnce   sync.Once
}

// NewWorker returns a worker, which begins when it is started. The ECS client must
// be one of the region of the runs; all workers of a queue may do all the work.
func NewWorker(c client.Client, ecs *ecsreboot.Client, options WorkerOptions) (*Worker, error) {
	switch {
	case c == nil:
		return nil, input("client", "is nil")
	case ecs == nil:
		return nil, input("ecs", "is nil")
	case !(options.RestartsPerMinute >= 0) || math.IsInf(options.RestartsPerMinute, 0): // or no number
		return nil, input("RestartsPerMinute", fmt.Sprintf("is %v", options.RestartsPerMinute))
	}
	if options.TaskQueue == "" {
		options.TaskQueue = DefaultTaskQueue
	}
	w := &Worker{
		main: worker.New(c, options.TaskQueue, worker.Options{
			MaxConcurrentActivityExecutionSize: maxWaiting,
			DeadlockDetectionTimeout:           taskPatience,
			WorkerStopTimeout:                  stopPatience,
		}),
		send: worker.New(c, sendQueue(options.TaskQueue), worker.Options{
			MaxConcurrentActivityExecutionSize: maxSending,
			TaskQueueActivitiesPerSecond:       options.RestartsPerMinute / time.Minute.Seconds(),
			WorkerStopTimeout:                  stopPatience,
			DisableWorkflowWorker:              true,
		}),
	}
	RegisterWorkflows(w.main)
	a := &activities{client: ecs, health: options.Health, notify: options.Notify}
	a.confirm = func(ctx context.Context, token []byte) error { return c.RecordActivityHeartbeat(ctx, token) }
	a.register(w.main, w.send)
	return w, nil
}

// RegisterWorkflows registers the workflows, for those who replay histories before
// they let a new version work on runs that go on:
//
//	replayer := worker.NewWorkflowReplayer()
//	ecstemporal.RegisterWorkflows(replayer)
//	err := replayer.ReplayWorkflowHistoryWithOptions(logger, history, worker.ReplayWorkflowHistoryOptions{
//		OriginalExecution: workflow.Execution{ID: id, RunID: runID}, // ids of others follow from it
//	})
func RegisterWorkflows(registry worker.WorkflowRegistry) {
	registry.RegisterWorkflowWithOptions(rollingReboot, workflow.RegisterOptions{Name: rollingWorkflow})
	registry.RegisterWorkflowWithOptions(rebootChunk, workflow.RegisterOptions{Name: chunkWorkflow})
	registry.RegisterWorkflowWithOptions(rebootOne, workflow.RegisterOptions{Name: oneWorkflow})
}

func (a *activities) register(main, send worker.ActivityRegistry) {
	for _, named := range []struct {
		name string
		work any
	}{
		{snapshotActivity, a.Snapshot},
		{waitActivity, a.Wait},
		{resolveActivity, a.Resolve},
		{awaitOthersActivity, a.AwaitOthers},
		{notifyActivity, a.Notify},
	} {
		main.RegisterActivityWithOptions(named.work, activity.RegisterOptions{Name: named.name})
	}
	send.RegisterActivityWithOptions(a.Send, activity.RegisterOptions{Name: sendActivity})
}

// sendQueue is the task queue of those that send: a rate limits a whole queue.
func sendQueue(taskQueue string) string { return taskQueue + "-send" }

// Start begins to work.
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

// Stop takes no more work, waits for the restarts that are on their way to be
// answered, a minute at most, and hands the rest to other workers, or to the next
// one.
func (w *Worker) Stop() {
	w.stopOnce.Do(func() {
		w.send.Stop()
		w.main.Stop()
	})
}

// Run works until ctx ends, and then stops.
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
