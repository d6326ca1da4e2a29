package once_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/once"
)

// long is more than any of the tests here takes.
const long = time.Minute

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// wrapper makes a transport wrapper of what it does with a request and the next transport.
func wrapper(f func(*http.Request, http.RoundTripper) (*http.Response, error)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return f(r, next) })
	}
}

// server answers all requests, and counts them.
func server(t *testing.T) (url string, count *atomic.Int64) {
	t.Helper()
	count = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { count.Add(1) }))
	t.Cleanup(s.Close)
	return s.URL, count
}

func transport(t *testing.T, given *http.Client, wrappers ...func(http.RoundTripper) http.RoundTripper) *once.Transport {
	t.Helper()
	tr, err := once.New(given, "http", wrappers)
	require.NoError(t, err)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func post(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	require.NoError(t, err)
	return r
}

// closes is a body that tells whether it was closed.
type closes struct {
	io.Reader

	closed atomic.Bool
}

func (c *closes) Close() error {
	c.closed.Store(true)
	return nil
}

// What is given up does not leave later, although the attempt has not ended.
func TestGivenUpIsRevoked(t *testing.T) {
	url, count := server(t)
	var guard http.RoundTripper
	var kept *http.Request
	tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		guard, kept = next, r
		return nil, errors.New("not yet")
	}))
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err := a.Send(post(t, url))
	require.EqualError(t, err, "not yet")
	assert.False(t, a.GiveUp(err), "the guard has not seen it")
	_, err = guard.RoundTrip(kept)
	require.ErrorIs(t, err, once.ErrRevoked)
	assert.Zero(t, count.Load())
}

// A request that the guard refuses has its body closed, as net/http asks of a
// RoundTripper.
func TestRefusedBodiesAreClosed(t *testing.T) {
	url, count := server(t)
	var guard http.RoundTripper
	var sent *http.Request
	tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		guard, sent = next, r
		return next.RoundTrip(r)
	}))
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err := a.Send(post(t, url))
	require.NoError(t, err)
	second := &closes{Reader: strings.NewReader("x")}
	copied := sent.Clone(sent.Context())
	copied.Body = second
	_, err = guard.RoundTrip(copied)
	require.ErrorIs(t, err, once.ErrSecondSend)
	assert.True(t, second.closed.Load())

	unwatched := &closes{Reader: strings.NewReader("x")}
	stranger := post(t, url)
	stranger.Body = unwatched
	_, err = guard.RoundTrip(stranger)
	require.ErrorContains(t, err, "dropped the context")
	assert.True(t, unwatched.closed.Load())
	assert.EqualValues(t, 1, count.Load())
}

// panics is an error whose methods panic.
type panics struct{}

func (panics) Error() string { return "panics" }
func (panics) Is(error) bool { panic("of the caller's error") }
func (panics) As(any) bool   { panic("of the caller's error") }

// An error of a caller that panics is no proof, and panics nowhere.
func TestPanickingErrors(t *testing.T) {
	tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		_, err := next.RoundTrip(r)
		if err == nil {
			err = errors.New("there is nobody to answer")
		}
		return nil, errors.Join(panics{}, err)
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err = a.Send(post(t, "http://"+listener.Addr().String()))
	require.Error(t, err)
	assert.NotPanics(t, func() { assert.False(t, a.GiveUp(err)) })
	assert.NotPanics(t, func() {
		assert.False(t, once.Lasts(err))
		assert.False(t, once.AtProxy(err))
	})
}

// Only the failure that the transport itself returned proves that nothing left.
func TestUnsent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	nobody := "http://" + listener.Addr().String()
	own := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("failed") })}
	other := wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		_, _ = next.RoundTrip(r)
		return nil, errors.New("another")
	})
	for name, c := range map[string]struct {
		tr     *once.Transport
		unsent bool
	}{
		"nobody listens":            {transport(t, nil), true},
		"the transport is another":  {transport(t, own), false},
		"the wrapper's own failure": {transport(t, nil, other), false},
	} {
		a := c.tr.Begin(t.Context(), long, true)
		_, err := a.Send(post(t, nobody))
		require.Error(t, err, name)
		assert.Equal(t, c.unsent, a.GiveUp(err), name)
		a.End()
	}
}

// The guard lets a restart through once, although the first time no connection came about:
// a wrapper that tries again makes no second dial.
func TestNoSecondDial(t *testing.T) {
	url, count := server(t)
	dials := 0
	flaky := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, errors.New("unreachable")
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	tr := transport(t, &http.Client{Transport: flaky}, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		_, err := next.RoundTrip(r)
		require.ErrorContains(t, err, "unreachable")
		return next.RoundTrip(r)
	}))
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err := a.Send(post(t, url))
	require.ErrorIs(t, err, once.ErrSecondSend)
	assert.True(t, a.GiveUp(err), "nothing has left")
	assert.Equal(t, 1, dials)
	assert.Zero(t, count.Load())
}

// While a wrapper hears of the connection, another connection is no echo of it: nothing is
// written to it.
func TestAnotherConnectionIsNoEcho(t *testing.T) {
	url, count := server(t)
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	var copied error
	tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		var first sync.Once
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			first.Do(func() {
				_, copied = own.RoundTrip(r.Clone(r.Context()))
			})
		}}
		return next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	}))
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, _ = a.Send(post(t, url))
	require.Error(t, copied)
	assert.LessOrEqual(t, count.Load(), int64(1))
	assert.ErrorIs(t, a.Cause(), once.ErrSecondSend)
}

// A read whose wrapper took it off the attempt's context, and its Cancel channel away,
// ends with the attempt even so.
func TestDetachedReadsEnd(t *testing.T) {
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		detached := r.Clone(context.WithoutCancel(r.Context()))
		detached.Cancel = nil //nolint:staticcheck // as some wrapper may do
		return next.RoundTrip(detached)
	}))
	a := tr.Begin(t.Context(), 50*time.Millisecond, false)
	_, err := a.Send(post(t, s.URL))
	require.ErrorIs(t, a.Cause(), once.ErrTimeLimit, "%v", err)
	a.End()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		t.Error("the request goes on")
	}
}

// A copy on another context, in a transport of the wrapper's, ends with the attempt.
func TestCopiesEndWithTheAttempt(t *testing.T) {
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	own := &http.Transport{}
	tr := transport(t, nil, wrapper(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return own.RoundTrip(r.Clone(context.WithoutCancel(t.Context())))
	}))
	a := tr.Begin(t.Context(), 50*time.Millisecond, false)
	_, err := a.Send(post(t, s.URL))
	require.Error(t, err)
	a.End()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		t.Error("the copy goes on")
	}
}

type valueKey struct{}

// The values of the caller's context reach the dialer, the hooks of net/http only once.
func TestValuesReachTheTransport(t *testing.T) {
	url, _ := server(t)
	var value any
	dialer := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		value = ctx.Value(valueKey{})
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	tr := transport(t, &http.Client{Transport: dialer}, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) { return next.RoundTrip(r) }))
	var got atomic.Int64
	ctx := httptrace.WithClientTrace(context.WithValue(t.Context(), valueKey{}, "kept"), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { got.Add(1) },
	})
	a := tr.Begin(ctx, long, true)
	defer a.End()
	resp, err := a.Send(post(t, url))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "kept", value)
	assert.EqualValues(t, 1, got.Load())
}

// Headers by which net/http repeats a request do not reach it. The request that a wrapper
// passed on stays as it was.
func TestRepeatMarksAreTakenFromACopy(t *testing.T) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		var got http.Header
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
		var passed *http.Request
		tr := transport(t, nil, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header[name], r.Header["X-Other"] = []string{"key"}, []string{"other"}
			passed = r
			return next.RoundTrip(r)
		}))
		// A read is not given another context, by which it would be copied anyway.
		a := tr.Begin(t.Context(), long, false)
		_, err := a.Send(post(t, s.URL))
		require.NoError(t, err)
		a.End()
		s.Close()
		assert.NotContains(t, got, name)
		assert.Equal(t, "other", got.Get("X-Other"))
		assert.Equal(t, []string{"key"}, passed.Header[name])
	}
}

// A body is whole if it is as long as announced and no longer than allowed.
func TestRead(t *testing.T) {
	cut := errors.New("cut")
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		read   int
		err    error
	}{
		"whole":                 {strings.NewReader("abc"), 3, 3, nil},
		"empty":                 {strings.NewReader(""), 0, 0, nil},
		"one byte":              {strings.NewReader("a"), 1, 1, nil},
		"unannounced":           {strings.NewReader("abc"), -1, 3, nil},
		"shorter":               {strings.NewReader("ab"), 3, 2, io.ErrUnexpectedEOF},
		"longer":                {strings.NewReader("abc"), 2, 3, io.ErrUnexpectedEOF},
		"not empty":             {strings.NewReader("a"), 0, 1, io.ErrUnexpectedEOF},
		"broken":                {io.MultiReader(strings.NewReader("ab"), &fails{cut}), 3, 2, cut},
		"the longest":           {bytes.NewReader(make([]byte, once.MaxBody)), once.MaxBody, once.MaxBody, nil},
		"too long":              {bytes.NewReader(make([]byte, once.MaxBody+9)), -1, once.MaxBody + 1, once.ErrBodyTooLong},
		"too long, known":       {bytes.NewReader(make([]byte, once.MaxBody+9)), once.MaxBody + 9, once.MaxBody + 1, once.ErrBodyTooLong},
		"announces without end": {strings.NewReader("a"), 1<<63 - 1, 1, io.ErrUnexpectedEOF},
	} {
		body := &closes{Reader: c.body}
		got := once.Read(&http.Response{StatusCode: 201, Header: http.Header{"A": {"b"}}, ContentLength: c.length, Body: body})
		assert.Equal(t, c.read, len(got.Body), name)
		assert.Equal(t, c.err, got.BodyErr, name)
		assert.True(t, body.closed.Load(), name)
		assert.Equal(t, 201, got.StatusCode)
		assert.Equal(t, "b", got.Header.Get("A"))
	}
	assert.Equal(t, 4*1024*1024, once.MaxBody)
	// Room is made at once for what is announced: no buffer grows step by step.
	body := make([]byte, 1<<20)
	allocated := testing.AllocsPerRun(10, func() {
		once.Read(&http.Response{ContentLength: 1 << 20, Body: io.NopCloser(bytes.NewReader(body))})
	})
	assert.LessOrEqual(t, allocated, 8.0)
}

type fails struct{ err error }

func (f *fails) Read([]byte) (int, error) { return 0, f.err }

// Which failures to connect would meet the next attempt too, and which are the proxy's.
func TestLasts(t *testing.T) {
	certificate := &tls.CertificateVerificationError{Err: errors.New("expired")}
	assert.True(t, once.Lasts(fmt.Errorf("dial: %w", certificate)))
	assert.True(t, once.Lasts(fmt.Errorf("dial: %w", &once.ProxyError{})))
	assert.False(t, once.Lasts(errors.New("reset")))
	assert.False(t, once.Lasts(nil))
	assert.True(t, once.AtProxy(fmt.Errorf("%w", &net.OpError{Op: "proxyconnect", Err: errors.New("refused")})))
	assert.False(t, once.AtProxy(&net.OpError{Op: "dial", Err: errors.New("refused")}))
	assert.False(t, once.AtProxy(errors.New("proxyconnect")))
}

// A client with a time limit or a cookie jar sends through the wrappers too, and follows
// no redirect: it would be a GET, or signed for another host.
func TestClientsWithSettingsOfTheirOwn(t *testing.T) {
	var count atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	for name, given := range map[string]*http.Client{
		"plain":      {},
		"time limit": {Timeout: long},
		"cookies":    {Jar: jar},
	} {
		count.Store(0)
		wrapped := 0
		tr := transport(t, given, wrapper(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			wrapped++
			return next.RoundTrip(r)
		}))
		a := tr.Begin(t.Context(), long, true)
		resp, err := a.Send(post(t, s.URL))
		require.NoError(t, err, name)
		a.End()
		assert.Equal(t, http.StatusTemporaryRedirect, resp.StatusCode, name)
		assert.EqualValues(t, 1, count.Load(), name)
		assert.Equal(t, 1, wrapped, name)
		assert.Nil(t, given.Transport, "the given client stays as it is")
		assert.Nil(t, given.CheckRedirect)
	}
}

// What a RoundTripper returns without a body is whole only if none was announced.
func TestAnswersWithoutBody(t *testing.T) {
	for length, whole := range map[int64]bool{-1: true, 0: true, 1: false, 5: false} {
		tr := transport(t, &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, ContentLength: length}, nil
		})})
		a := tr.Begin(t.Context(), long, true)
		resp, err := a.Send(post(t, "http://127.0.0.1:1"))
		a.End()
		if !whole {
			require.ErrorContains(t, err, "neither an error nor a whole answer", length)
			continue
		}
		require.NoError(t, err, length)
		assert.Empty(t, resp.Body)
		assert.NoError(t, resp.BodyErr)
	}
	tr := transport(t, &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })})
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err := a.Send(post(t, "http://127.0.0.1:1"))
	require.ErrorContains(t, err, "neither an error nor a whole answer")
}

// The dialers and limits of the given transport are kept.
func TestSettingsAreKept(t *testing.T) {
	url, count := server(t)
	dials := 0
	dial := func(network, address string) (net.Conn, error) {
		dials++
		return net.Dial(network, address)
	}
	send := func(tr *once.Transport, url string, limit time.Duration) (*once.Response, error, error) {
		a := tr.Begin(t.Context(), limit, true)
		defer a.End()
		resp, err := a.Send(post(t, url))
		return resp, err, a.Cause()
	}
	_, err, _ := send(transport(t, &http.Client{Transport: &http.Transport{Dial: dial}}), url, long) //nolint:staticcheck // a caller may still use Dial
	require.NoError(t, err)
	_, err, _ = send(transport(t, &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
		return dial(network, address)
	}}}), url, long)
	require.NoError(t, err)
	assert.Equal(t, 2, dials)
	assert.EqualValues(t, 2, count.Load())

	// Whoever is connected, but says nothing, ends the handshake by the limit that was set.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, silent.Close()) })
	impatient, err := once.New(&http.Client{Transport: &http.Transport{TLSHandshakeTimeout: 20 * time.Millisecond}}, "https", nil)
	require.NoError(t, err)
	_, err, cause := send(impatient, "https://"+silent.Addr().String(), 8*time.Second)
	require.ErrorContains(t, err, "TLS handshake timeout")
	assert.NoError(t, cause, "the attempt had time left")
}

// A second connection resumes the session of the first, which saves a round trip; a cache
// of the caller's is used if there is one.
func TestSessionsAreResumed(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	t.Cleanup(s.Close)
	for name, cache := range map[string]*sessions{"none": nil, "the caller's": {ClientSessionCache: tls.NewLRUClientSessionCache(0)}} {
		config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		if cache != nil {
			config.ClientSessionCache = cache
		}
		tr, err := once.New(&http.Client{Transport: &http.Transport{TLSClientConfig: config}}, "https", nil)
		require.NoError(t, err)
		var resumed []bool
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			TLSHandshakeDone: func(state tls.ConnectionState, _ error) { resumed = append(resumed, state.DidResume) },
		})
		for range 2 {
			a := tr.Begin(ctx, long, true)
			_, err := a.Send(post(t, s.URL))
			require.NoError(t, err, name)
			a.End()
		}
		assert.Equal(t, []bool{false, true}, resumed, name)
		if cache != nil {
			assert.Positive(t, cache.puts.Load())
		}
	}
}

// sessions counts what is put into a cache.
type sessions struct {
	tls.ClientSessionCache

	puts atomic.Int64
}

func (s *sessions) Put(key string, session *tls.ClientSessionState) {
	s.puts.Add(1)
	s.ClientSessionCache.Put(key, session)
}

// A host that is connected but does not answer the TLS handshake is given up after ten
// seconds, long before the attempt: nothing has been sent.
func TestSilentHandshakeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			return near, nil
		}}
		tr, err := once.New(&http.Client{Transport: silent}, "https", nil)
		require.NoError(t, err)
		begin := time.Now()
		a := tr.Begin(t.Context(), long, true)
		defer a.End()
		_, err = a.Send(post(t, "https://127.0.0.1"))
		require.ErrorContains(t, err, "TLS handshake timeout")
		assert.Equal(t, 10*time.Second, time.Since(begin))
		assert.NoError(t, a.Cause())
		assert.True(t, a.GiveUp(err), "nothing has left")
	})
}

// A host that speaks HTTP/2 is offered HTTP/1.1 alone.
func TestOnlyHTTP1IsOffered(t *testing.T) {
	var offered []string
	var proto string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto = r.Proto }))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered = hello.SupportedProtos
		return nil, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	given := s.Client().Transport.(*http.Transport).Clone()
	given.ForceAttemptHTTP2 = true
	tr, err := once.New(&http.Client{Transport: given}, "https", nil)
	require.NoError(t, err)
	t.Cleanup(tr.CloseIdleConnections)
	a := tr.Begin(t.Context(), long, true)
	defer a.End()
	_, err = a.Send(post(t, s.URL))
	require.NoError(t, err)
	assert.Equal(t, []string{"http/1.1"}, offered)
	assert.Equal(t, "HTTP/1.1", proto)
}

// Connections of a busy client are kept for the next calls, as many as its calls at once
// need, unless the given transport says how many.
func TestConnectionsAreKept(t *testing.T) {
	const calls = 8
	for limit, most := range map[int]int64{0: calls, calls: calls, 1: 2*calls - 1} {
		arrived, release := make(chan struct{}), make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-release
		}))
		var dials atomic.Int64
		tr := transport(t, &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: limit,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				dials.Add(1)
				return (&net.Dialer{}).DialContext(ctx, network, address)
			},
		}})
		for range 2 {
			var group sync.WaitGroup
			for range calls {
				group.Go(func() {
					a := tr.Begin(t.Context(), long, false)
					defer a.End()
					_, err := a.Send(post(t, s.URL))
					assert.NoError(t, err)
				})
			}
			for range calls {
				<-arrived
			}
			for range calls {
				release <- struct{}{}
			}
			group.Wait()
		}
		if limit == 1 {
			assert.Greater(t, dials.Load(), int64(calls), "all but one were closed")
		}
		assert.LessOrEqual(t, dials.Load(), most, limit)
		s.Close()
	}
}

// A RoundTripper of the caller that sends a copy on another context meets the end of the
// attempt too.
func TestCopiesOfARoundTripperEnd(t *testing.T) {
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	own := &http.Transport{}
	tr := transport(t, &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return own.RoundTrip(r.Clone(context.WithoutCancel(t.Context())))
	})})
	a := tr.Begin(t.Context(), 50*time.Millisecond, false)
	_, err := a.Send(post(t, s.URL))
	require.Error(t, err)
	a.End()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		t.Error("the copy goes on")
	}
}
