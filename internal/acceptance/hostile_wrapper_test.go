package acceptance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// lose ends the connection without an answer.
func lose(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// loseFirst loses the answer to the first restart and accepts the others.
func loseFirst() http.HandlerFunc {
	var restarts atomic.Int64
	return func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Get("DryRun") == "false" && restarts.Add(1) == 1 {
			lose(w, req)
		}
		accept(w, req)
	}
}

// queueingConn is a connection over a multiplexed session whose link stalls: Write
// queues the bytes and returns 0 and an error. They arrive nevertheless, once the
// connection is closed.
type queueingConn struct {
	net.Conn

	stalls *atomic.Bool
	queued *atomic.Pointer[[]byte]
}

func (c queueingConn) Write(b []byte) (int, error) {
	if c.stalls.CompareAndSwap(true, false) {
		c.queued.Store(new(bytes.Clone(b)))
		return 0, errors.New("the link stalls")
	}
	return c.Conn.Write(b)
}

func (c queueingConn) Close() error {
	if queued := c.queued.Swap(nil); queued != nil {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		_, _ = c.Conn.Write(*queued)
		return c.Conn.(*net.TCPConn).CloseWrite()
	}
	return c.Conn.Close()
}

// uncomparableConn is a queueingConn of a type that == panics on.
type uncomparableConn struct {
	queueingConn

	_ []byte
}

// What a connection says about the bytes that it wrote proves nothing: net/http
// believes it and sends the request again over a second connection.
func TestConnectionThatDeniesWhatItWrote(t *testing.T) {
	for name, wrap := range map[string]func(queueingConn) net.Conn{
		"comparable":   func(c queueingConn) net.Conn { return c },
		"uncomparable": func(c queueingConn) net.Conn { return uncomparableConn{queueingConn: c} },
	} {
		for traced, options := range map[string][]ecsreboot.Option{"plain": nil, "composed trace": {tracing()}} {
			t.Run(name+"/"+traced, func(t *testing.T) {
				endpoint, arrived := naiveService(t, accept)
				var stalls atomic.Bool
				dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, addr)
					return wrap(queueingConn{Conn: conn, stalls: &stalls, queued: new(atomic.Pointer[[]byte])}), err
				}
				client := naiveClient(t, endpoint, append(options, ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))...)
				_, err := client.RebootInstance(t.Context(), request) // leaves a connection behind for the next
				require.NoError(t, err)
				before := arrived.Load()
				stalls.Store(true)
				_, err = client.RebootInstance(t.Context(), request)
				require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
				require.NotErrorIs(t, err, ecsreboot.ErrNotSent)
				assert.ErrorContains(t, err, "refused to send the restart again over a second connection")
				assert.Eventually(t, func() bool { return arrived.Load() == before+1 }, 10*time.Second, time.Millisecond)
				client.CloseIdleConnections()
				assert.Equal(t, before+1, arrived.Load())
			})
		}
	}
}

// tracing is an honest wrapper: it composes its hooks with those of the context.
func tracing() ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}, ConnectStart: func(string, string) {}}
		return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	})
}

// hidingContext has none of the values of net/http in it.
type hidingContext struct{ context.Context }

func (c hidingContext) Value(key any) any {
	if v := c.Context.Value(key); httptrace.ContextClientTrace(context.WithValue(context.Background(), key, v)) == nil {
		return v
	}
	return nil
}

// hiding is a wrapper that hides the hooks from net/http, and repeats what fails.
func hiding(times int) ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
		for range times {
			if resp, err = next.RoundTrip(req.WithContext(hidingContext{req.Context()})); err == nil {
				return resp, nil
			}
		}
		return nil, err
	})
}

// ownTransport is a wrapper that falls back to a transport of its own.
func ownTransport(derive func(context.Context) context.Context) ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		if resp, err := next.RoundTrip(req); err == nil {
			return resp, nil
		}
		return http.DefaultTransport.RoundTrip(req.WithContext(derive(req.Context())))
	})
}

// A wrapper arrives once, whatever it does with the context and its hooks, and the
// lost answer leaves the outcome unknown.
func TestWrappersArriveOnce(t *testing.T) {
	same := func(ctx context.Context) context.Context { return ctx }
	for name, option := range map[string]ecsreboot.Option{
		"honest":                              tracing(),
		"hides the trace":                     hiding(1),
		"hides the trace and repeats":         hiding(4),
		"own transport, same context":         ownTransport(same),
		"own transport, detached context":     ownTransport(context.WithoutCancel),
		"own transport first":                 ownTransportFirst(),
		"own transport twice, one connection": ownTransportTwice(),
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, arrived := naiveService(t, loseFirst())
			client := naiveClient(t, endpoint, option)
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			require.ErrorIs(t, err, ecsreboot.ErrDryRunIgnored) // the service is naive; the wrapper has its connections
			before := arrived.Load()
			_, err = client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
			require.NotErrorIs(t, err, ecsreboot.ErrNotSent)
			assert.Equal(t, before+1, arrived.Load())
		})
	}
}

// ownTransportFirst sends by a transport of its own, and then by ours.
func ownTransportFirst() ecsreboot.Option {
	own := &http.Transport{DisableKeepAlives: true}
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		if resp, err := own.RoundTrip(req.Clone(req.Context())); err == nil {
			return resp, nil
		}
		return next.RoundTrip(req)
	})
}

// ownTransportTwice sends every request twice, over one connection of its own, and
// returns an error in place of the first answer.
func ownTransportTwice() ecsreboot.Option {
	own := new(http.Transport)
	return wrapped(func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := own.RoundTrip(req.Clone(req.Context()))
		if req.URL.Query().Get("DryRun") == "true" {
			return resp, err
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return own.RoundTrip(req)
	})
}

// A failed dial is not sent under a wrapper that composes hooks. Under one that hides
// them, or that has another transport, the client makes no such claim, or a true one.
func TestFailedDialUnderWrappers(t *testing.T) {
	for name, test := range map[string]struct {
		option  ecsreboot.Option
		outcome error
	}{
		"honest":                    {tracing(), ecsreboot.ErrNotSent},
		"hides the trace":           {hiding(1), ecsreboot.ErrNotSent}, // the guard adds the hooks again
		"hides it and repeats":      {hiding(4), ecsreboot.ErrNotSent},
		"wraps the error":           {replacing(func(err error) error { return errors.Join(errors.New("traced"), err) }), ecsreboot.ErrNotSent},
		"replaces the error":        {replacing(func(error) error { return errors.New("no luck") }), ecsreboot.ErrOutcomeUnknown},
		"own transport, own hooks":  {ownTransport(func(context.Context) context.Context { return context.Background() }), ecsreboot.ErrOutcomeUnknown},
		"own transport, our hooks":  {ownTransport(func(ctx context.Context) context.Context { return ctx }), ecsreboot.ErrOutcomeUnknown},
		"returns another's outcome": {replacing(func(error) error { return &ecsreboot.OperationError{Outcome: rejected} }), ecsreboot.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, arrived := naiveService(t, lose)
			refusing := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }}
			client := naiveClient(t, endpoint, test.option, ecsreboot.WithHTTPClient(&http.Client{Transport: refusing}))
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, test.outcome)
			assertOutcome(t, ecsreboot.OutcomeOf(err), err)
			if errors.Is(err, ecsreboot.ErrNotSent) {
				assert.Zero(t, arrived.Load())
			}
			assert.LessOrEqual(t, arrived.Load(), int64(1))
		})
	}
}

func replacing(as func(error) error) ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			err = as(err)
		}
		return resp, err
	})
}

// A copy that a wrapper leaves behind does not leave after the answer was read, neither
// by our transport nor by one of the wrapper's.
func TestCopyLeftBehindAfterTheAnswer(t *testing.T) {
	for name, later := range map[string]func(next http.RoundTripper, copied *http.Request) (*http.Response, error){
		"ours": func(next http.RoundTripper, copied *http.Request) (*http.Response, error) {
			return next.RoundTrip(copied)
		},
		"the wrapper's transport": func(_ http.RoundTripper, copied *http.Request) (*http.Response, error) {
			return new(http.Transport).RoundTrip(copied)
		},
	} {
		for _, way := range []string{"answered by the wrapper", "answered by the service"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				endpoint, arrived := naiveService(t, accept)
				var leave func() (*http.Response, error)
				client := naiveClient(t, endpoint, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					copied := req.Clone(context.WithoutCancel(req.Context()))
					copied.Cancel = nil //nolint:staticcheck // as in a request that was made anew
					leave = func() (*http.Response, error) { return later(next, copied) }
					if way == "answered by the wrapper" { // from elsewhere: nothing passed the guard
						return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(`{"RequestId":"` + requestID + `"}`))}, nil
					}
					return next.RoundTrip(req)
				}))
				_, err := client.RebootInstance(t.Context(), request)
				require.NoError(t, err)
				before := arrived.Load()
				resp, err := leave()
				if err == nil {
					resp.Body.Close()
				}
				require.Error(t, err, "it is refused")
				assert.Equal(t, before, arrived.Load())
			})
		}
	}
}

// Clones sent at the same time arrive once.
func TestHedgedRequestsArriveOnce(t *testing.T) {
	endpoint, arrived := naiveService(t, accept)
	client := naiveClient(t, endpoint, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		type answer struct {
			resp *http.Response
			err  error
		}
		answers := make(chan answer, 4)
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				ctx := req.Context()
				if i%2 == 1 {
					ctx = hidingContext{context.WithoutCancel(ctx)}
				}
				resp, err := next.RoundTrip(req.Clone(ctx))
				answers <- answer{resp, err}
			})
		}
		group.Wait()
		var last answer
		for range 4 {
			if a := <-answers; a.err == nil {
				last = a
			}
		}
		return last.resp, nil
	}))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, int64(1), arrived.Load())
}
