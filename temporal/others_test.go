package ecstemporal

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestTwoRuns has two runs over the same instances at the same time, from both ends:
// no instance is restarted by both at once, and what one restarts when the other comes
// to it is left alone.
func TestTwoRuns(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
	twice := false
	w.fate = func(m *machine) fate {
		twice = twice || m.down
		return accepted(m)
	}
	settings, err := w.settings.forPlan(w.plan)
	require.NoError(t, err)
	packed := make(map[string][]byte)
	packed["one"], err = packPlan(w.plan, w.settings)
	require.NoError(t, err)
	slices.Reverse(w.plan.Targets)
	packed["two"], err = packPlan(w.plan, w.settings)
	require.NoError(t, err)
	both := func(ctx workflow.Context) ([][]byte, error) {
		var runs []workflow.ChildWorkflowFuture
		for _, id := range []string{"one", "two"} {
			ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id})
			runs = append(runs, workflow.ExecuteChildWorkflow(ctx, rollingWorkflow, runHead{Settings: settings, Digest: w.plan.Digest(), Key: "key-of-" + id}, packed[id]))
			if err := workflow.Sleep(ctx, 40*time.Second); err != nil {
				return nil, err
			}
		}
		results := make([][]byte, 2)
		for i, run := range runs {
			if err := run.Get(ctx, &results[i]); err != nil {
				return nil, err
			}
		}
		return results, nil
	}
	w.ExecuteWorkflow(both)
	require.NoError(t, w.GetWorkflowError())
	var results [][]byte
	require.NoError(t, w.GetWorkflowResult(&results))
	others := 0
	for _, packed := range results {
		report := w.report(packed)
		require.NoError(t, report.Err())
		for _, r := range report.Records {
			if r.Reason == fleet.ReasonOthers {
				others++
			}
		}
	}
	require.False(t, twice, "both restarted one instance at once")
	require.Positive(t, others)
	require.Equal(t, 24-others, w.total())
}

// TestWaitsForAnotherRun: the status and the report name the run that has the instance.
func TestWaitsForAnotherRun(t *testing.T) {
	w := newWorld(t, 1, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}}})
	settings, err := w.settings.forPlan(w.plan)
	require.NoError(t, err)
	packed, err := packPlan(w.plan, settings)
	require.NoError(t, err)
	w.waitTakes = func() time.Duration { return 20 * time.Minute }
	both := func(ctx workflow.Context) ([]byte, error) {
		var runs []workflow.ChildWorkflowFuture
		for _, id := range []string{"one", "two"} {
			ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id})
			runs = append(runs, workflow.ExecuteChildWorkflow(ctx, rollingWorkflow, runHead{Settings: settings, Digest: w.plan.Digest(), Key: "key-of-" + id}, packed))
			if err := workflow.Sleep(ctx, 2*time.Minute); err != nil {
				return nil, err
			}
		}
		var result []byte
		return result, errors.Join(runs[0].Get(ctx, nil), runs[1].Get(ctx, &result))
	}
	asked := false
	w.at(10*time.Minute, func() {
		value, err := w.QueryWorkflowByID("two", QueryProgress)
		require.NoError(t, err)
		var p Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, []OtherRun{{InstanceID: "i-00000", WorkflowID: "one"}}, p.WaitsFor)
		value, err = w.QueryWorkflowByID("two", queryHistory)
		require.NoError(t, err)
		var packed []byte
		require.NoError(t, value.Get(&packed))
		held := w.report(packed).Held()
		require.Len(t, held, 1)
		require.Equal(t, fleet.ReasonOthers, held[0].Reason)
		require.Equal(t, "the run one has its turn with the instance", held[0].Error)
		require.Zero(t, held[0].Attempts, "this run has sent nothing")
		asked = true
	})
	w.ExecuteWorkflow(both)
	require.NoError(t, w.GetWorkflowError())
	var result []byte
	require.NoError(t, w.GetWorkflowResult(&result))
	require.True(t, asked)
	report := w.report(result)
	require.Equal(t, fleet.ReasonOthers, report.Records[0].Reason)
	require.Equal(t, "key-of-two", report.ID)
	require.Equal(t, 1, w.total())
}
