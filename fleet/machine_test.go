package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// refused makes the service refuse every restart of an instance.
func refused(id string, code ecsreboot.ErrorCode) ecstest.Fault {
	return ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", InstanceID: id, Status: 403, Code: string(code), Times: -1}
}

// TestRefusedAndRunningTakesNoWidth: one failure of five is allowed by default.
func TestRefusedAndRunningTakesNoWidth(t *testing.T) {
	for _, id := range []string{"i-00001", "i-00002", "i-00005"} {
		t.Run(id, func(t *testing.T) {
			inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(refused(id, ecsreboot.ErrDiskError))
				var seen trace
				report, err := s.run(fleet.Options{Settings: fleet.Settings{MinReady: -1}, OnEvent: func(e fleet.Event) { seen = append(seen, e) }})
				require.NoError(t, err)
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, 4, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
				record, _ := report.Record(id)
				require.Equal(t, fleet.StateFailed, record.State)
				require.Equal(t, fleet.ReasonRefused, record.Reason)
				require.True(t, seen.of(fleet.EventFailed)[0].Running)
				require.Equal(t, 1, seen.unavailable(t, s.plan(), fleet.Rules{}))
			}, quick)
		})
	}
}

// TestRefusedBeyondTheBudgetHalts: MaxFailed decides, also in a resumed run.
func TestRefusedBeyondTheBudgetHalts(t *testing.T) {
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		for _, id := range s.ids[1:4] {
			s.Inject(refused(id, ecsreboot.ErrDiskError))
		}
		options := fleet.Options{Settings: fleet.Settings{MinReady: -1}, Journal: filepath.Join(t.TempDir(), "j")}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		s.restartedOnce("i-00001")
		options.MaxFailed = fleet.Count(3)
		options.MaxUnavailable = fleet.Count(1)
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 3, report.Count(fleet.StateFailed))
		s.restartedOnce("i-00001", "i-00005", "i-00006", "i-00007", "i-00008")
	})
}

// TestRefusedAndStoppedTakesWidth: who does not serve is unavailable, whatever refused it.
func TestRefusedAndStoppedTakesWidth(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", InstanceID: "i-00001", Status: 403, Code: "DiskError", Delay: time.Second})
		time.AfterFunc(500*time.Millisecond, func() { s.SetStatus("i-00001", ecsreboot.StatusStopped) })
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		s.restartedOnce()
	})
}

// TestReleasedTakesNoWidth: a spot instance is released while it restarts.
func TestReleasedTakesNoWidth(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		var released, failed time.Time
		options := fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}},
			Journal:  filepath.Join(t.TempDir(), "j"),
			OnEvent: func(e fleet.Event) {
				seen = append(seen, e)
				switch {
				case e.InstanceID != "i-00002":
				case e.Kind == fleet.EventDown:
					s.RemoveInstance(e.InstanceID)
					released = time.Now()
				case e.Kind == fleet.EventFailed:
					failed = time.Now()
				}
			},
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 5, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonGone, record.Reason)
		require.GreaterOrEqual(t, failed.Sub(released), time.Minute, "one list may be incomplete")
		require.Less(t, failed.Sub(released), 3*time.Minute)

		// A resumed run asks again, and finds it gone.
		report, err = fleet.Resume(context.Background(), s.client, *seen[0].Plan, options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 1, report.Count(fleet.StateFailed))
	})
}

// TestReleasedBeforeItsTurn: what is not listed when its turn comes fails within the
// budget, also as a canary.
func TestReleasedBeforeItsTurn(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		s.RemoveInstance("i-00001")
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 5, report.Count(fleet.StateHealthy))
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.ReasonNotListed, record.Reason)
	})
}

// TestListedAgainIsNotGone: a list that is incomplete for a moment frees no place.
func TestListedAgainIsNotGone(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		rules := fleet.Rules{Canary: []int{}}
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: rules},
			OnEvent: func(e fleet.Event) {
				if seen = append(seen, e); e.Kind == fleet.EventAccepted && e.InstanceID == "i-00001" {
					s.Inject(ecstest.Fault{
						Kind: ecstest.FaultAnswer, Action: "DescribeInstances", Times: 3, Status: 200,
						Body: `{"RequestId":"R","TotalCount":0,"PageNumber":1,"PageSize":100,"Instances":{"Instance":[]}}`,
					})
				}
			},
		})
		require.NoError(t, err)
		require.Empty(t, seen.of(fleet.EventFailed))
		require.Equal(t, 4, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
		require.Equal(t, 1, seen.unavailable(t, s.plan(), rules))
	})
}

// TestGoneMakesGroupsSmaller: a share of a group is one of those that remain.
func TestGoneMakesGroupsSmaller(t *testing.T) {
	rules := fleet.Rules{MaxUnavailable: fleet.Percent(50), MaxUnavailablePerGroup: fleet.Percent(50), AllowWide: true, MaxFailed: fleet.Count(4), Canary: []int{}}
	p := newPlanner(t, planOf(8, "x", "x", "x", "x", "y", "y", "y", "y"), rules)
	require.Equal(t, 4, p.Width())
	require.Equal(t, "restart a, restart b, restart e, restart f", tell(t, p, "run"))
	require.Empty(t, tell(t, p, "intent a, accepted a, intent b, accepted b, failed a: gone"), "of three there may be one")
	require.Equal(t, 3, p.Width(), "of seven")
	require.Equal(t, "restart c", tell(t, p, "healthy b"))
	require.Equal(t, 3, p.Unavailable())
}

// TestBlockedGivesItsPlaceBack: a blocker refuses one of six at width 1.
func TestBlockedGivesItsPlaceBack(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		begin := time.Now()
		options := fleet.Options{
			OnEvent: collect(&seen), Journal: filepath.Join(t.TempDir(), "j"),
			Blocker: func(_ context.Context, target fleet.Target) error {
				if target.ID == "i-00002" && time.Since(begin) < time.Hour {
					return errors.New("a shard has one replica")
				}
				return nil
			},
		}
		status := make(chan []fleet.Record, 1) // what is held after half an hour
		time.AfterFunc(30*time.Minute, func() {
			history, err := fleet.Load(options.Journal)
			assert.NoError(t, err)
			status <- history.Report().Held()
		})
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, 6, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
		require.Empty(t, report.Held())
		s.restartedOnce(s.ids...)
		healthy := seen.of(fleet.EventHealthy)
		require.Equal(t, []string{"i-00001", "i-00003", "i-00004", "i-00005", "i-00006", "i-00002"}, healthy.ids())
		require.Less(t, healthy[4].At.Sub(begin), 20*time.Minute)
		held := <-status
		require.Len(t, held, 1)
		require.Equal(t, "i-00002", held[0].ID)
		require.Equal(t, fleet.ReasonBlocked, held[0].Reason)
		require.Equal(t, "a shard has one replica", held[0].Error)

		back := seen.of(fleet.EventUnsent)[0]
		require.Equal(t, fleet.ReasonBlocked, back.Reason)
		require.Equal(t, "a shard has one replica", back.Error)
		require.InDelta(t, 5, back.At.Sub(seen.of(fleet.EventHeld)[0].At).Minutes(), 0.5)
	})
}

// TestAllBlockedFillsNoJournal: each has its turn, for ten seconds at least.
func TestAllBlockedFillsNoJournal(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		time.AfterFunc(10*time.Minute+5500*time.Millisecond, control.Stop) // in mid-turn
		var seen trace
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{BlockerPatience: -1, BlockerInterval: time.Second},
			OnEvent:  collect(&seen), Control: &control,
			Blocker: func(context.Context, fleet.Target) error { return errors.New("frozen") },
		})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Len(t, report.Held(), 5, "the sixth waits because of the stop")
		require.InDelta(t, 60, len(seen.of(fleet.EventUnsent)), 5)
	})
}

// TestStoppedByOthersInMidWait: it ends after three minutes, not after 25.
func TestStoppedByOthersInMidWait(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		var stopped time.Time
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}},
			OnEvent: func(e fleet.Event) {
				if seen = append(seen, e); e.Kind == fleet.EventDown && e.InstanceID == "i-00001" {
					require.NoError(t, s.SetStatus("i-00001", ecsreboot.StatusStopped))
					stopped = e.At
				}
			},
		})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateFailed, record.State)
		require.Equal(t, fleet.ReasonStopped, record.Reason)
		require.Contains(t, record.Error, "stays Stopped for 3m")
		took := record.EndedAt.Sub(stopped)
		require.GreaterOrEqual(t, took, 3*time.Minute)
		require.Less(t, took, 4*time.Minute)
		require.Equal(t, 2, report.Count(fleet.StateHealthy))
	})
}

// TestStoppedAndStartedAgain: who comes back in time, or later, is healthy.
func TestStoppedAndStartedAgain(t *testing.T) {
	for after, failures := range map[time.Duration]int{2 * time.Minute: 0, 4 * time.Minute: 1} {
		inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
			var seen trace
			var one atomic.Bool // is healthy
			report, err := s.run(fleet.Options{
				Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}},
				Health: func(_ context.Context, target fleet.Target) error {
					if !one.Load() && target.ID == "i-00002" {
						return errors.New("later")
					}
					return nil
				},
				OnEvent: func(e fleet.Event) {
					if seen = append(seen, e); e.Kind == fleet.EventDown && e.InstanceID == "i-00001" {
						s.SetStatus("i-00001", ecsreboot.StatusStopped)
						time.AfterFunc(after, func() { s.SetStatus("i-00001", ecsreboot.StatusRunning) })
					}
					one.Store(one.Load() || e.Kind == fleet.EventHealthy)
				},
			})
			require.NoError(t, err)
			require.Equal(t, 2, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
			require.Len(t, seen.of(fleet.EventFailed), failures)
		})
	}
}
