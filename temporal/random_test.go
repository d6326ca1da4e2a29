package ecstemporal

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// TestRandom lets all kinds of things go wrong, each seed in its own way.
func TestRandom(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() || raceEnabled {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			n := 1 + random.IntN(450)
			rules := fleet.Rules{MaxUnavailable: fleet.Percent(float64(1 + random.IntN(25))), MaxFailed: fleet.Percent(float64(random.IntN(60)))}
			if random.IntN(2) == 0 {
				rules.Canary = []int{}
			}
			w := newWorld(t, n, Settings{Rules: rules})
			// What becomes of an instance does not depend on the order in which the
			// activities happen to run.
			kinds := make([]int, n)
			for i := range kinds {
				kinds[i] = random.IntN(40)
			}
			w.fate = func(m *machine) fate {
				switch kind := kinds[m.number]; {
				case kind == 0:
					return fate{acts: true, err: errDied}
				case kind == 1:
					return fate{err: errDied}
				case kind == 2:
					return fate{acts: true, result: sendResult{Error: "lost"}}
				case kind == 3:
					return fate{result: sendResult{Error: "lost"}}
				case kind == 4:
					return notSent(driver.Judgement{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonRefused, Code: "DiskError"}})
				case kind == 5:
					return notSent(driver.Judgement{NotRunning: true})
				case kind == 6:
					return notSent(driver.Judgement{Event: fleet.Event{Kind: fleet.EventSkipped, Reason: fleet.ReasonNotRunning, Unavailable: true}})
				case kind < 10 && m.tries < 4:
					return throttled(time.Duration(kind) * 10 * time.Second)
				case kind == 10 && m.tries < 3:
					return notSent(driver.Judgement{Retry: fleet.ReasonNotSent, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent}})
				}
				return accepted(m)
			}
			w.end = func(m *machine) fleet.Event {
				if kinds[m.number] == 11 {
					return fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotBack}
				}
				return fleet.Event{Kind: fleet.EventHealthy}
			}
			w.comesBack = random.IntN(2) == 0
			if random.IntN(2) == 0 {
				w.sendTakes = func() time.Duration { return 20 * time.Second }
			}
			for range random.IntN(4) {
				at := time.Duration(random.IntN(7200)) * time.Second
				w.at(at, func() { w.SignalWorkflow(SignalPause, nil) })
				w.at(at+time.Duration(1+random.IntN(3600))*time.Second, func() { w.SignalWorkflow(SignalUnpause, nil) })
			}
			w.at(200*time.Hour, func() { w.SignalWorkflow(SignalUnpause, nil) }) // of pauses that overlap
			report := w.run()
			w.check(report)
			require.Zero(t, report.Count(fleet.StateRestarting))
			require.NotEmpty(t, report.Reason)
		})
	}
}
