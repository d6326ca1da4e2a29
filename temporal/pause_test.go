package ecstemporal

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Of signals that wait together nobody knows which came first. If a pause is among
// them, the run is paused.
func TestPauseIsLast(t *testing.T) {
	for _, order := range [][]string{
		{SignalUnpause, SignalPause},
		{signalStatus, SignalUnpause, SignalPause},
		{SignalPause, SignalUnpause, SignalPause},
		{SignalApproveCanary, SignalUnpause, SignalPause},
	} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
			w.at(30*time.Second, func() { w.SignalWorkflow(SignalPause, nil) })
			w.at(time.Hour, func() {
				for i, s := range order {
					var arg any
					switch s {
					case signalStatus:
						arg = targetStatus{Key: "of another run"}
					case SignalApproveCanary:
						arg = 7
					}
					if i < len(order)-1 {
						w.SignalWorkflowSkippingWorkflowTask(s, arg)
					} else {
						w.SignalWorkflow(s, arg)
					}
				}
			})
			paused, total := false, 0
			w.at(10*time.Hour, func() { paused, total = w.progress().Paused, w.total(); w.SignalWorkflow(SignalUnpause, nil) })
			w.run()
			require.Equal(t, 3, total)
			require.True(t, paused)
		})
	}
}

// A run that waits for weeks has a history that grows, whatever ContinueAfter says.
func TestContinueAfterAndSuggestion(t *testing.T) {
	settings := Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}, ContinueAfter: 1000}
	w := newWorld(t, 12, settings)
	w.at(30*time.Second, func() { w.SignalWorkflow(SignalPause, nil) })
	w.at(24*time.Hour, func() { w.SetContinueAsNewSuggested(true) })
	w.at(60*24*time.Hour, func() { w.SignalWorkflow(SignalUnpause, nil) })
	filled, err := settings.forPlan(w.plan)
	require.NoError(t, err)
	packed, err := packPlan(w.plan, w.settings)
	require.NoError(t, err)
	w.ExecuteWorkflow(rollingWorkflow, runHead{Settings: filled, Digest: w.plan.Digest()}, packed)
	_, ok := errors.AsType[*workflow.ContinueAsNewError](w.GetWorkflowError())
	require.True(t, ok)
}

// What one run takes back, another one may still want.
func TestHoldOfAnotherRun(t *testing.T) {
	w := newWorld(t, 1, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}}})
	w.sendTakes = func() time.Duration { return 8 * time.Minute } // in the queue
	settings, err := w.settings.forPlan(w.plan)
	require.NoError(t, err)
	packed, err := packPlan(w.plan, w.settings)
	require.NoError(t, err)
	both := func(ctx workflow.Context) ([][]byte, error) {
		var runs []workflow.ChildWorkflowFuture
		for _, id := range []string{"one", "two"} {
			ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id})
			runs = append(runs, workflow.ExecuteChildWorkflow(ctx, rollingWorkflow, runHead{Settings: settings, Digest: w.plan.Digest(), Key: "key-of-" + id}, packed))
			if err := workflow.Sleep(ctx, 2*time.Minute); err != nil {
				return nil, err
			}
		}
		_ = workflow.SignalExternalWorkflow(ctx, "two", "", SignalAbort, nil).Get(ctx, nil)
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
	history, err := unpackHistory(results[0])
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(history.Events, func(e fleet.Event) bool { return e.Kind == fleet.EventUnsent }))
}
