package ecstemporal

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// run runs a wait in the SDK's environment; heartbeat is that of an earlier try.
func (b *bench) run(wait any, in followInput, heartbeat []fleet.Event) followResult {
	b.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Hour)
	env.RegisterActivity(wait)
	if heartbeat != nil {
		env.SetHeartbeatDetails(heartbeat)
	}
	value, err := env.ExecuteActivity(wait, in)
	require.NoError(b.t, err)
	var result followResult
	require.NoError(b.t, value.Get(&result))
	return result
}

func (b *bench) following(before ecsreboot.Baseline) followInput {
	return followInput{work: b.work(), Settings: defaults(b.t), Before: before, SentAt: time.Now(), Since: time.Now(), Accepted: true}
}

// defaults are the settings of a run that sets none.
func defaults(tb testing.TB) Settings {
	tb.Helper()
	settings, err := Settings{}.forPlan(smallPlan())
	require.NoError(tb, err)
	return settings
}

func kinds(events []fleet.Event) []fleet.EventKind {
	var kinds []fleet.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestWait(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		sick := errors.New("not yet")
		begin := time.Now()
		b.hooks.Health = func(context.Context, fleet.Target) error {
			if time.Since(begin) < 2*time.Minute {
				return sick
			}
			return nil
		}
		sent := b.mustSend(b.input())
		in := b.following(*sent.Before)
		in.Settings.Health = true
		result := b.run(b.Follow, in, nil)
		require.Equal(t, []fleet.EventKind{fleet.EventDown, fleet.EventUp, fleet.EventHealthy}, kinds(result.Events))
		require.GreaterOrEqual(t, result.Events[2].At.Sub(begin), 2*time.Minute+defaults(t).MinReady)
	})
}

// TestWaitGoesOn from what the heartbeats of a worker that died had told.
func TestWaitGoesOn(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		sent := b.mustSend(b.input())
		time.Sleep(40 * time.Second) // it is over, in the same minute
		result := b.run(b.Follow, b.following(*sent.Before), []fleet.Event{{Kind: fleet.EventDown, At: time.Now(), InstanceID: id}})
		require.Equal(t, fleet.EventDown, result.Events[0].Kind)
		require.Equal(t, fleet.EventHealthy, result.Events[len(result.Events)-1].Kind)
	}, func(i *ecstest.Instance) { i.Reboot.KeepStartTime = true })
}

func TestWaitFails(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		sent := b.mustSend(b.input())
		begin := time.Now()
		in := b.following(*sent.Before)
		in.Settings.ReadyTimeout = 5 * time.Minute
		result := b.run(b.Follow, in, nil)
		end := result.Events[len(result.Events)-1]
		require.Equal(t, fleet.EventFailed, end.Kind)
		require.Equal(t, fleet.ReasonNotBack, end.Reason)
		require.InDelta(t, in.Settings.ReadyTimeout.Seconds(), time.Since(begin).Seconds(), 20)
	}, func(i *ecstest.Instance) { i.Reboot.Hang = true })
}

func TestResolve(t *testing.T) {
	for name, act := range map[string]bool{"it happened": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			onBench(t, ecstest.Options{}, func(b *bench) {
				b.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: act})
				sent := b.mustSend(b.input())
				require.False(t, sent.Accepted)
				require.Nil(t, sent.Refusal)
				in := b.following(*sent.Before)
				in.Accepted = false
				result := b.run(b.Follow, in, nil)
				end := result.Events[len(result.Events)-1]
				if act {
					require.Equal(t, fleet.EventHealthy, end.Kind)
					require.Equal(t, 1, b.Reboots(id))
				} else {
					require.Equal(t, fleet.EventUnknown, end.Kind)
					require.Zero(t, b.Reboots(id))
				}
				sends := 0
				for _, call := range b.Calls() {
					if call.Action == "RebootInstance" {
						sends++
					}
				}
				require.Equal(t, 1, sends, "looking sent something")
			})
		})
	}
}

func TestAwaitOthers(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		require.NoError(t, b.Restart(id, false))
		time.Sleep(time.Second)
		others := b.following(ecsreboot.Baseline{})
		others.Others = true
		result := b.run(b.Follow, others, nil)
		require.False(t, result.Running)
		require.Equal(t, []fleet.EventKind{fleet.EventSkipped}, kinds(result.Events))
		require.Equal(t, fleet.ReasonOthers, result.Events[0].Reason)

		result = b.run(b.Follow, others, nil)
		require.True(t, result.Running)
		require.Empty(t, result.Events)

		require.NoError(t, b.SetStatus(id, ecsreboot.StatusStopped))
		result = b.run(b.Follow, others, nil)
		require.Equal(t, fleet.ReasonNotRunning, result.Events[0].Reason)
		require.True(t, result.Events[0].Unavailable)
	})
}
