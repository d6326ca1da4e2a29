package acceptance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
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

// tlsService puts a service behind TLS that offers HTTP/2, and returns its address
// and a pool that trusts it.
func tlsService(t *testing.T, service http.Handler) (endpoint string, pool *x509.CertPool) {
	t.Helper()
	front := httptest.NewUnstartedServer(service)
	front.EnableHTTP2 = true
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of clients that do not trust it
	front.StartTLS()
	t.Cleanup(front.Close)
	pool = x509.NewCertPool()
	pool.AddCert(front.Certificate())
	return front.URL, pool
}

func TestTLSAgainstHTTP2Server(t *testing.T) {
	trusting := func(pool *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12} }
	for name, transport := range map[string]func(*x509.CertPool) http.RoundTripper{
		"caller's TLS settings": func(pool *x509.CertPool) http.RoundTripper {
			return &http.Transport{TLSClientConfig: trusting(pool)}
		},
		"caller's transport wants HTTP/2": func(pool *x509.CertPool) http.RoundTripper {
			return &http.Transport{TLSClientConfig: trusting(pool), ForceAttemptHTTP2: true}
		},
		"caller's transport has spoken HTTP/2": func(pool *x509.CertPool) http.RoundTripper {
			used := &http.Transport{TLSClientConfig: trusting(pool), ForceAttemptHTTP2: true}
			used.Clone() // makes net/http set it up
			assert.Contains(t, used.TLSClientConfig.NextProtos, "h2")
			return used
		},
		"HTTP/2 only": func(pool *x509.CertPool) http.RoundTripper {
			protocols := new(http.Protocols)
			protocols.SetHTTP2(true)
			return &http.Transport{TLSClientConfig: trusting(pool), Protocols: protocols}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			endpoint, pool := tlsService(t, server)
			client := newClient(t, server, ecsreboot.WithEndpoint(endpoint), ecsreboot.WithHTTPClient(&http.Client{Transport: transport(pool)}))
			for range 2 {
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
				require.NoError(t, err)
			}
			_, err := client.RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.Equal(t, 1, server.Reboots(id))
			for _, call := range server.Calls() {
				assert.Equal(t, "HTTP/1.1", call.Proto)
			}
		})
	}
}

// The client's own transport trusts no unknown authority; nothing is sent, and it
// does not try again.
func TestUntrustedCertificate(t *testing.T) {
	server := newService(t, ecstest.Options{})
	endpoint, pool := tlsService(t, server)
	client := newClient(t, server, ecsreboot.WithEndpoint(endpoint), ecsreboot.WithHTTPClient(&http.Client{}))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	failed, _ := errors.AsType[*ecsreboot.OperationError](err)
	assert.Equal(t, 1, failed.Attempts)
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	assert.True(t, ok, "the cause can be found: %v", err)

	// A certificate for another name.
	other := newClient(t, server, ecsreboot.WithEndpoint(strings.Replace(endpoint, "127.0.0.1", "localhost", 1)),
		ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}))
	_, err = other.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	_, ok = errors.AsType[x509.HostnameError](err)
	assert.True(t, ok, "%v", err)
	assert.Empty(t, server.Calls())
}

// retrying is what people hand in: it repeats what fails.
type retrying struct {
	next  http.RoundTripper
	sends atomic.Int64
}

func (r *retrying) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	for range 3 {
		r.sends.Add(1)
		clone := req.Clone(req.Context())
		clone.Header.Set("Idempotency-Key", "1")
		if resp, err = r.next.RoundTrip(clone); err == nil && resp.StatusCode < 500 {
			return resp, nil
		}
		if resp != nil {
			resp.Body.Close()
		}
	}
	return resp, err
}

// lostAnswers is how a first answer can be lost.
var lostAnswers = map[string]ecstest.Fault{
	"reset":     {Kind: ecstest.FaultDrop, Act: true},
	"closed":    {Kind: ecstest.FaultFIN, Act: true},
	"half":      {Kind: ecstest.FaultHalfStatusLine, Act: true},
	"502":       {Kind: ecstest.FaultAnswer, Act: true},
	"no answer": {Kind: ecstest.FaultHang, Act: true},
}

// patience is how long a client waits for an answer that never comes; others come
// at once, however slow the machine is.
func patience(lost ecstest.Fault) ecsreboot.Option {
	if lost.Kind == ecstest.FaultHang {
		return ecsreboot.WithAttemptTimeout(100 * time.Millisecond)
	}
	return ecsreboot.WithAttemptTimeout(time.Minute)
}

// Whatever repeats requests, in whatever place, over new and reused connections:
// a restart arrives once.
func TestRetryingRoundTrippersCannotRestartTwice(t *testing.T) {
	places := map[string]func(*retrying) []ecsreboot.Option{
		"handed in over net/http": func(r *retrying) []ecsreboot.Option {
			r.next = &http.Transport{}
			return []ecsreboot.Option{ecsreboot.WithHTTPClient(&http.Client{Transport: r})}
		},
		"wrapped around ours": func(r *retrying) []ecsreboot.Option {
			return []ecsreboot.Option{ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper { r.next = next; return r })}
		},
		"wrapped around a caller's": func(r *retrying) []ecsreboot.Option {
			return []ecsreboot.Option{
				ecsreboot.WithHTTPClient(&http.Client{Transport: struct{ http.RoundTripper }{&http.Transport{}}}),
				ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper { r.next = next; return r }),
			}
		},
	}
	for place, options := range places {
		for name, lost := range lostAnswers {
			for _, reused := range []bool{false, true} {
				t.Run(place+"/"+name+"/"+map[bool]string{false: "new", true: "reused"}[reused], func(t *testing.T) {
					server := newSocketService(t, ecstest.Options{})
					r := new(retrying)
					client := newClient(t, server, append(options(r), quick(), patience(lost))...)
					if reused {
						_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
						require.NoError(t, err)
					}
					// The instance would restart again at once.
					server.RemoveInstance(id)
					require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1}}))
					server.Inject(lost)
					_, err := client.RebootInstance(t.Context(), request)
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					assert.Greater(t, r.sends.Load(), int64(1), "it did repeat")
					assert.Eventually(t, func() bool { return server.Reboots(id) == 1 }, 10*time.Second, time.Millisecond)
					// The service refuses a nonce that it knows; a copy must not even
					// arrive.
					arrived := 0
					for _, call := range server.Calls() {
						if !call.DryRun {
							arrived++
						}
					}
					assert.Equal(t, 1, arrived)
				})
			}
		}
	}
}

// net/http sends again by itself, over a reused connection, what it takes for
// repeatable: a restart must not look so.
func TestIdempotencyKeyIsTakenAway(t *testing.T) {
	server := newSocketService(t, ecstest.Options{})
	marked := func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			clone := req.Clone(req.Context())
			clone.Header.Set("Idempotency-Key", "1")
			clone.Header["X-Idempotency-Key"] = nil // net/http asks whether it is there
			clone.Header.Set("X-Trace", "1")
			return next.RoundTrip(clone)
		})
	}
	client := newClient(t, server, ecsreboot.WithTransportWrapper(marked), quick())
	_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
	require.NoError(t, err)
	server.Inject(ecstest.Fault{Kind: ecstest.FaultFIN, Act: true})
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	assert.Equal(t, 1, server.Reboots(id))
	for _, call := range server.Calls() {
		assert.Equal(t, "1", call.Header.Get("X-Trace"))
		assert.Empty(t, call.Header.Get("Idempotency-Key"))
		assert.Empty(t, call.Header.Get("X-Idempotency-Key"))
	}
	require.Len(t, server.Calls(), 2)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A RoundTripper that is not net/http's proves nothing: its failures are unknown.
func TestForeignRoundTripper(t *testing.T) {
	server := newService(t, ecstest.Options{})
	var calls int
	broken := roundTripFunc(func(*http.Request) (*http.Response, error) { calls++; return nil, errors.New("broken") })
	client := newClient(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: broken}), quick())
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	assert.ErrorContains(t, err, "broken")
	assert.Equal(t, 1, calls)
}

// A failure before net/http looks for a connection, as of a bad proxy setting, is
// known not to be a send.
func TestProxyFailure(t *testing.T) {
	server := newSocketService(t, ecstest.Options{})
	for name, proxy := range map[string]func(*http.Request) (*url.URL, error){
		"setting":     func(*http.Request) (*url.URL, error) { return nil, errors.New("bad proxy") },
		"unreachable": http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("me", "pass-word")}),
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, server, ecsreboot.WithEndpoint(strings.Replace(server.URL, "http:", "https:", 1)),
				ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: proxy}}), quick())
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			failed, _ := errors.AsType[*ecsreboot.OperationError](err)
			assert.Equal(t, 4, failed.Attempts)
			assert.NotContains(t, err.Error(), "pass-word")
		})
	}
	assert.Empty(t, server.Calls())
}

// A proxy that refuses a tunnel for good is not asked again. Its page is not shown.
func TestProxyRefuses(t *testing.T) {
	server := newSocketService(t, ecstest.Options{})
	for status, attempts := range map[int]int{
		http.StatusProxyAuthRequired: 1, http.StatusForbidden: 1, http.StatusMethodNotAllowed: 1,
		http.StatusTooManyRequests: 4, http.StatusBadGateway: 4, http.StatusServiceUnavailable: 4,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			asked := 0
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				http.Error(w, "pass-word", status)
			}))
			defer proxy.Close()
			at, err := url.Parse(proxy.URL)
			require.NoError(t, err)
			at.User = url.UserPassword("me", "pass-word")
			client := newClient(t, server, ecsreboot.WithEndpoint(strings.Replace(server.URL, "http:", "https:", 1)),
				ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}), quick())
			_, err = client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			failed, _ := errors.AsType[*ecsreboot.OperationError](err)
			assert.Equal(t, attempts, failed.Attempts)
			assert.Equal(t, attempts, asked)
			assert.Contains(t, err.Error(), http.StatusText(status))
			assert.NotContains(t, err.Error(), "pass-word")
		})
	}
	assert.Empty(t, server.Calls())
}

// The limit of an attempt starts when there is a connection, and an attempt to connect
// sends no request.
func TestTLSHandshakeNeverEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { _, _ = io.Copy(io.Discard, conn); conn.Close() })
		}
	})
	server := newService(t, ecstest.Options{})
	client := newClient(t, server, ecsreboot.WithEndpoint("https://"+listener.Addr().String()), ecsreboot.WithHTTPClient(&http.Client{}),
		quick(), ecsreboot.WithAttemptTimeout(20*time.Millisecond))
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	assert.ErrorContains(t, err, "no connection within 20ms")
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's context is not over")
	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
	listener.Close()
	client.CloseIdleConnections()
	group.Wait()
}

// The caller's client and transport are copied.
func TestCallersHTTPClientIsLeftAlone(t *testing.T) {
	server := newSocketService(t, ecstest.Options{})
	transport := &http.Transport{}
	transport.Clone() // net/http sets it up, as at its first use
	want := transport.Clone()
	given := &http.Client{Transport: transport}
	client := newClient(t, server, ecsreboot.WithHTTPClient(given))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	assert.Same(t, transport, given.Transport)
	assert.Nil(t, given.CheckRedirect)
	assert.Equal(t, want.TLSClientConfig.NextProtos, transport.TLSClientConfig.NextProtos)
	assert.Nil(t, transport.TLSClientConfig.ClientSessionCache)
	assert.Nil(t, transport.Protocols)
	assert.Nil(t, transport.DialContext)
	assert.Zero(t, transport.IdleConnTimeout)
}

// A redirect is not followed: neither is the restart sent elsewhere, nor is the
// token.
func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, `{"RequestId":"`+requestID+`"}`)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := newSocketService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: status, Header: http.Header{"Location": {other.URL + "/secret-path"}}})
		_, err := newClient(t, server).RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		assert.ErrorContains(t, err, `redirected to the host "127.0.0.1"`)
		assert.NotContains(t, err.Error(), "secret-path")
	}
	assert.Zero(t, elsewhere.Load())
}

// Real sockets: resets and orderly closes, on new and reused connections.
func TestLostAnswersOnSockets(t *testing.T) {
	for name, lost := range lostAnswers {
		for _, reused := range []bool{false, true} {
			for _, acts := range []bool{false, true} {
				server := newSocketService(t, ecstest.Options{})
				client := newClient(t, server, quick(), patience(lost))
				if reused {
					_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
					require.NoError(t, err)
				}
				lost.Act = acts
				server.Inject(lost)
				before := len(server.Calls())
				_, err := client.RebootInstance(t.Context(), request)
				require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, name)
				assert.Eventually(t, func() bool { return len(server.Calls()) == before+1 && (server.Reboots(id) == 1) == acts }, 10*time.Second, time.Millisecond)
			}
		}
	}
}

// A host that answers nothing holds up no call for ever, whatever its context.
func TestSilentServiceReturns(t *testing.T) {
	for _, kind := range []ecstest.FaultKind{ecstest.FaultHang, ecstest.FaultStall} {
		synctest.Test(t, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			server.Inject(ecstest.Fault{Kind: kind, Code: "InternalError"})
			begin := time.Now()
			_, err := newClient(t, server).RebootInstance(context.Background(), request) // which never ends
			require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 30*time.Second, time.Since(begin))
		})
	}
}

// The caller's context ends a call that waits for an answer; both the context's
// error and its cause can be found, and the outcome is unknown.
func TestContextEndsTheWaitForAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
		cause := errors.New("maintenance is over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, cause)
		defer cancel()
		begin := time.Now()
		_, err := newClient(t, server).RebootInstance(ctx, request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, cause)
		assert.Equal(t, 1, strings.Count(err.Error(), "maintenance is over"))
		assert.Equal(t, 5*time.Second, time.Since(begin))
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// One client serves many goroutines over few connections.
func TestConnectionsAreReused(t *testing.T) {
	const callers = 16
	var inService sync.WaitGroup // each call stays there until all callers' calls have come
	server := newSocketService(t, ecstest.Options{OnCall: func(ecstest.ReceivedCall) {
		inService.Done()
		inService.Wait()
	}})
	client := newClient(t, server)
	for range 20 {
		inService.Add(callers)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
				assert.NoError(t, err)
			})
		}
		group.Wait()
	}
	assert.LessOrEqual(t, server.Connections(), 40, "of 320 calls")
}

// A region that does not resolve is a region with a typo, most likely.
func TestUnknownRegionIsNamed(t *testing.T) {
	resolve := func(_ context.Context, _, addr string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(addr)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	client, err := ecsreboot.NewClient("cn-hangzou", ecsreboot.WithCredential(&fakeCredential{}), quick(),
		ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: resolve}}))
	require.NoError(t, err)
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	assert.ErrorContains(t, err, `the region "cn-hangzou" has no host ecs.cn-hangzou.aliyuncs.com`)
	_, ok := errors.AsType[*net.DNSError](err)
	assert.True(t, ok)
}

// The client uses the cookie jar and the timeout of an http.Client, and follows no
// redirects.
func TestJarAndTimeout(t *testing.T) {
	for name, set := range map[string]func(*http.Client){
		"jar":     func(c *http.Client) { c.Jar, _ = cookiejar.New(nil) },
		"timeout": func(c *http.Client) { c.Timeout = 20 * time.Second },
		"neither": func(c *http.Client) { c.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } },
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			h := server.HTTPClient()
			set(h)
			client := newClient(t, server, ecsreboot.WithHTTPClient(h))
			for i, f := range []ecstest.Fault{
				{Kind: ecstest.FaultAnswer, Status: 307, Header: http.Header{"Location": {"/?again=1"}}},
				{Kind: ecstest.FaultAnswer, Status: 302, Header: http.Header{"Location": {"%zz"}}},
				{Kind: ecstest.FaultDrop},
				{Kind: ecstest.FaultHang},
			} {
				inject(server, f)
				begin := time.Now()
				_, err := client.RebootInstance(t.Context(), request)
				require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, name)
				_, leaks := errors.AsType[*url.Error](err)
				assert.False(t, leaks, name)
				assert.Len(t, server.Calls(), i+1, name)
				if f.Kind == ecstest.FaultHang && name == "timeout" {
					assert.Equal(t, 20*time.Second, time.Since(begin))
				}
			}
			inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Header: http.Header{"Set-Cookie": {"a=b"}}})
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrDiskError, name)
			if name == "jar" {
				at, err := url.Parse(client.Endpoint())
				require.NoError(t, err)
				assert.Len(t, h.Jar.Cookies(at), 1)
			}
		})
	}
}

// A RoundTripper may break its contract. What it says then is no answer.
func TestRoundTripperReturnsNoAnswer(t *testing.T) {
	for name, resp := range map[string]*http.Response{
		"nothing": nil,
		"no body": {StatusCode: 200, ContentLength: 50, Header: http.Header{"X-Acs-Request-Id": {"A-B"}}},
		"empty":   {StatusCode: 200},
	} {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			return resp, nil
		})}))
		_, err := client.RebootInstance(t.Context(), request)
		assert.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, name)
	}
}

// The contexts that a wrapper derives from the request's end with the attempt.
func TestDerivedContextsEnd(t *testing.T) {
	var derived []context.Context
	server := newService(t, ecstest.Options{})
	client := newClient(t, server, ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(req *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithTimeout(context.WithValue(req.Context(), observedKey{}, 1), time.Hour)
			t.Cleanup(cancel)
			derived = append(derived, ctx)
			return next.RoundTrip(req.WithContext(ctx))
		})
	}))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, derived, 1)
	require.Equal(t, context.Canceled, context.Cause(derived[0]))
}
