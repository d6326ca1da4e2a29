package ecstemporal

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	sdkworkflow "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// TestReportInFlight is true while restarts are on their way: they may have been sent,
// though nobody has said so. The report can be drawn, also of the run that has ended.
func TestReportInFlight(t *testing.T) {
	w := newWorld(t, 6, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}}})
	w.sendTakes = func() time.Duration { return 40 * time.Second }
	draw := func(history *fleet.History) string {
		var page bytes.Buffer
		require.NoError(t, report.HTML(&page, history, report.Options{Location: time.UTC}))
		return page.String()
	}
	asked := 0
	for _, at := range []time.Duration{20 * time.Second, 60 * time.Second} {
		w.at(at, func() {
			value, err := w.QueryWorkflow(queryHistory)
			require.NoError(t, err)
			var packed []byte
			require.NoError(t, value.Get(&packed))
			history, err := unpackHistory(packed)
			require.NoError(t, err)
			is := history.Report()
			require.True(t, is.Ended.IsZero())
			require.Equal(t, 1, is.Count(fleet.StateRestarting))
			require.Equal(t, 1, is.Records[0].Attempts, "it may have been sent")
			require.False(t, is.Records[0].SentAt.IsZero())
			require.Equal(t, 5, is.Count(fleet.StateWaiting))
			require.Contains(t, draw(history), "i-00000")
			_, err = fleet.NewPlanner(history.Plan, is.Settings.Rules)
			require.NoError(t, err)
			asked++
		})
	}
	final := w.run()
	w.check(final)
	require.Equal(t, 2, asked)
	require.NoError(t, final.Err())
	for _, r := range final.Records {
		require.Equal(t, 1, r.Attempts)
	}
}

// server is a client whose run has no result, and a task queue with the pollers.
func server(failed error, pollers ...*taskqueue.PollerInfo) *mocks.Client {
	c := new(mocks.Client)
	c.On("DescribeWorkflowExecution", mock.Anything, "run", "").Return(&workflowservice.DescribeWorkflowExecutionResponse{
		ExecutionConfig:       &sdkworkflow.WorkflowExecutionConfig{TaskQueue: &taskqueue.TaskQueue{Name: "queue"}},
		WorkflowExecutionInfo: &sdkworkflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING},
	}, nil)
	c.On("QueryWorkflow", mock.Anything, "run", "", mock.Anything).Return(nil, failed)
	c.On("DescribeTaskQueue", mock.Anything, "queue", enums.TASK_QUEUE_TYPE_WORKFLOW).Return(
		&workflowservice.DescribeTaskQueueResponse{Pollers: pollers}, nil)
	return c
}

func TestNoWorker(t *testing.T) {
	failed := errors.New("deadline exceeded")
	polled := func(ago time.Duration) *taskqueue.PollerInfo {
		return &taskqueue.PollerInfo{LastAccessTime: timestamppb.New(time.Now().Add(-ago))}
	}
	for name, c := range map[string]*mocks.Client{"none": server(failed), "one that died": server(failed, polled(3*time.Minute))} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // as after a query that took too long
			_, err := GetProgress(ctx, c, "run")
			require.ErrorIs(t, err, ErrNoWorker)
			require.ErrorContains(t, err, `no worker polls the task queue "queue"`)
			_, err = GetHistory(ctx, c, "run")
			require.ErrorIs(t, err, ErrNoWorker)
			_, err = GetReport(ctx, c, "run")
			require.ErrorIs(t, err, ErrNoWorker)
			require.ErrorIs(t, err, failed)
		})
	}
	_, err := GetProgress(t.Context(), server(failed, polled(time.Second)), "run")
	require.ErrorIs(t, err, failed)
	require.NotErrorIs(t, err, ErrNoWorker)
}

// TestGetHistory of a run that has ended needs no query.
func TestGetHistory(t *testing.T) {
	plan, events := largeRun(5)
	empty, err := packPlan(plan, Settings{})
	require.NoError(t, err)
	result := new(mocks.WorkflowRun)
	result.On("Get", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		*args.Get(1).(*[]byte) = packEvents(empty, events)
	}).Return(nil)
	c := new(mocks.Client)
	c.On("DescribeWorkflowExecution", mock.Anything, "run", "").Return(&workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &sdkworkflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_COMPLETED},
	}, nil)
	c.On("GetWorkflow", mock.Anything, "run", "").Return(result)
	history, err := GetHistory(t.Context(), c, "run")
	require.NoError(t, err)
	require.Equal(t, events, history.Events)
	var page bytes.Buffer
	require.NoError(t, report.HTML(&page, history, report.Options{}))
	require.Contains(t, page.String(), plan.Targets[4].ID)
}
