package ecstemporal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// TestRandom lets all kinds of things go wrong, each seed in its own way.
func TestRandom(t *testing.T) {
	seeds := uint64(15)
	switch {
	case testing.Short() || raceEnabled:
		seeds = 5
	case os.Getenv("LONG_TESTS") != "":
		seeds = 60
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			n := 1 + random.IntN(450)
			rules := fleet.Rules{MaxUnavailable: fleet.Percent(float64(1 + random.IntN(25))), MaxFailed: fleet.Percent(float64(random.IntN(60)))}
			if random.IntN(2) == 0 {
				rules.Canary = []int{}
			}
			w := newWorld(t, n, Settings{Settings: fleet.Settings{Rules: rules}})
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
				case kind >= 17 && kind < 20 && m.tries == 1:
					return fate{result: sendResult{Error: "lost"}}
				case kind == 12:
					return notSent(driver.Judgement{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonDenied, Running: true}})
				case kind == 10 && m.tries < 3:
					return notSent(driver.Judgement{Retry: fleet.ReasonNotSent, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent}})
				}
				return accepted(m)
			}
			w.refusal = func(m *machine) *driver.Judgement {
				refused := driver.Judgement{Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonRefused, Running: true, Witness: "Trail"}}
				switch kinds[m.number] {
				case 17:
					refused.Retry = fleet.ReasonRefused
				case 18:
				case 19:
					refused.NotRunning = true
				default:
					return nil
				}
				return &refused
			}
			w.end = func(m *machine) fleet.Event {
				if kinds[m.number] == 11 {
					return fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotBack}
				}
				return fleet.Event{Kind: fleet.EventHealthy}
			}
			w.comesBack = random.IntN(2) == 0
			w.others.Alone = random.IntN(8) > 0
			w.settings.Drain, w.settings.Undrain, w.settings.Failed = random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
			w.settings.Blocker = random.IntN(2) == 0
			w.hookTakes = time.Duration(random.IntN(60)) * time.Second
			w.hookFails = func(m *machine, hook fleet.Hook) string {
				if kinds[m.number] == 13 && hook == fleet.HookDrain || kinds[m.number] == 14 && hook == fleet.HookUndrain || kinds[m.number] == 15 && hook == fleet.HookFailed {
					return "no such backend"
				}
				return ""
			}
			w.blocks = func(m *machine) string {
				if kinds[m.number] == 16 && m.asks < 40 {
					return "busy"
				}
				return ""
			}
			for range random.IntN(4) {
				id, as := fmt.Sprintf("i-%05d", random.IntN(n)), []fleet.Mark{fleet.MarkGone, fleet.MarkRestarted}[random.IntN(2)]
				w.at(time.Duration(random.IntN(7200))*time.Second, func() { w.mark(id, as) })
			}
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
