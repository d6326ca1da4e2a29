package fleet_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// sentAfter returns how many RebootInstance calls came later than at.
func (s *service) sentAfter(at time.Time) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Action == "RebootInstance" && c.Time.After(at) {
			n++
		}
	}
	return n
}

// TestStopWhileOnEventIsBusy: a stop counts at once, also while OnEvent takes its time.
func TestStopWhileOnEventIsBusy(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		var stoppedAt time.Time
		first := true
		rules := atOnce
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: rules}, Control: &control, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventIntent && first {
				first = false
				time.Sleep(5 * time.Minute) // asks somebody, say
				control.Stop()
				stoppedAt = time.Now()
				time.Sleep(5 * time.Minute)
			}
		}})
		require.NoError(t, err)
		require.Zero(t, s.sentAfter(stoppedAt), "reboots sent after Stop returned: %v", report.Reason)
	})
}

// TestWindowEndsDuringSync: the window may end while the intent is being written.
func TestWindowEndsDuringSync(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		now := time.Now().UTC()
		midnight := now.Truncate(24 * time.Hour)
		end := now.Add(90 * time.Second)
		window := fleet.Window{Start: 0, End: end.Sub(midnight)}
		storage := &slowDisk{disk: newDisk(), sync: time.Minute}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, _ = fleet.Run(ctx, s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce, Window: &window}, Journal: "run.journal"}.WithFiles(storage))
		require.Zero(t, s.sentAfter(end), "sent after the window's end")
	})
}

// TestStopDuringSync: a stop may come while the intent is being written.
func TestStopDuringSync(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		storage := &slowDisk{disk: newDisk(), sync: time.Minute}
		begin := time.Now()
		time.AfterFunc(90*time.Second, control.Stop)
		_, err := fleet.Run(context.Background(), s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Control: &control, Journal: "run.journal"}.WithFiles(storage))
		require.NoError(t, err)
		require.Zero(t, s.sentAfter(begin.Add(90*time.Second)), "sent after Stop")
	})
}

// TestStopWhileOthersRestart: a stop does not wait for restarts of others.
func TestStopWhileOthersRestart(t *testing.T) {
	for name, limit := range map[string]time.Duration{"default": 0, "none": -1} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				require.NoError(t, s.SetStatus("i-00001", ecsreboot.StatusStarting)) // for good
				var control fleet.Control
				time.AfterFunc(30*time.Second, control.Stop)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
				defer cancel()
				_, err := fleet.Run(ctx, s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, ReadyTimeout: limit}, Control: &control})
				require.Zero(t, s.TotalReboots())
				t.Log(err, time.Since(begin))
				require.Less(t, time.Since(begin), 2*time.Minute, "nothing was sent, so nothing has to settle")
			})
		})
	}
}

// TestStopWhileThrottled: a stop does not wait for those who have sent nothing while
// the service throttles.
func TestStopWhileThrottled(t *testing.T) {
	for name, wait := range map[string]time.Duration{"an hour": time.Hour, "default": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 30, ecstest.Options{LimitPerMinute: 1}, func(t *testing.T, s *service) {
				client, err := s.NewClient(ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: wait}))
				require.NoError(t, err)
				defer client.CloseIdleConnections()
				var control fleet.Control
				plan := s.plan()
				var stopped time.Time
				time.AfterFunc(5*time.Minute, func() { stopped = time.Now(); control.Stop() })
				_, err = fleet.Run(context.Background(), client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}, Control: &control})
				require.NoError(t, err)
				require.Less(t, time.Since(stopped), 80*time.Second)
			})
		})
	}
}

// TestIntentAfterHalt: nothing leaves after a halt.
func TestIntentAfterHalt(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: "DiskError", Action: "RebootInstance", Times: 2})
		storage := &slowDisk{disk: newDisk(), sync: 50 * time.Millisecond}
		var halted time.Time
		rules := atOnce
		rules.MaxFailed = fleet.Count(0)
		_, err := fleet.Run(context.Background(), s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: rules}, Journal: "run.journal", OnEvent: func(e fleet.Event) {
			t.Log(e.At.Format("05.000"), e.Kind, e.InstanceID, e.Reason)
			if e.Kind == fleet.EventHalt {
				halted = time.Now()
			}
		}}.WithFiles(storage))
		require.NoError(t, err)
		require.Zero(t, s.sentAfter(halted), "sent after the halt by the budget")
	})
}

// TestStopInOnEvent: nothing leaves after a stop by OnEvent.
func TestStopInOnEvent(t *testing.T) {
	inBubble(t, 40, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		var stopped time.Time
		_, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(10), Canary: []int{}}}, Control: &control, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventHealthy && stopped.IsZero() {
				control.Stop()
				stopped = time.Now()
			}
		}})
		require.NoError(t, err)
		require.Zero(t, s.sentAfter(stopped))
	})
}

// TestControlOfTwo: one Control may stop two runs.
func TestControlOfTwo(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		plans := []fleet.Plan{s.plan(), s.plan()}
		plans[0].Targets, plans[1].Targets = plans[0].Targets[:2], plans[1].Targets[2:]
		done := make(chan time.Time, 2)
		time.AfterFunc(41*time.Second, control.Stop) // while both are in MinReady
		for _, p := range plans {
			go func() {
				_, _ = fleet.Run(context.Background(), s.client, p, fleet.Options{
					Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, MinReady: -1},
					Control:  &control,
					OnEvent: func(e fleet.Event) {
						if e.Kind == fleet.EventStop {
							done <- e.At
						}
					},
				})
			}()
		}
		a := <-done
		b := <-done
		time.Sleep(time.Hour)
		require.Less(t, b.Sub(a).Abs(), time.Second)
	})
}

// TestCancelAtTheLast: a context that ends with the last instance changes nothing.
func TestCancelAtTheLast(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		report, err := fleet.Run(ctx, s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce}, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventHealthy {
				if n++; n == 2 {
					cancel()
				}
			}
		}})
		t.Log(err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
	})
}

// TestReasonDone: a run whose last instance is healthy is done, whatever was asked for.
func TestReasonDone(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "j")
		_, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: path})
		require.NoError(t, err)
		report, err := fleet.Resolve(context.Background(), s.client, s.plan(), fleet.Options{Journal: path})
		require.ErrorIs(t, err, fleet.ErrFinished)
		require.Equal(t, fleet.ReasonDone, report.Reason)
	})
}

// TestContinueTellsUnsent: what was never asked for is not taken back.
func TestContinueTellsUnsent(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		control.Pause()
		time.AfterFunc(time.Minute, control.Unpause)
		var seen trace
		_, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Control: &control, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Empty(t, seen.of(fleet.EventUnsent))
	})
}

// TestInterruptedRunGivesNoOtherTurn: what a run calls off when its context ends waits for
// another session, and has no further turn in this one.
func TestInterruptedRunGivesNoOtherTurn(t *testing.T) {
	for range 20 { // the session and its goroutines notice it in any order
		inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
			ctx, cancel := context.WithCancel(context.Background())
			var seen trace
			var late atomic.Int64 // calls of the blocker
			_, err := fleet.Run(ctx, s.client, s.plan(), fleet.Options{
				Settings: fleet.Settings{Rules: atOnce},
				OnEvent: func(e fleet.Event) {
					seen = append(seen, e)
					cancel()
				},
				Blocker: func(context.Context, fleet.Target) error {
					late.Add(1)
					return nil
				},
			})
			require.ErrorIs(t, err, context.Canceled)
			require.LessOrEqual(t, late.Load(), int64(3), "each instance had one turn")
			require.LessOrEqual(t, len(seen.of(fleet.EventUnsent)), 3)
			s.restartedOnce()
		})
	}
}
