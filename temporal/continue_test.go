package ecstemporal

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestContinueAsNew hands a run over by hand, as the environment does not: what is
// under way is asked for once more under the same numbers, and nothing else.
func TestContinueAsNew(t *testing.T) {
	settings := Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(4), Canary: []int{}}, ContinueAfter: 3}
	w := newWorld(t, 20, settings)
	waits := 0
	w.waitTakes = func() time.Duration {
		w.mu.Lock()
		defer w.mu.Unlock()
		waits++
		return time.Duration(waits) * time.Minute // one after the other
	}
	filled, err := settings.forPlan(w.plan)
	require.NoError(t, err)
	packed, err := packPlan(w.plan)
	require.NoError(t, err)
	w.ExecuteWorkflow(rollingWorkflow, runHead{Settings: filled, Digest: w.plan.Digest()}, packed)

	next, ok := errors.AsType[*workflow.ContinueAsNewError](w.GetWorkflowError())
	require.True(t, ok)
	var head runHead
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &head, &packed))
	require.Equal(t, []int{1}, head.Chunks)
	report := w.report(packed)
	require.Equal(t, 3, report.Count(fleet.StateHealthy))
	require.NotEmpty(t, head.Asked)
	require.LessOrEqual(t, len(head.Asked), 4)
	require.Less(t, len(mustPack(t, head)), 4096)

	// The next execution finds the chunk by its id, and takes in what it tells.
	second := newWorld(t, 20, settings)
	var commands []command
	second.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, signalCommand, mock.Anything).Return(
		func(_, id, _, _ string, arg any) error {
			second.mu.Lock()
			defer second.mu.Unlock()
			require.Contains(t, id, "/0.1")
			c := arg.(command)
			commands = append(commands, c)
			said := word{Key: head.Key, From: id}
			for _, a := range c.Asks {
				at := worldBegin.Add(24 * time.Hour)
				for _, e := range []fleet.Event{
					{Kind: fleet.EventIntent, Attempt: 1, Before: &ecsreboot.Baseline{InstanceID: a.ID, Status: ecsreboot.StatusRunning, TakenAt: at}},
					{Kind: fleet.EventAccepted},
					{Kind: fleet.EventHealthy},
				} {
					e.InstanceID, e.At = a.ID, at
					said.Tidings = append(said.Tidings, tiding{Event: e, Number: a.Number})
				}
			}
			second.SignalWorkflow(signalWord, said)
			return nil
		})
	head.Settings.ContinueAfter = 0
	second.ExecuteWorkflow(rollingWorkflow, head, packed)
	require.NoError(t, second.GetWorkflowError())
	require.NoError(t, second.GetWorkflowResult(&packed))
	report = second.report(packed)
	require.NoError(t, report.Err())
	require.Equal(t, 20, report.Count(fleet.StateHealthy))

	asked := make(map[string]int)
	for _, c := range commands {
		for _, a := range c.Asks {
			require.Equal(t, 1, a.Number)
			asked[a.ID]++
		}
	}
	require.Len(t, asked, 17, "those that were healthy before are asked for again, or some are not asked for")
	for id, times := range asked {
		require.Equal(t, 1, times, id)
	}
}

func mustPack(t *testing.T, v any) []byte {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	require.NoError(t, err)
	return payload.GetData()
}
