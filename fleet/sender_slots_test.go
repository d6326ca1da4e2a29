package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// TestSlots: the restarts of a wide run leave soon, and few are on their way to a service
// that throttles.
func TestSlots(t *testing.T) {
	rules := fleet.Rules{MaxUnavailable: fleet.Percent(100), AllowWide: true, Canary: []int{}}
	most := 0 // restarts that wait for the rate limit, from the third minute on
	run := func(t *testing.T, s *service) (sends []time.Time) {
		t.Helper()
		begin := time.Now()
		options := fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: -1}}
		options.OnEvent = func(e fleet.Event) {
			if e.Kind == fleet.EventAccepted {
				sends = append(sends, e.At)
			}
			if time.Since(begin) > 2*time.Minute {
				most = max(most, s.client.Pace(pace.RebootInstance).Waiting)
			}
		}
		_, err := s.run(options)
		require.NoError(t, err)
		return sends
	}
	t.Run("open", func(t *testing.T) {
		inBubble(t, 200, ecstest.Options{}, func(t *testing.T, s *service) {
			sends := run(t, s)
			require.Len(t, sends, 200)
			require.Less(t, sends[199].Sub(sends[0]), 3*time.Second)
		}, quick)
	})
	t.Run("throttled", func(t *testing.T) {
		inBubble(t, 180, ecstest.Options{LimitPerMinute: 60}, func(t *testing.T, s *service) {
			require.Len(t, run(t, s), 180)
			require.LessOrEqual(t, most, 16)
			require.Positive(t, most)
		}, quick)
	})
}
