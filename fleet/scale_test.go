package fleet_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// readings counts the status calls of a run with all machines in flight, and those
// that as many waits of their own would make.
func readings(t *testing.T, n int) (shared, alone int) {
	t.Helper()
	slow := func(i *ecstest.Instance) { i.Reboot.Graceful = 90 * time.Second }
	count := func(s *service) (calls int) {
		for _, call := range s.Calls() {
			calls += map[string]int{"DescribeInstances": 1}[call.Action]
		}
		return calls
	}
	inBubble(t, n, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		s.ForgetCalls()
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		require.Equal(t, n, report.Count(fleet.StateHealthy))
		shared = count(s)
	}, slow)
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		healthy := time.Time{}
		_, err := s.client.RebootAndWait(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: s.ids[0]}, ecsreboot.WaitOptions{
			Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				if healthy.IsZero() {
					healthy = time.Now()
				}
				if time.Since(healthy) < 30*time.Second {
					return ecsreboot.ProbePending, nil
				}
				return ecsreboot.ProbeHealthy, nil
			},
		})
		require.NoError(t, err)
		alone = n * count(s)
	}, slow)
	return shared, alone
}

// TestReadingsAreShared holds the run to what one poller for all saves.
func TestReadingsAreShared(t *testing.T) {
	n := 120 // more than a page
	if longTests {
		n = 1000
	}
	shared, alone := readings(t, n)
	saved := 1 - float64(shared)/float64(alone)
	t.Logf("%d in flight: %d status calls instead of %d, %.2f %% less", n, shared, alone, 100*saved)
	require.GreaterOrEqual(t, saved, 0.98)
}

// BenchmarkRun restarts fleets in virtual time, with the default rules.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var before, after runtime.MemStats
			var took time.Duration
			for b.Loop() { // the time is that of the service and of making its instances as well
				// A bubble is for tests only, so this is one.
				passed := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: func(t *testing.T) {
					inBubble(t, n, ecstest.Options{}, func(t *testing.T, s *service) {
						plan := s.plan()
						options := fleet.Options{Journal: filepath.Join(t.TempDir(), "run.journal")}
						runtime.GC()
						runtime.ReadMemStats(&before)
						report, err := fleet.Run(context.Background(), s.client, plan, options)
						runtime.ReadMemStats(&after)
						require.NoError(t, err)
						require.Equal(t, n, report.Count(fleet.StateHealthy))
						took = report.Ended.Sub(report.Begun)
					})
				}}})
				require.True(b, passed)
			}
			// Of the service, too, which runs in the same process.
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n), "allocs/machine")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(n), "B/machine")
			b.ReportMetric(took.Minutes(), "virtual-min/op")
		})
	}
}
