package fleet_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryInterleaving visits every state that runs of a few machines can reach, in every
// order of events, with a crash at every point, and holds the properties in each.
func TestEveryInterleaving(t *testing.T) {
	for _, c := range []struct {
		bounds
		states, transitions int
		long                bool
	}{
		{bounds: bounds{machines: 1, drivers: 2, width: 1, faults: 1, stops: 1}, states: 17467, transitions: 124166},
		{bounds: bounds{machines: 1, drivers: 1, width: 1, faults: 1, interrupts: true, witness: true}, states: 14880, transitions: 90589},
		{bounds: bounds{machines: 2, drivers: 2, width: 1, faults: 1, allFaults: 1}, states: 10238, transitions: 62740},
		{bounds: bounds{machines: 2, drivers: 1, width: 2}, states: 35729, transitions: 248493},
		{bounds: bounds{machines: 3, drivers: 2, width: 1, faults: 1, allFaults: 1}, states: 22763, transitions: 141414, long: true},
		{bounds: bounds{machines: 3, drivers: 2, width: 1, faults: 1}, states: 91791, transitions: 596546, long: true},
		{bounds: bounds{machines: 2, drivers: 1, width: 2, faults: 1, allFaults: 1}, states: 278414, transitions: 1962213, long: true},
		{bounds: bounds{machines: 2, drivers: 2, width: 1, faults: 1, allFaults: 1, interrupts: true}, states: 83806, transitions: 584978, long: true},
		{bounds: bounds{machines: 2, drivers: 2, width: 1, faults: 1, allFaults: 1, witness: true}, states: 814310, transitions: 8523106, long: true},
		{bounds: bounds{machines: 1, drivers: 2, width: 1, faults: 2, stops: 1, interrupts: true, witness: true}, states: 383776, transitions: 3156070, long: true},
		{bounds: bounds{machines: 2, drivers: 2, width: 1, faults: 1, stops: 1}, states: 142339, transitions: 1056542, long: true},
	} {
		t.Run(c.String(), func(t *testing.T) {
			if c.long && os.Getenv("LONG_TESTS") == "" {
				t.Skip("takes long; LONG_TESTS is not set")
			}
			begin := time.Now()
			r := search(c.bounds)
			t.Logf("%d states, %d transitions, at most %d steps away; %d states of the planner, %d calls of it, %d journals replayed, %d ends; %v",
				r.states, r.transitions, r.depth, len(r.c.all.byFacts), r.c.all.calls, r.c.disk.read, r.finished, time.Since(begin).Round(time.Millisecond))
			require.Empty(t, r.broken, r.String())
			require.Equal(t, [2]int{c.states, c.transitions}, [2]int{r.states, r.transitions}, "other states can be reached than before: docs/safety.md has the numbers too")
		})
	}
}

// TestEveryInterleavingIsReducedBySymmetry searches without the reduction: it meets the
// states of the reduced search, each under all its names, and no other.
func TestEveryInterleavingIsReducedBySymmetry(t *testing.T) {
	for _, within := range []bounds{
		{machines: 1, drivers: 2, width: 1},
		{machines: 2, drivers: 1, width: 2},
		{machines: 2, drivers: 2, width: 1, faults: 1, allFaults: 1},
	} {
		t.Run(within.String(), func(t *testing.T) {
			if within.machines > 1 && os.Getenv("LONG_TESTS") == "" {
				t.Skip("takes long; LONG_TESTS is not set")
			}
			reduced := search(within)
			within.full = true
			full := search(within)
			t.Logf("%d states of %d", reduced.states, full.states)
			require.Empty(t, full.broken, full.String())
			require.Equal(t, reduced.states, full.classes)
			require.Greater(t, full.states, reduced.states*5/4)
		})
	}
}

// TestEveryInterleavingFindsWrongVariants breaks one rule after the other, and sees the
// property fail that the rule is there for.
func TestEveryInterleavingFindsWrongVariants(t *testing.T) {
	rightWithin := make(map[string]bool) // bounds
	for _, v := range []struct {
		name     string
		property string
		bounds
	}{
		{"the request leaves before its intent is durable", intentFirst, bounds{machines: 1, width: 1, wrong: sendsBeforeSync}},
		{"a resumed run sends the request of an open intent", oneSend, bounds{machines: 1, width: 1, wrong: sendsAgain}},
		{"a resumed run forgets the answers", answersKept, bounds{machines: 1, width: 1, wrong: forgetsAnswers}},
		{"two drivers hold the lock", noSecond, bounds{machines: 1, drivers: 2, width: 1, wrong: noLock}},
		{"a resumed run forgets the stop", stopFinal, bounds{machines: 1, width: 1, stops: 1, wrong: forgetsStop}},
		{"no check after the intent", stopFinal, bounds{machines: 1, width: 1, stops: 1, wrong: ignoresStopAtSend}},
		{"an unknown restart counts as done", noClaim, bounds{machines: 1, width: 1, faults: 1, wrong: unknownIsDone}},
		{"the session ends when all is sent", everyEnd, bounds{machines: 1, width: 1, wrong: endsEarly}},
		{"a torn last line counts as whole", replaysAlike, bounds{machines: 1, width: 1, wrong: tornIsWhole}},
		{"a torn last line stays", readable, bounds{machines: 1, width: 1, wrong: tornStays}},
		{"a place is given away twice", width, bounds{machines: 2, width: 1, faults: 1, wrong: widthTwice}},
		{"a second resume differs from the first", resumeTwice, bounds{machines: 1, width: 1, wrong: resumesDifferently}},
		{"what is called off has another turn", sessionEnds, bounds{machines: 1, width: 1, interrupts: true, pending: 6, wrong: hearsOn}},
		{"nobody reports a lost response", sessionEnds, bounds{machines: 1, width: 1, faults: 1, wrong: staysSilent}},
	} {
		t.Run(v.name, func(t *testing.T) {
			v.drivers = max(1, v.drivers)
			r := search(v.bounds)
			require.Equal(t, v.property, r.broken, r.String())
			t.Logf("found among %d states:\n%v", r.states, r)
			v.wrong, v.pending = right, 0
			if !rightWithin[v.String()] {
				require.Empty(t, search(v.bounds).broken, "without the mistake the property holds")
				rightWithin[v.String()] = true
			}
		})
	}
}
