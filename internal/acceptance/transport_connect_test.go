package acceptance_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The types of DNS questions.
const (
	typeA    = 1
	typeAAAA = 28
)

// nameServer answers that every name is 127.0.0.1. It is silent for the first questions
// of each type.
type nameServer struct {
	mu     sync.Mutex
	silent map[uint16]int // how many more
	asked  map[uint16]int
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // no PacketConn, so messages have a length as over TCP
		go s.serve(server)
		return client, nil
	}}
}

func (s *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	var length uint16
	if binary.Read(conn, binary.BigEndian, &length) != nil {
		return
	}
	question := make([]byte, length)
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	end := 12 + bytes.IndexByte(question[12:], 0) + 5
	kind := binary.BigEndian.Uint16(question[end-4:])
	s.mu.Lock()
	s.asked[kind]++
	s.silent[kind]--
	silent := s.silent[kind] >= 0
	s.mu.Unlock()
	if silent {
		_, _ = io.Copy(io.Discard, conn) // until the resolver gives up
		return
	}
	answer := append(bytes.Clone(question[:2]), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	answer = append(answer, question[12:end]...)
	if kind == typeA {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

// A name server that is silent for a while, as the first of several in resolv.conf or
// for one family of addresses, costs one attempt no connection.
func TestSilentNameServer(t *testing.T) {
	// The resolver makes a channel at its first use, which must not be in a bubble.
	noServer := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }}
	_, _ = noServer.LookupHost(t.Context(), "ecs.example.com")
	for name, silent := range map[string]map[uint16]int{
		"first server": {typeA: 1, typeAAAA: 1},
		"no AAAA":      {typeAAAA: 2},
	} {
		for operation, call := range map[string]func(*testing.T, *ecsreboot.Client) error{
			"restart": func(t *testing.T, c *ecsreboot.Client) error {
				_, err := c.RebootInstance(t.Context(), request)
				return err
			},
			"poll": func(t *testing.T, c *ecsreboot.Client) error {
				_, err := c.TakeBaseline(t.Context(), id)
				return err
			},
		} {
			t.Run(name+"/"+operation, func(t *testing.T) {
				server := newSocketService(t, ecstest.Options{})
				endpoint, pool := tlsService(t, server)
				synctest.Test(t, func(t *testing.T) {
					dns := &nameServer{silent: maps.Clone(silent), asked: map[uint16]int{}}
					standard := net.DefaultResolver
					net.DefaultResolver = dns.resolver()
					defer func() { net.DefaultResolver = standard }()
					client := newClient(t, server,
						ecsreboot.WithEndpoint(strings.Replace(endpoint, "127.0.0.1", "ecs.example.com", 1)),
						ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}),
						ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
					begin := time.Now()
					err := call(t, client)
					assert.GreaterOrEqual(t, time.Since(begin), 5*time.Second, "the resolver waits so long")
					dns.mu.Lock() // a lookup that nobody waits for may go on
					assert.GreaterOrEqual(t, dns.asked[typeAAAA], 1)
					dns.mu.Unlock()
					// The clock of the bubble is years behind the server's, which says so.
					require.ErrorIs(t, err, ecsreboot.ErrInvalidTimeStampExpired, "it connects, and the service answers")
				})
			})
		}
	}
}

// A proxy that is not found is not taken for a region that does not exist, and what may
// be a part of its password is not shown.
func TestProxyIsNotFound(t *testing.T) {
	for name, proxy := range map[string]*url.URL{
		"unknown host": {Scheme: "http", Host: "proxy.invalid:3128", User: url.UserPassword("me", "pass-word")},
		// What net/http makes of http://me:p@ss#word@proxy:3128.
		"raw # in the password": {Scheme: "http", Host: "ss"},
	} {
		t.Run(name, func(t *testing.T) {
			dial := func(_ context.Context, _, addr string) (net.Conn, error) {
				host, _, _ := net.SplitHostPort(addr)
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
			}
			client, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(&fakeCredential{}), quick(),
				ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial, Proxy: http.ProxyURL(proxy)}}))
			require.NoError(t, err)
			_, err = client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			assert.ErrorContains(t, err, "the host of the proxy was not found")
			assert.ErrorContains(t, err, "HTTPS_PROXY")
			assert.NotContains(t, err.Error(), "region")
			assert.NotContains(t, err.Error(), `"ss"`)
			assert.NotContains(t, err.Error(), "pass-word")
		})
	}
}

// The error of a certificate that a company's CA has signed says what to do.
func TestUnknownAuthorityAdvice(t *testing.T) {
	server := newService(t, ecstest.Options{})
	endpoint, _ := tlsService(t, server)
	_, err := newClient(t, server, ecsreboot.WithEndpoint(endpoint), ecsreboot.WithHTTPClient(&http.Client{})).RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	assert.ErrorContains(t, err, "SSL_CERT_FILE")
	assert.ErrorContains(t, err, "WithHTTPClient")
}

// A nil pointer of an error type is logged as nil.
func TestTypedNilIsLogged(t *testing.T) {
	for name, err := range map[string]any{
		"OperationError": (*ecsreboot.OperationError)(nil),
		"APIError":       (*ecsreboot.APIError)(nil),
		"InputError":     (*ecsreboot.InputError)(nil),
	} {
		var text, object strings.Builder
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "err", err)
		slog.New(slog.NewJSONHandler(&object, nil)).Info("x", "err", err)
		assert.Contains(t, text.String(), "err=<nil>", name)
		assert.Contains(t, object.String(), `"err":null`, name)
	}
}

// Restarts and reads have connections of their own, which are given up after 3 s and
// 5 s, or earlier if the caller's transport says so.
func TestIdleConnectionsAreGivenUp(t *testing.T) {
	read := func(t *testing.T, c *ecsreboot.Client) error {
		for _, err := range c.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
			return err
		}
		return errors.New("no instance")
	}
	send := func(t *testing.T, c *ecsreboot.Client) error {
		_, err := c.RebootInstance(t.Context(), request)
		return err
	}
	for name, test := range map[string]struct {
		call         func(*testing.T, *ecsreboot.Client) error
		given, limit time.Duration
	}{
		"restart":                {send, 0, 3 * time.Second},
		"restart, caller's":      {send, time.Second, time.Second},
		"restart, caller's long": {send, time.Hour, 3 * time.Second},
		"read":                   {read, 0, 5 * time.Second},
		"read, caller's":         {read, 2 * time.Second, 2 * time.Second},
		"read, caller's long":    {read, 90 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newService(t, ecstest.Options{})
				require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-second"}))
				base := server.HTTPClient().Transport.(*http.Transport).Clone()
				base.IdleConnTimeout = test.given
				client := newClient(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: base}))
				_ = test.call(t, client)
				first := server.Connections()
				time.Sleep(test.limit - 100*time.Millisecond)
				_ = test.call(t, client)
				assert.Equal(t, first, server.Connections(), "it is used again")
				time.Sleep(test.limit + 100*time.Millisecond)
				_ = test.call(t, client)
				assert.Equal(t, first+1, server.Connections(), "it was given up")
				// Neither uses a connection of the other.
				other := send
				if strings.HasPrefix(name, "restart") {
					other = read
				}
				_ = other(t, client)
				assert.Equal(t, first+2, server.Connections())
				client.CloseIdleConnections()
				_, _ = test.call(t, client), other(t, client)
				assert.Equal(t, first+4, server.Connections())
			})
		})
	}
}
