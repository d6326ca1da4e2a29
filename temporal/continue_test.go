package ecstemporal

import (
	"errors"
	"slices"
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
	head, packed, settings := handedOver(t)
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
			status := targetStatus{Key: head.Key, ID: instance, Number: 1}
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
	report := second.report(packed)
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

// TestLostWhileContinuing looks at instances whose RebootOne is gone, and restarts none of
// them once more.
func TestLostWhileContinuing(t *testing.T) {
	for name, reported := range map[string]bool{"accepted": true, "nothing is known": false} {
		t.Run(name, func(t *testing.T) {
			head, packed, settings := handedOver(t)
			second := newWorld(t, 20, settings)
			second.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, signalSubscribe, mock.Anything).Return(errors.New("not found"))
			inFlight := make(map[string]bool)
			for i, f := range head.InFlight {
				m := second.machines[second.plan.Targets[f.Index].ID]
				m.restarts = b2i(reported || i%2 == 0)
				inFlight[m.id] = true
				if !reported {
					head.InFlight[i].Events = 0
				}
			}
			if !reported {
				history, err := unpackHistory(packed)
				require.NoError(t, err)
				events := slices.DeleteFunc(history.Events, func(e fleet.Event) bool { return inFlight[e.InstanceID] })
				packed = packEvents(appendLines(nil, history.Plan), events)
			}
			head.Settings.ContinueAfter, head.Settings.MaxFailed, head.Settings.MaxUnavailable = 0, fleet.Count(10), fleet.Count(5)
			second.ExecuteWorkflow(rollingWorkflow, head, packed)
			require.NoError(t, second.GetWorkflowError())
			require.NoError(t, second.GetWorkflowResult(&packed))
			report := second.report(packed)
			for id := range inFlight {
				m := second.machines[id]
				require.Zero(t, m.tries, "%s may have been restarted, and is sent to once more", id)
				require.True(t, reported || m.looks == 1, id)
				record, _ := report.Record(id)
				want := fleet.StateHealthy
				if m.restarts == 0 {
					want = fleet.StateUnknown
				}
				require.Equal(t, want, record.State, id)
				require.Equal(t, 1, record.Attempts, id)
			}
			require.Zero(t, report.Count(fleet.StateRestarting))
		})
	}
}

// handedOver is what a run hands over that continues as new after three of 20 instances,
// with the others in flight.
func handedOver(t *testing.T) (runHead, []byte, Settings) {
	t.Helper()
	settings := Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(4), Canary: []int{}}}, ContinueAfter: 3}
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
	packed, err := packPlan(w.plan, w.settings)
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
	for i := range head.InFlight {
		head.InFlight[i].Started = true // also the one whose turn came with the last end
	}
	require.Less(t, len(mustPack(t, head)), 4096)
	return head, packed, settings
}

func mustPack(t *testing.T, v any) []byte {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	require.NoError(t, err)
	return payload.GetData()
}
