package ecstemporal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestContinueAsNew hands a run over by hand, as the environment does not: the next
// execution adopts what is in flight, and starts nothing of it.
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
	report := w.report(packed)
	require.Equal(t, 3, report.Count(fleet.StateHealthy))
	require.NotEmpty(t, head.InFlight)
	require.LessOrEqual(t, len(head.InFlight), 4)
	require.Less(t, len(mustPack(t, head)), 4096)

	// The next execution subscribes to what is in flight, and takes in what is reported.
	second := newWorld(t, 20, settings)
	subscribed := make(map[string]int)
	second.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, signalSubscribe, mock.Anything).Return(
		func(_, id, _, _ string, _ any) error {
			second.mu.Lock()
			defer second.mu.Unlock()
			instance := strings.TrimPrefix(id, "reboot/cn-hangzhou/")
			subscribed[instance]++
			second.machines[instance].restarts++ // by the first execution
			at := worldBegin.Add(24 * time.Hour)
			status := targetStatus{Key: head.Key, ID: instance, Number: 1, Ended: true}
			for _, e := range []fleet.Event{
				{Kind: fleet.EventIntent, Attempt: 1, Before: new(ecsreboot.Baseline{InstanceID: instance, Status: ecsreboot.StatusRunning, TakenAt: at})},
				{Kind: fleet.EventAccepted},
				{Kind: fleet.EventHealthy},
			} {
				e.InstanceID, e.At = instance, at
				status.Events = append(status.Events, e)
			}
			second.SignalWorkflow(signalStatus, status)
			return nil
		})
	head.Settings.ContinueAfter = 0
	second.ExecuteWorkflow(rollingWorkflow, head, packed)
	require.NoError(t, second.GetWorkflowError())
	require.NoError(t, second.GetWorkflowResult(&packed))
	report = second.report(packed)
	require.NoError(t, report.Err())
	require.Equal(t, 20, report.Count(fleet.StateHealthy))

	require.Len(t, subscribed, len(head.InFlight))
	restarted := 0
	for _, m := range second.machines {
		require.LessOrEqual(t, m.restarts, 1, "%s was in flight or healthy, and is restarted once more", m.id)
		restarted += m.restarts
	}
	require.Equal(t, 17, restarted, "those that were healthy before are restarted once more, or some are not restarted")
}

func mustPack(t *testing.T, v any) []byte {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	require.NoError(t, err)
	return payload.GetData()
}
