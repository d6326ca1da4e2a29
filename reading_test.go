package ecsreboot_test

import (
	"context"
	"net/http"
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
func reads(server *ecstest.Server) (calls []ecstest.Call) {
	for _, call := range server.Calls() {
		if call.Action == "DescribeInstances" {
			calls = append(calls, call)
		}
	}
	return calls
}

func ids(call ecstest.Call) []string { return strings.Split(call.InstanceID, ",") }

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
			server := newRestarts(t, 20, ecstest.Options{MaxPage: size}, ecstest.RebootProfile{})
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
			for i, err := range together(t, client, 20, ecsreboot.WaitOptions{}) {
				if i == 7 {
					require.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
					continue
				}
				require.NoError(t, err, i)
			}
			group.Wait()
			assert.Equal(t, 19, server.TotalReboots())
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
			server := newRestarts(t, 100, ecstest.Options{}, ecstest.RebootProfile{})
			client := newClient(t, server)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", InstanceID: nth(42), Status: 403, Code: code, Times: -1})
			for i, err := range together(t, client, 100, ecsreboot.WaitOptions{}) {
				if i == 42 {
					require.ErrorIs(t, err, ecsreboot.ErrorCode(code))
					assertOutcome(t, notSent, err)
					continue
				}
				require.NoError(t, err, i)
			}
			assert.Equal(t, 99, server.TotalReboots())
			refused := 0
			for _, call := range reads(server) {
				if call.Code != "" {
					refused++
				}
			}
			assert.LessOrEqual(t, refused, 8, "it is found by halves")
		})
	}
}

// A read that hangs holds up those that share it, and no others.
func TestHangingReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Graceful: 10 * s})
		client := newClient(t, server)
		var group sync.WaitGroup
		var held atomic.Int64
		for i := range n {
			group.Go(func() {
				result, err := restartNth(t, client, i)
				if assert.NoError(t, err) && result.Took > 24*s {
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
		const n = 1000
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
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
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
