package acceptance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// together starts n restarts at once, after one that keeps the reader from sending
// the first alone, and returns what they end with.
func together(t *testing.T, client *ecsreboot.Client, n int, options ecsreboot.WaitOptions) []error {
	t.Helper()
	_, err := client.TakeBaseline(t.Context(), nth(0))
	require.NoError(t, err)
	ends := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			_, ends[i] = client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: nth(i)}, options)
		})
	}
	group.Wait()
	return ends
}

// reads returns the DescribeInstances calls.
func reads(server *ecstest.Server) (calls []ecstest.ReceivedCall) {
	for _, call := range server.Calls() {
		if call.Action == "DescribeInstances" {
			calls = append(calls, call)
		}
	}
	return calls
}

func ids(call ecstest.ReceivedCall) []string { return strings.Split(call.InstanceID, ",") }

// A lone baseline goes at once; after a call, those of half a second go together.
func TestBaselinesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 250, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server)
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 250 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				baseline, err := client.TakeBaseline(t.Context(), nth(i))
				assert.NoError(t, err)
				assert.Equal(t, nth(i), baseline.InstanceID)
				if i > 0 {
					assert.Equal(t, 500*time.Millisecond, time.Since(begin))
				}
			})
		}
		group.Wait()
		var sizes []int
		for _, call := range reads(server) {
			sizes = append(sizes, len(ids(call)))
		}
		assert.ElementsMatch(t, []int{1, 100, 100, 49}, sizes)

		time.Sleep(time.Second)
		begin = time.Now()
		_, err := client.TakeBaseline(t.Context(), nth(0))
		require.NoError(t, err)
		assert.Zero(t, time.Since(begin), "a lone one does not wait")
	})
}

// Partial pages, instances that do not exist, and two waits for one instance.
func TestReadingsOverPages(t *testing.T) {
	for _, size := range []int{1, 3, 100} {
		synctest.Test(t, func(t *testing.T) {
			server := newRestarts(t, 10, ecstest.Options{MaxPage: size}, ecstest.RebootProfile{})
			server.RemoveInstance(nth(7))
			client := newClient(t, server)
			var group sync.WaitGroup
			group.Go(func() {
				baseline, err := client.TakeBaseline(t.Context(), nth(3))
				assert.NoError(t, err)
				_, err = client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{})
				assert.NoError(t, err)
			})
			time.Sleep(s)
			for i, err := range together(t, client, 10, ecsreboot.WaitOptions{}) {
				if i == 7 {
					require.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
					continue
				}
				require.NoError(t, err, i)
			}
			group.Wait()
			assert.Equal(t, 9, server.TotalReboots())
		})
	}
}

// Who leaves disturbs nobody, and a call ends with the last that wants it.
func TestLeavingAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 5, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server)
		_, err := client.TakeBaseline(t.Context(), nth(0))
		require.NoError(t, err)
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Action: "DescribeInstances", Delay: 20 * s})
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				// The first leave while it gathers, the others when it is under way.
				ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{s / 4, s / 4, 5 * s, minute, minute}[i])
				defer cancel()
				_, err := client.TakeBaseline(ctx, nth(i))
				if i < 3 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.NotErrorIs(t, err, context.Canceled)
				} else {
					assert.NoError(t, err)
					assert.Equal(t, 20*s+s/2, time.Since(begin))
				}
			})
		}
		group.Wait()
		calls := reads(server)
		require.Len(t, calls, 2)
		assert.Len(t, ids(calls[1]), 3)

		// All leave: the call is cut off, which the server sees.
		server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances", Times: -1})
		time.Sleep(s)
		for i := range 5 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*s)
				defer cancel()
				_, err := client.TakeBaseline(ctx, nth(i))
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.NotErrorIs(t, err, context.Canceled)
			})
		}
		group.Wait()
		synctest.Wait()
		n := len(reads(server))
		time.Sleep(time.Hour)
		assert.Len(t, reads(server), n, "nothing goes on")
	})
}

// Whoever leaves, on whatever page, the others get their answers.
func TestLeavingBetweenPages(t *testing.T) {
	for leaver := range 4 { // 3 leaves nobody
		synctest.Test(t, func(t *testing.T) {
			server := newRestarts(t, 3, ecstest.Options{MaxPage: 1}, ecstest.RebootProfile{})
			client := newClient(t, server)
			_, err := client.TakeBaseline(t.Context(), nth(0))
			require.NoError(t, err)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Action: "DescribeInstances", Delay: 10 * s, Times: 3})
			var group sync.WaitGroup
			for i := range 3 {
				group.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					// One leaves within the first page, the next within the second.
					leaves := map[int]time.Duration{leaver: 5 * s, (leaver + 1) % 3: 15 * s}[i]
					if leaver < 3 && leaves > 0 {
						defer time.AfterFunc(leaves, cancel).Stop()
					}
					begin := time.Now()
					baseline, err := client.TakeBaseline(ctx, nth(i))
					if answered := time.Duration(i+1)*10*s + s/2; leaver < 3 && leaves > 0 && leaves < answered {
						assert.ErrorIs(t, err, context.Canceled)
						assert.Equal(t, leaves, time.Since(begin))
						return
					} else if assert.NoError(t, err) {
						assert.Equal(t, nth(i), baseline.InstanceID)
						assert.Equal(t, answered, time.Since(begin))
					}
				})
			}
			group.Wait()
		})
	}
}

// A call that fails is a fault of each of its readings, once; a baseline that
// shared a call with other readings has its attempts nevertheless.
func TestFailedReadingsOfMany(t *testing.T) {
	for name, fault := range map[string]ecstest.Fault{
		"500":       {Kind: ecstest.FaultError},
		"dropped":   {Kind: ecstest.FaultDrop},
		"throttled": {Kind: ecstest.FaultThrottle, Hint: s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRestarts(t, 30, ecstest.Options{}, ecstest.RebootProfile{Graceful: 20 * s, Stale: 3 * s})
				client := newClient(t, server)
				fault.Action, fault.Skip, fault.Times = "DescribeInstances", 2, 3
				server.Inject(fault)
				var group sync.WaitGroup
				for i := range 30 {
					group.Go(func() {
						time.Sleep(time.Duration(i) * s / 10)
						faults := 0
						_, err := client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: nth(i)}, ecsreboot.WaitOptions{
							OnEvent: func(e ecsreboot.Event) {
								if e.Kind == ecsreboot.EventPollFailed {
									faults++
								}
							},
						})
						assert.NoError(t, err)
						assert.LessOrEqual(t, faults, 3)
					})
				}
				group.Wait()
				assert.Equal(t, 30, server.TotalReboots())
			})
		})
	}
}

// A refusal that one id is to blame for is that one's alone.
func TestOneIDFailsNobodyElse(t *testing.T) {
	for _, code := range []string{"InvalidInstanceId.Malformed", "Forbidden.RAM"} {
		synctest.Test(t, func(t *testing.T) {
			server := newRestarts(t, 50, ecstest.Options{}, ecstest.RebootProfile{})
			client := newClient(t, server)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", InstanceID: nth(42), Status: 403, Code: code, Times: -1})
			for i, err := range together(t, client, 50, ecsreboot.WaitOptions{}) {
				if i == 42 {
					require.ErrorIs(t, err, ecsreboot.ErrorCode(code))
					assertOutcome(t, notSent, err)
					continue
				}
				require.NoError(t, err, i)
			}
			assert.Equal(t, 49, server.TotalReboots())
			refused := 0
			for _, call := range reads(server) {
				if call.Code != "" {
					refused++
				}
			}
			assert.LessOrEqual(t, refused, 7, "it is found by halves")
		})
	}
}

// A refusal of everything is not taken apart, one of several ids is.
func TestAllIDsDenied(t *testing.T) {
	for name, denied := range map[string][]int{"all": nil, "two": {10, 90}, "one of two": {0}} {
		synctest.Test(t, func(t *testing.T) {
			n := 101
			if name == "one of two" {
				n = 3 // the first goes alone
			}
			server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{})
			client := newClient(t, server)
			_, err := client.TakeBaseline(t.Context(), nth(n-1))
			require.NoError(t, err)
			fault := ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Status: 403, Code: "Forbidden.RAM", Times: -1}
			if denied == nil {
				server.Inject(fault)
			}
			for _, i := range denied {
				fault.InstanceID = nth(i)
				server.Inject(fault)
			}
			var group sync.WaitGroup
			for i := range n - 1 {
				group.Go(func() {
					_, err := client.TakeBaseline(t.Context(), nth(i))
					if denied == nil || slices.Contains(denied, i) {
						assert.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
					} else {
						assert.NoError(t, err)
					}
				})
			}
			group.Wait()
			if denied == nil {
				assert.LessOrEqual(t, len(reads(server)), 1+3+2*7)
			}
		})
	}
}

// Who leaves while a refusal is narrowed down is not asked for any more; a panic in it
// is one of those who wait; and nobody is kept waiting.
func TestLeavingARefusedReading(t *testing.T) {
	for name, c := range map[string]struct {
		panics                 bool
		leave                  [2]time.Duration // each half
		left, denied, panicked int64
	}{
		"the second half":  {leave: [2]time.Duration{minute, s}, left: 50, denied: 50},
		"with a panic":     {panics: true, leave: [2]time.Duration{minute, s}, left: 50, panicked: 50},
		"all":              {leave: [2]time.Duration{2 * s, s}, left: 100},
		"all, and a panic": {panics: true, leave: [2]time.Duration{2 * s, s}, left: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRestarts(t, 101, ecstest.Options{}, ecstest.RebootProfile{})
				var count atomic.Int64
				client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if strings.Contains(req.URL.RawQuery, nth(0)) && count.Add(1) == 2 { // the first half
						time.Sleep(10 * s)
						if c.panics {
							panic("a bug")
						}
					}
					return resp, err
				}))
				_, err := client.TakeBaseline(t.Context(), nth(100))
				require.NoError(t, err)
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Status: 403, Code: "Forbidden.RAM", Times: -1})
				begin := time.Now()
				var group sync.WaitGroup
				var denied, panicked, left atomic.Int64
				for i := range 100 {
					group.Go(func() {
						defer func() {
							if recover() != nil {
								panicked.Add(1)
							}
						}()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						defer time.AfterFunc(c.leave[i/50], cancel).Stop()
						switch _, err := client.TakeBaseline(ctx, nth(i)); {
						case errors.Is(err, ecsreboot.ErrAccessDenied):
							denied.Add(1)
						case errors.Is(err, context.Canceled):
							left.Add(1)
							assert.Less(t, time.Since(begin), c.leave[i/50]+s)
						}
					})
				}
				group.Wait()
				assert.Equal(t, c.left, left.Load())
				assert.Equal(t, c.panicked, panicked.Load())
				assert.Equal(t, c.denied, denied.Load())
				for i, call := range reads(server) {
					assert.True(t, i < 3 || !strings.Contains(call.InstanceID, nth(50)), "nobody waits for the second half")
				}
				time.Sleep(minute)
				_, err = client.TakeBaseline(t.Context(), nth(100))
				assert.ErrorIs(t, err, ecsreboot.ErrAccessDenied, "the client is as it was")
			})
		})
	}
}

// A reading that gathers behind one that the service throttles fails at once if it
// cannot wait for so long.
func TestThrottledReadingsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 4, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server)
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Hint: minute})
		begin := time.Now()
		take := func(n int, after, limit time.Duration) (time.Duration, error) {
			time.Sleep(after)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			asked := time.Now()
			_, err := client.TakeBaseline(ctx, nth(n))
			return time.Since(asked), err
		}
		var group sync.WaitGroup
		for i, c := range []struct {
			after, limit, took time.Duration
		}{
			{0, 2 * minute, minute},           // is throttled, and waits at the gate
			{s / 4, 2 * minute, minute - s/4}, // gathers for a call, which waits as well …
			{s / 4, 30 * s, s / 4},            // … as this one would have to
			{s, 30 * s, 0},                    // would gather while that one waits
		} {
			group.Go(func() {
				took, err := take(i, c.after, c.limit)
				assert.Equal(t, c.took, took)
				if c.limit < minute {
					assert.ErrorIs(t, err, ecsreboot.ErrThrottled)
					assert.ErrorContains(t, err, "the service asks to wait 59")
					assert.ErrorContains(t, err, "beyond the context's deadline")
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, minute, time.Since(begin).Truncate(s))
			})
		}
		group.Wait()
	})
}

// What a reading waits behind others is taken off its throttle budget, and off no
// other's.
func TestThrottledReadingsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		server := newRestarts(t, n+1, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server, ecsreboot.WithRateHint("DescribeInstances", 1), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: 70 * s}))
		begin := time.Now()
		var group sync.WaitGroup
		var read atomic.Int64
		for i := range n {
			group.Go(func() {
				_, err := client.TakeBaseline(t.Context(), nth(i))
				if err == nil {
					read.Add(1)
					return
				}
				assert.ErrorIs(t, err, ecsreboot.ErrThrottled)
				assert.Equal(t, 70*s, time.Since(begin))
			})
		}
		group.Go(func() {
			time.Sleep(55 * s)
			_, err := client.TakeBaseline(t.Context(), nth(n))
			assert.NoError(t, err, "it has its own 70 s")
			assert.Equal(t, 2*minute, time.Since(begin))
		})
		group.Wait()
		assert.Greater(t, read.Load(), int64(1))
		assert.LessOrEqual(t, read.Load(), int64(101), "one call at once, one after a minute")
	})
}

// Each reading of a call is refused by what it has waited itself: one that may wait until
// the service accepts calls again does so, although one that shares its call may not.
func TestThrottledReadingsEndOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 4, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: 15*s - s/10}))
		for range 2 {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Hint: 10 * s})
		}
		begin := time.Now()
		var group sync.WaitGroup
		for i, c := range []struct {
			after, until time.Duration
			served       bool
		}{
			{0, 10 * s, false},        // is throttled, waits, and is throttled again
			{s, 10 * s, false},        // waits for the same, and 10 s more would be too long
			{5 * s, 10 * s, false},    // as they would be for this one, by a tenth of a second
			{5*s + s/5, 20 * s, true}, // but not for this one
		} {
			group.Go(func() {
				time.Sleep(c.after)
				_, err := client.TakeBaseline(t.Context(), nth(i))
				assert.Equal(t, c.until, time.Since(begin).Truncate(s), i)
				if c.served {
					assert.NoError(t, err, i)
					return
				}
				assert.ErrorIs(t, err, ecsreboot.ErrThrottled, i)
			})
		}
		group.Wait()
	})
}

// Nor is what they waited for something else.
func TestThrottledReadingsAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 10, ecstest.Options{}, ecstest.RebootProfile{})
		slow := true
		client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: 20 * s}), wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if strings.Contains(req.URL.RawQuery, nth(5)) && slow {
				slow = false
				time.Sleep(25 * s)
				server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Hint: 15 * s})
			}
			return resp, err
		}))
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, InstanceID: nth(5), Status: 403, Code: "Forbidden.RAM"})
		for i, err := range together(t, client, 10, ecsreboot.WaitOptions{}) {
			assert.NoError(t, err, i)
		}
	})
}

// Whatever happens to calls and readings, nobody waits longer than its context or
// learns of another's end, and in the end nothing goes on.
func TestReadingsOfAllSorts(t *testing.T) {
	takes := 500
	if longTests {
		takes = 3000
	}
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			var mu sync.Mutex
			draw := func() float64 {
				mu.Lock()
				defer mu.Unlock()
				return random.Float64()
			}
			server := newRestarts(t, 300, ecstest.Options{MaxPage: []int{1, 7, 100}[seed%3]}, ecstest.RebootProfile{})
			client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				switch x := draw(); {
				case x < 0.02:
					panic("a bug")
				case x < 0.03:
					runtime.Goexit()
				case x < 0.10:
					return nil, errors.New("no")
				case x < 0.12:
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				return next.RoundTrip(req)
			}))
			for range 10 {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Skip: int(draw() * 100), Hint: time.Duration(draw() * float64(3*s))})
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Skip: int(draw() * 100), Status: 403, Code: "Forbidden.RAM"})
			}
			take := func(n int) error {
				defer func() { _ = recover() }()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				limit := time.Duration(draw() * float64(3*s))
				switch kind := draw(); {
				case kind < 0.25:
					time.AfterFunc(limit, cancel)
				case kind < 0.5:
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
				default:
					limit = time.Hour
				}
				begin := time.Now()
				baseline, err := client.TakeBaseline(ctx, nth(n))
				assert.LessOrEqual(t, time.Since(begin), limit, "%v", err)
				if err == nil {
					assert.Equal(t, nth(n), baseline.InstanceID)
				} else if ctx.Err() == nil {
					assert.NotErrorIs(t, err, context.Canceled, "another's end")
				}
				return err
			}
			var group sync.WaitGroup
			var read atomic.Int64
			for range takes {
				group.Go(func() {
					time.Sleep(time.Duration(draw() * float64(30*s)))
					if take(int(draw()*300)) == nil {
						read.Add(1)
					}
				})
			}
			group.Wait()
			assert.Greater(t, read.Load(), int64(25), "polls succeed, too")
			before := len(reads(server))
			time.Sleep(10 * minute)
			assert.Len(t, reads(server), before)
		})
	}
}

// A read that hangs holds up those that share it, and no others.
func TestHangingReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 150
		server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Graceful: 10 * s})
		client := newClient(t, server)
		var group sync.WaitGroup
		var held atomic.Int64
		for i := range n {
			group.Go(func() {
				result, err := restartNth(t, client, i)
				if assert.NoError(t, err) && result.Elapsed > 24*s {
					held.Add(1)
				}
			})
		}
		time.Sleep(700 * time.Millisecond)                                                          // all are sent, none is read since
		server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances", Skip: 1}) // the first is the lone one's
		group.Wait()
		assert.Positive(t, held.Load())
		assert.LessOrEqual(t, held.Load(), int64(100))
	})
	// When all hang, few calls are under way, and all goes on once they do not.
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Graceful: 20 * s})
		var now, most atomic.Int64
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "DescribeInstances" {
				for k := now.Add(1); k > most.Load(); {
					most.Store(k)
				}
				defer now.Add(-1)
			}
			return next.RoundTrip(req)
		}))
		begin := time.Now()
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				_, err := restartNth(t, client, i)
				assert.NoError(t, err)
			})
		}
		time.Sleep(5 * s)
		server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances", Times: 40})
		group.Wait()
		assert.LessOrEqual(t, most.Load(), int64(28))
		assert.Less(t, time.Since(begin), 3*minute)
		t.Logf("at most %d reads at once, all done after %v", most.Load(), time.Since(begin))
	})
}

// A panic of a RoundTripper is one in each of the calls that wait for the read, and
// leaves nothing hanging.
func TestPanicInAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 9, ecstest.Options{}, ecstest.RebootProfile{})
		var count atomic.Int64
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "DescribeInstances" && count.Add(1) == 2 {
				panic("a bug")
			}
			return next.RoundTrip(req)
		}))
		_, err := client.TakeBaseline(t.Context(), nth(0))
		require.NoError(t, err)
		var group sync.WaitGroup
		for i := range 9 {
			group.Go(func() {
				assert.PanicsWithValue(t, "a bug", func() {
					if i < 3 {
						_, _ = client.TakeBaseline(t.Context(), nth(i))
					} else {
						_, _ = restartNth(t, client, i)
					}
				})
			})
		}
		group.Wait()
		for i := range 9 {
			_, err := restartNth(t, client, i)
			require.NoError(t, err)
		}
	})
}

type traceKey struct{}

// The call has the values of the first's context, and nothing else of it.
func TestReadingsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 2, ecstest.Options{}, ecstest.RebootProfile{})
		var traces []any
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			traces = append(traces, req.Context().Value(traceKey{}))
			return next.RoundTrip(req)
		}))
		ctx := context.WithValue(t.Context(), traceKey{}, "a trace")
		_, err := client.TakeBaseline(ctx, nth(0))
		require.NoError(t, err)
		assert.Equal(t, []any{"a trace"}, traces)

		// Nobody waits for a throttled service for longer than its context.
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Hint: minute})
		limited, cancel := context.WithTimeout(ctx, 30*s)
		defer cancel()
		begin := time.Now()
		_, err = client.TakeBaseline(limited, nth(1))
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		assert.LessOrEqual(t, time.Since(begin), s)
	})
}
