package fleet_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
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

// kinds are those of the events of an instance, in order.
func (tr trace) kinds(id string) []fleet.EventKind {
	var kinds []fleet.EventKind
	for _, e := range tr {
		if e.InstanceID == id {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
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
	inBubble(t, 20, ecstest.Options{}, func(t *testing.T, s *service) {
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(25)}
		var seen trace
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: rules}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 20, report.Count(fleet.StateHealthy))
		require.Empty(t, report.NotRestarted())
		require.NoError(t, report.Err())
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
			require.Equal(t, []fleet.EventKind{fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp, fleet.EventHealthy}, seen.kinds(e.InstanceID))
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
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: path, OnEvent: collect(&seen)})
		require.NoError(t, err)
		history, err := fleet.Load(path)
		require.NoError(t, err)
		require.Zero(t, history.Torn)
		require.Len(t, history.Events, len(seen))
		inOrder := func(a, b fleet.Event) int { return a.At.Compare(b.At) }
		slices.SortStableFunc(history.Events, inOrder) // an intent is in the journal before OnEvent gets it
		got, err := fleet.Load(path)
		require.NoError(t, err)
		require.Equal(t, mustJSON(t, report), mustJSON(t, got.Report()))
		require.Equal(t, s.plan().Digest(), history.Plan.Digest())

		_, err = s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Journal: path})
		require.ErrorIs(t, err, fleet.ErrJournal)
		require.ErrorContains(t, err, "there is one already")
		s.restartedOnce(s.ids...)
	})
}

func TestLostAnswersAreSettled(t *testing.T) {
	inBubble(t, 30, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: -1, Act: true})
		var seen trace
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, OnEvent: collect(&seen)})
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
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: rules}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonBudget, report.Reason)
		require.Equal(t, 3, report.Count(fleet.StateUnknown))
		require.Len(t, seen.of(fleet.EventHalt), 1)
		halted := slices.IndexFunc(seen, func(e fleet.Event) bool { return e.Kind == fleet.EventHalt })
		for _, e := range seen.of(fleet.EventIntent) { // one of that very moment may be told later
			require.False(t, e.At.After(seen[halted].At), "nothing is sent after the halt")
		}
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
	inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00001", Late: 2 * time.Minute})
		var seen trace
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(1), Canary: []int{}}, MinReady: -1}, OnEvent: collect(&seen)})
		require.NoError(t, err)
		require.Equal(t, []string{"i-00001"}, seen.of(fleet.EventUnknown).ids())
		require.Equal(t, 8, report.Count(fleet.StateHealthy), "the run still looked when it restarted")
		s.restartedOnce(s.ids...)
	})
}

func TestCanaryFailureHalts(t *testing.T) {
	inBubble(t, 100, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(10)}}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonCanary, report.Reason)
		require.Equal(t, 1, report.Count(fleet.StateFailed))
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotBack, record.Reason)
		require.EqualError(t, report.Err(), "fleet: 95 of 100 instances have no proof of a restart: 1 failed, 94 waiting; the run ended early: canary failed")
		s.restartedOnce(s.ids[:6]...) // its stage went on, as it took ten minutes to fail
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00002" })
}

func TestWidthUsedUpHalts(t *testing.T) {
	inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(5), Canary: []int{}}}})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		s.restartedOnce("i-00001", "i-00002", "i-00003")
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00003" })
}

func TestAccessDeniedHaltsForAll(t *testing.T) {
	inBubble(t, 30, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, 30, report.Count(fleet.StateWaiting), "none has failed by itself")
		s.restartedOnce()
	})
}

// The key dies while the first restarts are watched: no width is used up by them.
func TestDeadKeyInMidWaitHaltsForAccess(t *testing.T) {
	inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
		var died, ended time.Time
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(5), Canary: []int{}}}, OnEvent: func(e fleet.Event) {
			switch {
			case e.Kind == fleet.EventAccepted && died.IsZero():
				died = time.Now()
				require.NoError(t, s.RotateKey("another", "secret", ""))
			case e.Kind == fleet.EventHalt && ended.IsZero():
				ended = time.Now()
			}
		}})
		require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Less(t, ended.Sub(died), 5*time.Second, "at the first poll")
		s.restartedOnce("i-00001")
	})
}

func TestThrottledRun(t *testing.T) {
	inBubble(t, 80, ecstest.Options{LimitPerMinute: 30}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}})
		require.NoError(t, err)
		require.Equal(t, 80, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
		s.restartedOnce(s.ids...)
		require.Less(t, report.Ended.Sub(report.Begun), 4*time.Minute)
	})
}
