package fleet_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// atOnce lets everything restart at once, without canaries.
var atOnce = fleet.Rules{MaxUnavailable: fleet.Percent(100), AllowWide: true, Canary: []int{}}

// trace is the events of a run.
type trace []fleet.Event

func collect(into *trace) func(fleet.Event) {
	return func(e fleet.Event) { *into = append(*into, e) }
}

// of returns the events of a kind.
func (tr trace) of(kinds ...fleet.EventKind) trace {
	return slices.DeleteFunc(slices.Clone(tr), func(e fleet.Event) bool { return !slices.Contains(kinds, e.Kind) })
}

// ids are those of the events, in order.
func (tr trace) ids() []string {
	var ids []string
	for _, e := range tr {
		ids = append(ids, e.InstanceID)
	}
	return ids
}

// unavailable replays the events of a run and returns the most instances that were
// unavailable at once.
func (tr trace) unavailable(t *testing.T, plan fleet.Plan, rules fleet.Rules) int {
	t.Helper()
	planner, err := fleet.NewPlanner(plan, rules)
	require.NoError(t, err)
	most := 0
	for _, e := range tr {
		require.NoError(t, planner.Replay(e))
		most = max(most, planner.Unavailable())
	}
	return most
}

// restartedOnce checks the service's own count.
func (s *service) restartedOnce(ids ...string) {
	s.t.Helper()
	for _, id := range s.ids {
		want := 0
		if slices.Contains(ids, id) {
			want = 1
		}
		require.Equal(s.t, want, s.Reboots(id), id)
	}
}

func TestRun(t *testing.T) {
	inBubble(t, 50, ecstest.Options{}, func(t *testing.T, s *service) {
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(10)}
		var seen trace
		report, err := s.run(fleet.Options{Rules: rules, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 50, report.Count(fleet.StateHealthy))
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
		require.Equal(t, 5, seen.unavailable(t, s.plan(), rules))
		require.Equal(t, s.ids, slices.Sorted(slices.Values(seen.of(fleet.EventIntent).ids())))
		// The canaries: one, then five, then the rest.
		stages := seen.of(fleet.EventIntent, fleet.EventHealthy, fleet.EventStage)
		require.Equal(t, fleet.EventStage, stages[2].Kind)
		require.Equal(t, "i-00001", stages[0].InstanceID)
		require.Equal(t, fleet.EventStage, stages[3+2*5].Kind)
		require.Equal(t, s.ids[1:6], slices.Sorted(slices.Values(stages[3:13].of(fleet.EventIntent).ids())))
		for _, e := range seen.of(fleet.EventHealthy) {
			require.Equal(t, ecsreboot.ProofStatus, e.Proof)
			record, ok := report.Record(e.InstanceID)
			require.True(t, ok)
			require.GreaterOrEqual(t, record.EndedAt.Sub(record.UpAt), 30*time.Second, "min ready")
			require.NotEmpty(t, record.RequestID)
		}
	})
}

func TestJournalTellsTheSame(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Skip: 3, Times: 4, Act: true})
		path := filepath.Join(t.TempDir(), "run.journal")
		var seen trace
		report, err := s.run(fleet.Options{Rules: atOnce, Journal: path, OnEvent: collect(&seen)})
		require.NoError(t, err)
		history, err := fleet.Load(path)
		require.NoError(t, err)
		require.Zero(t, history.Torn)
		require.Len(t, history.Events, len(seen))
		inOrder := func(a, b fleet.Event) int { return a.At.Compare(b.At) }
		slices.SortStableFunc(history.Events, inOrder) // an intent is in the journal before it is told
		got, err := fleet.Load(path)
		require.NoError(t, err)
		require.Equal(t, mustJSON(t, report), mustJSON(t, got.Report()))
		require.Equal(t, s.plan().Digest(), history.Plan.Digest())

		_, err = s.run(fleet.Options{Rules: atOnce, Journal: path})
		require.ErrorIs(t, err, fleet.ErrJournal)
		require.ErrorContains(t, err, "there is one already")
		s.restartedOnce(s.ids...)
	})
}

func TestLostAnswersAreSettled(t *testing.T) {
	inBubble(t, 30, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: -1, Act: true})
		var seen trace
		report, err := s.run(fleet.Options{Rules: atOnce, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, 30, report.Count(fleet.StateHealthy))
		require.Len(t, seen.of(fleet.EventDoubt), 30)
		s.restartedOnce(s.ids...)
	})
}

func TestUnknownCountsAsFailed(t *testing.T) {
	inBubble(t, 30, ecstest.Options{}, func(t *testing.T, s *service) {
		// Three get lost on the way there: that cannot be told from one that acted.
		for _, id := range []string{"i-00003", "i-00007", "i-00009"} {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: id})
		}
		rules := fleet.Rules{MaxUnavailable: fleet.Count(5), MaxFailed: fleet.Count(2), Canary: []int{}}
		var seen trace
		report, err := s.run(fleet.Options{Rules: rules, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		require.Equal(t, 3, report.Count(fleet.StateUnknown))
		require.Len(t, seen.of(fleet.EventHalt), 1)
		halted := slices.IndexFunc(seen, func(e fleet.Event) bool { return e.Kind == fleet.EventHalt })
		require.Empty(t, seen[halted:].of(fleet.EventIntent), "nothing is sent after the halt")
		require.Len(t, seen[:halted].of(fleet.EventUnknown), 3, "two are within the budget")
		require.Zero(t, report.Count(fleet.StateRestarting), "what was sent has settled")
		for _, left := range report.NotRestarted() {
			require.Zero(t, s.Reboots(left.ID))
		}
		for id := range maps.Keys(map[string]bool{"i-00003": true, "i-00007": true}) {
			record, _ := report.Record(id)
			require.Equal(t, fleet.ReasonNotProven, record.Reason)
		}
	})
}

func TestUnknownThatShowsLateIsResolved(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00001", Late: 2 * time.Minute})
		var seen trace
		report, err := s.run(fleet.Options{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(1), Canary: []int{}}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, []string{"i-00001"}, seen.of(fleet.EventUnknown).ids())
		require.Equal(t, 10, report.Count(fleet.StateHealthy), "the run still looked when it restarted")
		s.restartedOnce(s.ids...)
	})
}

func TestCanaryFailureHalts(t *testing.T) {
	inBubble(t, 100, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Rules: fleet.Rules{MaxFailed: fleet.Count(10)}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonCanary, report.Reason)
		require.Equal(t, 1, report.Count(fleet.StateFailed))
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotBack, record.Reason)
		s.restartedOnce(s.ids[:6]...) // its stage went on, as it took ten minutes to fail
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00002" })
}

func TestWidthUsedUpHalts(t *testing.T) {
	inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Rules: fleet.Rules{MaxFailed: fleet.Count(5), Canary: []int{}}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		s.restartedOnce("i-00001", "i-00002", "i-00003")
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00003" })
}

func TestSkipped(t *testing.T) {
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		s.SetStatus("i-00001", ecstest.Stopped)
		s.SetLocks("i-00002", "security")
		s.SetLocks("i-00003", "financial")
		require.NoError(t, s.Restart("i-00004", false)) // by others, right now
		time.Sleep(2 * time.Second)
		var seen trace
		report, err := s.run(fleet.Options{
			Rules: fleet.Rules{MaxUnavailable: fleet.Count(8), AllowWide: true, Canary: []int{1}}, SelfID: "i-00005", OnEvent: collect(&seen),
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
		report, err := s.run(fleet.Options{Rules: atOnce, MinUptime: 30 * time.Minute})
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
			Rules: fleet.Rules{MaxUnavailable: fleet.Count(4), AllowWide: true, Canary: []int{}, MaxFailed: fleet.Count(1)},
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
		require.WithinRange(t, record.EndedAt, record.SentAt.Add(10*time.Minute), record.SentAt.Add(10*time.Minute+15*time.Second))
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
		report, err := s.run(fleet.Options{Rules: atOnce})
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
			Rules: fleet.Rules{Canary: []int{}}, OnEvent: collect(&seen),
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

func TestWindow(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		now := time.Now().UTC() // 2000-01-01, shortly after midnight
		window := fleet.Window{Start: 2 * time.Hour, End: 2*time.Hour + 3*time.Minute}
		var seen trace
		report, err := s.run(fleet.Options{Rules: fleet.Rules{Canary: []int{}}, Window: &window, OnEvent: collect(&seen)})
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
		time.AfterFunc(time.Hour, control.Continue)
		time.AfterFunc(time.Hour+2*time.Minute, control.Pause)
		time.AfterFunc(2*time.Hour, control.Continue)
		begin := time.Now()
		report, err := s.run(fleet.Options{Rules: fleet.Rules{Canary: []int{}}, Control: &control, OnEvent: collect(&seen)})
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
		options := fleet.Options{Rules: fleet.Rules{MaxUnavailable: fleet.Count(10), Canary: []int{}}, Journal: path, Control: &control}
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
		0, time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 3 * time.Second, 20 * time.Second, 45 * time.Second, 70 * time.Second,
	} {
		t.Run(after.String(), func(t *testing.T) {
			inBubble(t, 30, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Action: "RebootInstance", Delay: 300 * time.Millisecond, Times: -1})
				path := filepath.Join(t.TempDir(), "run.journal")
				rules := atOnce
				rules.MaxFailed = fleet.Percent(100)
				options := fleet.Options{Rules: rules, Journal: path}
				plan := s.plan()
				ctx, cancel := context.WithTimeout(context.Background(), after)
				report, err := fleet.Run(ctx, s.client, plan, options)
				cancel()
				for sessions := 1; err != nil; sessions++ {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, fleet.ReasonInterrupted, report.Reason)
					require.Less(t, sessions, 400)
					ctx, cancel := context.WithTimeout(context.Background(), after+time.Duration(sessions)*time.Second)
					report, err = fleet.Resume(ctx, s.client, plan, options)
					cancel()
				}
				require.Equal(t, fleet.ReasonDone, report.Reason)
				restarted := slices.Clone(s.ids)
				for _, left := range report.NotRestarted() { // cut off on the way there
					require.Equal(t, fleet.StateUnknown, left.State)
					restarted = slices.DeleteFunc(restarted, func(id string) bool { return id == left.ID })
				}
				s.restartedOnce(restarted...)
			})
		})
	}
}

func TestApprove(t *testing.T) {
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		var asked []int
		options := fleet.Options{Journal: path, Approve: func(ctx context.Context, stage int) error {
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
	})
}

func TestAccessDeniedHaltsForAll(t *testing.T) {
	inBubble(t, 30, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Rules: atOnce})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, 30, report.Count(fleet.StateWaiting), "none has failed by itself")
		s.restartedOnce()
	})
}

func TestThrottledRun(t *testing.T) {
	inBubble(t, 200, ecstest.Options{LimitPerMinute: 30}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Rules: atOnce})
		require.NoError(t, err)
		require.Equal(t, 200, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
		s.restartedOnce(s.ids...)
		require.Less(t, report.Ended.Sub(report.Begun), 10*time.Minute)
	})
}

func TestResumeRefusesAnotherPlan(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		_, err := s.run(fleet.Options{Rules: atOnce, Journal: path})
		require.NoError(t, err)
		plan := s.plan()
		plan.Targets = plan.Targets[:2]
		_, err = fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path})
		require.ErrorIs(t, err, fleet.ErrJournal)
		require.ErrorContains(t, err, "another plan")
		// and the lock is free again
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), fleet.Options{Journal: path})
		require.NoError(t, err)
		s.restartedOnce(s.ids...)
	})
}

func TestSecondDriverIsRefused(t *testing.T) {
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		plan := s.plan()
		done := make(chan error)
		go func() {
			_, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Rules: atOnce, Journal: path})
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
		options := fleet.Options{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), Canary: []int{}}, Journal: path}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		require.Equal(t, 2, report.Count(fleet.StateUnknown))
		time.Sleep(10 * time.Minute)
		s.ForgetCalls()
		report, err = fleet.Resolve(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
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

// TestPanicsOfHooks: they surface in the caller's goroutine, nobody is left behind,
// and the run can be resumed.
func TestPanicsOfHooks(t *testing.T) {
	for name, hook := range map[string]func(*fleet.Options, func()){
		"OnEvent": func(o *fleet.Options, boom func()) {
			o.OnEvent = func(e fleet.Event) {
				if e.Kind == fleet.EventDown {
					boom()
				}
			}
		},
		"Health": func(o *fleet.Options, boom func()) {
			o.Health = func(context.Context, fleet.Target) error { boom(); return nil }
		},
		"Blocker": func(o *fleet.Options, boom func()) {
			o.Blocker = func(context.Context, fleet.Target) error { boom(); return nil }
		},
		"Approve": func(o *fleet.Options, boom func()) {
			o.Canary = nil
			o.Approve = func(context.Context, int) error { boom(); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
				path := filepath.Join(t.TempDir(), "run.journal")
				options := fleet.Options{Rules: atOnce, Journal: path}
				hook(&options, func() { panic("a bug of the caller's") })
				plan := s.plan()
				require.PanicsWithValue(t, "a bug of the caller's", func() {
					_, _ = fleet.Run(context.Background(), s.client, plan, options)
				})
				synctest.Wait()
				report, err := fleet.Resume(context.Background(), s.client, plan, fleet.Options{Rules: atOnce, Journal: path})
				require.NoError(t, err)
				require.Empty(t, report.NotRestarted())
				s.restartedOnce(s.ids...)
			})
		})
	}
}

func TestWithoutJournal(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := fleet.Run(context.Background(), s.client, s.plan(), fleet.Options{Rules: atOnce})
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), fleet.Options{Rules: atOnce})
		require.ErrorContains(t, err, "Journal is empty")
	})
}
