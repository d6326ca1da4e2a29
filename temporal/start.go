package ecstemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// DefaultTaskQueue is the default task queue of workers and runs. Restarts use a second
// task queue, whose name is that of the first with the suffix "-send".
const DefaultTaskQueue = "ecsreboot"

// StartOptions configure the start of a run.
type StartOptions struct {
	// WorkflowID identifies the run. Default [WorkflowID] of the plan, so that a plan
	// has one run at a time.
	WorkflowID string
	// TaskQueue is the task queue of the workers. Default [DefaultTaskQueue].
	TaskQueue string
	Settings  Settings
	// Without names hooks of the plan that the run goes on without, as in [fleet.Options].
	// [fleet.HookWindow] removes the window of the plan.
	Without []fleet.Hook
	// SearchAttributes sets EcsrebootPlanDigest on all workflows of the run, and
	// EcsrebootGroup on the workflows of instances. Both must be registered in the
	// namespace, with the type Keyword:
	//
	//	temporal operator search-attribute create --name EcsrebootPlanDigest --type Keyword
	//	temporal operator search-attribute create --name EcsrebootGroup --type Keyword
	SearchAttributes bool
}

// WorkflowID returns the default workflow ID of a plan: "rolling-reboot/<region>/<digest>".
func WorkflowID(plan fleet.Plan) string {
	return "rolling-reboot/" + plan.Region + "/" + plan.Digest()[:shortDigest]
}

// shortDigest is the number of characters of a digest that distinguish plans.
const shortDigest = 12

// Start starts a run of the plan and returns when the server has recorded the run; workers
// do the rest. Start returns an error if a run with the same ID is still in progress. If
// such a run has ended, the new run restarts every instance of the plan again. For an
// invalid plan or setting, the error is an [ecsreboot.InputError] that names the field.
func Start(ctx context.Context, c client.Client, plan fleet.Plan, options StartOptions) (client.WorkflowRun, error) {
	if c == nil {
		return nil, input("client", "is nil")
	}
	settings, err := options.Settings.forPlan(plan, options.Without...)
	if err != nil {
		return nil, err
	}
	packed, err := packPlan(plan, settings)
	if err != nil {
		return nil, err
	}
	options.WorkflowID = cmp.Or(options.WorkflowID, WorkflowID(plan))
	head := runHead{Settings: settings, Digest: plan.Digest(), SearchAttributes: options.SearchAttributes}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       options.WorkflowID,
		TaskQueue:                                cmp.Or(options.TaskQueue, DefaultTaskQueue),
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    head.searchAttributes(""),
	}, rollingWorkflow, head, packed)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return nil, fmt.Errorf("ecstemporal: the run %s is already running; follow it, or abort it first: %w", options.WorkflowID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ecstemporal: the run was not started: %w", err)
	}
	return run, nil
}

// The signals of a run, for programs that send them by other means.
const (
	SignalPause         = "pause"          // see [Pause]
	SignalUnpause       = "unpause"        // see [Unpause]
	SignalAbort         = "abort"          // see [Abort]
	SignalApproveCanary = "approve-canary" // see [ApproveCanary]; its argument is the stage
)

// Pause stops the run from sending restarts until [Unpause]. Restarts that no worker
// has begun to send are revoked; all other restarts are followed.
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
// [Progress].Awaiting. Stages are numbered from 1. Approval of a stage that the run does
// not wait for has no effect, so no stage is approved in advance.
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
