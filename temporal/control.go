package ecstemporal

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
)

// The signals of a run, for those who send them by other means.
const (
	SignalPause         = "pause"          // see [Pause]
	SignalResume        = "resume"         // see [Resume]
	SignalAbort         = "abort"          // see [Abort]
	SignalApproveCanary = "approve-canary" // see [ApproveCanary]; its argument is the stage
)

// Pause sends nothing more until [Resume]. What waits to be sent is taken back, and
// what was sent is followed.
func Pause(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalPause, nil)
}

// Resume ends a pause.
func Resume(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalResume, nil)
}

// Abort sends nothing more; the run ends when everything that was sent is settled.
func Abort(ctx context.Context, c client.Client, workflowID string) error {
	return signal(ctx, c, workflowID, SignalAbort, nil)
}

// ApproveCanary lets a run go on that waits for it after a canary stage, see
// [Progress].Awaiting. Stages count from 1. The approval of a stage that is not
// waited for has no effect, so that none is approved unseen.
func ApproveCanary(ctx context.Context, c client.Client, workflowID string, stage int) error {
	if stage < 1 {
		return input("stage", fmt.Sprintf("is %d; stages count from 1", stage))
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
