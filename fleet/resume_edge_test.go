package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestLockedAndStoppedCounts: what is locked and not Running is unavailable.
func TestLockedAndStoppedCounts(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		for _, id := range s.ids[:2] {
			require.NoError(t, s.SetStatus(id, ecsreboot.StatusStopped))
			require.NoError(t, s.SetLocks(id, "financial"))
		}
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}}}
		forecast := s.preflight(s.plan(), options)
		t.Log(forecast)
		report, err := s.run(options)
		require.NoError(t, err)
		require.Zero(t, s.TotalReboots(), "2 of 4 are Stopped and MaxUnavailable is 2: %s", report.Reason)
	})
}

// TestResumeAfterStartingTheStopped: what was not Running has another turn.
func TestResumeAfterStartingTheStopped(t *testing.T) {
	inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		require.NoError(t, s.SetStatus("i-00001", ecsreboot.StatusStopped))
		options := fleet.Options{Journal: filepath.Join(t.TempDir(), "j")} // all defaults
		report, err := fleet.Run(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		require.NoError(t, s.SetStatus("i-00001", ecsreboot.StatusRunning)) // the operator starts it
		time.Sleep(10 * time.Minute)
		report, err = fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.NotEqual(t, fleet.ReasonWidth, report.Reason, "what made the run halt is judged anew; restarted %d", s.TotalReboots())
	})
}

// TestResumeAfterOutage: what could not be sent has another turn.
func TestResumeAfterOutage(t *testing.T) {
	for name, canary := range map[string][]int{"canary": nil, "none": {}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
				plan := s.plan()
				s.client.CloseIdleConnections()
				s.Inject(ecstest.Fault{Kind: ecstest.FaultRefuse, Times: -1})
				time.AfterFunc(6*time.Minute, s.ClearFaults)
				options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: canary}}, Journal: filepath.Join(t.TempDir(), "j")}
				report, err := fleet.Run(context.Background(), s.client, plan, options)
				require.NoError(t, err)
				t.Log(report.Reason, mustJSON(t, report.NotRestarted()[0]))
				time.Sleep(time.Hour)
				report, err = fleet.Resume(context.Background(), s.client, plan, options)
				require.NoError(t, err)
				require.Empty(t, report.NotRestarted(), "halted again: %s; %d restarted", report.Reason, s.TotalReboots())
			})
		})
	}
}

// TestReasonNotBack: an instance that is down is not called unhealthy.
func TestReasonNotBack(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Health: func(context.Context, fleet.Target) error {
			if s.Status("i-00001") == ecsreboot.StatusRunning {
				return nil
			}
			return errors.New("connection refused")
		}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonNotBack, report.Records[0].Reason, mustJSON(t, report.Records[0]))
	}, func(i *ecstest.Instance) {
		i.Reboot = ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping}, Hang: true, Stale: 4 * time.Second}
	})
}

// TestReasonNotProven: an instance that never left is not called unhealthy.
func TestReasonNotProven(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Health: func(context.Context, fleet.Target) error { return errors.New("sick as before") }})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonNotProven, report.Records[0].Reason, mustJSON(t, report.Records[0]))
	})
}

// TestMinReadyBeyondReadyTimeout: that could never be met.
func TestMinReadyBeyondReadyTimeout(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: 10 * time.Minute}})
		if err == nil {
			require.Empty(t, report.NotRestarted(), mustJSON(t, report.Records[0]))
		}
	})
}

// TestQueryLeavesOutTheDown: what is down already counts.
func TestQueryLeavesOutTheDown(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		for _, id := range s.ids[:3] {
			require.NoError(t, s.SetStatus(id, ecsreboot.StatusStopped))
		}
		plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"})})
		require.NoError(t, err)
		forecast := s.preflight(plan, fleet.Options{})
		require.NotEmpty(t, forecast.Problems, "3 of 4 are down, and the last one would be restarted:\n%s", forecast)
	})
}

// TestReportReadBack: a decoded report answers as well.
func TestReportReadBack(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		var back fleet.Report
		require.NoError(t, json.Unmarshal([]byte(mustJSON(t, report)), &back))
		_, ok := back.Record("i-00001")
		require.True(t, ok)
	})
}

// TestOthersAndSick: what others restarted must be healthy too.
func TestOthersAndSick(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		require.NoError(t, s.Restart("i-00001", false))
		time.Sleep(2 * time.Second)
		asked := map[string]int{}
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}, Health: func(_ context.Context, t fleet.Target) error {
			asked[t.ID]++
			if t.ID == "i-00001" {
				return errors.New("sick")
			}
			return nil
		}})
		require.NoError(t, err)
		record, _ := report.Record("i-00001")
		t.Log(mustJSON(t, record), asked)
		require.False(t, record.Restarted() && asked["i-00001"] == 0, "counted as restarted and healthy, and never asked; width 1 was given back at once; restarted %d", s.TotalReboots())
	})
}
