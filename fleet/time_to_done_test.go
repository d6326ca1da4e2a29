package fleet_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// timedRun is a run of n instances whose restarts take 30 to 90 s, in virtual time.
type timedRun struct {
	n        int
	percent  float64
	minReady time.Duration
	limit    int // requests of each kind that the service allows a minute; 0: any number
	hinted   bool
}

func (r timedRun) String() string {
	text := fmt.Sprintf("%d_at_%g%%_%v", r.n, r.percent, r.minReady)
	if r.limit > 0 {
		text += fmt.Sprintf("_%d_a_minute_%s", r.limit, map[bool]string{true: "hinted", false: "learned"}[r.hinted])
	}
	return text
}

// timing is what a timedRun showed.
type timing struct {
	took   time.Duration
	bounds fleet.Bounds
	width  time.Duration // Bounds.Width by the restarts' own times, which only the service knows
	polls  int
	// throttled is how many restart requests the service throttled.
	throttled int
	lag       time.Duration // mean time from the end of a place to the report of it
}

// ratio is the time of the run to its largest bound. The service's own times are less than
// those that the run saw.
func (m timing) ratio() float64 {
	m.bounds.Width = m.width
	return m.took.Seconds() / m.bounds.Largest().Seconds()
}

func (m timing) String() string {
	return fmt.Sprintf("%v; bounds: %v (%v by the service); ratio %.3f; %d polls, late by %v",
		m.took.Round(time.Second), m.bounds, m.width.Round(time.Second), m.ratio(), m.polls, m.lag.Round(10*time.Millisecond))
}

func (r timedRun) run(t *testing.T) (m timing) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(r.n)))
	restart := make(map[string]time.Duration, r.n)
	inBubble(t, r.n, ecstest.Options{LimitPerMinute: r.limit}, func(t *testing.T, s *service) {
		plan := s.plan()
		s.ForgetCalls()
		client := s.client
		if r.hinted {
			var err error
			client, err = s.NewClient(ecsreboot.WithRateHint(pace.RebootInstance, float64(r.limit)), ecsreboot.WithRateHint(pace.DescribeInstances, float64(r.limit)))
			require.NoError(t, err)
			defer client.CloseIdleConnections()
		}
		rules := fleet.Rules{MaxUnavailable: fleet.Percent(r.percent)}
		report, err := fleet.Run(context.Background(), client, plan, fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: cmp.Or(r.minReady, -1)}})
		require.NoError(t, err)
		require.Equal(t, r.n, report.Count(fleet.StateHealthy), report.String())
		m.took, m.bounds = report.Ended.Sub(report.Begun), report.Bounds
		m.width = fleet.Ideal(plan, rules, func(id string) time.Duration { return restart[id] + r.minReady })
		for _, call := range s.Calls() {
			switch {
			case call.Action == "DescribeInstances":
				m.polls++
			case call.Action == "RebootInstance" && call.Code != "":
				m.throttled++
			}
		}
		for _, record := range report.Records {
			m.lag += (record.EndedAt.Sub(record.SentAt) - restart[record.ID] - r.minReady) / time.Duration(r.n)
		}
	}, func(i *ecstest.Instance) {
		restart[i.ID] = 30*time.Second + time.Duration(random.Int64N(int64(time.Minute)))
		i.Reboot = ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: restart[i.ID]}
	})
	return m
}

// widthRuns are the runs of fleets of one size that nothing but the width limits.
func widthRuns(n int) (runs []timedRun) {
	for _, percent := range []float64{2, 10, 25} {
		for _, minReady := range []time.Duration{0, 30 * time.Second} {
			runs = append(runs, timedRun{n: n, percent: percent, minReady: minReady})
		}
	}
	return runs
}

// nearBound is the time of a run to its largest bound at most.
const nearBound = 1.10

// TestTimeToDone holds runs to the largest of their bounds. With LONG_TESTS=1, it also holds
// runs of 200 instances at each width to them. BenchmarkTimeToDone does so for larger runs.
func TestTimeToDone(t *testing.T) {
	runs := []timedRun{ // one by one, a few at once, and many
		{n: 10, percent: 2},
		{n: 10, percent: 2, minReady: 30 * time.Second},
		{n: 40, percent: 10},
		{n: 80, percent: 25, minReady: 30 * time.Second},
		{n: 120, percent: 25, minReady: 30 * time.Second, limit: 12, hinted: true},
	}
	if longTests {
		runs = append(
			append(runs, widthRuns(200)...),
			timedRun{n: 200, percent: 25, minReady: 30 * time.Second, limit: 12, hinted: true},
			timedRun{n: 200, percent: 25, limit: 12, hinted: true},
		)
	}
	for _, r := range runs {
		t.Run(r.String(), func(t *testing.T) {
			m := r.run(t)
			t.Log(m)
			require.LessOrEqual(t, m.ratio(), nearBound)
			require.GreaterOrEqual(t, m.took, m.bounds.Largest(), "a bound")
			require.GreaterOrEqual(t, m.bounds.Width, m.width)
			require.Less(t, m.bounds.Width.Seconds(), nearBound*m.width.Seconds(), "what the run saw is near to what was")
			require.Equal(t, r.limit > 0, m.bounds.Requests > m.bounds.Width)
			require.Equal(t, r.limit > 0, m.bounds.Polls > 0)
		})
	}
}

// BenchmarkTimeToDone shows the time of large runs beside their bounds:
//
//	go test -run '^$' -bench TimeToDone -benchtime 1x ./fleet
func BenchmarkTimeToDone(b *testing.B) {
	runs := append(widthRuns(2000), widthRuns(10_000)...)
	runs = append(runs,
		timedRun{n: 2000, percent: 25, minReady: 30 * time.Second, limit: 120, hinted: true},
		timedRun{n: 2000, percent: 25, minReady: 30 * time.Second, limit: 120},
	)
	if testing.Short() { // .ci/run wants to see it run
		runs = widthRuns(200)[:1]
	}
	for _, r := range runs {
		b.Run(r.String(), func(b *testing.B) {
			var m timing
			for b.Loop() {
				// A bubble is for tests only, so this is one.
				passed := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: func(t *testing.T) { m = r.run(t) }}})
				require.True(b, passed)
			}
			b.ReportMetric(m.took.Minutes(), "virtual-min/op")
			b.ReportMetric(m.width.Minutes(), "width-min")
			b.ReportMetric(m.bounds.Requests.Minutes(), "requests-min")
			b.ReportMetric(m.bounds.Polls.Minutes(), "polls-min")
			b.ReportMetric(m.ratio(), "of-largest")
			b.ReportMetric(m.lag.Seconds(), "late-s")
			b.ReportMetric(float64(m.throttled), "throttled")
			require.LessOrEqual(b, m.ratio(), nearBound)
		})
	}
}
