package ecstemporal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// UpdateMark is the update of a run that [Mark] sends. Its argument is a slice of
// [fleet.Marking].
const UpdateMark = "mark"

// Mark records marks in a run that has not ended, as [fleet.EventMarked], and returns when
// the history of the run has them. The run checks all marks before it records the first
// one. Mark refuses what [fleet.MarkInstances] refuses, and marks of an instance that is
// restarting as follows:
//
//   - If no intent is recorded, every mark is refused, because a worker may be about to
//     send the restart. [Pause] revokes such a restart; then the instance can be marked.
//   - If the restart was or may have been sent, MarkNotRestarted is refused, because the
//     run is still determining the outcome. The other marks end the follow of the restart.
//     Hooks are not called any more, except for one that is being called.
//
// A mark of a failed or unknown instance ends the watch for its return. An instance that
// is marked as not restarted is skipped in its next turn if it started after the beginning
// of the run.
//
// The run needs a worker to check the marks: without one, the error of Mark wraps
// [ErrNoWorker] when ctx ends. The marks may be recorded nevertheless, when a worker
// starts. For marks that are refused, the error is an [ecsreboot.InputError].
func Mark(ctx context.Context, c client.Client, workflowID string, markings ...fleet.Marking) error {
	switch {
	case c == nil:
		return input("client", "is nil")
	case workflowID == "":
		return input("workflowID", "is empty")
	case len(markings) == 0:
		return input("Marking", "is missing")
	}
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: UpdateMark, Args: []any{markings}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok && refused.Type() == refusedMark {
		var field, problem string
		if refused.Details(&field, &problem) == nil {
			return input(field, problem)
		}
	}
	if _, ended := errors.AsType[*serviceerror.NotFound](err); !ended {
		err = explain(ctx, c, workflowID, err)
	}
	return fmt.Errorf("ecstemporal: mark of %s: %w", workflowID, err)
}

// refusedMark is the type of the error for marks that are refused.
const refusedMark = "RefusedMark"

// handleMarks handles the updates of Mark.
func (r *run) handleMarks(ctx workflow.Context) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateMark, func(ctx workflow.Context, markings []fleet.Marking) error {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		events, err := r.marks(markings)
		if err != nil {
			return err
		}
		for _, e := range events {
			i := r.index[e.InstanceID]
			if state := r.planner.StateOf(e.InstanceID); state == fleet.StateRestarting || state == fleet.StateFailed || state == fleet.StateUnknown {
				r.signal(ctx, i, e.Reason, true)
			}
			r.take(ctx, e)
		}
		r.act(ctx)
		return nil
	}, workflow.UpdateHandlerOptions{
		Description: "marks instances as gone, restarted or not restarted",
		Validator: func(markings []fleet.Marking) error {
			_, err := r.marks(markings)
			return err
		},
	})
}

// marks returns the events of markings, or why they are refused.
func (r *run) marks(markings []fleet.Marking) ([]fleet.Event, error) {
	events, err := r.planner.Marks(r.report, markings...)
	if err == nil {
		err = r.refuseMarks(markings)
	}
	if bad, ok := errors.AsType[*ecsreboot.InputError](err); ok {
		return nil, temporal.NewNonRetryableApplicationError(strings.TrimPrefix(bad.Error(), "ecsreboot: "), refusedMark, nil, bad.Field, bad.Problem)
	}
	return events, err
}

// refuseMarks refuses marks that a run in progress cannot act on.
func (r *run) refuseMarks(markings []fleet.Marking) error {
	switch {
	case r.report.Sessions == 0:
		return input("workflowID", "is of a run that has not begun")
	case r.ended:
		return input("workflowID", "is of a run that has ended")
	}
	for _, m := range markings {
		i := r.index[m.InstanceID]
		switch {
		case !r.isInFlight(i):
		case !r.isSent(i):
			return input("Mark", fmt.Sprintf("%q is refused for %s: its turn has come, and a worker may be about to send its restart; pause the run first", m.Mark, m.InstanceID))
		case m.Mark == fleet.MarkNotRestarted:
			return input("Mark", fmt.Sprintf("%q is refused for %s: the run is still determining the outcome of its restart", m.Mark, m.InstanceID))
		}
	}
	return nil
}
