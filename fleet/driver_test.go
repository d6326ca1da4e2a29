package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// driver returns a driver of the service.
func (s *service) driver(options fleet.Options) *driver.Driver {
	s.t.Helper()
	d, err := driver.New(s.client, options)
	require.NoError(s.t, err)
	return d
}

func TestDriverInput(t *testing.T) {
	s := newService(t, 1, ecstest.Options{})
	for field, test := range map[string]struct {
		client  *ecsreboot.Client
		options fleet.Options
	}{
		"client":   {nil, fleet.Options{}},
		"MinReady": {s.client, fleet.Options{Settings: fleet.Settings{MinReady: time.Hour}}},
	} {
		_, err := driver.New(test.client, test.options)
		bad, ok := errors.AsType[*ecsreboot.InputError](err)
		require.True(t, ok, err)
		require.Equal(t, field, bad.Field)
	}
}

// TestDriverHoldsNothingBack ignores the options that only a run has.
func TestDriverHoldsNothingBack(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		stopped := new(fleet.Control)
		stopped.Stop()
		now := time.Now().UTC()
		closed := &fleet.Window{Days: []time.Weekday{(now.Weekday() + 3) % 7}, Start: time.Hour, End: 2 * time.Hour}
		require.NoError(t, s.Restart(s.ids[0], false))
		time.Sleep(time.Second)
		var end fleet.Event
		d := s.driver(fleet.Options{Settings: fleet.Settings{Window: closed, SelfID: s.ids[0]}, Control: stopped})
		running, err := d.AwaitOthers(context.Background(), fleet.Target{ID: s.ids[0]}, func(e fleet.Event) { end = e })
		require.NoError(t, err)
		require.False(t, running)
		require.Equal(t, fleet.EventSkipped, end.Kind)
		require.Equal(t, fleet.ReasonOthers, end.Reason)
	})
}

// sent sends a restart outside of a run, and returns the argument for Follow.
func (s *service) sent() driver.Sent {
	s.t.Helper()
	before, err := s.client.TakeBaseline(context.Background(), s.ids[0])
	require.NoError(s.t, err)
	_, err = s.client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: s.ids[0]})
	return driver.Sent{
		Target: fleet.Target{ID: s.ids[0]}, At: time.Now(), Accepted: err == nil,
		Before: before,
	}
}

// follow follows a restart until Follow reports its end.
func (s *service) follow(sent driver.Sent, options fleet.Options) []fleet.Event {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var events []fleet.Event
	require.NoError(s.t, s.driver(options).Follow(ctx, sent, func(e fleet.Event) {
		require.Equal(s.t, s.ids[0], e.InstanceID)
		require.NotZero(s.t, e.At)
		events = append(events, e)
		if e.Kind == fleet.EventHealthy || e.Kind == fleet.EventFailed || e.Kind == fleet.EventUnknown {
			cancel()
		}
	}))
	return events
}

func TestFollow(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		events := s.follow(s.sent(), fleet.Options{})
		require.Len(t, events, 3)
		require.Equal(t, fleet.EventDown, events[0].Kind)
		require.Equal(t, fleet.EventUp, events[1].Kind)
		require.Equal(t, fleet.EventHealthy, events[2].Kind)
	})
}

func TestFollowLostAnswer(t *testing.T) {
	for _, act := range []bool{true, false} {
		inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: act})
			sent := s.sent()
			require.False(t, sent.Accepted)
			events := s.follow(sent, fleet.Options{})
			end := events[len(events)-1]
			if act {
				require.Equal(t, fleet.EventHealthy, end.Kind)
			} else {
				require.Equal(t, fleet.EventUnknown, end.Kind)
				require.Equal(t, fleet.ReasonNotProven, end.Reason)
			}
		})
	}
}

// TestFollowComesBack goes on after a failure, as the instance may come back.
func TestFollowComesBack(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		var kinds []fleet.EventKind
		sent := s.sent()
		require.NoError(t, s.driver(fleet.Options{Settings: fleet.Settings{ReadyTimeout: time.Minute}}).Follow(ctx, sent, func(e fleet.Event) { kinds = append(kinds, e.Kind) }))
		require.Equal(t, []fleet.EventKind{fleet.EventDown, fleet.EventFailed, fleet.EventUp, fleet.EventHealthy}, kinds)
		require.NoError(t, ctx.Err(), "it did not return when the instance was back")
	}, func(i *ecstest.Instance) { i.Reboot.Graceful = 5 * time.Minute })
}

// TestFollowPending sees a status that is none of a restart: it is neither down nor
// proof, however long it is watched.
func TestFollowPending(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
		sent := s.sent()
		require.NoError(t, s.SetStatus(s.ids[0], ecsreboot.StatusPending))
		time.AfterFunc(20*time.Second, func() { _ = s.SetStatus(s.ids[0], ecsreboot.StatusRunning) })
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		var kinds []fleet.EventKind
		require.NoError(t, s.driver(fleet.Options{}).Follow(ctx, sent, func(e fleet.Event) { kinds = append(kinds, e.Kind) }))
		require.Equal(t, []fleet.EventKind{fleet.EventUnknown}, kinds)
		require.Zero(t, s.Reboots(s.ids[0]))
	}, func(i *ecstest.Instance) { i.Reboot.KeepStartTime = true })
}

// TestFollowByStartTime has nothing but StartTime for a proof, which needs the clock
// of the reading before the send.
func TestFollowByStartTime(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		events := s.follow(s.sent(), fleet.Options{})
		require.Len(t, events, 1)
		require.Equal(t, fleet.EventHealthy, events[0].Kind)
		require.Equal(t, ecsreboot.ProofStartTime, events[0].Proof)
	}, func(i *ecstest.Instance) { i.Reboot.Graceful, i.Reboot.Stale = time.Minute, 2*time.Minute })
}

func TestFollowEndsWithItsContext(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var kinds []fleet.EventKind
		require.NoError(t, s.driver(fleet.Options{}).Follow(ctx, s.sent(), func(e fleet.Event) { kinds = append(kinds, e.Kind) }))
		require.Equal(t, []fleet.EventKind{fleet.EventDown}, kinds)
	})
}

func TestFollowPanics(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		sent := s.sent()
		require.PanicsWithValue(t, "hook", func() {
			s.follow(sent, fleet.Options{Health: func(context.Context, fleet.Target) error { panic("hook") }})
		})
	})
}

func TestAwaitOthers(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		var ends []fleet.Event
		await := func() bool {
			running, err := s.driver(fleet.Options{}).AwaitOthers(context.Background(), fleet.Target{ID: s.ids[0]}, func(e fleet.Event) {
				if e.Kind != fleet.EventHeld {
					ends = append(ends, e)
				}
			})
			require.NoError(t, err)
			return running
		}
		require.True(t, await())
		require.Empty(t, ends)

		require.NoError(t, s.Restart(s.ids[0], false))
		time.Sleep(time.Second)
		require.False(t, await())
		require.Equal(t, fleet.ReasonOthers, ends[0].Reason)
		require.Equal(t, fleet.EventSkipped, ends[0].Kind)

		require.NoError(t, s.SetStatus(s.ids[0], ecsreboot.StatusStopped))
		require.False(t, await())
		require.Equal(t, fleet.ReasonNotRunning, ends[1].Reason)
		require.True(t, ends[1].Unavailable)
	})
}

// TestJudge makes of each refusal what a run makes of it.
func TestJudge(t *testing.T) {
	for _, code := range []ecsreboot.ErrorCode{
		ecsreboot.ErrDiskError, ecsreboot.ErrInstanceLockedForSecurity, ecsreboot.ErrInvalidInstanceIDNotFound, ecsreboot.ErrForbiddenRAM,
	} {
		inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", InstanceID: s.ids[0], Code: string(code), Times: -1})
			report, _ := s.run(fleet.Options{})
			_, err := s.client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: s.ids[0]})
			require.ErrorIs(t, err, code)
			j, bad := s.driver(fleet.Options{}).Judge(context.Background(), fleet.Target{ID: s.ids[0]}, err)
			require.NoError(t, bad)
			record := report.Records[0]
			require.Equal(t, record.Reason, j.Event.Reason)
			require.Equal(t, record.Code, j.Event.Code)
			require.Equal(t, record.State == fleet.StateFailed && code != ecsreboot.ErrInvalidInstanceIDNotFound, j.Event.Running)
			require.Equal(t, report.Reason == fleet.ReasonAccess, j.ForAll)
			require.Empty(t, j.Retry)
			require.Equal(t, record.State, map[fleet.EventKind]fleet.State{
				fleet.EventFailed: fleet.StateFailed, fleet.EventSkipped: fleet.StateSkipped, fleet.EventUnsent: fleet.StateWaiting,
			}[j.Event.Kind])
		})
	}
}

func TestJudgeRetries(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		for _, test := range []struct {
			err   error
			retry fleet.Reason
		}{
			{ecsreboot.ErrThrottled, fleet.ReasonThrottled},
			{ecsreboot.ErrOperationConflict, fleet.ReasonRefused},
			{errors.New("no route"), fleet.ReasonNotSent},
			{ecsreboot.ErrInvalidInput, ""},
		} {
			j, err := s.driver(fleet.Options{}).Judge(context.Background(), fleet.Target{ID: s.ids[0]}, &ecsreboot.OperationError{Outcome: ecsreboot.OutcomeNotSent, Err: test.err})
			require.NoError(t, err)
			require.Equal(t, test.retry, j.Retry, fmt.Sprint(test.err))
		}
		j, err := s.driver(fleet.Options{}).Judge(context.Background(), fleet.Target{ID: s.ids[0]}, &ecsreboot.OperationError{Outcome: ecsreboot.OutcomeRejected, Err: ecsreboot.ErrIncorrectInstanceStatus})
		require.NoError(t, err)
		require.True(t, j.NotRunning)
		require.Zero(t, j.RetryAfter)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "RebootInstance", Hint: 50 * time.Second, HintHeader: ecstest.HintRetryAfter, Times: -1})
		limited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err = s.client.RebootInstance(limited, ecsreboot.RebootInstanceRequest{InstanceID: s.ids[0]})
		j, err = s.driver(fleet.Options{}).Judge(context.Background(), fleet.Target{ID: s.ids[0]}, err)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonThrottled, j.Retry)
		require.InDelta(t, 50, j.RetryAfter.Seconds(), 10)
		_, err = s.driver(fleet.Options{}).Judge(context.Background(), fleet.Target{ID: s.ids[0]}, &ecsreboot.OperationError{Outcome: ecsreboot.OutcomeUnknown, Err: errors.New("lost")})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	})
}

func TestFollowTakesNoBaselineOfAnotherInstance(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		sent := s.sent()
		sent.Before.InstanceID = "i-other"
		err := s.driver(fleet.Options{}).Follow(t.Context(), sent, func(fleet.Event) {})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.ErrorContains(t, err, "i-other")
	})
}
