package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// wideRun is a run of n instances, a quarter of them at once, whose restarts take 30 to 90 s.
type wideRun struct {
	n      int
	limit  int // reads a minute
	enforced, hinted bool
}

type wideFigures struct {
	most     int // reads in any minute
	calls int
	took, lag time.Duration
	memory   int
	late []int
}

func (r wideRun) run(t *testing.T) (f wideFigures) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(r.n)))
	restart := make(map[string]time.Duration, r.n)
	var mu sync.Mutex
	var times []time.Time
	options := ecstest.Options{OnCall: func(call ecstest.ReceivedCall) {
		if call.Action == "DescribeInstances" {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, call.Time)
		}
	}}
	inBubble(t, r.n, options, func(t *testing.T, s *service) {
		plan := s.plan()
		s.ForgetCalls()
		mu.Lock()
		times = nil
		mu.Unlock()
		client := s.client
		if r.hinted {
			var err error
			client, err = s.NewClient(ecsreboot.WithRateHint(pace.DescribeInstances, float64(r.limit)))
			require.NoError(t, err)
			defer client.CloseIdleConnections()
		}
		var before, during runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				select { case <-time.After(time.Minute): case <-ctx.Done(): return }
				s.ForgetCalls()
				runtime.GC()
				runtime.ReadMemStats(&during)
				if out, err := os.Create("/work/t/h-reads/heap.pprof"); err == nil && int(during.HeapAlloc)-int(before.HeapAlloc) > f.memory { pprof.WriteHeapProfile(out); out.Close() }
				f.memory = max(f.memory, int(during.HeapAlloc)-int(before.HeapAlloc))
			}
		}()
		report, err := fleet.Run(context.Background(), client, plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Percent(25)}, MinReady: -1}})
		require.NoError(t, err)
		require.Equal(t, r.n, report.Count(fleet.StateHealthy), report.String())
		f.took = report.Ended.Sub(report.Begun)
		for _, record := range report.Records {
			f.lag += (record.EndedAt.Sub(record.SentAt) - restart[record.ID]) / time.Duration(r.n)
		}
		begun := report.Begun
		for _, at := range times {
			m := int(at.Sub(begun)/time.Minute)
			for len(f.late) <= m { f.late = append(f.late, 0) }
			f.late[m]++
		}
	}, func(i *ecstest.Instance) {
		restart[i.ID] = 30*time.Second + time.Duration(random.Int64N(int64(time.Minute)))
		i.Reboot = ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: restart[i.ID]}
	})
	f.calls = len(times)
	for i, j := 0, 0; i < len(times); i++ {
		for times[i].Sub(times[j]) >= time.Minute {
			j++
		}
		f.most = max(f.most, i-j+1)
	}
	return f
}

func TestWide(t *testing.T) {
	n := 2000
	if os.Getenv("N") != "" { fmt.Sscan(os.Getenv("N"), &n) }
	for _, r := range []wideRun{{n: n}, {n: n, limit: 60, hinted: true}, {n: n, limit: 1000, hinted: true}} {
		begin := time.Now()
		f := r.run(t)
		t.Logf("%+v: %+v; %d B/machine; real %v", r, f, f.memory/r.n, time.Since(begin))
	}
}
