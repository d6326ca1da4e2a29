package ecstemporal

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// The tests in this file are those of package fleet, for a run of workflows.

func TestRefusedAndRunningTakesNoWidth(t *testing.T) {
	for _, id := range []string{"i-00001", "i-00002", "i-00005"} {
		t.Run(id, func(t *testing.T) {
			inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(refused(id, ecsreboot.ErrDiskError))
				report, seen := s.run(Settings{})
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, 4, report.Count(fleet.StateHealthy))
				record, _ := report.Record(id)
				require.Equal(t, fleet.ReasonRefused, record.Reason)
				require.True(t, seen.of(fleet.EventFailed)[0].Running)
				require.Equal(t, 1, seen.unavailable(t, s.plan, fleet.Rules{}))
			})
		})
	}
}

func TestRefusedBeyondTheBudgetHalts(t *testing.T) {
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		for _, id := range s.ids[1:4] {
			s.Inject(refused(id, ecsreboot.ErrDiskError))
		}
		report, _ := s.run(Settings{Settings: fleet.Settings{MinReady: -1}})
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		s.restartedOnce("i-00001")
	})
}

func TestReleasedTakesNoWidth(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		var released time.Time
		s.onStatus = func(id string, status ecsreboot.Status) {
			if id == "i-00002" && status == ecsreboot.StatusStarting {
				released = time.Now()
				s.RemoveInstance(id)
			}
		}
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 5, report.Count(fleet.StateHealthy))
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonGone, record.Reason)
		failed := seen.of(fleet.EventFailed)[0].At
		require.GreaterOrEqual(t, failed.Sub(released), time.Minute, "one list may be incomplete")
		require.Less(t, failed.Sub(released), 3*time.Minute)
	})
}

func TestReleasedBeforeItsTurn(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		s.RemoveInstance("i-00001")
		report, _ := s.run(Settings{})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 5, report.Count(fleet.StateHealthy))
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.ReasonNotListed, record.Reason)
	})
}

// TestGoneMakesGroupsSmaller: a share of a group is one of those that remain.
func TestGoneMakesGroupsSmaller(t *testing.T) {
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		for i := range s.plan.Targets {
			s.plan.Targets[i].Group = string("xy"[i%2])
		}
		s.RemoveInstance("i-00001")
		s.RemoveInstance("i-00003")
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(50), MaxUnavailablePerGroup: fleet.Percent(50), AllowWide: true, MaxFailed: fleet.Count(4), Canary: []int{}}
		s.at(time.Minute, func() {
			value, err := s.env.QueryWorkflow(QueryProgress)
			require.NoError(t, err)
			var p Progress
			require.NoError(t, value.Get(&p))
			require.Equal(t, 3, p.Width, "of six")
		})
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: rules}})
		require.Equal(t, 6, report.Count(fleet.StateHealthy))
		require.LessOrEqual(t, seen.unavailable(t, s.plan, rules), 4)
		s.restartedOnce("i-00002", "i-00004", "i-00005", "i-00006", "i-00007", "i-00008")
	})
}

func TestBlockedGivesItsPlaceBack(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		begin := time.Now()
		s.hooks.Blocker = func(_ context.Context, target fleet.Target) error {
			if target.ID == "i-00002" && time.Since(begin) < time.Hour {
				return errors.New("a shard has one replica")
			}
			return nil
		}
		report, seen := s.run(Settings{Blocker: true})
		require.Equal(t, 6, report.Count(fleet.StateHealthy))
		require.Empty(t, report.Held())
		s.restartedOnce(s.ids...)
		healthy := seen.of(fleet.EventHealthy)
		require.Equal(t, []string{"i-00001", "i-00003", "i-00004", "i-00005", "i-00006", "i-00002"}, healthy.ids())
		require.Less(t, healthy[4].At.Sub(begin), 20*time.Minute)
		back := seen.of(fleet.EventUnsent)[0]
		require.Equal(t, fleet.ReasonBlocked, back.Reason)
		require.Equal(t, "a shard has one replica", back.Error)
		require.InDelta(t, 5, back.At.Sub(seen.of(fleet.EventHeld)[0].At).Minutes(), 0.5)
	})
}

// TestAllBlocked: each has its turn, for ten seconds at least.
func TestAllBlocked(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		s.hooks.Blocker = func(context.Context, fleet.Target) error { return errors.New("frozen") }
		s.at(10*time.Minute+5500*time.Millisecond, func() { s.env.SignalWorkflow(SignalAbort, nil) })
		report, seen := s.run(Settings{Settings: fleet.Settings{BlockerPatience: -1, BlockerInterval: time.Second}, Blocker: true})
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Len(t, report.Held(), 5, "the sixth waits because of the stop")
		require.InDelta(t, 60, len(seen.of(fleet.EventUnsent)), 5)
	})
}

func TestStoppedByOthersInMidWait(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var stopped time.Time
		s.onStatus = func(id string, status ecsreboot.Status) {
			if id == "i-00001" && status == ecsreboot.StatusStarting && stopped.IsZero() {
				stopped = time.Now()
				_ = s.SetStatus(id, ecsreboot.StatusStopped)
			}
		}
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}}})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.ReasonStopped, record.Reason)
		require.Contains(t, record.Error, "stays Stopped for 3m")
		took := seen.of(fleet.EventFailed)[0].At.Sub(stopped)
		require.GreaterOrEqual(t, took, 3*time.Minute)
		require.Less(t, took, 4*time.Minute)
		require.Equal(t, 1, report.Count(fleet.StateHealthy))
	})
}

func TestOneDeniedFailsWithinTheBudget(t *testing.T) {
	for _, id := range []string{"i-00001", "i-00004", "i-00010"} {
		t.Run(id, func(t *testing.T) {
			inBubble(t, 10, ecstest.Options{Allow: func(action, instance string) bool {
				return action != "RebootInstance" || instance != id
			}}, func(t *testing.T, s *service) {
				report, seen := s.run(Settings{})
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, 9, report.Count(fleet.StateHealthy))
				record, _ := report.Record(id)
				require.Equal(t, fleet.ReasonDenied, record.Reason)
				require.Equal(t, ecsreboot.ErrForbiddenRAM, record.Code)
				require.True(t, seen.of(fleet.EventFailed)[0].Alone)
				require.Zero(t, s.Reboots(id))
			})
		})
	}
}

// TestThreeDeniedInARowHalt: the dry runs for others do not arrive.
func TestThreeDeniedInARowHalt(t *testing.T) {
	inBubble(t, 10, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }}, func(t *testing.T, s *service) {
		s.options = append(s.options, ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Get("DryRun") == "true" {
					return nil, errors.New("no route")
				}
				return next.RoundTrip(r)
			})
		}), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1}))
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(9)}}})
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, 3, report.Count(fleet.StateFailed))
		require.Equal(t, 7, report.Count(fleet.StateWaiting))
		require.False(t, seen.of(fleet.EventFailed)[0].Alone)
		s.restartedOnce()
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDeniedInMidRunHaltsForAll(t *testing.T) {
	healthy := 0
	inBubble(t, 10, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" || healthy < 3 }}, func(t *testing.T, s *service) {
		s.hooks.Health = func(context.Context, fleet.Target) error { return nil }
		s.hooks.Undrain = func(context.Context, fleet.Target) error { healthy++; return nil }
		report, _ := s.run(Settings{Health: true, Undrain: true})
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Contains(t, report.Error, "Forbidden.RAM")
		require.Equal(t, 7, report.Count(fleet.StateWaiting), "none has failed by itself")
	})
}
