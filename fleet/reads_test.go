package fleet_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

var wideInstances = flag.Int("reads.instances", 20_000, "how many instances TestReadsOfALargeWidth restarts with LONG_TESTS=1")

// wideRun is a run of n instances whose restarts take 30 to 90 s, in virtual time.
type wideRun struct {
	n       int
	percent float64 // of the instances are restarted at once
	limit   int     // reads that the service allows a minute; 0: any number
	hinted  bool    // the client knows the limit; otherwise it learns it
}

func (r wideRun) String() string {
	text := fmt.Sprintf("%d_at_%g%%", r.n, r.percent)
	if r.limit > 0 {
		text += fmt.Sprintf("_%d_a_minute_%s", r.limit, map[bool]string{true: "hinted", false: "learned"}[r.hinted])
	}
	return text
}

// wideFigures are what a wideRun showed.
type wideFigures struct {
	service *leanService
	took    time.Duration // of the run
	lag     time.Duration // mean time from the end of a restart to the report of it
	memory  int           // of plan, run and client, in bytes for each instance, at most
}

func (f wideFigures) String() string {
	lists := 0
	for _, read := range f.service.reads {
		if read.byStatus {
			lists++
		}
	}
	return fmt.Sprintf("%v; %d reads by ids and %d by status, at most %d in 60 s; %d throttled; late by %v; %d B for each instance",
		f.took.Round(time.Second), len(f.service.reads)-lists, lists, f.service.most(0), f.service.throttled, f.lag.Round(10*time.Millisecond), f.memory)
}

// showsMemory reports whether the run uses so much more memory than the client that it can be
// measured. Measuring takes three garbage collections each minute.
func (r wideRun) showsMemory() bool { return r.n >= 20_000 }

func (r wideRun) run(t *testing.T) (f wideFigures) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second) // StartTime is a matter of minutes
		s := newLeanService(t, r.n, r.limit)
		f.service = s
		var options []ecsreboot.Option
		if r.hinted {
			options = append(options, ecsreboot.WithRateHint(pace.DescribeInstances, float64(r.limit)))
		}
		inUse := func() int {
			var m runtime.MemStats
			for range 3 { // each halves stacks that are too large
				runtime.GC()
			}
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc + m.StackInuse)
		}
		before := inUse()
		client := s.newClient(options...)
		plan := fleet.Plan{Region: "cn-hangzhou", Endpoint: client.Endpoint()}
		for i, id := range s.ids() {
			plan.Targets = append(plan.Targets, fleet.Target{ID: id, Zone: "cn-hangzhou-" + string("hij"[i%3])})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			for r.showsMemory() && sleep(ctx, time.Minute) {
				f.memory = max(f.memory, (inUse()-before)/r.n)
			}
		})
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(r.percent)}
		report, err := fleet.Run(context.Background(), client, plan, fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: -1}})
		cancel()
		group.Wait()
		require.NoError(t, err)
		f.memory = max(f.memory, (inUse()-before)/r.n)
		require.Equal(t, r.n, report.Count(fleet.StateHealthy), report.String())
		require.Len(t, report.Records, r.n)
		f.took = report.Ended.Sub(report.Begun)
		for _, record := range report.Records {
			lag := record.EndedAt.Sub(record.SentAt) - s.takes(record.ID)
			require.Positive(t, lag, "%s was not Running", record.ID)
			f.lag += lag / time.Duration(r.n)
		}
		for i, m := range s.machines {
			require.EqualValues(t, 1, m.restarts, leanID(i))
		}
		runtime.KeepAlive(plan)
	})
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

// TestReadsOfALargeWidth limits the reads of a run, baselines included, to half of the rate
// limit, or to three a second if none is known, however many instances are in flight. A
// client that has to learn the limit exceeds the limit for less than two minutes. With
// LONG_TESTS=1, the test restarts 20,000 instances, and limits the memory of the run, divided
// by its instances, to 4,000 bytes at widths of 2 and 10 %, and to 7,000 at 25 %. At 10 and
// 25 %, most of the memory is for the instances in flight. For 100,000 instances:
//
//	LONG_TESTS=1 go test -run ReadsOfALargeWidth -timeout 2h -v ./fleet -reads.instances 100000
func TestReadsOfALargeWidth(t *testing.T) {
	runs := []wideRun{{n: 400, percent: 25, limit: 60, hinted: true}, {n: 400, percent: 25, limit: 60}}
	if n := *wideInstances; os.Getenv("LONG_TESTS") != "" {
		runs = append(
			runs,
			wideRun{n: n, percent: 10, limit: 1000, hinted: true},
			wideRun{n: n, percent: 25, limit: 1000, hinted: true},
			wideRun{n: n, percent: 25, limit: 120},
			wideRun{n: n, percent: 25},
			wideRun{n: n, percent: 2, limit: 1000, hinted: true},
		)
	}
	for _, r := range runs {
		t.Run(r.String(), func(t *testing.T) {
			f := r.run(t)
			t.Log(f)
			half, since := r.limit/2, time.Duration(0)
			switch {
			case r.limit == 0:
				half = 60*1000/350 + 6*1000/350 + 1
			case !r.hinted:
				first, last := f.service.throttling()
				require.Positive(t, f.service.throttled, "otherwise there is nothing to learn from")
				require.Less(t, last-first, 2*time.Minute)
				require.Less(t, f.service.throttled, 20)
				since = last
				require.Greater(t, f.service.most(since), half/2, "the run went on after that")
			}
			require.LessOrEqual(t, f.service.most(since), half)
			if r.showsMemory() {
				require.Less(t, f.memory, map[float64]int{2: 4000, 10: 4000, 25: 7000}[r.percent])
			}
		})
	}
}
