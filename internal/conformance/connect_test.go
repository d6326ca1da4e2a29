package conformance_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// connectProxy is an HTTP proxy that makes tunnels, on loopback.
type connectProxy struct {
	*httptest.Server

	authorization string // what it demands; empty is nothing
	to            string // where all tunnels lead; empty is where they are meant to
	running       sync.WaitGroup

	mu     sync.Mutex
	opened []net.Conn
}

// newConnectProxy starts one that demands the user and the password, if any.
func newConnectProxy(t *testing.T, user, password, to string) *connectProxy {
	t.Helper()
	p := &connectProxy{to: to}
	if user != "" {
		p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	p.Server = httptest.NewServer(http.HandlerFunc(p.tunnel))
	t.Cleanup(func() {
		p.Close()
		p.cut() // the clients of credentials-go leave theirs open
		p.running.Wait()
	})
	return p
}

// cut breaks all tunnels off.
func (p *connectProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.opened {
		conn.Close()
	}
}

func (p *connectProxy) tunnel(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodConnect:
		http.Error(w, "only tunnels", http.StatusMethodNotAllowed)
		return
	case p.authorization != "" && r.Header.Get("Proxy-Authorization") != p.authorization:
		w.Header().Set("Proxy-Authenticate", `Basic realm="conformance"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	}
	to := p.to
	if to == "" {
		to = r.Host
	}
	far, err := new(net.Dialer).DialContext(r.Context(), "tcp", to)
	if err != nil {
		http.Error(w, "no way", http.StatusBadGateway)
		return
	}
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		far.Close()
		return
	}
	p.mu.Lock()
	p.opened = append(p.opened, near)
	p.mu.Unlock()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	relay := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		near.Close()
		far.Close()
	}
	p.running.Go(func() { relay(far, buffered) })
	p.running.Go(func() { relay(near, far) })
}
