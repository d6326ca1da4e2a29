package ecstemporal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

func narrow() fleet.Rules {
	return fleet.Rules{MaxUnavailable: fleet.Count(3), MaxFailed: fleet.Count(2)}
}

func (w *world) progress() Progress {
	w.t.Helper()
	value, err := w.QueryWorkflow(QueryProgress)
	require.NoError(w.t, err)
	var p Progress
	require.NoError(w.t, value.Get(&p))
	return p
}

// total is how often the service restarted anything.
func (w *world) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, m := range w.machines {
		n += m.restarts
	}
	return n
}

func TestPauseTakesBackWhatWaits(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
	w.sendTakes = func() time.Duration { return 10 * time.Minute } // in the queue
	var paused Progress
	w.at(5*time.Minute, func() {
		require.Equal(t, 3, w.progress().Counts[fleet.StateRestarting])
		w.SignalWorkflow(SignalPause, nil)
	})
	w.at(2*time.Hour, func() {
		paused = w.progress()
		require.Zero(t, w.total(), "what was taken back was sent nevertheless")
		w.SignalWorkflow(SignalPause, nil) // has no effect
		w.SignalWorkflow(SignalUnpause, nil)
	})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.True(t, paused.Paused)
	require.Equal(t, map[fleet.State]int{fleet.StateWaiting: 12}, paused.Counts)
	require.Zero(t, paused.Unavailable)
	require.Greater(t, report.Ended.Sub(report.Begun), 2*time.Hour)
	require.Equal(t, 12, w.total())
}

func TestPauseFollowsWhatWasSent(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
	w.at(30*time.Second, func() { w.SignalWorkflow(SignalPause, nil) })
	w.at(time.Hour, func() {
		require.Equal(t, map[fleet.State]int{fleet.StateWaiting: 9, fleet.StateHealthy: 3}, w.progress().Counts)
		w.SignalWorkflow(SignalUnpause, nil)
	})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
}

func TestAbort(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
	w.at(30*time.Second, func() { w.SignalWorkflow(SignalAbort, nil) })
	report := w.run()
	w.check(report)
	require.Equal(t, fleet.ReasonUser, report.Reason)
	require.Equal(t, 3, report.Count(fleet.StateHealthy))
	require.Len(t, report.NotRestarted(), 9)
	require.ErrorContains(t, report.Err(), "requested")
}

func TestCancelIsAbort(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), Canary: []int{}}}})
	w.at(30*time.Second, w.CancelWorkflow)
	report := w.run()
	w.check(report)
	require.Equal(t, fleet.ReasonUser, report.Reason)
	require.Equal(t, 3, report.Count(fleet.StateHealthy))
}

func TestApproveCanary(t *testing.T) {
	w := newWorld(t, 20, Settings{Settings: fleet.Settings{Rules: narrow()}, ApproveCanary: true, Notify: true})
	w.at(30*time.Minute, func() {
		p := w.progress()
		require.Equal(t, 1, p.Awaiting)
		require.Equal(t, 1, p.Stage)
		require.Equal(t, 1, p.Counts[fleet.StateHealthy])
		w.SignalWorkflow(SignalApproveCanary, 2) // of a stage that is not waited for
	})
	w.at(time.Hour, func() {
		require.Equal(t, 1, w.progress().Awaiting)
		w.SignalWorkflow(SignalApproveCanary, 1)
	})
	w.at(2*time.Hour, func() {
		p := w.progress()
		require.Equal(t, 2, p.Awaiting)
		require.Equal(t, 6, p.Counts[fleet.StateHealthy])
		w.SignalWorkflow(SignalApproveCanary, 2)
	})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	type notice struct {
		kind  fleet.EventKind // empty: the stage waits for approval
		stage int
	}
	var notices []notice
	for _, n := range w.notices {
		notices = append(notices, notice{n.Event.Kind, n.Event.Stage})
		require.Equal(t, []string{w.plan.Region}, n.Regions)
		require.Equal(t, 20, n.Progress.Targets)
	}
	require.Equal(t, []notice{{fleet.EventRun, 0}, {"", 1}, {fleet.EventStage, 1}, {"", 2}, {fleet.EventStage, 2}, {fleet.EventEnd, 0}}, notices)
}

func TestCanaryFails(t *testing.T) {
	w := newWorld(t, 20, Settings{Settings: fleet.Settings{Rules: narrow()}, Notify: true})
	w.end = func(*machine) fleet.Event { return fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotBack} }
	report := w.run()
	w.check(report)
	require.Equal(t, fleet.ReasonCanary, report.Reason)
	require.Equal(t, 1, w.total())
	var kinds []fleet.EventKind
	for _, n := range w.notices {
		kinds = append(kinds, n.Event.Kind)
	}
	require.ElementsMatch(t, []fleet.EventKind{fleet.EventRun, fleet.EventFailed, fleet.EventHalt, fleet.EventEnd}, kinds)
}

func TestBudgetHalts(t *testing.T) {
	w := newWorld(t, 60, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(10), MaxFailed: fleet.Count(2), Canary: []int{}, AllowWide: true}}})
	w.end = func(m *machine) fleet.Event {
		if m.number%4 == 0 {
			return fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotHealthy}
		}
		return fleet.Event{Kind: fleet.EventHealthy}
	}
	report := w.run()
	w.check(report)
	require.Equal(t, fleet.ReasonBudget, report.Reason)
	require.Less(t, w.total(), 25)
	require.Greater(t, report.Count(fleet.StateFailed), 2)
}

// TestComesBack gives room again when an instance that was given up comes back.
func TestComesBack(t *testing.T) {
	w := newWorld(t, 10, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(9), Canary: []int{}}}})
	w.end = func(m *machine) fleet.Event {
		if m.number == 0 {
			return fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotHealthy}
		}
		return fleet.Event{Kind: fleet.EventHealthy, Proof: ecsreboot.ProofStatus}
	}
	w.comesBack = true
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.True(t, report.Records[0].Failed)
	require.Equal(t, fleet.StateHealthy, report.Records[0].State)
}

func TestAccessHalts(t *testing.T) {
	w := newWorld(t, 12, Settings{Settings: fleet.Settings{Rules: narrow()}})
	w.fate = func(*machine) fate {
		return notSent(driver.Judgement{ForAll: true, Event: fleet.Event{Kind: fleet.EventUnsent, Reason: fleet.ReasonAccess, Error: "no key"}})
	}
	report := w.run()
	w.check(report)
	require.Equal(t, fleet.ReasonAccess, report.Reason)
	require.Equal(t, "no key", report.Error)
	require.Equal(t, 12, report.Count(fleet.StateWaiting))
}

func TestThrottled(t *testing.T) {
	w := newWorld(t, 6, Settings{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}, MaxUnavailable: fleet.Count(6), AllowWide: true}}})
	w.fate = func(m *machine) fate {
		if m.tries < 4 {
			return throttled(time.Minute)
		}
		return accepted(m)
	}
	w.at(30*time.Second, func() {
		require.Equal(t, 6, w.progress().Throttled)
		require.Equal(t, fleet.ReasonThrottled, w.query().Records[0].Reason)
	})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.Greater(t, report.Ended.Sub(report.Begun), 3*time.Minute)
	require.Equal(t, 4, w.machines["i-00000"].tries)
}

// query asks for the report.
func (w *world) query() *fleet.Report {
	w.t.Helper()
	value, err := w.QueryWorkflow(queryHistory)
	require.NoError(w.t, err)
	var packed []byte
	require.NoError(w.t, value.Get(&packed))
	return w.report(packed)
}

// TestEveryRefusal ends in the state and for the reason that package fleet has for
// it, without a send.
func TestEveryRefusal(t *testing.T) {
	for name, test := range map[string]struct {
		refusal driver.Judgement
		state   fleet.State
	}{
		"gone":       {driver.Judgement{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotListed}}, fleet.StateFailed},
		"locked":     {driver.Judgement{Event: fleet.Event{Kind: fleet.EventSkipped, Reason: fleet.ReasonLocked}}, fleet.StateSkipped},
		"others":     {driver.Judgement{NotRunning: true}, fleet.StateSkipped},
		"connection": {driver.Judgement{Retry: fleet.ReasonNotSent, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent}}, fleet.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, Settings{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}, MaxFailed: fleet.Count(3)}}})
			w.refuses = func(m *machine) *driver.Judgement {
				if m.number == 3 {
					return &test.refusal
				}
				return nil
			}
			report := w.run()
			w.check(report)
			require.Equal(t, test.state, report.Records[3].State)
			require.Equal(t, 3, w.total())
		})
	}
}

func TestSizes(t *testing.T) {
	for _, n := range []int{1, 199, 200, 201, 401} {
		w := newWorld(t, n, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Percent(25), Canary: []int{}}}})
		report := w.run()
		w.check(report)
		require.NoError(t, report.Err())
		require.Equal(t, n, w.total())
	}
}
