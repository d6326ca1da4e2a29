package ecsreboot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"sync/atomic"
	"time"
)

const (
	connectTimeout      = 5 * time.Second
	tlsHandshakeTimeout = 10 * time.Second
	// The service's front ends drop idle connections after some 25 s, some of
	// them sooner. A restart sent on a connection that has just been dropped has
	// an unknown outcome, so ours are given up well before.
	idleConnTimeout = 10 * time.Second
	// net/http keeps 2 idle connections a host by default, so that a busy client
	// opens a new one for more than half of its calls.
	idleConnsPerHost = 100
)

// newTransport returns the transport of a client that was given none.
func newTransport(scheme string) *http.Transport {
	return restrict(&http.Transport{Proxy: http.ProxyFromEnvironment}, scheme)
}

// restrict clones a transport under the rules that keep a request from being sent
// twice: net/http by itself sends a request of an HTTP/2 connection again after
// some errors, so only HTTP/1.1 is spoken, and ALPN must not offer more. Dialer,
// proxy and TLS settings are kept.
func restrict(given *http.Transport, scheme string) *http.Transport {
	t := given.Clone()
	if scheme == "http" {
		t.Proxy = nil // plain http stays on this machine
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.HTTP2 = nil
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if t.DialContext == nil && t.Dial == nil { //nolint:staticcheck // a caller may still use Dial
		t.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	if t.TLSHandshakeTimeout == 0 {
		t.TLSHandshakeTimeout = tlsHandshakeTimeout
	}
	if t.IdleConnTimeout == 0 || t.IdleConnTimeout > idleConnTimeout {
		t.IdleConnTimeout = idleConnTimeout
	}
	if t.MaxIdleConnsPerHost == 0 {
		t.MaxIdleConnsPerHost = idleConnsPerHost
	}
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = proxyAnswered
	}
	return t
}

// proxyRefusalError is a proxy that makes no tunnel, and would make none next time.
type proxyRefusalError struct{ status int }

func (e *proxyRefusalError) Error() string {
	return fmt.Sprintf("the proxy makes no tunnel: %d %s", e.status, http.StatusText(e.status))
}

// proxyAnswered finds lasting refusals. Of the rest, net/http makes errors itself.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return &proxyRefusalError{answer.StatusCode}
	}
	return nil
}

// lasts reports a failure to connect that the next attempt would meet again.
func lasts(err error) bool {
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTunnel := errors.AsType[*proxyRefusalError](err)
	return badCertificate || noTunnel
}

// newSend returns what sends all requests: the caller's client, if there is one,
// under our rules. With it comes the transport at its bottom.
func newSend(given *http.Client, scheme string, wrappers []func(http.RoundTripper) http.RoundTripper) (send sendFunc, base http.RoundTripper, err error) {
	var client http.Client
	if given != nil {
		client = *given
	}
	switch t := client.Transport.(type) {
	case nil:
		base = newTransport(scheme)
	case *http.Transport:
		if t == nil {
			return nil, nil, &InputError{Field: "WithHTTPClient", Problem: "has a Transport that is a nil *http.Transport"}
		}
		base = restrict(t, scheme)
	default:
		if isNil(reflect.ValueOf(t)) {
			return nil, nil, &InputError{Field: "WithHTTPClient", Problem: fmt.Sprintf("has a Transport that is a nil %T", t)}
		}
		base = t
	}
	_, ours := base.(*http.Transport)
	var outer http.RoundTripper = &sendGuard{base: base, ours: ours}
	for _, wrap := range wrappers {
		if outer = wrap(outer); outer == nil || isNil(reflect.ValueOf(outer)) {
			return nil, nil, &InputError{Field: "WithTransportWrapper", Problem: "returned nil"}
		}
	}
	if client.Jar == nil && client.Timeout == 0 {
		return strictSend(outer), base, nil
	}
	// A redirect would be followed with a GET, or sign for another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = outer
	return client.Do, base, nil
}

// sendFunc sends a request. It is no RoundTripper: a value of an interface makes a
// program link what its type could do, which for an http.Client is all of cookies.
type sendFunc func(*http.Request) (*http.Response, error)

// strictSend sends without an http.Client, which would add nothing but redirects,
// cookies and a time limit, and take as long as a signature.
func strictSend(t http.RoundTripper) sendFunc {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := t.RoundTrip(req)
		switch {
		case err != nil:
			return nil, err
		case resp == nil, resp.Body == nil && resp.ContentLength > 0:
			return nil, fmt.Errorf("a %T returned neither an error nor a whole answer", t)
		case resp.Body == nil:
			resp.Body = http.NoBody
		}
		return resp, nil
	}
}

// sendGuard stands between the wrappers around the transport and the transport
// itself, and lets each attempt of a restart through once.
type sendGuard struct {
	base http.RoundTripper
	ours bool // base is an *http.Transport under our rules
}

var (
	// errSecondSend is what a RoundTripper gets that sends a restart again by
	// itself.
	errSecondSend = errors.New("refused to send a restart twice: a RoundTripper repeats requests")
	// errNoExchange is what one gets that cannot be watched.
	errNoExchange = errors.New("refused to send: a RoundTripper dropped the request's context")
)

// RoundTrip sends the request unless it is the second of a restart's attempt.
func (g *sendGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		closeBody(req)
		return nil, errNoExchange
	}
	if x.entered.Swap(true) && x.once {
		closeBody(req)
		return nil, errSecondSend
	}
	x.ours.Store(g.ours)
	// With one of these headers, whatever its value, net/http takes a POST for
	// repeatable.
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, marked := req.Header[name]; marked {
			// A RoundTripper must not change the request it is given.
			req = req.WithContext(req.Context())
			req.Header = req.Header.Clone()
			delete(req.Header, name)
		}
	}
	return g.base.RoundTrip(req)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// exchange watches one attempt on its way through the transport. It is the context
// of its request. Its hook may be called from any goroutine, also after the attempt
// has ended.
type exchange struct {
	context.Context //nolint:containedctx // it is one

	once   bool // a restart: its request must reach the network once
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer // ends the attempt when the limit is over
	trace  httptrace.ClientTrace
	traced bool // net/http finds the trace: without it nothing is proven

	entered atomic.Bool  // the guard let it through …
	ours    atomic.Bool  // … to an *http.Transport under our rules
	state   atomic.Int32 // unconnected, connected or sealed
	sentAt  atomic.Int64 // when it was connected, in Unix nanoseconds
}

const (
	unconnected int32 = iota
	connected         // there was a connection, so it may have been sent
	sealed            // given up as not sent: it must not leave any more
)

// newExchange begins an attempt. Its limit counts anew from when there is a
// connection, so that a slow dial does not shorten the time that the service has to
// answer.
func newExchange(ctx context.Context, limit time.Duration, once bool) *exchange {
	x := &exchange{once: once, limit: limit}
	x.Context, x.cancel = context.WithCancelCause(ctx)
	x.timer = time.AfterFunc(limit, x.timeOut)
	return x
}

func (x *exchange) timeOut() { x.cancel(errTimeLimit) }

// end frees what the attempt holds, and keeps back what has not left yet. Its answer
// must have been read.
func (x *exchange) end() {
	x.state.CompareAndSwap(unconnected, sealed)
	x.timer.Stop()
	x.cancel(nil)
}

// watch returns the request under the attempt's context.
func (x *exchange) watch(req *http.Request) *http.Request {
	x.trace.GotConn = x.onGotConn
	if given := httptrace.ContextClientTrace(x.Context); given != nil {
		x.trace = *given
		x.trace.GotConn = func(info httptrace.GotConnInfo) {
			x.onGotConn(info)
			if given.GotConn != nil {
				given.GotConn(info)
			}
		}
	}
	x.traced = httptrace.ContextClientTrace(x) == &x.trace
	return req.WithContext(x)
}

type exchangeKey struct{}

// Value lets the guard find the exchange.
func (x *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return x
	case traceKey:
		return &x.trace
	}
	return x.Context.Value(key)
}

// traceKey is the key under which net/http asks a context for its trace.
// [httptrace.WithClientTrace] knows it too, but can do much that nobody needs here,
// with the parts of reflect that weigh most.
var traceKey = func() any {
	var asked askedKey
	httptrace.ContextClientTrace(&asked)
	return asked.key
}()

// askedKey is a context that remembers what it was asked for.
type askedKey struct {
	context.Context //nolint:containedctx // it is one

	key any
}

func (a *askedKey) Value(key any) any {
	a.key = key
	return nil
}

// onGotConn runs before anything is written to the connection.
//
// One that comes second means that the request is being sent again: by net/http,
// after it could not write a byte of the first, which does no harm; or by a
// RoundTripper of the caller's, beneath which no guard can stand. One that comes
// after the attempt was given up is a copy that somebody left behind. In both
// cases the only hold is the connection itself.
func (x *exchange) onGotConn(info httptrace.GotConnInfo) {
	if x.state.CompareAndSwap(unconnected, connected) {
		x.sentAt.Store(time.Now().UnixNano())
		x.timer.Reset(x.limit)
		return
	}
	if x.once && (x.state.Load() == sealed || !x.ours.Load()) {
		_ = info.Conn.Close()
		x.cancel(errSecondSend)
	}
}

// giveUp reports whether certainly nothing was sent, and sees to it that nothing
// will be: the attempt's RoundTripper may have left a copy behind that still
// looks for a connection. Only our own transport proves anything; another may
// have ways of its own to send, which fire no hooks.
func (x *exchange) giveUp() bool {
	return x.traced && x.entered.Load() && x.ours.Load() && x.state.CompareAndSwap(unconnected, sealed)
}

// sent returns when the request left, or byDefault where no hook told.
func (x *exchange) sent(byDefault time.Time) time.Time {
	if at := x.sentAt.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return byDefault
}
