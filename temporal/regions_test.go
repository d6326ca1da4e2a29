package ecstemporal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// inTwoRegions adds instances of a second region to the plan.
func (s *service) inTwoRegions(n int, options ecstest.Options) *ecstest.Server {
	options.Region = "cn-beijing"
	second, err := ecstest.NewInMemoryServer(options)
	require.NoError(s.t, err)
	s.t.Cleanup(second.Close)
	client, err := second.NewClient()
	require.NoError(s.t, err)
	s.t.Cleanup(client.CloseIdleConnections)
	s.hooks.Clients = []*ecsreboot.Client{client}
	s.plan.FurtherRegions = []fleet.PlanRegion{{Region: "cn-beijing"}}
	for i := range s.plan.Targets {
		s.plan.Targets[i].Region = "cn-hangzhou"
	}
	for i := range n {
		id := "i-b000" + string(rune('1'+i))
		require.NoError(s.t, second.AddInstance(ecstest.Instance{ID: id}))
		s.plan.Targets = append(s.plan.Targets, fleet.Target{ID: id, Region: "cn-beijing"})
	}
	return second
}

func TestTwoRegions(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		second := s.inTwoRegions(2, ecstest.Options{})
		report, seen := s.run(Settings{})
		require.NoError(t, report.Err())
		require.Equal(t, 2, s.TotalReboots())
		require.Equal(t, 2, second.TotalReboots())
		require.Equal(t, 1, seen.unavailable(t, s.plan, fleet.Rules{}))
	})
}

// TestWorkerLacksARegion: nothing is sent, also not to the other region.
func TestWorkerLacksARegion(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		second := s.inTwoRegions(1, ecstest.Options{})
		s.hooks.Clients = nil
		report, _ := s.run(Settings{})
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, "the run is of region cn-beijing, the worker's client of cn-hangzhou", report.Error)
		require.Empty(t, s.Calls())
		require.Empty(t, second.Calls())
	})
}

// TestDeniedInOneRegion: the permission of the other region is asked for there.
func TestDeniedInOneRegion(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.inTwoRegions(1, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }})
		report, seen := s.run(Settings{})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.True(t, seen.of(fleet.EventFailed)[0].Alone)
		s.restartedOnce(s.ids...)
	})
}

// TestSelfIsSkipped: the machine that the operator names as the worker's own.
func TestSelfIsSkipped(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		report, _ := s.run(Settings{Settings: fleet.Settings{SelfID: "i-00002"}})
		require.Equal(t, fleet.ReasonSelf, report.Records[1].Reason)
		s.restartedOnce("i-00001", "i-00003")
	})
}

func TestClientsOfAWorker(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		one, err := s.NewClient()
		require.NoError(t, err)
		for _, clients := range [][]*ecsreboot.Client{{nil}, {one}} {
			_, err := NewWorker(server(nil), one, WorkerOptions{Clients: clients})
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			require.ErrorContains(t, err, "Clients")
		}
	})
}

// TestPlanNamesHooks: a plan's hooks are those of its run.
func TestPlanNamesHooks(t *testing.T) {
	plan := smallPlan()
	plan.Hooks = []fleet.Hook{fleet.HookDrain, fleet.HookHealth, fleet.HookApprove}
	settings, err := Settings{Undrain: true}.forPlan(plan)
	require.NoError(t, err)
	require.Equal(t, []fleet.Hook{fleet.HookHealth, fleet.HookApprove, fleet.HookDrain, fleet.HookUndrain}, settings.Hooks())
	require.True(t, settings.ApproveCanary)
	plan.Hooks = []fleet.Hook{"rm -rf /"}
	_, err = Settings{}.forPlan(plan)
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)

	plan.Hooks, plan.Settings = []fleet.Hook{fleet.HookDrain, fleet.HookHealth}, fleet.Settings{Window: shanghai(t), MinUptime: time.Hour}
	settings, err = Settings{}.forPlan(plan)
	require.NoError(t, err)
	require.Equal(t, plan.Settings.Window, settings.Window)
	require.Equal(t, time.Hour, settings.MinUptime)
	settings, err = Settings{}.forPlan(plan, fleet.HookDrain, fleet.HookWindow)
	require.NoError(t, err)
	require.Equal(t, []fleet.Hook{fleet.HookHealth}, settings.Hooks())
	require.Nil(t, settings.Window)
	for _, test := range []struct {
		settings Settings
		without  fleet.Hook
	}{
		{Settings{Drain: true}, fleet.HookDrain},
		{Settings{}, "lunch"},
		{Settings{Settings: fleet.Settings{Window: shanghai(t)}}, fleet.HookWindow},
	} {
		_, err = test.settings.forPlan(plan, test.without)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.ErrorContains(t, err, "Without")
		require.ErrorContains(t, err, string(test.without))
	}

	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		s.plan.Hooks = []fleet.Hook{fleet.HookUndrain}
		report, _ := s.run(Settings{})
		require.ErrorContains(t, report.Err(), "access")
		require.Contains(t, report.Error, `the hook "undrain"`)
		s.restartedOnce()
	})
}
