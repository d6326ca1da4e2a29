package ecstemporal

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// DefaultTaskQueue is where workers look for work, and runs leave it, if they are
// told of no other. Restarts are sent from a queue of their own, which has "-send"
// behind its name.
const DefaultTaskQueue = "ecsreboot"

// StartOptions say how a run is started.
type StartOptions struct {
	// WorkflowID is by what the run is known. The default is [WorkflowID] of the
	// plan, so that one plan has one run at a time.
	WorkflowID string
	// TaskQueue is that of the workers. Default [DefaultTaskQueue].
	TaskQueue string
	Settings  Settings
	// SearchAttributes sets EcsrebootPlanDigest on all workflows of the run and
	// EcsrebootGroup on those of single instances. Both must be registered in the
	// namespace, with the type Keyword:
	//
	//	temporal operator search-attribute create --name EcsrebootPlanDigest --type Keyword
	//	temporal operator search-attribute create --name EcsrebootGroup --type Keyword
	SearchAttributes bool
}

// WorkflowID is the default id of a plan's run: "rolling-reboot/<region>/<digest>".
func WorkflowID(plan fleet.Plan) string {
	return "rolling-reboot/" + plan.Region + "/" + plan.Digest()[:shortDigest]
}

// shortDigest is as much of a digest as tells plans apart.
const shortDigest = 12

// Start starts a run of the plan, and returns when the server has it; workers do the
// rest. A run of the same id that goes on is an error; one that is over does not
// stand in the way, and what it has restarted is restarted again. Its other errors
// are of the input, before anything is started, or the server's.
func Start(ctx context.Context, c client.Client, plan fleet.Plan, options StartOptions) (client.WorkflowRun, error) {
	if c == nil {
		return nil, input("client", "is nil")
	}
	settings, err := options.Settings.forPlan(plan)
	if err != nil {
		return nil, err
	}
	packed, err := packPlan(plan)
	if err != nil {
		return nil, err
	}
	if options.WorkflowID == "" {
		options.WorkflowID = WorkflowID(plan)
	}
	if options.TaskQueue == "" {
		options.TaskQueue = DefaultTaskQueue
	}
	head := runHead{Settings: settings, Digest: plan.Digest(), SearchAttributes: options.SearchAttributes}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       options.WorkflowID,
		TaskQueue:                                options.TaskQueue,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    head.searchAttributes(""),
	}, rollingWorkflow, head, packed)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return nil, fmt.Errorf("ecstemporal: the run %s goes on already; follow it, or abort it first: %w", options.WorkflowID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ecstemporal: the run was not started: %w", err)
	}
	return run, nil
}
