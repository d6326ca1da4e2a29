package conformance_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

const proxyUser, proxyPassword = "me", "pass-word+/%40"

// forward is a kind of HTTP proxy that demands a user and a password. It returns
// its address without them.
type forward struct {
	name  string
	start func(t *testing.T) (addr string, kill func())
}

var forwards = []forward{{"Go", startConnectProxy}, {"squid", startSquid}}

func startConnectProxy(t *testing.T) (addr string, kill func()) {
	t.Helper()
	p := newConnectProxy(t, proxyUser, proxyPassword, "")
	return p.Listener.Addr().String(), func() {
		p.Listener.Close()
		p.cut()
	}
}

func startSquid(t *testing.T) (addr string, kill func()) {
	t.Helper()
	path := program(t, "squid", "squid")
	dir := openDir(t)
	addr = freeAddr(t)
	// Squid gives names and passwords to its helper with the unsafe characters of
	// a URL escaped.
	helper := filepath.Join(dir, "check.sh")
	expected := proxyUser + " " + strings.ReplaceAll(proxyPassword, "%", "%25")
	require.NoError(t, os.WriteFile(helper, []byte(`while read -r given; do if [ "$given" = "`+expected+`" ]; then echo OK; else echo ERR; fi; done`), 0o644))
	config := filepath.Join(dir, "squid.conf")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"http_port " + addr,
		"auth_param basic program /bin/sh " + helper,
		"auth_param basic children 1 startup=1",
		"auth_param basic realm conformance",
		"acl known proxy_auth REQUIRED",
		"http_access allow CONNECT known",
		"http_access deny all",
		"cache deny all",
		"cache_mem 0",
		"access_log none",
		"cache_log /dev/null",
		"pid_filename none",
		"netdb_filename none",
		"pinger_enable off",
		"coredump_dir " + dir,
		"visible_hostname localhost",
		"dns_nameservers 127.0.0.1",
		"shutdown_lifetime 0 seconds",
		"",
	}, "\n")), 0o644))
	return addr, run(t, addr, path, "-N", "-d", "1", "-f", config)
}

// terminator is a kind of server that takes TLS off and passes calls on.
type terminator struct {
	name  string
	start func(t *testing.T, ca *authority, backend string) (endpoint string, kill func())
}

var terminators = []terminator{{"x_net http2", startHTTP2}, {"nginx", startNginx}}

// startHTTP2 is net/http with the HTTP/2 of golang.org/x/net.
func startHTTP2(t *testing.T, ca *authority, backend string) (endpoint string, kill func()) {
	t.Helper()
	to, err := url.Parse(backend)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host },
		Transport: separateTransport(t),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	front := serveHTTP2(t, ca, proxy)
	return front.URL, func() {
		front.Listener.Close()
		front.CloseClientConnections()
	}
}

// serveHTTP2 serves the handler over TLS and offers HTTP/2.
//
//nolint:staticcheck // net/http has what replaces it, but programs out there have this one
func serveHTTP2(t *testing.T, ca *authority, handler http.Handler) *httptest.Server {
	t.Helper()
	pair, err := tls.X509KeyPair(ca.issue(t))
	require.NoError(t, err)
	front := httptest.NewUnstartedServer(handler)
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	require.NoError(t, http2.ConfigureServer(front.Config, new(http2.Server)))
	front.TLS = front.Config.TLSConfig.Clone()
	front.TLS.Certificates = []tls.Certificate{pair}
	front.TLS.MinVersion = tls.VersionTLS12
	front.StartTLS()
	t.Cleanup(front.Close)
	return front
}

func startNginx(t *testing.T, ca *authority, backend string) (endpoint string, kill func()) {
	t.Helper()
	return nginx(t, ca, backend, "60s")
}

// nginx has the service twice, as a balancer has several servers: nginx sends what
// it takes for repeatable to the next of them when the first fails. It gives up
// after readTimeout.
func nginx(t *testing.T, ca *authority, backend, readTimeout string) (endpoint string, kill func()) {
	t.Helper()
	path := program(t, "nginx", "nginx-light")
	dir := openDir(t)
	certificate, key := ca.issue(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certificate.pem"), certificate, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
	addr := freeAddr(t)
	config := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(config, []byte(strings.NewReplacer(
		"DIR", dir, "ADDR", addr, "BACKEND", strings.TrimPrefix(backend, "http://"), "READ_TIMEOUT", readTimeout,
	).Replace(`daemon off; master_process off; pid DIR/nginx.pid; error_log stderr;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	upstream service { server BACKEND max_fails=0; server BACKEND max_fails=0; }
	server {
		listen ADDR ssl http2;
		ssl_certificate DIR/certificate.pem; ssl_certificate_key DIR/key.pem;
		location / {
			proxy_pass http://service;
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_read_timeout READ_TIMEOUT;
		}
	}
}
`)), 0o644))
	return "https://" + addr, run(t, addr, path, "-p", dir, "-c", config, "-e", "stderr")
}
