package ecstemporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// The queries of a run.
const (
	QueryProgress = "progress" // returns a [Progress]
	queryHistory  = "history"  // returns a packed history
)

// Progress is the state of a run in a few numbers.
type Progress struct {
	Digest      string              `json:"digest"` // of the plan
	Begun       time.Time           `json:"begun"`
	Ended       time.Time           `json:"ended,omitzero"` // zero until the run has ended
	Targets     int                 `json:"targets"`
	Counts      map[fleet.State]int `json:"counts"` // of targets, by their state
	Width       int                 `json:"width"`  // how many may be unavailable at once
	Unavailable int                 `json:"unavailable"`
	Failed      int                 `json:"failed"`             // how much of MaxFailed is used
	MaxFailed   int                 `json:"maxFailed"`          // the run halts if Failed exceeds it
	Stage       int                 `json:"stage,omitempty"`    // the current canary stage; 0 after the last
	Awaiting    int                 `json:"awaiting,omitempty"` // the canary stage that waits for [ApproveCanary]; 0 if none does
	Paused      bool                `json:"paused,omitempty"`   // by [Pause]
	// WindowOpens is when the maintenance window opens; zero if the window is open, or if
	// there is no window.
	WindowOpens time.Time `json:"windowOpens,omitzero"`
	// Reason is why the run stops or has ended; Error has details.
	Reason fleet.Reason `json:"reason,omitempty"`
	Error  string       `json:"error,omitempty"`
	// Throttled is how often a rate limit held a restart back. Rate is the rate limit, in
	// restarts a minute, that a worker last reported with a restart; 0 if no worker has
	// reported one. Reports of a worker without a limit do not change Rate.
	Throttled int     `json:"throttled,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
	// WaitsFor lists the instances whose turn has come in this run while another run
	// restarts them. Reports name the other run as well.
	WaitsFor []OtherRun `json:"waitsFor,omitempty"`
}

// OtherRun is a run that another run waits for.
type OtherRun struct {
	InstanceID string `json:"id"`
	WorkflowID string `json:"workflowId"`
}

// ErrNoWorker is returned when a run cannot be queried because no worker polls its task
// queue. The run itself is safe, and proceeds when a worker starts.
var ErrNoWorker = errors.New("ecstemporal: no worker polls the task queue")

// GetProgress queries a run for its progress. If no worker is running, the error wraps
// [ErrNoWorker].
func GetProgress(ctx context.Context, c client.Client, workflowID string) (Progress, error) {
	var progress Progress
	if err := query(ctx, c, workflowID, QueryProgress, &progress); err != nil {
		return Progress{}, fmt.Errorf("ecstemporal: progress of %s: %w", workflowID, err)
	}
	return progress, nil
}

// GetHistory returns the events of a run so far; package fleet/report can draw them. If a
// restart may have been sent and its result is not known yet, the history contains the
// intent of that restart.
//
// A run that ended on its own, or after [Abort], can be read without a worker. For a run
// that is in progress or was terminated, the error wraps [ErrNoWorker] if no worker is
// running.
func GetHistory(ctx context.Context, c client.Client, workflowID string) (*fleet.History, error) {
	var packed []byte
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	switch {
	case err != nil:
	case described.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		err = c.GetWorkflow(ctx, workflowID, "").Get(ctx, &packed)
	default:
		err = query(ctx, c, workflowID, queryHistory, &packed)
	}
	var history *fleet.History
	if err == nil {
		history, err = unpackHistory(packed)
	}
	if err != nil {
		return nil, fmt.Errorf("ecstemporal: history of %s: %w", workflowID, err)
	}
	return history, nil
}

// GetReport returns the report of the history that [GetHistory] returns.
func GetReport(ctx context.Context, c client.Client, workflowID string) (*fleet.Report, error) {
	history, err := GetHistory(ctx, c, workflowID)
	if err != nil {
		return nil, err
	}
	return history.Report(), nil
}

func query(ctx context.Context, c client.Client, workflowID, name string, result any) error {
	value, err := c.QueryWorkflow(ctx, workflowID, "", name)
	if err != nil {
		return explain(ctx, c, workflowID, err)
	}
	return value.Get(result)
}

// pollerTime is the longest time between two polls of a worker: a poll takes a minute.
const pollerTime = 90 * time.Second

// explain adds to the error of a query whether a worker was there to answer it.
func explain(ctx context.Context, c client.Client, workflowID string, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // the caller's may have ended
	defer cancel()
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return failed
	}
	name := described.GetExecutionConfig().GetTaskQueue().GetName()
	queue, err := c.DescribeTaskQueue(ctx, name, enums.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return failed
	}
	for _, poller := range queue.GetPollers() {
		if time.Since(poller.GetLastAccessTime().AsTime()) < pollerTime {
			return fmt.Errorf("a worker of the task queue %q did not answer: %w", name, failed)
		}
	}
	return fmt.Errorf("%w %q: %w", ErrNoWorker, name, failed)
}

// Notice is the argument of [WorkerOptions].Notify. It says that a run has begun, has
// passed a canary stage, waits for approval, is paused or unpaused, has stopped or ended, or
// that an instance has failed or is unknown.
type Notice struct {
	WorkflowID string `json:"workflowId"`
	// Event is what happened. If a canary stage waits for approval, the Kind of Event is
	// empty and its Stage is set.
	Event    fleet.Event `json:"event"`
	Progress Progress    `json:"progress"`
	Regions  []string    `json:"regions"` // all regions of the plan
}
