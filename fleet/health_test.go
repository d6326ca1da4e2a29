package fleet_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestSkipped(t *testing.T) {
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		s.SetStatus("i-00001", ecsreboot.StatusStopped)
		s.SetLocks("i-00002", "security")
		s.SetLocks("i-00003", "financial")
		require.NoError(t, s.Restart("i-00004", false)) // by others, right now
		time.Sleep(2 * time.Second)
		var seen trace
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(8), AllowWide: true, Canary: []int{1}}, SelfID: "i-00005"},
			OnEvent:  collect(&seen),
		})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		for id, want := range map[string]fleet.Reason{
			"i-00001": fleet.ReasonNotRunning, "i-00002": fleet.ReasonLocked, "i-00003": fleet.ReasonLocked,
			"i-00004": fleet.ReasonOthers, "i-00005": fleet.ReasonSelf,
		} {
			record, _ := report.Record(id)
			require.Equal(t, fleet.StateSkipped, record.State, id)
			require.Equal(t, want, record.Reason, id)
		}
		require.Equal(t, []string{"i-00001"}, slices.DeleteFunc(seen.of(fleet.EventSkipped), func(e fleet.Event) bool { return !e.Unavailable }).ids())
		require.Equal(t, []string{"i-00001", "i-00002", "i-00003", "i-00005"}, func() (ids []string) {
			for _, left := range report.NotRestarted() {
				ids = append(ids, left.ID)
			}
			return ids
		}(), "what others restarted needs no restart")
		require.Equal(t, 1, s.Reboots("i-00004"))
		for _, id := range s.ids[5:] {
			require.Equal(t, 1, s.Reboots(id))
		}
	})
}

func TestMinUptime(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinUptime: 30 * time.Minute}})
		require.NoError(t, err)
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonUptime, record.Reason)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce("i-00001", "i-00003")
	}, func(i *ecstest.Instance) {
		if i.ID == "i-00002" {
			i.StartTime = time.Now().Add(-10 * time.Minute)
		}
	})
}

func TestHealth(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		begin := time.Now()
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(4), AllowWide: true, Canary: []int{}, MaxFailed: fleet.Count(1)}},
			Health: func(_ context.Context, target fleet.Target) error {
				switch {
				case target.ID == "i-00001":
					return errors.New("port 80: connection refused")
				case target.ID == "i-00002" && time.Since(begin) < 3*time.Minute:
					return errors.New("warming up")
				}
				return nil
			},
		})
		require.NoError(t, err)
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateFailed, record.State)
		require.Equal(t, fleet.ReasonNotHealthy, record.Reason)
		require.Equal(t, "port 80: connection refused", record.Error)
		require.WithinRange(t, record.EndedAt, record.SentAt.Add(25*time.Minute), record.SentAt.Add(25*time.Minute+15*time.Second))
		slow, _ := report.Record("i-00002")
		require.Equal(t, fleet.StateHealthy, slow.State)
		require.WithinRange(t, slow.EndedAt, begin.Add(3*time.Minute+30*time.Second), begin.Add(4*time.Minute))
		s.restartedOnce(s.ids...)
	})
}

// TestOldRunningIsNotReady is of an instance that shows what it was before for
// longer than MinReady.
func TestOldRunningIsNotReady(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateHealthy, record.State)
		require.GreaterOrEqual(t, record.EndedAt.Sub(record.SentAt), 50*time.Second+30*time.Second)
	}, func(i *ecstest.Instance) {
		i.Reboot = ecstest.RebootProfile{Graceful: 50 * time.Second, Stale: 50 * time.Second}
	})
}

func TestBlockerIsAskedRightBeforeEachSend(t *testing.T) {
	inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
		asked, agreed := make(map[string]int), make(map[string]time.Time)
		var seen trace
		_, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}},
			OnEvent:  collect(&seen),
			Blocker: func(_ context.Context, target fleet.Target) error { // one at a time, as the width is 1
				asked[target.ID]++
				if asked[target.ID] < 4 {
					return errors.New("an alert is firing")
				}
				agreed[target.ID] = time.Now()
				return nil
			},
		})
		require.NoError(t, err)
		s.restartedOnce(s.ids...)
		for _, e := range seen.of(fleet.EventIntent) {
			require.Equal(t, 4, asked[e.InstanceID])
			require.Equal(t, agreed[e.InstanceID], e.At, "asked right before")
		}
	})
}

// TestMinReadyIsWithoutABreak is of a health check that fails for a moment.
func TestMinReadyIsWithoutABreak(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		var failed time.Time
		begin := time.Now()
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: time.Minute}, Health: func(context.Context, fleet.Target) error {
			if up := time.Since(begin); up > 60*time.Second && up < 80*time.Second {
				failed = time.Now()
				return errors.New("a hiccup")
			}
			return nil
		}})
		require.NoError(t, err)
		require.False(t, failed.IsZero())
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateHealthy, record.State)
		require.GreaterOrEqual(t, record.EndedAt.Sub(failed), time.Minute)
	})
}
