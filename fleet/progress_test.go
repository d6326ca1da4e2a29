package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestForecastOfTime compares the forecast with runs whose restarts take almost no time:
// a run is not faster, and slower only by what the polls of each round take.
func TestForecastOfTime(t *testing.T) {
	const minReady = 30 * time.Second
	const perRound = 5 * time.Second
	instant := func(i *ecstest.Instance) { i.Reboot.Graceful = time.Second }
	lopsided := func(i *ecstest.Instance) { // 10 in one zone, 2 in another
		i.ZoneID = "a"
		if i.ID > "i-00010" {
			i.ZoneID = "b"
		}
	}
	for name, test := range map[string]struct {
		rules  fleet.Rules
		zones  func(*ecstest.Instance)
		by     func(ecsreboot.Instance) string
		gone   []int // places of instances
		rounds int
	}{
		"no groups":           {fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}, lopsided, nil, nil, 4},
		"canaries":            {fleet.Rules{MaxUnavailable: fleet.Count(3)}, lopsided, nil, nil, 1 + 2 + 2},
		"a narrow group":      {fleet.Rules{MaxUnavailable: fleet.Count(3), MaxUnavailablePerGroup: fleet.Count(1), Canary: []int{}}, lopsided, fleet.ByZone, nil, 10},
		"a share of groups":   {fleet.Rules{MaxUnavailable: fleet.Count(3), MaxUnavailablePerGroup: fleet.Percent(20), Canary: []int{}}, lopsided, fleet.ByZone, nil, 5},
		"groups and canaries": {fleet.Rules{MaxUnavailable: fleet.Count(3), MaxUnavailablePerGroup: fleet.Count(1), Canary: []int{3}}, lopsided, fleet.ByZone, nil, 10},
		"some are gone":       {fleet.Rules{MaxUnavailable: fleet.Count(3), MaxUnavailablePerGroup: fleet.Count(1), Canary: []int{}}, lopsided, fleet.ByZone, []int{11}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
				plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{All: true, GroupBy: test.by})
				require.NoError(t, err)
				for _, i := range test.gone {
					s.RemoveInstance(s.ids[i])
				}
				test.rules.MaxFailed = fleet.Count(5)
				options := fleet.Options{Settings: fleet.Settings{Rules: test.rules, MinReady: minReady}}
				options.ReadyTimeout = time.Hour
				forecast := s.preflight(plan, options)
				require.Empty(t, forecast.Problems)
				require.Equal(t, time.Duration(test.rounds)*minReady, forecast.AtLeast)
				begin := time.Now()
				report, err := fleet.Run(context.Background(), s.client, plan, options)
				require.NoError(t, err)
				require.Equal(t, 12-len(test.gone), report.Count(fleet.StateHealthy))
				took := time.Since(begin)
				require.GreaterOrEqual(t, took, forecast.AtLeast)
				require.Less(t, took, forecast.AtLeast+time.Duration(test.rounds)*perRound)
			}, test.zones, instant)
		})
	}
}

func TestForecastOfTimeWithoutMinReady(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		require.Zero(t, s.preflight(s.plan(), fleet.Options{Settings: fleet.Settings{MinReady: -1}}).AtLeast)
	})
}

// TestProgress: an estimate that is made half way is right, give or take a fifth.
func TestProgress(t *testing.T) {
	inBubble(t, 60, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		progress := fleet.NewProgress(plan)
		type estimate struct {
			at, end time.Time
			healthy int
		}
		var control fleet.Control
		var made []estimate
		healthy, first := 0, 0
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(4)}, MinReady: -1}, Control: &control,
			OnEvent: func(e fleet.Event) {
				progress.Add(e)
				left, ok := progress.Remaining(time.Now())
				if e.Kind != fleet.EventHealthy {
					return
				}
				healthy++
				if ok && first == 0 {
					first = healthy
				}
				if ok {
					made = append(made, estimate{time.Now(), time.Now().Add(left), healthy})
				}
			},
		})
		require.NoError(t, err)
		require.Equal(t, 60, report.Count(fleet.StateHealthy))
		require.Equal(t, 1+5+5, first, "after the canaries and five more")
		for _, m := range made {
			left := report.Ended.Sub(m.at)
			if m.healthy >= 15 && m.healthy <= 50 {
				require.InDelta(t, left.Seconds(), m.end.Sub(m.at).Seconds(), left.Seconds()/5, fmt.Sprint(m.healthy))
			}
		}
		require.Greater(t, len(made), 40)
		_, ok := progress.Remaining(time.Now())
		require.False(t, ok, "it is done")
	})
}

func TestProgressMeansSomething(t *testing.T) {
	begin := time.Date(2026, time.March, 1, 2, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	plan := fleet.Plan{Region: "r"}
	for i := range 20 {
		plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprint(i)})
	}
	rules := fleet.Rules{Canary: []int{}}
	progress := fleet.NewProgress(plan)
	add := func(kind fleet.EventKind, second int, ids ...int) {
		for _, id := range ids {
			progress.Add(fleet.Event{Kind: kind, At: at(second), InstanceID: fmt.Sprint(id), Attempt: 1})
		}
	}
	none := func(second int, why string) {
		t.Helper()
		_, ok := progress.Remaining(at(second))
		require.False(t, ok, why)
	}
	is := func(second int, want time.Duration) {
		t.Helper()
		left, ok := progress.Remaining(at(second))
		require.True(t, ok)
		require.InDelta(t, want.Seconds(), left.Seconds(), 0.01)
	}
	progress.Add(fleet.Event{Kind: fleet.EventRun, At: at(0), Plan: &plan, Settings: &fleet.Settings{Rules: rules}})
	none(10, "nothing has happened")
	add(fleet.EventIntent, 0, 0, 1, 2, 3, 4)
	add(fleet.EventHealthy, 100, 0, 1, 2, 3)
	none(100, "four are too few")
	add(fleet.EventHealthy, 100, 4)
	is(100, 300*time.Second) // 5 in 100 s, and 15 to go
	add(fleet.EventIntent, 100, 5, 6)
	is(100, 300*time.Second) // in three rounds of five still

	progress.Add(fleet.Event{Kind: fleet.EventPause, At: at(110), Reason: fleet.ReasonUser})
	progress.Add(fleet.Event{Kind: fleet.EventPause, At: at(110), Reason: fleet.ReasonWindow})
	none(120, "it is paused")
	progress.Add(fleet.Event{Kind: fleet.EventContinue, At: at(130), Reason: fleet.ReasonUser})
	none(140, "it is still paused")
	progress.Add(fleet.Event{Kind: fleet.EventContinue, At: at(1000), Reason: fleet.ReasonWindow})
	none(1010, "nothing is healthy since")
	add(fleet.EventIntent, 1000, 7, 8, 9, 10, 11)
	add(fleet.EventHealthy, 1050, 5, 6, 7, 8, 9, 10)
	none(1050, "four of these were sent since")
	add(fleet.EventHealthy, 1050, 11)
	is(1050, 100*time.Second) // 8 to go, 7 at once
	add(fleet.EventSkipped, 1050, 12, 13, 14, 15)
	is(1050, 50*time.Second)
	progress.Add(fleet.Event{Kind: fleet.EventStop, At: at(1060), Reason: fleet.ReasonUser})
	none(1060, "it is stopped")

	progress.Add(fleet.Event{Kind: fleet.EventResume, At: at(9000), Settings: &fleet.Settings{Rules: rules}})
	none(9000, "a session has just begun")
	rules.Canary = []int{1}
	progress.Add(fleet.Event{Kind: fleet.EventResume, At: at(9000), Settings: &fleet.Settings{Rules: rules}})
	add(fleet.EventIntent, 9000, 12, 13, 14, 15, 16)
	add(fleet.EventHealthy, 9010, 12, 13, 14, 15, 16)
	none(9010, "canaries")
	progress.Add(fleet.Event{Kind: fleet.EventStage, At: at(9010), Stage: 1})
	none(9020, "canaries say nothing of the others")
}
