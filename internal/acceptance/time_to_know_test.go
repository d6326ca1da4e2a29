package acceptance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

// restartPath is what a restart passes through before the instance is Running again.
var restartPath = []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}

// A single wait returns soon after the instance is Running again, and takes few requests. Time
// is virtual, and the client seeds its jitter by the clock, so each run measures the same.
// A shorter restart that begins at the same time is polled at the same times until it ends, so
// the polls of one long restart show the lag of every shorter one. With LONG_TESTS=1, the test
// takes 1,000 seeds.
func TestTimeToKnow(t *testing.T) {
	t.Parallel()
	seeds := uint64(4)
	if longTests {
		seeds = 1000
	}
	for _, c := range []struct {
		shortest, longest time.Duration
		lag               time.Duration // mean, at most
		share             float64       // of the restart, mean, at most; if lag is 0
		requests          int           // of each wait, at most: the baseline, the restart and the polls
	}{
		{5 * s, 20 * s, 1200 * time.Millisecond, 0, 22},
		{20 * s, minute, 1500 * time.Millisecond, 0, 34},
		{minute, 5 * minute, 0, 0.02, 75},
		{5 * minute, 20 * minute, 0, 0.02, 130},
	} {
		t.Run(fmt.Sprintf("%v to %v", c.shortest, c.longest), func(t *testing.T) {
			t.Parallel()
			var lags time.Duration
			var shares, n float64
			most := 0
			for seed := range seeds {
				random := rand.New(rand.NewPCG(seed, uint64(c.longest)))
				begin := time.Duration(random.Int64N(int64(minute)))
				polls, requests := pollsOf(t, c.longest, begin)
				most = max(most, requests)
				shorter, _ := pollsOf(t, c.shortest+time.Duration(random.Int64N(int64(c.longest-c.shortest))), begin)
				assert.Equal(t, polls[:len(shorter)], shorter)
				for restart := c.shortest; restart < c.longest; restart += 10 * time.Millisecond {
					for polls[0] < restart {
						polls = polls[1:]
					}
					lag := polls[0] - restart
					lags += lag
					shares += float64(lag) / float64(restart)
					n++
				}
			}
			lag, share := time.Duration(float64(lags)/n), shares/n
			t.Logf("%v to %v: lag %.2f s (%.2f %% of the restart), at most %d requests", c.shortest, c.longest, lag.Seconds(), 100*share, most)
			if c.lag > 0 {
				assert.LessOrEqual(t, lag, c.lag)
			} else {
				assert.LessOrEqual(t, share, c.share)
			}
			assert.LessOrEqual(t, most, c.requests)
		})
	}
}

// pollsOf restarts an instance, and returns the times of its polls, from the restart request on,
// and the number of all requests. The last poll ends the call.
func pollsOf(t *testing.T, restart, begin time.Duration) (polls []time.Duration, requests int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(begin)
		server := newRestarts(t, 1, ecstest.Options{}, ecstest.RebootProfile{Path: restartPath, Graceful: restart})
		result, err := restartNth(t, newClient(t, server), 0)
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		for _, call := range reads(server)[1:] { // after the baseline
			polls = append(polls, call.Time.Sub(result.SentAt))
		}
		assert.Equal(t, time.Since(result.SentAt), polls[len(polls)-1])
		last := time.Duration(0)
		for _, at := range polls {
			assert.GreaterOrEqual(t, at-last, s)
			last = at
		}
		requests = len(server.Calls())
	})
	return polls, requests
}

// measureWaits restarts n instances at once. A restart takes shortest to three times as long.
// measureWaits returns the mean time from Running to the return of a call, and the reads.
func measureWaits(t *testing.T, server *ecstest.Server, client *ecsreboot.Client, n int, shortest time.Duration) (lag time.Duration, calls []ecstest.ReceivedCall) {
	t.Helper()
	random := rand.New(rand.NewPCG(17, 1))
	var sum atomic.Int64
	var group sync.WaitGroup
	for i := range n {
		restart := shortest + time.Duration(random.Int64N(int64(2*shortest)))
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: nth(i), Reboot: ecstest.RebootProfile{Path: restartPath, Graceful: restart}, CreationTime: nthNewest(i)}))
		group.Go(func() {
			if result, err := restartNth(t, client, i); assert.NoError(t, err) {
				sum.Add(int64(time.Since(result.SentAt) - restart))
			}
		})
	}
	group.Wait()
	assert.Equal(t, n, server.TotalReboots())
	return time.Duration(sum.Load() / int64(n)), reads(server)
}

// A thousand waits that begin at once take few requests, and each of them returns soon.
func TestTimeToKnowOfAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 0, ecstest.Options{}, ecstest.RebootProfile{})
		shortest, most := 10*s, 95
		if longTests {
			shortest, most = 30*s, 250
		}
		lag, calls := measureWaits(t, server, newClient(t, server), 1000, shortest)
		t.Logf("lag %.2f s, %d requests", lag.Seconds(), len(calls))
		assert.LessOrEqual(t, lag, 2*s)
		assert.LessOrEqual(t, len(calls), most)
	})
}

// Many waits take no more than half of the rate limit of the service, whether the client
// was given the limit or has learned it. A baseline does not wait for their polls.
func TestPollsLeaveHalfOfTheRateLimit(t *testing.T) {
	const limit = 60
	n := 300
	if longTests {
		n = 1000
	}
	for name, option := range map[string]func(t *testing.T) ecsreboot.Option{
		"hint": func(*testing.T) ecsreboot.Option { return ecsreboot.WithRateHint(pace.DescribeInstances, limit) },
		"learned": func(t *testing.T) ecsreboot.Option {
			t.Helper()
			return ecsreboot.WithPacer(pace.DescribeInstances, learned(t, limit))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRestarts(t, 0, ecstest.Options{}, ecstest.RebootProfile{})
				client := newClient(t, server, option(t))
				require.NoError(t, server.AddInstance(ecstest.Instance{ID: id}))
				var group sync.WaitGroup
				group.Go(func() {
					time.Sleep(30 * s)
					for range 8 {
						time.Sleep(2700 * time.Millisecond)
						begin := time.Now()
						_, err := client.TakeBaseline(t.Context(), id)
						assert.NoError(t, err)
						assert.LessOrEqual(t, time.Since(begin), s, "one request a second leaves")
					}
				})
				defer group.Wait()
				lag, calls := measureWaits(t, server, client, n, 30*s)
				most := 0
				for i, first := range calls {
					within := 0
					for _, call := range calls[i:] {
						if call.Time.Sub(first.Time) < minute {
							within++
						}
					}
					most = max(most, within)
				}
				t.Logf("lag %.2f s, %d requests, at most %d within a minute; %v", lag.Seconds(), len(calls), most, client.Pace(pace.DescribeInstances))
				assert.LessOrEqual(t, most, limit/2)
				assert.GreaterOrEqual(t, most, limit/2-5, "nor much less")
			})
		})
	}
}

// The poller remembers a learned rate limit although the pacer forgets it after three minutes
// in which it has delayed no poll.
func TestPollsRememberTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, limit = 200, 60
		server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Path: restartPath, Graceful: time.Hour})
		client := newClient(t, server, ecsreboot.WithPacer(pace.DescribeInstances, learned(t, limit)))
		_, err := client.TakeBaseline(t.Context(), nth(0))
		require.NoError(t, err)
		time.Sleep(5 * minute)
		assert.Zero(t, client.Pace(pace.DescribeInstances).RatePerMinute, "forgotten by the pacer")
		ctx, cancel := context.WithTimeout(t.Context(), minute)
		defer cancel()
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				_, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: nth(i)}, ecsreboot.WaitOptions{})
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		group.Wait()
		assert.LessOrEqual(t, len(reads(server)), limit/2+1)
	})
}

// learned returns a pacer after five minutes in which a program always had requests for a
// service with such a limit a minute.
func learned(t *testing.T, limit int) pace.Pacer {
	t.Helper()
	pacer := new(pace.Adaptive)
	answered := map[time.Time]int{} // in each minute
	for begin := time.Now(); time.Since(begin) < 5*minute; {
		reservation, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour})
		require.NoError(t, err)
		result := pace.Result{Response: pace.Answered, ServiceTime: time.Now()}
		if this := time.Now().Truncate(minute); answered[this] < limit {
			answered[this]++
		} else {
			result.Response = pace.Throttled
		}
		reservation.Report(result)
	}
	assert.InDelta(t, limit, pacer.State().RatePerMinute, 2)
	assert.False(t, pacer.State().Seeking)
	return pacer
}

// A service that answers no poll for half a minute ends no wait.
func TestAShortOutageEndsNoWait(t *testing.T) {
	for _, begin := range []time.Duration{0, 5 * s, 15 * s, minute, 4 * minute} {
		waitFor(t, ecstest.RebootProfile{Path: restartPath, Graceful: begin + minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			time.AfterFunc(begin+s/2, func() {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Times: -1})
				time.AfterFunc(30*s, server.ClearFaults)
			})
			result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			require.NoError(t, err, begin)
			assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		})
	}
}

// Baselines that come one after the other gather for requests, so that they too take at most
// half of the rate limit.
func TestBaselinesLeaveHalfOfTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 60
		server := newRestarts(t, 1, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server, ecsreboot.WithRateHint(pace.DescribeInstances, limit))
		var group sync.WaitGroup
		for range 2 * limit {
			time.Sleep(s)
			group.Go(func() {
				begin := time.Now()
				_, err := client.TakeBaseline(t.Context(), nth(0))
				assert.NoError(t, err)
				assert.LessOrEqual(t, time.Since(begin), 31*s)
			})
		}
		group.Wait()
		assert.LessOrEqual(t, len(reads(server)), 2*limit/2+2)
	})
}

// Polls make up for the baselines before them, but for no more than 30 s.
func TestPollsDoNotWaitForAllBaselinesBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 1, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server, ecsreboot.WithRateHint(pace.DescribeInstances, 2))
		for range 20 {
			time.Sleep(31 * s)
			_, err := client.TakeBaseline(t.Context(), nth(0))
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		baseline := ecsreboot.Baseline{InstanceID: nth(0), Status: ecsreboot.StatusRunning, TakenAt: begin, ServiceTime: begin}
		_, err := client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{OnEvent: func(ecsreboot.Event) { cancel() }})
		require.ErrorIs(t, err, context.Canceled)
		assert.LessOrEqual(t, time.Since(begin), 100*s)
		assert.Greater(t, time.Since(begin), 30*s, "half of the rate limit")
	})
}
