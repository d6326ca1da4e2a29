package ecstemporal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// TestBlocker holds a restart back while the worker's Blocker does not approve. A panic
// in it, or one that takes too long, approves nothing, and the report says nothing else.
func TestBlocker(t *testing.T) {
	busy := errors.New("a backup runs")
	for name, test := range map[string]struct {
		blocker func(ctx context.Context, target fleet.Target) error
		problem string
	}{
		"refuses": {func(context.Context, fleet.Target) error { return busy }, busy.Error()},
		"panics":  {func(context.Context, fleet.Target) error { panic("oh") }, "panic: oh"},
		"thinks for long": {func(ctx context.Context, _ fleet.Target) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, errTooLate.Error()},
		"approves too late": {func(context.Context, fleet.Target) error {
			time.Sleep(time.Minute)
			return nil
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, ecstest.Options{}, func(b *bench) {
				in := b.input()
				in.Settings.Blocker = true
				require.True(t, b.mustSend(in).Refusal.ForAll, "it would restart what nobody has approved")
				b.hooks.Blocker = test.blocker
				result := b.mustSend(in)
				require.NotNil(t, result.Refusal)
				if test.problem != "" {
					require.Equal(t, fleet.ReasonBlocked, result.Refusal.Retry)
					require.Equal(t, test.problem, result.Refusal.Event.Error)
				}
				require.Zero(t, b.Reboots(id))
				b.hooks.Blocker = func(_ context.Context, target fleet.Target) error {
					require.Equal(t, id, target.ID)
					return nil
				}
				require.True(t, b.mustSend(in).Accepted)
				require.Equal(t, 1, b.Reboots(id))
			})
		})
	}
}

// TestBlocked asks again after BlockerInterval, and after an hour gives the turn to
// another instance.
func TestBlocked(t *testing.T) {
	w := newWorld(t, 2, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}, BlockerInterval: 5 * time.Minute}, Blocker: true})
	w.fate = func(m *machine) fate {
		if m.number == 0 && m.tries <= 30 {
			return notSent(driver.Judgement{Retry: fleet.ReasonBlocked, Event: fleet.Event{Kind: fleet.EventUnsent, Reason: fleet.ReasonBlocked, Error: "busy"}})
		}
		return accepted(m)
	}
	w.at(30*time.Minute, func() {
		record := w.query().Records[0]
		require.Equal(t, fleet.ReasonBlocked, record.Reason)
		require.Equal(t, "busy", record.Error)
	})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.Equal(t, 31, w.machines["i-00000"].tries)
	took := report.Ended.Sub(report.Begun)
	require.Greater(t, took, 140*time.Minute)
	require.Less(t, took, 160*time.Minute)
}

// TestSinceOfTheSameMinute: StartTime has no seconds.
func TestSinceOfTheSameMinute(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		time.Sleep(10 * time.Second)
		in := b.input()
		in.Since = time.Now()
		require.NoError(t, b.Restart(id, false))
		time.Sleep(45 * time.Second)
		before, err := b.client.TakeBaseline(b.t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, ecsreboot.StatusRunning, before.Status)
		require.True(t, before.StartTime.Before(in.Since))
		time.Sleep(time.Hour)
		result := b.mustSend(in)
		require.NotNil(t, result.Refusal)
		require.Equal(t, fleet.ReasonUptime, result.Refusal.Event.Reason)
		require.Equal(t, 1, b.Reboots(id))
	}, func(i *ecstest.Instance) { i.Reboot = ecstest.RebootProfile{Graceful: 10 * time.Second} })
}

// TestMinUptime skips an instance that has started recently, by the service's clock.
func TestMinUptime(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		require.NoError(t, b.Restart(id, false))
		time.Sleep(5 * time.Minute)
		in := b.input()
		in.Settings.MinUptime = time.Hour
		result := b.mustSend(in)
		require.NotNil(t, result.Refusal)
		require.Equal(t, fleet.EventSkipped, result.Refusal.Event.Kind)
		require.Equal(t, fleet.ReasonUptime, result.Refusal.Event.Reason)
		require.Empty(t, result.Refusal.Retry)
		time.Sleep(time.Hour)
		require.True(t, b.mustSend(in).Accepted)
		require.Equal(t, 2, b.Reboots(id))
	})
}
