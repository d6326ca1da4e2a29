package ecstemporal

import (
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
	w := newWorld(t, 12, Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}})
	twice := false
	w.fate = func(m *machine) fate {
		twice = twice || m.down
		return accepted(m)
	}
	settings, err := w.settings.forPlan(w.plan)
	require.NoError(t, err)
	packed := make(map[string][]byte)
	packed["one"], err = packPlan(w.plan)
	require.NoError(t, err)
	slices.Reverse(w.plan.Targets)
	packed["two"], err = packPlan(w.plan)
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
