package ecstemporal

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

const id = "i-bp67acfmxazb4ph0001"

// bench is a service with one instance, and the activities of a worker.
type bench struct {
	*ecstest.Server
	*activities

	t *testing.T
}

func onBench(t *testing.T, options ecstest.Options, test func(b *bench), settings ...func(*ecstest.Instance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(options)
		require.NoError(t, err)
		defer server.Close()
		instance := ecstest.Instance{ID: id}
		for _, set := range settings {
			set(&instance)
		}
		require.NoError(t, server.AddInstance(instance))
		client, err := server.NewClient(ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2}))
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		test(&bench{Server: server, activities: &activities{client: client}, t: t})
	})
}

func (b *bench) work() work { return work{Region: "cn-hangzhou", Target: fleet.Target{ID: id}} }

func (b *bench) input() sendInput { return sendInput{work: b.work(), Settings: defaults(b.t)} }

func (b *bench) mustSend(in sendInput) sendResult {
	b.t.Helper()
	result, err := b.Send(context.Background(), in)
	require.NoError(b.t, err)
	return result
}

func TestSendAccepted(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		begin := time.Now()
		result := b.mustSend(b.input())
		require.True(t, result.Accepted)
		require.NotEmpty(t, result.RequestID)
		require.Equal(t, ecsreboot.StatusRunning, result.Before.Status)
		require.WithinDuration(t, begin, result.SentAt, time.Second)
		require.Less(t, time.Since(begin), 5*time.Second, "it followed the restart")
		require.Equal(t, 1, b.Reboots(id))
	})
}

// TestSendOutcomes is what each fault of the call comes to.
func TestSendOutcomes(t *testing.T) {
	for name, test := range map[string]struct {
		fault   ecstest.Fault
		outcome ecsreboot.Outcome
		reboots int
		check   func(t *testing.T, v *driver.Judgement)
	}{
		"answer lost":    {ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}, ecsreboot.OutcomeUnknown, 1, nil},
		"request lost":   {ecstest.Fault{Kind: ecstest.FaultDrop}, ecsreboot.OutcomeUnknown, 0, nil},
		"never answers":  {ecstest.Fault{Kind: ecstest.FaultHang}, ecsreboot.OutcomeUnknown, 0, nil},
		"internal error": {ecstest.Fault{Kind: ecstest.FaultError, Code: "InternalError"}, ecsreboot.OutcomeUnknown, 0, nil},
		"truncated":      {ecstest.Fault{Kind: ecstest.FaultTruncate}, ecsreboot.OutcomeUnknown, 1, nil},
		"refused for now": {ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationConflict", Status: 409, Times: -1}, ecsreboot.OutcomeRejected, 0, func(t *testing.T, v *driver.Judgement) {
			t.Helper()
			require.Equal(t, fleet.ReasonRefused, v.Retry)
		}},
		"refused": {ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError"}, ecsreboot.OutcomeRejected, 0, func(t *testing.T, v *driver.Judgement) {
			t.Helper()
			require.Empty(t, v.Retry)
			require.Equal(t, fleet.EventFailed, v.Event.Kind)
			require.Equal(t, fleet.ReasonRefused, v.Event.Reason)
			require.Equal(t, ecsreboot.ErrDiskError, v.Event.Code)
		}},
		"denied": {ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"}, ecsreboot.OutcomeRejected, 0, func(t *testing.T, v *driver.Judgement) {
			t.Helper()
			require.False(t, v.ForAll)
			require.Equal(t, fleet.EventFailed, v.Event.Kind)
			require.Equal(t, fleet.ReasonDenied, v.Event.Reason)
		}},
		"throttled": {ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 50 * time.Second, HintHeader: ecstest.HintRetryAfter, Times: -1}, ecsreboot.OutcomeRejected, 0, func(t *testing.T, v *driver.Judgement) {
			t.Helper()
			require.Equal(t, fleet.ReasonThrottled, v.Retry)
			require.InDelta(t, 50, v.RetryAfter.Seconds(), 10)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, ecstest.Options{}, func(b *bench) {
				test.fault.Action = "RebootInstance"
				b.Inject(test.fault)
				begin := time.Now()
				result := b.mustSend(b.input())
				require.False(t, result.Accepted)
				require.Equal(t, test.outcome != ecsreboot.OutcomeUnknown, result.Refusal != nil)
				require.Equal(t, test.reboots, b.Reboots(id))
				require.LessOrEqual(t, time.Since(begin), defaultSendTimeout+time.Second)
				if test.check != nil {
					test.check(t, result.Refusal)
				}
				if test.outcome == ecsreboot.OutcomeUnknown {
					require.NotEmpty(t, result.Error)
					require.NotZero(t, result.Before)
				}
			})
		})
	}
}

// TestSendTooLate holds a restart back that would leave when the server is about to
// give it up.
func TestSendTooLate(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		b.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Action: "DescribeInstances", Delay: 20 * time.Second})
		begin := time.Now()
		result := b.mustSend(b.input())
		require.NotNil(t, result.Refusal)
		require.Equal(t, fleet.ReasonNotSent, result.Refusal.Retry)
		require.LessOrEqual(t, time.Since(begin), defaultSendTimeout/3+time.Second)
		time.Sleep(time.Hour)
		require.Zero(t, b.Reboots(id))
	})
}

// TestSendLooksOnceMore at what may have changed since the snapshot.
func TestSendLooksOnceMore(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		before, err := b.Snapshot(context.Background(), b.work())
		require.NoError(t, err)
		require.NoError(t, b.Restart(id, false))
		time.Sleep(5 * time.Minute)
		in := b.input()
		in.StartTime = before.Baseline.StartTime
		result := b.mustSend(in)
		require.NotNil(t, result.Refusal)
		require.Equal(t, fleet.EventSkipped, result.Refusal.Event.Kind)
		require.Equal(t, fleet.ReasonOthers, result.Refusal.Event.Reason)
		require.Equal(t, 1, b.Reboots(id))

		require.NoError(t, b.SetStatus(id, ecsreboot.StatusStopped))
		result = b.mustSend(in)
		require.NotNil(t, result.Refusal)
		require.True(t, result.Refusal.NotRunning)
	})
}

func TestMisplacedWorkerHalts(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		in := b.input()
		in.Region = "cn-beijing"
		result := b.mustSend(in)
		require.True(t, result.Refusal.ForAll)
		require.Contains(t, result.Refusal.Event.Error, "cn-beijing")
		shown, err := b.Snapshot(context.Background(), in.work)
		require.NoError(t, err)
		require.True(t, shown.Refusal.ForAll)

		in = b.input()
		in.Settings.Health = true
		require.True(t, b.mustSend(in).Refusal.ForAll, "it would restart what nobody checks")
		require.Zero(t, b.Reboots(id))
	})
}

func TestSnapshot(t *testing.T) {
	for name, test := range map[string]struct {
		change func(b *bench)
		check  func(t *testing.T, s snapshot)
	}{
		"running": {func(*bench) {}, func(t *testing.T, s snapshot) {
			t.Helper()
			require.Nil(t, s.Refusal)
			require.Equal(t, ecsreboot.StatusRunning, s.Baseline.Status)
		}},
		"stopped": {func(b *bench) { _ = b.SetStatus(id, ecsreboot.StatusStopped) }, func(t *testing.T, s snapshot) {
			t.Helper()
			require.True(t, s.Refusal.NotRunning)
		}},
		"gone": {func(b *bench) { b.RemoveInstance(id) }, func(t *testing.T, s snapshot) {
			t.Helper()
			require.Equal(t, fleet.ReasonNotListed, s.Refusal.Event.Reason)
			require.Equal(t, fleet.EventFailed, s.Refusal.Event.Kind)
		}},
		"locked": {func(b *bench) { _ = b.SetLocks(id, "security") }, func(t *testing.T, s snapshot) {
			t.Helper()
			require.Equal(t, fleet.ReasonLocked, s.Refusal.Event.Reason)
			require.Equal(t, fleet.EventSkipped, s.Refusal.Event.Kind)
			require.False(t, s.Refusal.Event.Unavailable)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, ecstest.Options{}, func(b *bench) {
				test.change(b)
				shown, err := b.Snapshot(context.Background(), b.work())
				require.NoError(t, err)
				test.check(t, shown)
			})
		})
	}
}

// The poll that a refusal needs may be throttled: the activity answers in time all the same.
func TestSendJudgesInTime(t *testing.T) {
	onBench(t, ecstest.Options{LimitPerMinute: 1, ThrottleHint: ecstest.HintRetryAfter}, func(b *bench) {
		b.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance", Times: -1})
		in := b.input()
		begin := time.Now()
		result := b.mustSend(in)
		require.Equal(t, fleet.ReasonRefused, result.Refusal.Event.Reason)
		require.False(t, result.Refusal.Event.Running, "nobody knows")
		require.Less(t, time.Since(begin), sendSlack, "the server would have given it up")
		require.Zero(t, b.Reboots(id))
	})
}
