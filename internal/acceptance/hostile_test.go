package acceptance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// naiveService restarts on every request, whatever its nonce: what arrives twice
// restarts twice.
func naiveService(t *testing.T, answer http.HandlerFunc) (endpoint string, arrived *atomic.Int64) {
	t.Helper()
	arrived = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		arrived.Add(1)
		answer(w, req)
	}))
	t.Cleanup(server.Close)
	return server.URL, arrived
}

func accept(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"RequestId":"`+requestID+`"}`)
}

func naiveClient(t *testing.T, endpoint string, options ...ecsreboot.Option) *ecsreboot.Client {
	t.Helper()
	client, err := ecsreboot.NewClient("cn-hangzhou", append([]ecsreboot.Option{
		ecsreboot.WithEndpoint(endpoint), ecsreboot.WithCredential(&fakeCredential{}), quick(),
	}, options...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// slowFirstDial takes its time for the first connection, and does not care who
// still wants it.
func slowFirstDial(d time.Duration) *http.Client {
	var dials atomic.Int64
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			time.Sleep(d)
		}
		return new(net.Dialer).DialContext(context.WithoutCancel(ctx), network, addr)
	}}}
}

func wrapped(roundTrip func(next http.RoundTripper, req *http.Request) (*http.Response, error)) ecsreboot.Option {
	return ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return roundTrip(next, req) })
	})
}

// A copy of the request that a RoundTripper leaves behind, still looking for a
// connection, must not leave when the attempt was given up as not sent.
func TestCopyLeftBehindIsNotSent(t *testing.T) {
	type reply struct {
		resp *http.Response
		err  error
	}
	for name, roundTrip := range map[string]func(http.RoundTripper, *http.Request) (*http.Response, error){
		"time limit": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			replies := make(chan reply, 1)
			go func() {
				resp, err := next.RoundTrip(req.Clone(context.WithoutCancel(req.Context())))
				replies <- reply{resp, err}
			}()
			select {
			case r := <-replies:
				return r.resp, r.err
			case <-time.After(10 * time.Millisecond):
				return nil, errors.New("too slow")
			}
		},
		"hedge": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			replies := make(chan reply, 2)
			for range 2 {
				go func() {
					resp, err := next.RoundTrip(req.Clone(context.WithoutCancel(req.Context())))
					replies <- reply{resp, err}
				}()
			}
			r := <-replies
			return r.resp, r.err
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, arrived := naiveService(t, accept)
			client := naiveClient(t, endpoint, ecsreboot.WithHTTPClient(slowFirstDial(40*time.Millisecond)), wrapped(roundTrip))
			_, err := client.RebootInstance(t.Context(), request)
			time.Sleep(80 * time.Millisecond) // the copy has its connection by now
			if err != nil {
				require.NotErrorIs(t, err, ecsreboot.ErrRejected)
			}
			assert.LessOrEqual(t, arrived.Load(), int64(1))
			if errors.Is(err, ecsreboot.ErrNotSent) {
				assert.Zero(t, arrived.Load())
			}
		})
	}
}

// A RoundTripper with two ways to send: the first fires no hooks and loses the
// answer, the second finds no connection. That proves nothing.
func TestRoundTripperWithTwoWays(t *testing.T) {
	endpoint, arrived := naiveService(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	fallback := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }}
	twoWays := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if resp, err := http.DefaultTransport.RoundTrip(req.Clone(context.Background())); err == nil {
			return resp, nil
		}
		return fallback.RoundTrip(req)
	})
	client := naiveClient(t, endpoint, ecsreboot.WithHTTPClient(&http.Client{Transport: twoWays}))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	assert.Equal(t, int64(1), arrived.Load())
}

// A wrapper that drops the request's context would escape the guard and every
// time limit, so its requests are refused.
func TestWrapperThatDropsTheContext(t *testing.T) {
	endpoint, arrived := naiveService(t, accept)
	client := naiveClient(t, endpoint, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		return next.RoundTrip(req.Clone(context.Background()))
	}))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	assert.ErrorContains(t, err, "dropped the context of the request")
	assert.Zero(t, arrived.Load())
}

// A wrapper that panics as a probe leaves the gate to the next.
func TestPanicInAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle})
		sends := 0
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if sends++; sends == 2 {
				panic("a bug")
			}
			return next.RoundTrip(req)
		}))
		assert.PanicsWithValue(t, "a bug", func() { _, _ = client.RebootInstance(t.Context(), request) })
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// A probe whose answer is lost leaves the gate to the next.
func TestLostProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle}, ecstest.Fault{Kind: ecstest.FaultDrop})
		client := newClient(t, server)
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		begin := time.Now()
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Zero(t, time.Since(begin))
	})
}

// A service cannot shut the client out for hours by one absurd hint.
func TestAbsurdHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 24 * time.Hour})
		client := newClient(t, server)
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		time.Sleep(5 * time.Minute)
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
	})
}

// A call that failed once and was then held back is throttled as well.
func TestHeldBackAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour})
		client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{BaseDelay: time.Minute, MaxDelay: time.Hour}),
			ecsreboot.WithCredential(&fakeCredential{failures: []error{errors.New("i/o timeout")}}))
		done := make(chan error)
		go func() {
			_, err := client.RebootInstance(t.Context(), request) // waits to fetch credentials again
			done <- err
		}()
		synctest.Wait()
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		err = <-done
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	})
}

// If the context ends with a response that allows a retry, the error matches both.
func TestContextEndsWithTheAnswer(t *testing.T) {
	server := newService(t, ecstest.Options{})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle})
	ctx, cancel := context.WithCancel(t.Context())
	client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		cancel()
		return resp, err
	}))
	_, err := client.RebootInstance(ctx, request)
	require.ErrorIs(t, err, ecsreboot.ErrThrottled)
	require.ErrorIs(t, err, context.Canceled)
}

// So it is with an answer that it cut short.
func TestContextEndsInTheMiddleOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultStall, Code: "IncorrectInstanceStatus"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newClient(t, server).RebootInstance(ctx, request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// The attempt's limit counts anew from when there is a connection.
func TestSlowDialDoesNotShortenTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Delay: 29 * time.Second})
		options := dialing(1, func(context.Context) error { time.Sleep(25 * time.Second); return nil })(t, server)
		client := newClient(t, server, options...)
		begin := time.Now()
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, 54*time.Second, time.Since(begin))
	})
}

// SentAt is when the request left, not when the client began to look for a
// connection.
func TestSentAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop})
		options := dialing(1, func(context.Context) error { time.Sleep(20 * time.Second); return nil })(t, server)
		begin := time.Now()
		_, err := newClient(t, server, options...).RebootInstance(t.Context(), request)
		failed, ok := errors.AsType[*ecsreboot.OperationError](err)
		require.True(t, ok)
		assert.Equal(t, 20*time.Second, failed.SentAt.Sub(begin))
	})
}

// A client that may try once learns the clock all the same.
func TestClockIsLearntByASingleAttempt(t *testing.T) {
	server := newService(t, ecstest.Options{})
	server.SetClockOffset(time.Hour)
	client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrInvalidTimeStampExpired)
	_, err = client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
}

// An attempt's limit during the fetch of credentials is not the caller's deadline.
func TestCredentialLimitIsNotTheContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Hour) })
		server := newService(t, ecstest.Options{})
		client := newClient(t, server, ecsreboot.WithCredential(&fakeCredential{wait: time.Hour}), ecsreboot.WithAttemptTimeout(time.Second))
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "none within 1s")
	})
}

// A context's cause may be anything, a *url.Error of another request too.
func TestContextCauseIsCleaned(t *testing.T) {
	cause := &url.Error{Op: "Post", URL: "https://x/?SecurityToken=" + url.QueryEscape(canaryToken), Err: io.EOF}
	check := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, io.EOF)
		_, found := errors.AsType[*url.Error](err)
		assert.False(t, found)
		c := &canary{secrets: []string{canaryToken}}
		c.show(t, err)
		c.search(t)
	}
	server := newService(t, ecstest.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := newClient(t, server).RebootInstance(ctx, request)
	check(err)

	blocking := make(chan struct{})
	t.Cleanup(func() { close(blocking) })
	ctx, cancel = context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	_, err = newClient(t, server, ecsreboot.WithCredential(&blockingCredential{until: blocking})).RebootInstance(ctx, request)
	require.ErrorIs(t, err, ecsreboot.ErrCredentials)
	check(err)

	server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
	ctx, cancel = context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	_, err = newClient(t, server).RebootInstance(ctx, request)
	check(err)
}

type credentialModel = credentials.CredentialModel

type blockingCredential struct {
	fakeCredential
	until chan struct{}
}

func (c *blockingCredential) GetCredential() (*credentialModel, error) {
	<-c.until
	return c.fakeCredential.GetCredential()
}

// Plain http is for this machine: no proxy sees it.
func TestPlainHTTPUsesNoProxy(t *testing.T) {
	server := newSocketService(t, ecstest.Options{})
	proxied := http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	client := newClient(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: proxied}}))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
}

// Typed nils are nils.
func TestTypedNilRoundTrippers(t *testing.T) {
	var none *retrying
	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithHTTPClient(&http.Client{Transport: none}))
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	_, err = ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper { return none }))
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
}
