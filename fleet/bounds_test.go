package fleet_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// TestBoundsOfHooks: an instance keeps its place while its hooks run, and until Health
// passes.
func TestBoundsOfHooks(t *testing.T) {
	const each = 30 * time.Second
	pause := func(ctx context.Context, _ fleet.Target) error {
		select {
		case <-time.After(20 * time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for name, test := range map[string]struct {
		set   func(*fleet.Options)
		place time.Duration
	}{
		"none":    {func(*fleet.Options) {}, each},
		"drain":   {func(o *fleet.Options) { o.Drain, o.Undrain = pause, pause }, each + 40*time.Second},
		"health":  {func(o *fleet.Options) { o.Health = pause }, each + 20*time.Second},
		"minimum": {func(o *fleet.Options) { o.MinReady = time.Minute }, each + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
				options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}, MinReady: -1}}
				test.set(&options)
				report, err := s.run(options)
				require.NoError(t, err)
				require.NoError(t, report.Err())
				width := report.Bounds.Width
				require.GreaterOrEqual(t, width, 3*test.place)
				require.Less(t, width, 3*(test.place+6*time.Second))
				require.LessOrEqual(t, width, report.Ended.Sub(report.Begun))
				require.Zero(t, report.Bounds.Requests)
				require.Zero(t, report.Bounds.Polls)
				require.Equal(t, width, report.Bounds.Largest())
			}, func(i *ecstest.Instance) { i.Reboot.Graceful = each })
		})
	}
}

// TestBoundsOfAResumedRun: bounds are of ended sessions.
func TestBoundsOfAResumedRun(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		journal := t.TempDir() + "/run.journal"
		stopped := fleet.Options{Journal: journal, Control: &control, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventHealthy {
				control.Stop()
			}
		}}
		first, err := s.run(stopped)
		require.NoError(t, err)
		require.Equal(t, 1, first.Count(fleet.StateHealthy))
		require.Positive(t, first.Bounds.Width)
		load := func() *fleet.Report {
			history, err := fleet.Load(journal)
			require.NoError(t, err)
			return history.Report()
		}
		require.Equal(t, first.Bounds, load().Bounds)
		options := fleet.Options{Journal: journal, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventAccepted {
				require.Zero(t, load().Bounds, "it has not ended")
			}
		}}
		second, err := fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.NoError(t, second.Err())
		require.Greater(t, second.Bounds.Width, 3*first.Bounds.Width)
		require.Equal(t, second.Bounds, load().Bounds)

		var decoded fleet.Report
		require.NoError(t, json.Unmarshal([]byte(mustJSON(t, second)), &decoded))
		require.Equal(t, second.Bounds, decoded.Bounds)
	})
}

// TestForecastOfLimits: preflight knows the hinted rate limits.
func TestForecastOfLimits(t *testing.T) {
	inBubble(t, 200, ecstest.Options{}, func(t *testing.T, s *service) {
		client, err := s.NewClient(ecsreboot.WithRateHint(pace.RebootInstance, 30), ecsreboot.WithRateHint(pace.DescribeInstances, 60))
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Percent(10)}, MinReady: 10 * time.Second}, DryRuns: -1}
		forecast, err := fleet.Preflight(context.Background(), client, s.plan(), options)
		require.NoError(t, err)
		rounds := 1 + 1 + 10 // two are of canaries
		require.Equal(t, rounds, forecast.Rounds)
		require.Equal(t, time.Duration(rounds)*10*time.Second, forecast.Bounds.Width)
		// A request leaves every two seconds. The canaries are 1 and 5.
		require.Equal(t, 10*time.Second+(8+10)*time.Second+(193*2+10)*time.Second, forecast.Bounds.Requests)
		require.Equal(t, 3*10*2*time.Second, forecast.Bounds.Polls, "three polls by 20 instances each, at half of the limit")
		require.Equal(t, forecast.Bounds.Requests, forecast.AtLeast)
		require.Contains(t, forecast.String(), "20 at a time, in 12 rounds; takes at least 7m4s, besides the restarts themselves\n"+
			"  least time by each limit: width 2m0s, restart requests 7m4s, polls 1m0s\n")
	})
}
