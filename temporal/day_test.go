package ecstemporal

import (
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestDay restarts 10,000 instances over a day of the workflow's time: with an
// approval by people, a pause over the night, a service that throttles, answers that
// are lost and workers that die.
func TestDay(t *testing.T) {
	n := 10_000
	if testing.Short() || raceEnabled {
		n = 1_000 // the environment keeps every workflow that was, and takes half a minute for all
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // there is next to no garbage in what is kept
	random := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t, n, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Percent(2)}}, ApproveCanary: true})
	w.fate = func(m *machine) fate {
		switch {
		case m.tries == 1 && m.number%10 == 3:
			return throttled(time.Minute)
		case m.number%97 == 50: // the answer is lost
			return fate{acts: true, result: sendResult{Error: "lost"}}
		case m.number%101 == 60: // the worker died after the send
			return fate{acts: true, err: errDied}
		case m.number%103 == 70: // and before
			return fate{err: errDied}
		}
		return accepted(m)
	}
	w.waitTakes = func() time.Duration {
		w.mu.Lock()
		defer w.mu.Unlock()
		return 60*time.Second + time.Duration(random.IntN(120))*time.Second
	}
	w.at(2*time.Hour, func() { w.SignalWorkflow(SignalApproveCanary, 1) })
	w.at(3*time.Hour, func() { w.SignalWorkflow(SignalApproveCanary, 2) })
	w.at(4*time.Hour+time.Second, func() { w.SignalWorkflow(SignalPause, nil) })
	w.at(23*time.Hour, func() { w.SignalWorkflow(SignalUnpause, nil) })
	begin := time.Now()
	report := w.run()
	t.Logf("%v of workflow time in %v", report.Ended.Sub(report.Begun), time.Since(begin))

	w.check(report)
	require.Greater(t, report.Ended.Sub(report.Begun), 24*time.Hour)
	require.Equal(t, fleet.ReasonDone, report.Reason)
	dead := 0
	for i := range n {
		if i%97 != 50 && i%101 != 60 && i%103 == 70 {
			dead++
		}
	}
	require.Equal(t, dead, report.Count(fleet.StateUnknown), "those that never left")
	require.Equal(t, n-dead, report.Count(fleet.StateHealthy))
	require.Greater(t, w.widest, n/50/4, "the width was never made use of")
}
