package fleet_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestOneDeniedFailsWithinTheBudget: a condition on tags denies one of ten.
func TestOneDeniedFailsWithinTheBudget(t *testing.T) {
	for _, id := range []string{"i-00001", "i-00004", "i-00010"} {
		t.Run(id, func(t *testing.T) {
			inBubble(t, 10, ecstest.Options{Allow: func(action, instance string) bool {
				return action != "RebootInstance" || instance != id
			}}, func(t *testing.T, s *service) {
				var seen trace
				report, err := s.run(fleet.Options{Settings: fleet.Settings{MinReady: -1}, OnEvent: collect(&seen)})
				require.NoError(t, err)
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, 9, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
				record, _ := report.Record(id)
				require.Equal(t, fleet.ReasonDenied, record.Reason)
				require.Equal(t, ecsreboot.ErrForbiddenRAM, record.Code)
				require.True(t, seen.of(fleet.EventFailed)[0].Alone)
				require.Zero(t, s.Reboots(id))
			}, quick)
		})
	}
}

// TestDeniedInMidRunHaltsForAll: somebody takes the permission away.
func TestDeniedInMidRunHaltsForAll(t *testing.T) {
	var taken atomic.Bool
	inBubble(t, 10, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" || !taken.Load() }}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{OnEvent: func(e fleet.Event) {
			taken.Store(taken.Load() || e.Kind == fleet.EventHealthy && e.InstanceID == "i-00003")
		}})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, 7, report.Count(fleet.StateWaiting), "none has failed by itself")
	})
}

// TestThreeDeniedInARowHalt: the dry runs for others do not arrive.
func TestThreeDeniedInARowHalt(t *testing.T) {
	denied := func(action, _ string) bool { return action != "RebootInstance" }
	inBubble(t, 10, ecstest.Options{Allow: denied}, func(t *testing.T, s *service) {
		var err error
		s.client, err = s.NewClient(ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Get("DryRun") == "true" {
					return nil, errors.New("no route")
				}
				return next.RoundTrip(r)
			})
		}), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err)
		t.Cleanup(s.client.CloseIdleConnections)
		var seen trace
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(9)}}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, 3, report.Count(fleet.StateFailed), mustJSON(t, report.NotRestarted()))
		require.Equal(t, 7, report.Count(fleet.StateWaiting))
		require.False(t, seen.of(fleet.EventFailed)[0].Alone)
		s.restartedOnce()
	})
}

func TestPreflightTellsWhichAreDenied(t *testing.T) {
	inBubble(t, 10, ecstest.Options{Allow: func(action, instance string) bool {
		return action != "RebootInstance" || instance != "i-00001" && instance != "i-00004"
	}}, func(t *testing.T, s *service) {
		forecast := s.preflight(s.plan(), fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(2)}}})
		require.Empty(t, forecast.Problems)
		require.Len(t, forecast.Findings, 2)
		require.Equal(t, "i-00001", forecast.Findings[0].ID)
		require.Equal(t, "i-00004", forecast.Findings[1].ID, "the first five dry runs did not ask for it")
		require.Equal(t, fleet.ReasonDenied, forecast.Findings[1].Reason)
		require.Equal(t, 8, forecast.DryRuns)
		require.Equal(t, 10, forecast.Asked)
		require.Contains(t, forecast.String(), "restart 8 of 10 instances")
		require.Contains(t, forecast.String(), "dry runs passed: 8 of 10\n")
		require.Contains(t, forecast.String(), "denied: i-00001, i-00004; 8 of 10 instances can be restarted\n")
		require.Contains(t, forecast.String(), "i-00004 will fail: denied (")

		forecast = s.preflight(s.plan(), fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(1)}}})
		require.Len(t, forecast.Problems, 1)
		require.Contains(t, forecast.Problems[0], "bound to fail: 2 of the instances, and MaxFailed is 1")
	})
}

// TestPreflightOfManyDenied asks for no more than a hundred.
func TestPreflightOfManyDenied(t *testing.T) {
	inBubble(t, 300, ecstest.Options{Allow: func(action, instance string) bool {
		return action != "RebootInstance" || instance != "i-00001" && instance[len(instance)-1] != '5'
	}}, func(t *testing.T, s *service) {
		forecast := s.preflight(s.plan(), fleet.Options{})
		require.Equal(t, 100, forecast.Asked)
		require.Contains(t, forecast.String(), " instances can be restarted, of which 2")
	})
}
