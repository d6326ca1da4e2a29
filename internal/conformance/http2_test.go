package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// A transport that was set up for HTTP/2 speaks HTTP/1.1 once it is the client's,
// and goes on speaking HTTP/2 for its owner.
func TestClientSpeaksHTTP1(t *testing.T) {
	server := newService(t, ecstest.Options{})
	ca := newAuthority(t)
	front := serveHTTP2(t, ca, server)
	transport := separateTransport(t)
	transport.TLSClientConfig = &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
	require.NoError(t, http2.ConfigureTransport(transport)) //nolint:staticcheck // as programs do that have not moved on
	client := newClient(t, server, ecsreboot.WithEndpoint(front.URL), ecsreboot.WithHTTPClient(&http.Client{Transport: transport}))
	for range 2 {
		_, err := client.RebootInstance(t.Context(), dryRun)
		require.NoError(t, err)
	}
	_, err := client.RebootInstance(t.Context(), restart)
	require.NoError(t, err)
	assert.Equal(t, 1, server.Reboots(id))

	answer, err := (&http.Client{Transport: transport}).Get(front.URL)
	require.NoError(t, err)
	answer.Body.Close()

	var protocols []string
	for _, call := range server.Calls() {
		protocols = append(protocols, call.Proto)
	}
	assert.Equal(t, []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/2.0"}, protocols)
}

// overHTTP2 is a RoundTripper that speaks nothing else.
//
//nolint:staticcheck // net/http has what replaces it, but programs out there have this one
func overHTTP2(t *testing.T, trusted *x509.CertPool) ecsreboot.Option {
	t.Helper()
	transport := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return ecsreboot.WithHTTPClient(&http.Client{Transport: transport})
}

// A RoundTripper that speaks nothing but HTTP/2 proves nothing, but works; faults
// reset its streams.
func TestHTTP2RoundTripper(t *testing.T) {
	for name, lost := range map[string]*ecstest.Fault{
		"accepted":         nil,
		"drop":             {Kind: ecstest.FaultDrop, Act: true},
		"fin":              {Kind: ecstest.FaultFIN, Act: true},
		"half status line": {Kind: ecstest.FaultHalfStatusLine, Act: true},
		"502":              {Kind: ecstest.FaultAnswer, Act: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			ca := newAuthority(t)
			front := serveHTTP2(t, ca, server)
			client := newClient(t, server, ecsreboot.WithEndpoint(front.URL), overHTTP2(t, ca.pool))
			_, err := client.RebootInstance(t.Context(), dryRun)
			require.NoError(t, err)
			if lost != nil {
				server.Inject(*lost)
			}
			_, err = client.RebootInstance(t.Context(), restart)
			if lost != nil {
				assertUnknown(t, err)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, 1, server.Reboots(id))
			calls := server.Calls()
			require.Len(t, calls, 2)
			assert.Equal(t, "HTTP/2.0", calls[1].Proto)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server, ecsreboot.WithEndpoint("https://"+freeAddr(t)), overHTTP2(t, nil))
		_, err := client.RebootInstance(t.Context(), restart)
		assertUnknown(t, err)
	})
}
