package acceptance_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
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

// A wrapper that changes the trace that it finds on the context hides nothing from the
// guard.
func TestTraceChangedInPlace(t *testing.T) {
	for name, change := range map[string]func(*httptrace.ClientTrace){
		"replaces": func(trace *httptrace.ClientTrace) { trace.GotConn = func(httptrace.GotConnInfo) {} },
		"empties":  func(trace *httptrace.ClientTrace) { *trace = httptrace.ClientTrace{} },
		"chains": func(trace *httptrace.ClientTrace) {
			given := trace.GotConn
			trace.GotConn = func(info httptrace.GotConnInfo) { given(info) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, arrived := naiveService(t, lose)
			client := naiveClient(t, endpoint, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				change(httptrace.ContextClientTrace(req.Context()))
				return next.RoundTrip(req)
			}))
			_, err := client.RebootInstance(t.Context(), request)
			assertOutcome(t, unknown, err)
			assert.Equal(t, int64(1), arrived.Load())
		})
	}
}

// reconnecting is a connection that a dialer hands out again for every dial. Who holds it
// uses the socket that was dialed last.
type reconnecting struct{ dialed atomic.Pointer[net.Conn] }

func (c *reconnecting) last() net.Conn                     { return *c.dialed.Load() }
func (c *reconnecting) Read(b []byte) (int, error)         { return c.last().Read(b) }
func (c *reconnecting) Write(b []byte) (int, error)        { return c.last().Write(b) }
func (c *reconnecting) Close() error                       { return c.last().Close() }
func (c *reconnecting) LocalAddr() net.Addr                { return c.last().LocalAddr() }
func (c *reconnecting) RemoteAddr() net.Addr               { return c.last().RemoteAddr() }
func (c *reconnecting) SetDeadline(t time.Time) error      { return c.last().SetDeadline(t) }
func (c *reconnecting) SetReadDeadline(t time.Time) error  { return c.last().SetReadDeadline(t) }
func (c *reconnecting) SetWriteDeadline(t time.Time) error { return c.last().SetWriteDeadline(t) }

// peeked is a connection of a type that == panics on.
type peeked struct {
	net.Conn

	_ []byte
}

// A wrapper falls back to a transport of its own, whose connection cannot be told from
// the first one: the same object, or of an uncomparable type with the same addresses.
func TestOneObjectForTwoConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	var arrived atomic.Int64
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		arrived.Add(1)
		lose(w, req)
	})}}
	server.Start()
	defer server.Close()
	dialUnix := func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", path) }
	one := new(reconnecting)
	for name, dial := range map[string]func(ctx context.Context, _, _ string) (net.Conn, error){
		"the same object": func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dialUnix(ctx)
			if err != nil {
				return nil, err
			}
			one.dialed.Store(&conn)
			return one, nil
		},
		"uncomparable": func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dialUnix(ctx)
			return peeked{Conn: conn}, err
		},
	} {
		for traced, options := range map[string][]ecsreboot.Option{"plain": nil, "traced": {tracing()}, "hidden": {hiding(1)}} {
			t.Run(name+"/"+traced, func(t *testing.T) {
				arrived.Store(0)
				own := &http.Transport{DialContext: dial}
				fallback := wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					if resp, err := next.RoundTrip(req); err == nil {
						return resp, nil
					}
					return own.RoundTrip(req.Clone(req.Context()))
				})
				client := naiveClient(t, "http://127.0.0.1:1", append(options, fallback,
					ecsreboot.WithHTTPClient(&http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial}}))...)
				_, err := client.RebootInstance(t.Context(), request)
				assertOutcome(t, unknown, err)
				assert.Equal(t, int64(1), arrived.Load())
			})
		}
	}
}

// panickyError panics in one of its methods, with a secret.
type panickyError struct{ in string }

func (panickyError) Error() string { return "panicky" }

func (e panickyError) Is(error) bool {
	if e.in == "Is" {
		panic("s3cret/With+Three=Odd/Chars01")
	}
	return false
}

func (e panickyError) As(any) bool {
	if e.in == "As" {
		panic("s3cret/With+Three=Odd/Chars01")
	}
	return false
}

func (e panickyError) Timeout() bool { panic("s3cret/With+Three=Odd/Chars01") }

// An error whose methods panic loses no outcome.
func TestErrorsWhoseMethodsPanic(t *testing.T) {
	for _, in := range []string{"Is", "As", "Timeout"} {
		endpoint, arrived := naiveService(t, accept)
		client := naiveClient(t, endpoint, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if resp, err := next.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
			return nil, panickyError{in}
		}))
		_, err := client.RebootInstance(t.Context(), request)
		assertOutcome(t, unknown, err)
		assert.Equal(t, int64(1), arrived.Load(), in)
	}
}

// scriptedReads answers reads by a list of bodies, of which the last one stays, and
// accepts restarts.
func scriptedReads(t *testing.T, reads ...string) (client *ecsreboot.Client, restarts *atomic.Int64) {
	t.Helper()
	restarts = new(atomic.Int64)
	var n atomic.Int64
	endpoint, _ := naiveService(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X-Acs-Action") == "RebootInstance" {
			restarts.Add(1)
			accept(w, req)
			return
		}
		_, _ = io.WriteString(w, reads[min(int(n.Add(1)), len(reads))-1])
	})
	return naiveClient(t, endpoint), restarts
}

func listing(instance, more string) string {
	return `{"RequestId":"A-1","Instances":{"Instance":[` + instance + `]}` + more + `}`
}

func instanceText(status string) string {
	return fmt.Sprintf(`{"InstanceId":%q,"Status":"%s","StartTime":"2026-01-01T00:00Z"}`, id, status)
}

// What an unreadable page says is not kept for the page that the retry reads.
func TestUnreadablePageLeavesNothing(t *testing.T) {
	unreadable := listing(instanceText("Running"), `,"NextToken":5`)
	for name, second := range map[string]string{
		"no Instances":    `{"RequestId":"A-2"}`,
		"an empty object": `{"RequestId":"A-2","Instances":{}}`,
		"a sparse one":    `{"RequestId":"A-2","Instances":{"Instance":[{"InstanceId":"` + id + `"}]}}`,
	} {
		client, _ := scriptedReads(t, unreadable, second)
		for instance, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{id}}) {
			require.NoError(t, err, name)
			assert.False(t, instance.Listed(), name)
			assert.Zero(t, instance.StartTime, name)
		}
		client, restarts := scriptedReads(t, unreadable, second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
		require.Error(t, err, name)
		assert.Zero(t, restarts.Load(), name)
		cancel()
	}
}

// A status that the service did not send does not come from scrubbing.
func TestStatusesAreNotMadeByScrubbing(t *testing.T) {
	for _, status := range []string{"Running ", `Run\u200bning`, `\u0000Running`, `\ufeffRunning`, `\nRunning`} {
		synctest.Test(t, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "DescribeInstances", Body: listing(instanceText(status), ""), Times: -1})
			client := newClient(t, server)
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			require.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus, status)
			assert.Zero(t, server.Reboots(id), status)
			baseline, err := client.TakeBaseline(t.Context(), id)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(baseline.Status), `"`), "%s is quoted", baseline.Status)
		})
	}
}

// A wait that is over does not order the resend, although the polls have shown that the
// first request took effect.
func TestEndedWaitsDoNotResend(t *testing.T) {
	repeats := 4
	if longTests {
		repeats = 20
	}
	for name, shared := range map[string]bool{"shared": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			for range repeats {
				waitFor(t, ecstest.RebootProfile{Stale: 40 * s, Graceful: 50 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
					inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
					begin := time.Now()
					var group sync.WaitGroup
					if shared {
						group.Go(func() {
							_, _ = wait(t.Context(), client, ecsreboot.WaitOptions{UnknownGrace: 10 * minute, Timeout: 6 * minute, Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
								if time.Since(begin) < 3*minute {
									return ecsreboot.ProbePending, nil
								}
								return ecsreboot.ProbeHealthy, nil
							}})
						})
						time.Sleep(s)
					}
					// A health check that hangs while the instance is down.
					_, err := wait(t.Context(), client, ecsreboot.WaitOptions{UnknownGrace: 30 * s, Timeout: 75 * s, ResendUnknown: true, Probe: func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
						if time.Since(begin) > 30*s {
							<-ctx.Done()
							return ecsreboot.ProbePending, ctx.Err()
						}
						return ecsreboot.ProbePending, nil
					}})
					require.Error(t, err)
					group.Wait()
					time.Sleep(2 * minute)
					assert.Equal(t, 1, server.Reboots(id))
				})
			}
		})
	}
}

// A restart that its probe has proven to one call is not joined by the next, although
// another call still waits for it.
func TestNobodyJoinsWhatAProbeHasProven(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		restart := func(before int) (*ecsreboot.RestartResult, error) {
			return wait(t.Context(), client, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				if server.Reboots(id) == before {
					return ecsreboot.ProbePending, nil
				}
				return ecsreboot.ProbeRestarted, nil
			}})
		}
		var group sync.WaitGroup
		group.Go(func() { // without a probe, it sees nothing
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Timeout: 8 * minute})
			assert.ErrorIs(t, err, ecsreboot.ErrNotProven)
		})
		_, err := restart(0)
		require.NoError(t, err)
		time.Sleep(minute)
		called := time.Now()
		second, err := restart(1)
		require.NoError(t, err)
		assert.False(t, second.SentAt.Before(called), "it sent for itself")
		assert.Equal(t, 2, server.Reboots(id))
		group.Wait()
	})
}
