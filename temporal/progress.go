package ecstemporal

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// The queries of a run.
const (
	QueryProgress = "progress" // a [Progress]
	queryReport   = "report"   // packed
)

// Progress is where a run is, in a few numbers.
type Progress struct {
	Digest      string              `json:"digest"` // of the plan
	Begun       time.Time           `json:"begun"`
	Ended       time.Time           `json:"ended,omitzero"` // zero while it goes on
	Targets     int                 `json:"targets"`
	Counts      map[fleet.State]int `json:"counts"` // of targets, by their state
	Width       int                 `json:"width"`  // how many may be unavailable at once
	Unavailable int                 `json:"unavailable"`
	Failed      int                 `json:"failed"`             // how much of MaxFailed is used
	MaxFailed   int                 `json:"maxFailed"`          // the run halts beyond that
	Stage       int                 `json:"stage,omitempty"`    // the canary stage under way; 0 when they are over
	Awaiting    int                 `json:"awaiting,omitempty"` // the canary stage that waits for [ApproveCanary]; 0 if none does
	Paused      bool                `json:"paused,omitempty"`
	// Reason is why the run stops or has ended, and Error says more.
	Reason fleet.Reason `json:"reason,omitempty"`
	Error  string       `json:"error,omitempty"`
	// Throttled counts the sends that the service, or the worker on its behalf, has
	// held back. Rate is how many a minute the last worker was let send; 0 if nothing
	// limits it.
	Throttled int     `json:"throttled,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
}

// GetProgress asks a run where it is. A worker must be there to answer.
func GetProgress(ctx context.Context, c client.Client, workflowID string) (Progress, error) {
	value, err := c.QueryWorkflow(ctx, workflowID, "", QueryProgress)
	if err != nil {
		return Progress{}, fmt.Errorf("ecstemporal: progress of %s: %w", workflowID, err)
	}
	var progress Progress
	if err := value.Get(&progress); err != nil {
		return Progress{}, fmt.Errorf("ecstemporal: progress of %s: %w", workflowID, err)
	}
	return progress, nil
}

// GetReport returns what became of a run so far. Of one that is over it needs no
// worker, unless the run was terminated.
func GetReport(ctx context.Context, c client.Client, workflowID string) (*fleet.Report, error) {
	packed, err := fetchReport(ctx, c, workflowID)
	if err != nil {
		return nil, fmt.Errorf("ecstemporal: report of %s: %w", workflowID, err)
	}
	history, err := unpackRun(packed)
	if err != nil {
		return nil, fmt.Errorf("ecstemporal: report of %s: %w", workflowID, err)
	}
	return history.Report(), nil
}

func fetchReport(ctx context.Context, c client.Client, workflowID string) (packed []byte, err error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return nil, err
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		err := c.GetWorkflow(ctx, workflowID, "").Get(ctx, &packed)
		return packed, err
	}
	value, err := c.QueryWorkflow(ctx, workflowID, "", queryReport)
	if err != nil {
		return nil, err
	}
	err = value.Get(&packed)
	return packed, err
}
