package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// way is a way to the service: through a proxy to a server that takes TLS off.
type way struct {
	server                    *ecstest.Server
	ca                        *authority
	proxy, endpoint           string
	killProxy, killTerminator func()
}

// everyWay runs a test on each kind of proxy with each kind of TLS terminator.
func everyWay(t *testing.T, test func(t *testing.T, w *way)) {
	t.Helper()
	for _, f := range forwards {
		for _, e := range terminators {
			t.Run(f.name+"/"+e.name, func(t *testing.T) {
				w := &way{server: newService(t, ecstest.Options{}), ca: newAuthority(t)}
				w.proxy, w.killProxy = f.start(t)
				w.endpoint, w.killTerminator = e.start(t, w.ca, w.server.URL)
				test(t, w)
			})
		}
	}
}

// client makes one that trusts the pool and has the password for the proxy.
func (w *way) client(t *testing.T, password string, trusted *x509.CertPool, options ...ecsreboot.Option) *ecsreboot.Client {
	t.Helper()
	proxy := &url.URL{Scheme: "http", Host: w.proxy, User: url.UserPassword(proxyUser, password)}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	return newClient(t, w.server, append([]ecsreboot.Option{
		ecsreboot.WithEndpoint(w.endpoint), ecsreboot.WithHTTPClient(&http.Client{Transport: transport}),
	}, options...)...)
}

// again makes the instance restart once more at once, so that nothing but the
// client's care keeps it from a second restart.
func (w *way) again(t *testing.T) {
	t.Helper()
	w.server.RemoveInstance(id)
	require.NoError(t, w.server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1}}))
}

func TestRestartThroughProxy(t *testing.T) {
	everyWay(t, func(t *testing.T, w *way) {
		for _, version := range []ecsreboot.SignatureVersion{ecsreboot.SignatureV3, ecsreboot.SignatureV1} {
			client := w.client(t, proxyPassword, w.ca.pool, ecsreboot.WithSignatureVersion(version))
			checked, err := client.RebootInstance(t.Context(), dryRun)
			require.NoError(t, err)
			assert.True(t, checked.DryRun)
			require.NoError(t, w.server.SetTags(id, awkward))
			assertListed(t, client, ecsreboot.DescribeInstancesRequest{Tags: awkward})
			w.again(t)
			_, err = client.RebootInstance(t.Context(), restart)
			require.NoError(t, err)
		}
		assert.Equal(t, 2, w.server.Reboots(id))
		calls := w.server.Calls()
		require.Len(t, calls, 6)
		for _, call := range calls {
			assert.Empty(t, call.Header.Get("Proxy-Authorization"))
			assert.Equal(t, http.MethodPost, call.Method)
		}
	})
}

// assertListed checks that the request finds the instance and nothing else.
func assertListed(t *testing.T, client *ecsreboot.Client, request ecsreboot.DescribeInstancesRequest) {
	t.Helper()
	var listed []string
	for i, err := range client.DescribeInstances(t.Context(), request) {
		require.NoError(t, err)
		require.True(t, i.Listed())
		listed = append(listed, i.ID)
	}
	assert.Equal(t, []string{id}, listed)
}

// assertUnknown checks that the restart was sent once and that nobody knows what
// became of it.
func assertUnknown(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok)
	assert.Equal(t, 1, failed.Attempts)
	assert.NotContains(t, err.Error(), proxyPassword)
}

// assertNotSent checks the opposite, and returns how often it was tried.
func assertNotSent(t *testing.T, err error) int {
	t.Helper()
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok)
	assert.True(t, failed.SentAt.IsZero())
	assert.NotContains(t, err.Error(), proxyPassword)
	assert.NotContains(t, err.Error(), url.QueryEscape(proxyPassword))
	return failed.Attempts
}

// The service drops the connection to the terminator, which answers with a page of
// its own, over a new connection and over one that was used before.
func TestAnswerLostBehindTerminator(t *testing.T) {
	everyWay(t, func(t *testing.T, w *way) {
		client := w.client(t, proxyPassword, w.ca.pool)
		for _, kind := range []ecstest.FaultKind{ecstest.FaultDrop, ecstest.FaultFIN, ecstest.FaultHalfStatusLine} {
			for _, act := range []bool{true, false} {
				w.again(t)
				w.server.ForgetCalls()
				before := w.server.Reboots(id)
				w.server.Inject(ecstest.Fault{Kind: kind, Act: act})
				_, err := client.RebootInstance(t.Context(), restart)
				assertUnknown(t, err)
				answer, ok := errors.AsType[*ecsreboot.APIError](err)
				if assert.True(t, ok, "%v", err) {
					assert.Equal(t, http.StatusBadGateway, answer.StatusCode)
				}
				assert.Equal(t, act, w.server.Reboots(id) == before+1)
				require.Len(t, w.server.Calls(), 1, "%s: the restart arrived once", kind)

				// A read is sent again.
				w.server.Inject(ecstest.Fault{Kind: kind})
				assertListed(t, client, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{id}})
			}
		}
	})
}

// Something on the way dies while the restart is under way.
func TestAnswerLostOnTheWay(t *testing.T) {
	for name, victim := range map[string]func(*way) func(){
		"proxy":      func(w *way) func() { return w.killProxy },
		"terminator": func(w *way) func() { return w.killTerminator },
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, w *way) {
				client := w.client(t, proxyPassword, w.ca.pool)
				_, err := client.RebootInstance(t.Context(), dryRun) // there is a connection
				require.NoError(t, err)
				w.again(t)
				w.server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
				answered := make(chan error, 1)
				go func() {
					_, err := client.RebootInstance(t.Context(), restart)
					answered <- err
				}()
				require.Eventually(t, func() bool { return w.server.Reboots(id) == 1 }, 20*time.Second, time.Millisecond)
				victim(w)()
				assertUnknown(t, <-answered)

				// With the way gone, nothing is sent.
				_, err = client.RebootInstance(t.Context(), restart)
				assert.Equal(t, 4, assertNotSent(t, err))
				assert.Equal(t, 1, w.server.Reboots(id))
				assert.Len(t, w.server.Calls(), 2)
			})
		})
	}
}

func TestProxyRefuses(t *testing.T) {
	everyWay(t, func(t *testing.T, w *way) {
		_, err := w.client(t, "another", w.ca.pool).RebootInstance(t.Context(), restart)
		assert.Equal(t, 1, assertNotSent(t, err))
		assert.ErrorContains(t, err, "Proxy Authentication Required")
		assert.NotContains(t, err.Error(), "another")
		assert.Empty(t, w.server.Calls())
	})
}

// An authority that the client does not know stays unknown: it is tried once.
func TestUnknownAuthority(t *testing.T) {
	everyWay(t, func(t *testing.T, w *way) {
		for _, trusted := range []*x509.CertPool{nil, newAuthority(t).pool} {
			_, err := w.client(t, proxyPassword, trusted).RebootInstance(t.Context(), restart)
			assert.Equal(t, 1, assertNotSent(t, err))
			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			assert.True(t, ok, "%v", err)
		}
		assert.Empty(t, w.server.Calls())
	})
}

// Behind the terminator there is nothing; it cannot be told from outside.
func TestServiceIsGone(t *testing.T) {
	everyWay(t, func(t *testing.T, w *way) {
		client := w.client(t, proxyPassword, w.ca.pool)
		w.server.Close()
		_, err := client.RebootInstance(t.Context(), restart)
		assertUnknown(t, err)
		answer, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, http.StatusBadGateway, answer.StatusCode)
		assert.Empty(t, answer.Code)
	})
}

// nginx loses patience before the service answers.
func TestGatewayTimeout(t *testing.T) {
	w := &way{server: newService(t, ecstest.Options{}), ca: newAuthority(t)}
	w.proxy, _ = startConnectProxy(t)
	w.endpoint, _ = nginx(t, w.ca, w.server.URL, "200ms")
	w.again(t)
	w.server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
	_, err := w.client(t, proxyPassword, w.ca.pool).RebootInstance(t.Context(), restart)
	assertUnknown(t, err)
	answer, ok := errors.AsType[*ecsreboot.APIError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, http.StatusGatewayTimeout, answer.StatusCode)
	assert.Equal(t, 1, w.server.Reboots(id))
	assert.Len(t, w.server.Calls(), 1)
}
