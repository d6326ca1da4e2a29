package simulation

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// defaultRestarts is what fits into a second or two of one core.
const defaultRestarts = 350

// totals sum up the worlds of a test.
type totals struct {
	mu                                                  sync.Mutex
	worlds, restarts, others, crashes, resent, requests int
	failed, violations                                  int
	faults                                              map[ecstest.FaultKind]int
	begin                                               time.Time
	cpu                                                 time.Duration
}

func (s *totals) add(r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds++
	s.restarts += r.restarts
	s.others += r.others
	s.crashes += r.crashes
	s.resent += r.resent
	s.requests += r.requests
	s.failed += min(len(r.violations), 1)
	s.violations += len(r.violations)
	for kind, n := range r.faults {
		s.faults[kind] += n
	}
}

func (s *totals) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var faults []string
	sum := 0
	for _, kind := range slices.Sorted(maps.Keys(s.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", kind, s.faults[kind]))
		sum += s.faults[kind]
	}
	last := *simSeed
	if *simTimes == 0 {
		last += uint64(max(s.worlds, 1)) - 1
	}
	cpu := cpuTime() - s.cpu
	return fmt.Sprintf("%d restarts by us and %d by others, %d crashes, %d resends, %d requests, %d faults (%s), %d worlds (seeds %d to %d), %d violations in %d worlds, %.1f s of CPU time: %.0f restarts a second",
		s.restarts, s.others, s.crashes, s.resent, s.requests, sum, strings.Join(faults, ", "), s.worlds, *simSeed, last, s.violations, s.failed,
		cpu.Seconds(), float64(s.restarts)/max(cpu.Seconds(), 0.001))
}

// TestWorlds simulates worlds, and holds them to the rules.
func TestWorlds(t *testing.T) {
	sum := &totals{faults: map[ecstest.FaultKind]int{}, begin: time.Now(), cpu: cpuTime()}
	t.Cleanup(func() { fmt.Println("simulation:", sum) })
	if *simTimes > 0 {
		repeat(t, sum)
		return
	}
	limit := *simRestarts
	if limit == 0 {
		limit = defaultRestarts
		if testing.Short() {
			limit /= 5
		}
	}
	over := func() bool {
		sum.mu.Lock()
		defer sum.mu.Unlock()
		if *simFor > 0 {
			return time.Since(sum.begin) >= *simFor
		}
		return sum.restarts >= limit
	}
	var next atomic.Uint64
	var group sync.WaitGroup
	for range *simWorkers {
		group.Go(func() {
			for !over() && !t.Failed() {
				d := newDesign(*simSeed + next.Add(1) - 1)
				r := run(t, d, false)
				sum.add(r)
				if len(r.violations) > 0 {
					fail(t, d, r)
				}
			}
		})
	}
	group.Wait()
}

// TestWorldOfAResend simulates a world in which a caller resends a restart. That happens in
// few worlds.
func TestWorldOfAResend(t *testing.T) {
	d := newDesign(35)
	r := run(t, d, false)
	require.Positive(t, r.resent, "another seed is needed")
	if len(r.violations) > 0 {
		fail(t, d, r)
	}
}

// repeat simulates one world many times.
func repeat(t *testing.T, sum *totals) {
	t.Helper()
	gone := map[string]bool{}
	for name := range strings.SplitSeq(*simWithout, ",") {
		gone[name] = true
	}
	d := newDesign(*simSeed).without(gone)
	var first *result
	for range *simTimes {
		r := run(t, d, *simTimes == 1)
		sum.add(r)
		if len(r.violations) > 0 && first == nil {
			first = &r
		}
		if *simTimes == 1 {
			t.Log("\n" + r.log)
		}
	}
	t.Logf("seed %d fails %d of %d times", *simSeed, sum.failed, *simTimes)
	if first != nil {
		report(t, d, *first, *simWithout)
	}
}

// fail reports a world that broke a rule, and a smaller one.
func fail(t *testing.T, d design, r result) {
	t.Helper()
	report(t, d, r, "")
	if *simShrink <= 0 {
		return
	}
	gone, smaller := shrink(t, d, r, *simShrink)
	if len(gone) > 0 {
		report(t, d, smaller, names(gone))
	}
}

func report(t *testing.T, d design, r result, without string) {
	t.Helper()
	t.Error(describe(d, r, without))
}

// describe says which rules were broken, where the log is, and how to see how often that
// happens: the order in which goroutines run is not seeded.
func describe(d design, r result, without string) string {
	name, flags := fmt.Sprintf("simulation-seed-%d.log", d.Seed), ""
	if without != "" {
		name, flags = fmt.Sprintf("simulation-seed-%d-smaller.log", d.Seed), " -sim.without='"+without+"'"
	}
	var broken strings.Builder
	for _, v := range r.violations[:min(len(r.violations), 5)] {
		fmt.Fprintf(&broken, "\n%s: %s", v.rule, v.text)
	}
	path := filepath.Join(*simLogs, name)
	if err := os.WriteFile(path, []byte(r.log), 0o600); err != nil {
		path = err.Error() + "\n" + r.log
	}
	return fmt.Sprintf("seed %d: %d violations:%s\nwhat the service and the disks saw: %s\nhow often it fails: go test ./internal/simulation -run 'TestWorlds$' -v -sim.seed=%d%s -sim.times=200",
		d.Seed, len(r.violations), broken.String(), path, d.Seed, flags)
}
