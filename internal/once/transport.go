package once

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

const (
	// dialLimit bounds the lookup of a host and the dial together. The resolver asks
	// each name server for 5 s, twice, and waits for the addresses of both families:
	// two servers that never answer for one of them take 20 s.
	dialLimit           = 25 * time.Second
	tlsHandshakeTimeout = 10 * time.Second
	// The front ends of the service drop idle connections after about 25 s, some of
	// them earlier.
	restartIdleLimit = 3 * time.Second
	readIdleLimit    = 5 * time.Second
	// net/http keeps 2 idle connections per host by default, so that a busy client
	// opens a new one for more than half of its calls.
	idleConnsPerHost = 100
)

// FieldError is a setting that New refuses.
type FieldError struct{ Field, Problem string }

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// Transport sends requests. It is safe for concurrent use.
type Transport struct {
	send    func(*http.Request) (*http.Response, error)
	base    []http.RoundTripper
	wrapped bool // the code of others stands between send and a transport of ours
}

// New returns the transport of a client: that of the given http.Client under the rules
// of this package, or one of its own if given is nil or has none, inside the wrappers,
// the last of which is the outermost. Plain http goes through no proxy. Its errors are
// FieldErrors.
func New(given *http.Client, scheme string, wrappers []func(http.RoundTripper) http.RoundTripper) (*Transport, error) {
	var client http.Client
	if given != nil {
		client = *given
	}
	g, err := newGuard(client.Transport, scheme)
	if err != nil {
		return nil, err
	}
	g.wrapped = len(wrappers) > 0
	var outer http.RoundTripper = g
	for _, wrap := range wrappers {
		if outer = wrap(outer); outer == nil || isNil(outer) {
			return nil, &FieldError{"WithTransportWrapper", "returned nil"}
		}
	}
	t := &Transport{base: []http.RoundTripper{g.restarts, g.reads}, wrapped: g.wrapped || !g.ours}
	if client.Jar == nil && client.Timeout == 0 {
		t.send = plainSend(outer) //nolint:bodyclose // the caller of send closes it
		return t, nil
	}
	// A redirect would be followed with a GET, or sign for another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = outer
	t.send = client.Do
	return t, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() {
	for _, base := range t.base {
		if closer, ok := base.(interface{ CloseIdleConnections() }); ok {
			closer.CloseIdleConnections()
		}
	}
}

func newGuard(given http.RoundTripper, scheme string) (*guard, error) {
	switch t := given.(type) {
	case nil:
		t = &http.Transport{Proxy: http.ProxyFromEnvironment}
		return ownGuard(t.(*http.Transport), scheme), nil
	case *http.Transport:
		if t == nil {
			return nil, &FieldError{"WithHTTPClient", "has a Transport that is a nil *http.Transport"}
		}
		return ownGuard(t, scheme), nil
	default:
		if isNil(t) {
			return nil, &FieldError{"WithHTTPClient", fmt.Sprintf("has a Transport that is a nil %T", t)}
		}
		return &guard{restarts: t, reads: t}, nil
	}
}

func ownGuard(given *http.Transport, scheme string) *guard {
	reads := restrict(given, scheme, readIdleLimit)
	return &guard{restarts: restrict(reads, scheme, restartIdleLimit), reads: reads, ours: true}
}

func isNil(t http.RoundTripper) bool {
	v := reflect.ValueOf(t)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}

// restrict clones a transport under the rules of this package. Dialer, proxy and TLS
// settings are kept.
func restrict(given *http.Transport, scheme string, idleLimit time.Duration) *http.Transport {
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
	t.TLSClientConfig.NextProtos = []string{"http/1.1"} // ALPN must not offer more
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if t.DialContext == nil && t.Dial == nil { //nolint:staticcheck // a caller may still use Dial
		t.DialContext = (&net.Dialer{Timeout: dialLimit}).DialContext
	}
	if t.TLSHandshakeTimeout == 0 {
		t.TLSHandshakeTimeout = tlsHandshakeTimeout
	}
	if t.IdleConnTimeout == 0 || t.IdleConnTimeout > idleLimit {
		t.IdleConnTimeout = idleLimit
	}
	if t.MaxIdleConnsPerHost == 0 {
		t.MaxIdleConnsPerHost = idleConnsPerHost
	}
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = proxyAnswered
	}
	return t
}

// ProxyError is a proxy that refuses the tunnel and would refuse it again.
type ProxyError struct{ status int }

func (e *ProxyError) Error() string {
	return fmt.Sprintf("proxy refused CONNECT: %d %s", e.status, http.StatusText(e.status))
}

// proxyAnswered finds the lasting refusals of a tunnel. net/http makes errors of the
// other ones.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return &ProxyError{answer.StatusCode}
	}
	return nil
}

// Lasts reports whether a failure to connect would meet the next attempt as well.
func Lasts(err error) (lasts bool) {
	defer apart.IgnorePanic() // of a method of a caller's error
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTunnel := errors.AsType[*ProxyError](err)
	return badCertificate || noTunnel
}

// AtProxy reports whether a failure to connect is one to connect to the proxy.
func AtProxy(err error) (atProxy bool) {
	defer apart.IgnorePanic()
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

// plainSend sends without an http.Client, which would add redirects, cookies and a time
// limit, and takes as long as a signature.
func plainSend(t http.RoundTripper) func(*http.Request) (*http.Response, error) {
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
