package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

func TestWindow(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		now := time.Now().UTC() // 2000-01-01, shortly after midnight
		window := fleet.Window{Start: 2 * time.Hour, End: 2*time.Hour + 3*time.Minute}
		var seen trace
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, Window: &window}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, 10, report.Count(fleet.StateHealthy))
		for _, e := range seen.of(fleet.EventIntent) {
			at := e.At.UTC()
			require.Equal(t, 2, at.Hour())
			require.Less(t, at.Minute(), 3)
		}
		require.Greater(t, report.Ended.Sub(now), 3*24*time.Hour, "three a night")
		require.NotEmpty(t, seen.of(fleet.EventPause))
	})
}

func TestPause(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		var seen trace
		control.Pause()
		time.AfterFunc(time.Hour, control.Unpause)
		time.AfterFunc(time.Hour+2*time.Minute, control.Pause)
		time.AfterFunc(2*time.Hour, control.Unpause)
		begin := time.Now()
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}, Control: &control, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, 10, report.Count(fleet.StateHealthy))
		for _, e := range seen.of(fleet.EventIntent) {
			after := e.At.Sub(begin)
			require.True(t, after >= time.Hour && after <= time.Hour+2*time.Minute || after >= 2*time.Hour, after)
		}
	})
}

func TestStopSettles(t *testing.T) {
	inBubble(t, 40, ecstest.Options{}, func(t *testing.T, s *service) {
		var control fleet.Control
		time.AfterFunc(100*time.Second, control.Stop)
		path := filepath.Join(t.TempDir(), "run.journal")
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(10), Canary: []int{}}}, Journal: path, Control: &control}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Equal(t, 20, report.Count(fleet.StateHealthy), "two waves of ten")
		require.Equal(t, 20, report.Count(fleet.StateWaiting))

		options.Control = nil
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, 40, report.Count(fleet.StateHealthy))
		require.Equal(t, 2, report.Sessions)
		s.restartedOnce(s.ids...)
	})
}

// TestLeaveAndResume ends the context at any moment, again and again, as a second
// signal does.
func TestLeaveAndResume(t *testing.T) {
	for _, after := range []time.Duration{
		0, 500 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second,
	} {
		t.Run(after.String(), func(t *testing.T) {
			inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Action: "RebootInstance", Delay: 300 * time.Millisecond, Times: -1})
				path := filepath.Join(t.TempDir(), "run.journal")
				rules := atOnce
				rules.MaxFailed = fleet.Percent(100)
				options := fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: 10 * time.Second}, Journal: path}
				load := fleet.Load
				if after < 10*time.Second { // up to 14 sessions, which would wait for the real disk
					storage := newDisk()
					options = options.WithFiles(storage)
					load = func(path string) (*fleet.History, error) { return fleet.LoadFrom(storage, path) }
				}
				plan := s.plan()
				ctx, cancel := context.WithTimeout(context.Background(), after)
				report, err := fleet.Run(ctx, s.client, plan, options)
				cancel()
				for sessions := 1; err != nil; sessions++ {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, fleet.ReasonInterrupted, report.Reason)
					require.Less(t, sessions, 30)
					ctx, cancel := context.WithTimeout(context.Background(), after+time.Duration(sessions)*time.Second)
					report, err = fleet.Resume(ctx, s.client, plan, options)
					cancel()
				}
				require.Equal(t, fleet.ReasonDone, report.Reason)
				history, err := load(path)
				require.NoError(t, err)
				for _, id := range s.ids {
					told := make(map[fleet.EventKind]int)
					for _, kind := range trace(history.Events).kinds(id) {
						told[kind]++
					}
					require.LessOrEqual(t, told[fleet.EventAccepted]+told[fleet.EventDoubt], told[fleet.EventIntent], "each response is reported once")
				}
				restarted := slices.Clone(s.ids)
				for _, left := range report.NotRestarted() { // cut off on the way there
					require.Equal(t, fleet.StateUnknown, left.State)
					restarted = slices.DeleteFunc(restarted, func(id string) bool { return id == left.ID })
				}
				s.restartedOnce(restarted...)
			}, func(i *ecstest.Instance) { i.Reboot.Graceful = 15 * time.Second })
		})
	}
}

func TestApprove(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		var asked []int
		options := fleet.Options{Settings: fleet.Settings{MinReady: -1}, Journal: path, Approve: func(ctx context.Context, stage int) error {
			asked = append(asked, stage)
			if stage == 2 {
				return errors.New("the graphs look odd")
			}
			require.Equal(t, 1, s.TotalReboots(), "nothing is sent meanwhile")
			time.Sleep(time.Hour)
			require.Equal(t, 1, s.TotalReboots())
			return ctx.Err()
		}}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, []int{1, 2}, asked)
		require.Equal(t, fleet.ReasonDisapproved, report.Reason)
		require.Equal(t, "the graphs look odd", report.Error)
		require.Equal(t, 6, s.TotalReboots())

		options.Approve = func(_ context.Context, stage int) error {
			asked = append(asked, stage)
			return nil
		}
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 2}, asked, "asked once more")
		require.Equal(t, 20, report.Count(fleet.StateHealthy))
		s.restartedOnce(s.ids...)
	}, quick)
}

func TestResumeRefusesAnotherPlan(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		_, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: path})
		require.NoError(t, err)
		plan := s.plan()
		plan.Targets = plan.Targets[:2]
		_, err = fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path})
		require.ErrorIs(t, err, fleet.ErrJournal)
		require.ErrorContains(t, err, "another plan")
		// and the lock is free again
		report, err := fleet.Resume(context.Background(), s.client, s.plan(), fleet.Options{Journal: path})
		require.ErrorIs(t, err, fleet.ErrFinished)
		require.NotErrorIs(t, err, fleet.ErrJournal)
		require.Equal(t, 1, report.Sessions, "which leaves the journal as it is")
		s.restartedOnce(s.ids...)
	})
}

func TestSecondDriverIsRefused(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		plan := s.plan()
		done := make(chan error)
		go func() {
			_, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: path})
			done <- err
		}()
		synctest.Wait()
		_, err := fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path})
		require.ErrorIs(t, err, fleet.ErrJournal)
		require.ErrorContains(t, err, "in use")
		require.NoError(t, <-done)
		s.restartedOnce(s.ids...)
	})
}

func TestResolveSendsNothing(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		s.Inject(
			ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00001", Late: 5 * time.Minute},
			ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00002"},
		)
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), Canary: []int{}}, MinReady: -1}, Journal: path}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		require.Equal(t, 2, report.Count(fleet.StateUnknown))
		time.Sleep(10 * time.Minute)
		s.ForgetCalls()
		begin := time.Now()
		report, err = fleet.Resolve(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Less(t, time.Since(begin), 45*time.Second, "the grace period begins with the send")
		for _, call := range s.Calls() {
			require.Equal(t, "DescribeInstances", call.Action)
		}
		first, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateHealthy, first.State)
		require.Equal(t, ecsreboot.ProofStartTime, first.Proof)
		second, _ := report.Record("i-00002")
		require.Equal(t, fleet.StateUnknown, second.State)
		s.restartedOnce("i-00001")

		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason, "one unknown is within the budget")
		s.restartedOnce(append(slices.Clone(s.ids[2:]), "i-00001")...)
	})
}

func TestWithoutJournal(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := fleet.Run(context.Background(), s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.ErrorContains(t, err, "Journal is empty")
	})
}

// TestWhatAnEarlierSessionSaw counts: an instance that was seen down and whose
// StartTime stays is proven to have restarted when it is seen again.
func TestWhatAnEarlierSessionSaw(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		options := fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: filepath.Join(t.TempDir(), "run.journal")}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		plan := s.plan()
		report, err := fleet.Run(ctx, s.client, plan, options)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, report.Count(fleet.StateRestarting))
		time.Sleep(time.Hour)
		report, err = fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, 3, report.Count(fleet.StateHealthy))
		for _, record := range report.Records {
			require.Equal(t, ecsreboot.ProofStatus, record.Proof)
		}
		s.restartedOnce(s.ids...)
	}, func(i *ecstest.Instance) { i.Reboot.KeepStartTime = true })
}

func TestNilContext(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		var ctx context.Context
		plan := s.plan()
		target := plan.Targets[0]
		tell := func(e fleet.Event) { t.Errorf("told %v", e) }
		lost := &ecsreboot.OperationError{Outcome: ecsreboot.OutcomeNotSent, Err: errors.New("lost")}
		d := s.driver(fleet.Options{})
		s.ForgetCalls()
		for name, call := range map[string]func() error{
			"NewPlan":     func() error { _, err := fleet.NewPlan(ctx, s.client, fleet.Selection{All: true}); return err },
			"Preflight":   func() error { _, err := fleet.Preflight(ctx, s.client, plan, fleet.Options{}); return err },
			"Run":         func() error { _, err := fleet.Run(ctx, s.client, plan, fleet.Options{}); return err },
			"Resume":      func() error { _, err := fleet.Resume(ctx, s.client, plan, fleet.Options{}); return err },
			"Resolve":     func() error { _, err := fleet.Resolve(ctx, s.client, plan, fleet.Options{}); return err },
			"Follow":      func() error { return d.Follow(ctx, driver.Sent{Target: target}, tell) },
			"AwaitOthers": func() error { _, err := d.AwaitOthers(ctx, target, tell); return err },
			"Judge":       func() error { _, err := d.Judge(ctx, target, lost); return err },
		} {
			refused, ok := errors.AsType[*ecsreboot.InputError](call())
			require.True(t, ok, name)
			require.Equal(t, ecsreboot.InputError{Field: "ctx", Problem: "is nil"}, *refused, name)
		}
		require.Empty(t, s.Calls())
	})
}
