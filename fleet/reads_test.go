package fleet_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

var wideInstances = flag.Int("reads.instances", 10_000, "how many instances TestReadsOfALargeWidth restarts with LONG_TESTS=1")

// wideRun is a run of n instances, a quarter of them at once, whose restarts take 30 to 90 s,
// in virtual time.
type wideRun struct {
	n    int
	hint int // rate limit for reads that the client knows; 0: none
}

// wideFigures are what a wideRun showed.
type wideFigures struct {
	reads, most int           // requests for baselines and polls, and the most in 60 s
	took        time.Duration // of the run
	lag         time.Duration // mean time from the end of a restart to the report of it
	memory      int           // of the run, in bytes for each instance, at most; the service not included
}

func (r wideRun) run(t *testing.T) (f wideFigures) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(r.n)))
	restart := make(map[string]time.Duration, r.n)
	var mu sync.Mutex
	var reads []time.Time
	options := ecstest.Options{OnCall: func(call ecstest.ReceivedCall) {
		if call.Action == "DescribeInstances" {
			mu.Lock()
			defer mu.Unlock()
			reads = append(reads, call.Time)
		}
	}}
	inBubble(t, r.n, options, func(t *testing.T, s *service) {
		plan := s.plan()
		if r.n >= 100_000 { // so that the service has as many records as it keeps
			for _, id := range s.ids {
				require.NoError(t, s.Restart(id, false))
			}
			time.Sleep(5 * time.Minute)
		}
		mu.Lock()
		reads = nil
		mu.Unlock()
		client, err := s.NewClient(ecsreboot.WithRateHint(pace.DescribeInstances, float64(r.hint)))
		require.NoError(t, err)
		defer client.CloseIdleConnections()

		var before runtime.MemStats
		measured := func() (m runtime.MemStats) {
			s.ForgetCalls()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m
		}
		before = measured()
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			for sleep(ctx, time.Minute) {
				m := measured()
				inUse := m.HeapAlloc + m.StackInuse - before.HeapAlloc - before.StackInuse
				f.memory = max(f.memory, int(inUse)/r.n)
			}
		})
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(25)}
		report, err := fleet.Run(context.Background(), client, plan, fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: -1}})
		cancel()
		group.Wait()
		require.NoError(t, err)
		require.Equal(t, r.n, report.Count(fleet.StateHealthy), report.String())
		f.took = report.Ended.Sub(report.Begun)
		for _, record := range report.Records {
			f.lag += (record.EndedAt.Sub(record.SentAt) - restart[record.ID]) / time.Duration(r.n)
		}
	}, func(i *ecstest.Instance) {
		restart[i.ID] = 30*time.Second + time.Duration(random.Int64N(int64(time.Minute)))
		i.Reboot = ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: restart[i.ID]}
	})
	f.reads = len(reads)
	first := 0
	for i, at := range reads {
		for at.Sub(reads[first]) >= time.Minute {
			first++
		}
		f.most = max(f.most, i-first+1)
	}
	return f
}

// sleep reports whether ctx has not ended within a time.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// TestReadsOfALargeWidth holds the reads of a run, baselines included, to half of the rate
// limit, or to three a second if none is known, however many instances are in flight. With
// LONG_TESTS=1, it restarts 10,000 instances. 100,000 take long, and the memory of each is
// held to 4,000 bytes:
//
//	LONG_TESTS=1 go test -run ReadsOfALargeWidth -timeout 2h -v ./fleet -reads.instances 100000
func TestReadsOfALargeWidth(t *testing.T) {
	runs := []wideRun{{n: 400, hint: 60}}
	if os.Getenv("LONG_TESTS") != "" {
		runs = append(runs, wideRun{n: *wideInstances, hint: 1000}, wideRun{n: *wideInstances})
	}
	for _, r := range runs {
		t.Run(fmt.Sprintf("%d instances, %d a minute", r.n, r.hint), func(t *testing.T) {
			f := r.run(t)
			most := r.hint / 2
			if r.hint == 0 {
				most = 60*1000/350 + 6*1000/350 + 1
			}
			t.Logf("%v; %d reads, at most %d in a minute; late by %v; %d B for each instance", f.took, f.reads, f.most, f.lag.Round(10*time.Millisecond), f.memory)
			require.LessOrEqual(t, f.most, most)
			if r.n >= 100_000 {
				require.Less(t, f.memory, 4000)
			}
		})
	}
}
