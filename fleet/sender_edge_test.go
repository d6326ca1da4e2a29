package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

type infPacer struct{}

func (infPacer) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return nil, nil
}
func (infPacer) State() pace.State { return pace.State{RatePerMinute: inf()} }

func inf() float64 { z := 0.0; return 1 / z }

// TestClockAheadLosesMachine: the service's clock decides what has started since the run began.
func TestClockAheadLosesMachine(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.SetClockOffset(10 * time.Minute)
		require.NoError(t, s.AddInstance(ecstest.Instance{ID: "i-new", StartTime: time.Now().Add(10*time.Minute - 5*time.Minute)}))
		s.ids = append(s.ids, "i-new")
		plan := s.plan()
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}, Journal: filepath.Join(t.TempDir(), "j")}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := fleet.Run(ctx, s.client, plan, options)
		cancel()
		require.Error(t, err)
		report, err := fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		record, _ := report.Record("i-new")
		t.Log(mustJSON(t, record))
		if s.Reboots("i-new") == 0 {
			require.Contains(t, func() (ids []string) {
				for _, l := range report.NotRestarted() {
					ids = append(ids, l.ID)
				}
				return
			}(), "i-new", "never restarted, and not named")
		}
	})
}

// TestReadFaultWhileOthersRestart: readings may fail for a while.
func TestReadFaultWhileOthersRestart(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		require.NoError(t, s.Restart("i-00001", false))
		time.Sleep(2 * time.Second)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 503, Code: "ServiceUnavailable", Action: "DescribeInstances", InstanceID: "i-00001", Skip: 1, Times: 5})
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		record, _ := report.Record("i-00001")
		require.NotEqual(t, fleet.StateFailed, record.State, mustJSON(t, record))
	})
}

// TestReadsFailForAWhile: readings may fail for a while, before the send as well.
func TestReadsFailForAWhile(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 503, Code: "ServiceUnavailable", Action: "DescribeInstances", Times: -1})
		time.AfterFunc(30*time.Second, s.ClearFaults)
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}})
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
	})
}

// TestPatienceAfterBlocked: being blocked uses up no patience.
func TestPatienceAfterBlocked(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		begin := time.Now()
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 409, Code: "OperationConflict", Action: "RebootInstance"}) // once
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Blocker: func(context.Context, fleet.Target) error {
			if time.Since(begin) < 6*time.Minute {
				return errors.New("not yet")
			}
			return nil
		}})
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted(), mustJSON(t, report.Records))
	})
}

// TestBlockerIsHeard: the events contain the text of a blocker.
func TestBlockerIsHeard(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		var control fleet.Control
		time.AfterFunc(time.Hour, control.Stop)
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Control: &control, OnEvent: collect(&seen), Blocker: func(context.Context, fleet.Target) error { return errors.New("frozen for the holidays") }})
		require.NoError(t, err)
		require.Contains(t, mustJSON(t, seen)+mustJSON(t, report), "blocked")
	})
}

// TestSlowBlockerStaleBaseline: a blocker may think for longer than a reading is fresh.
func TestSlowBlockerStaleBaseline(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinUptime: 30 * time.Minute}, Blocker: func(context.Context, fleet.Target) error {
			time.Sleep(time.Minute)
			require.NoError(t, s.Restart("i-00001", false))
			time.Sleep(5 * time.Minute) // drains
			return nil
		}})
		require.NoError(t, err)
		require.Equal(t, 1, s.Reboots("i-00001"), "it started 5 minutes before, and MinUptime is 30: %s", mustJSON(t, report.Records[0]))
	})
}

// TestHealthyWithoutOurRestart: what others restarted before the send is no proof of it.
func TestHealthyWithoutOurRestart(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
		var endOfBlocker time.Time
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Blocker: func(context.Context, fleet.Target) error {
			require.NoError(t, s.Restart("i-00001", false))
			time.Sleep(5 * time.Minute)
			endOfBlocker = time.Now()
			return nil
		}})
		require.NoError(t, err)
		_ = endOfBlocker
		require.NotEqual(t, fleet.StateHealthy, report.Records[0].State, "its send was lost and it has not restarted since the intent: %s", mustJSON(t, report.Records[0]))
	})
}

// TestSlowBlockerThroughput: a blocker that thinks holds nobody else up.
func TestSlowBlockerThroughput(t *testing.T) {
	inBubble(t, 64, ecstest.Options{}, func(t *testing.T, s *service) {
		begin := time.Now()
		_, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}, Blocker: func(context.Context, fleet.Target) error {
			time.Sleep(5 * time.Minute)
			return nil
		}})
		require.NoError(t, err)
		t.Log(time.Since(begin))
		require.Less(t, time.Since(begin), 10*time.Minute, "all 64 may be down at once")
	}, quick)
}

// TestGoexitInHook: a hook may end its goroutine.
func TestGoexitInHook(t *testing.T) {
	for _, hook := range []string{"health", "blocker", "approve"} {
		t.Run(hook, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{1}}}}
				switch hook {
				case "health":
					options.Health = func(context.Context, fleet.Target) error { runtime.Goexit(); return nil }
				case "blocker":
					options.Blocker = func(context.Context, fleet.Target) error { runtime.Goexit(); return nil }
				case "approve":
					options.Approve = func(context.Context, int) error { runtime.Goexit(); return nil }
				}
				ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
				defer cancel()
				_, err := fleet.Run(ctx, s.client, s.plan(), options)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "the run hangs")
			})
		})
	}
}

// TestPacerInf: a pacer may state any rate.
func TestPacerInf(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		client, err := s.NewClient(ecsreboot.WithPacer("RebootInstance", infPacer{}))
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		report, err := fleet.Run(context.Background(), client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: filepath.Join(t.TempDir(), "j")})
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
	})
}
