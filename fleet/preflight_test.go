package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func (s *service) preflight(plan fleet.Plan, options fleet.Options) *fleet.Forecast {
	s.t.Helper()
	forecast := s.forecast(plan, options)
	require.Zero(s.t, s.TotalReboots(), "it changes nothing")
	return forecast
}

func TestPreflight(t *testing.T) {
	inBubble(t, 60, ecstest.Options{}, func(t *testing.T, s *service) {
		plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{All: true, GroupBy: fleet.ByZone})
		require.NoError(t, err)
		forecast := s.preflight(plan, fleet.Options{})
		require.Empty(t, forecast.Problems)
		require.Empty(t, forecast.Findings)
		require.Equal(t, 5, forecast.DryRuns)
		require.Equal(t, 1, forecast.Width)
		require.Equal(t, []fleet.GroupForecast{{"cn-hangzhou-h", 20, 1}, {"cn-hangzhou-i", 20, 1}, {"cn-hangzhou-j", 20, 1}}, forecast.Groups)
		require.Equal(t, 60*30*time.Second, forecast.AtLeast)
		require.Equal(t, `restart 60 of 60 instances of cn-hangzhou, in order (plan `+plan.Digest()[:12]+`)
  at most 1 unavailable at once; halt when more than 1 failed or are unknown
  canaries first, in stages of 1, 5; halt if one fails
  group "cn-hangzhou-h": at most 1 of 20 unavailable
  group "cn-hangzhou-i": at most 1 of 20 unavailable
  group "cn-hangzhou-j": at most 1 of 20 unavailable
  dry runs passed: 5 of 5
  1 at a time, in 60 rounds; takes at least 30m0s, besides the restarts themselves
`, forecast.String())
		require.Equal(t, 60, s.preflight(plan, fleet.Options{DryRuns: 1000}).DryRuns)
		require.Zero(t, s.preflight(plan, fleet.Options{DryRuns: -1}).DryRuns)
	})
}

func TestPreflightFinds(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		s.SetStatus("i-00002", ecsreboot.StatusStopped)
		s.SetLocks("i-00003", "security")
		plan := s.plan()
		s.RemoveInstance("i-00005")
		forecast := s.preflight(plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3)}, SelfID: "i-00004", MinUptime: time.Minute}, DryRuns: 100})
		want := map[string]fleet.Reason{
			"i-00002": fleet.ReasonNotRunning, "i-00003": fleet.ReasonLocked, "i-00004": fleet.ReasonSelf,
			"i-00005": fleet.ReasonNotListed, "i-00006": fleet.ReasonUptime,
		}
		require.Len(t, forecast.Findings, len(want))
		for i, finding := range forecast.Findings {
			require.Equal(t, want[finding.ID], finding.Reason, finding.ID)
			require.Equal(t, s.ids[i+1], finding.ID, "in the order of the plan")
		}
		require.Equal(t, 15, forecast.DryRuns)
		require.Empty(t, forecast.Problems)
		require.Contains(t, forecast.String(), "i-00002 is skipped: not running, it is Stopped\n")
		require.Contains(t, forecast.String(), "i-00005 will fail: not listed (")
	}, func(i *ecstest.Instance) {
		if i.ID == "i-00006" {
			i.StartTime = time.Now()
		}
	})
}

func TestPreflightOfABudgetThatCannotBeMet(t *testing.T) {
	inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
		s.SetStatus("i-00002", ecsreboot.StatusStopped)
		plan := s.plan()
		forecast := s.preflight(plan, fleet.Options{})
		require.Len(t, forecast.Problems, 1)
		require.Contains(t, forecast.Problems[0], "unavailable already: 1 of the instances, and MaxUnavailable is 1")
		// which is what happens
		report, err := s.run(fleet.Options{})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		require.Empty(t, s.forecast(plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2)}}}).Problems)
	})
	inBubble(t, 9, ecstest.Options{}, func(t *testing.T, s *service) {
		plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{InstanceIDs: s.ids, GroupBy: fleet.ByZone})
		require.NoError(t, err)
		s.SetStatus("i-00001", ecsreboot.StatusStopped) // the group's width is 1
		forecast := s.preflight(plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2)}}})
		require.Len(t, forecast.Problems, 1)
		require.Contains(t, forecast.Problems[0], `of group "cn-hangzhou-h"`)
	})
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		for _, id := range s.ids {
			s.RemoveInstance(id)
		}
		problems := strings.Join(s.preflight(plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(2)}}}).Problems, "\n")
		require.Contains(t, problems, "bound to fail: 3 of the instances, and MaxFailed is 2")
		require.Contains(t, problems, "no instance would be restarted")
	})
}

func (s *service) forecast(plan fleet.Plan, options fleet.Options) *fleet.Forecast {
	s.t.Helper()
	forecast, err := fleet.Preflight(context.Background(), s.client, plan, options)
	require.NoError(s.t, err)
	return forecast
}

func TestPreflightOfPermissions(t *testing.T) {
	inBubble(t, 3, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }}, func(t *testing.T, s *service) {
		forecast := s.preflight(s.plan(), fleet.Options{})
		require.Len(t, forecast.Problems, 1)
		require.Contains(t, forecast.Problems[0], "no instance can be restarted: ")
		require.Contains(t, forecast.Problems[0], "ecs:RebootInstance")
		require.Contains(t, forecast.String(), "PROBLEM: no instance can be restarted")
	})
}

func TestPreflightRefusesInput(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		elsewhere := s.plan()
		elsewhere.Region = "cn-beijing"
		for _, c := range []struct {
			plan    fleet.Plan
			options fleet.Options
			problem string
		}{
			{elsewhere, fleet.Options{}, "Plan is of region cn-beijing, the client of cn-hangzhou"},
			{fleet.Plan{Region: s.client.Region(), Endpoint: s.client.Endpoint()}, fleet.Options{}, "Plan has no targets"},
			{s.plan(), fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2)}}}, "MaxUnavailable 2 lets 2 of the 3"},
			{s.plan(), fleet.Options{Settings: fleet.Settings{Window: &fleet.Window{Start: 25 * time.Hour}}}, "Window starts at 25h0m0s"},
		} {
			_, err := fleet.Preflight(context.Background(), s.client, c.plan, c.options)
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			require.ErrorContains(t, err, c.problem)
			_, err = fleet.Run(context.Background(), s.client, c.plan, c.options)
			require.ErrorContains(t, err, c.problem)
		}
		require.Empty(t, s.TotalReboots())
	})
}
