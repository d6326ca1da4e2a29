package conformance_test

import (
	"cmp"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

const (
	id     = "i-bp67acfmxazb4ph0001"
	region = "cn-hangzhou"
)

var (
	restart = ecsreboot.RebootInstanceRequest{InstanceID: id}
	dryRun  = ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
)

// newService starts a service with one running instance on a loopback socket.
func newService(tb testing.TB, options ecstest.Options) *ecstest.Server {
	tb.Helper()
	server, err := ecstest.NewServer(options)
	require.NoError(tb, err)
	tb.Cleanup(server.Close)
	require.NoError(tb, server.AddInstance(ecstest.Instance{ID: id}))
	return server
}

// newClient makes a client of the service that sends again without a wait.
func newClient(tb testing.TB, server *ecstest.Server, options ...ecsreboot.Option) *ecsreboot.Client {
	tb.Helper()
	quick := ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{BaseDelay: -1})
	client, err := server.NewClient(append([]ecsreboot.Option{quick}, options...)...)
	require.NoError(tb, err)
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

// key is what a caller proves who it is with: an access key, a temporary one, or
// a bearer token.
type key struct{ id, secret, token, bearer string }

var keys = map[string]key{
	"access key":   {id: "testid", secret: "testsecret"},
	"STS token":    {id: "STS.testid", secret: "test/secret+=", token: "CAIS+/token=with*awkward~chars%&"},
	"bearer token": {bearer: "bearer+/token=with*awkward~chars%&"},
}

// options are those of a service that accepts the key.
func (k key) options() ecstest.Options {
	return ecstest.Options{AccessKeyID: k.id, AccessKeySecret: k.secret, SecurityToken: k.token, BearerToken: k.bearer}
}

// inUse names the key that a call of the service came with.
func inUse(call ecstest.ReceivedCall) key {
	return key{
		id:     call.AccessKeyID,
		token:  cmp.Or(call.Header.Get("X-Acs-Security-Token"), call.Query.Get("SecurityToken"), call.Form.Get("SecurityToken")),
		bearer: cmp.Or(call.Header.Get("X-Acs-Bearer-Token"), call.Query.Get("BearerToken")),
	}
}

// separateTransport is one whose connections end with the test.
func separateTransport(tb testing.TB) *http.Transport {
	tb.Helper()
	transport := new(http.Transport)
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}
