package durable

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// Controls controls a durable run.
type Controls struct {
	client   client.Client
	workflow string
}

var _ control.Controls = (*Controls)(nil)

// NewControls returns the controls of the run with a workflow ID.
func NewControls(c client.Client, workflowID string) *Controls {
	return &Controls{client: c, workflow: workflowID}
}

// Pause implements [control.Controls].
func (c *Controls) Pause(ctx context.Context) error {
	return ecstemporal.Pause(ctx, c.client, c.workflow)
}

// Unpause implements [control.Controls].
func (c *Controls) Unpause(ctx context.Context) error {
	return ecstemporal.Unpause(ctx, c.client, c.workflow)
}

// Abort implements [control.Controls].
func (c *Controls) Abort(ctx context.Context) error {
	return ecstemporal.Abort(ctx, c.client, c.workflow)
}

// Approve implements [control.Controls].
func (c *Controls) Approve(ctx context.Context, stage int) error {
	switch state, err := c.State(ctx); {
	case err != nil:
		return err
	case state.Stage != stage:
		return fmt.Errorf("stage %d: %w", stage, control.ErrNotPending)
	}
	return ecstemporal.ApproveCanary(ctx, c.client, c.workflow, stage)
}

var errDisapprove = errors.New("a stage of a durable run cannot be rejected; abort the run")

// Disapprove implements [control.Controls].
func (c *Controls) Disapprove(context.Context, int) error { return errDisapprove }

// State implements [control.Controls].
func (c *Controls) State(ctx context.Context) (control.State, error) {
	progress, err := ecstemporal.GetProgress(ctx, c.client, c.workflow)
	if err != nil {
		return control.State{}, err
	}
	state := control.State{Run: c.workflow, Ending: progress.Reason, Ended: !progress.Ended.IsZero(), Stage: progress.Awaiting}
	if progress.Paused {
		state.Pauses = append(state.Pauses, fleet.ReasonUser)
	}
	if !progress.WindowOpens.IsZero() {
		state.Pauses = append(state.Pauses, fleet.ReasonWindow)
	}
	return state, nil
}
