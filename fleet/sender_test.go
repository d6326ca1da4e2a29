package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestWhatPassesIsTriedAgain is of refusals and faults that certainly restarted
// nothing, and are over after a while.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	for name, fault := range map[string]ecstest.Fault{
		"operation conflict":  {Kind: ecstest.FaultError, Status: 409, Code: "OperationConflict", Times: 4},
		"not ready":           {Kind: ecstest.FaultError, Status: 403, Code: "InstanceNotReady", Times: 4},
		"status, for once":    {Kind: ecstest.FaultError, Status: 403, Code: "IncorrectInstanceStatus", Times: 2},
		"throttled for long":  {Kind: ecstest.FaultThrottle, Hint: 4 * time.Minute, Times: 2},
		"throttled, no hints": {Kind: ecstest.FaultThrottle, Times: 40},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
				fault.Action, fault.InstanceID = "RebootInstance", "i-00001"
				s.Inject(fault)
				var seen trace
				report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}, OnEvent: collect(&seen)})
				require.NoError(t, err)
				require.Empty(t, report.NotRestarted(), mustJSON(t, seen))
				s.restartedOnce(s.ids...)
				attempt := 0
				for _, e := range seen.of(fleet.EventIntent) {
					if e.InstanceID == "i-00001" {
						attempt++
						require.Equal(t, attempt, e.Attempt, "each has an intent of its own")
					}
				}
				require.Equal(t, 1+fault.Times, attempt)
			}, quick)
		})
	}
}

func TestNoConnection(t *testing.T) {
	for name, c := range map[string]struct {
		outage time.Duration
		left   int
	}{
		"for a while":   {3 * time.Minute, 0},
		"for the night": {10 * time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
				plan := s.plan()
				s.client.CloseIdleConnections()
				s.Inject(ecstest.Fault{Kind: ecstest.FaultRefuse, Times: -1})
				over := time.AfterFunc(c.outage, s.ClearFaults)
				defer over.Stop()
				report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
				require.NoError(t, err)
				require.Len(t, report.NotRestarted(), c.left)
				for _, left := range report.NotRestarted() {
					require.Equal(t, fleet.ReasonNotSent, left.Reason)
					require.WithinRange(t, left.EndedAt, report.Begun.Add(5*time.Minute), report.Begun.Add(6*time.Minute))
				}
				require.Equal(t, 2-c.left, s.TotalReboots())
			})
		})
	}
}

func TestRefused(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: "DiskError", Message: "The disk is broken.", Action: "RebootInstance", InstanceID: "i-00002"})
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.StateFailed, record.State)
		require.Equal(t, fleet.ReasonRefused, record.Reason)
		require.EqualValues(t, "DiskError", record.Code)
		require.NotEmpty(t, record.RequestID)
		require.Contains(t, record.Error, "The disk is broken.")
		s.restartedOnce("i-00001", "i-00003")
	})
}

func TestForceStop(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{InstanceIDs: s.ids, ForceStop: true})
		require.NoError(t, err)
		require.NotEqual(t, s.plan().Digest(), plan.Digest())
		_, err = fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		for _, call := range s.Calls() {
			require.True(t, call.ForceStop || call.Action != "RebootInstance")
		}
		s.restartedOnce(s.ids...)
	})
}

// TestStopWhileABlockerThinks: what it says then comes too late.
func TestStopWhileABlockerThinks(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		time.AfterFunc(30*time.Second, control.Stop)
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Control: &control, Blocker: func(context.Context, fleet.Target) error {
			time.Sleep(time.Minute)
			return nil
		}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonUser, report.Reason)
		s.restartedOnce()
	})
}

// TestStopWhileBlocked: it does not wait for the blocker.
func TestStopWhileBlocked(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		time.AfterFunc(30*time.Second, control.Stop)
		begin := time.Now()
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: atOnce, BlockerInterval: time.Hour},
			Control:  &control,
			Blocker:  func(context.Context, fleet.Target) error { return errors.New("frozen") },
		})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Less(t, time.Since(begin), time.Minute)
		s.restartedOnce()
	})
}
