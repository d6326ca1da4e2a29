package ecstemporal

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
)

// The signals of a run, for those who send them by other means.
const (
	SignalPause         = "pause"          // see [Pause]
	SignalUnpause       = "unpause"        // see [Unpause]
	SignalAbort         = "abort"          // see [Abort]
	SignalApproveCanary = "approve-canary" // see [ApproveCanary]; its argument is the stage
)

// Pause stops the run from sending restarts until [Unpause]. Restarts that no worker
// has begun to send are revoked; the others are followed.
func Pause(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalPause, nil)
}

// Unpause ends a pause.
func Unpause(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalUnpause, nil)
}

// Abort stops the run from sending restarts for good. The run ends when every restart
// in flight has reached its end.
func Abort(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalAbort, nil)
}

// ApproveCanary approves the canary stage that the run waits for; see
// [Progress].Awaiting. Stages are numbered from 1. Approval of any other stage has no
// effect, so that no stage is approved unseen.
func ApproveCanary(ctx context.Context, c client.Client, workflowID string, stage int) error {
	if stage < 1 {
		return input("stage", fmt.Sprintf("is %d; stages are numbered from 1", stage))
	}
	return signal(ctx, c, workflowID, SignalApproveCanary, stage)
}

func signal(ctx context.Context, c client.Client, workflowID, name string, argument any) error {
	if workflowID == "" {
		return input("workflowID", "is empty")
	}
	if err := c.SignalWorkflow(ctx, workflowID, "", name, argument); err != nil {
		return fmt.Errorf("ecstemporal: %s of %s: %w", name, workflowID, err)
	}
	return nil
}
