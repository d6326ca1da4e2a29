package acceptance_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/testmain"
)

func TestMain(m *testing.M) {
	testmain.ManyBubbles()
	testmain.Run(m)
}

// longTests reports whether tests run in their long form, as they do each night: they draw more
// than it takes to notice a defect.
var longTests = os.Getenv("LONG_TESTS") != ""

// moduleRoot is the directory of the package that is under test.
const moduleRoot = "../.."

const id = "i-bp67acfmxazb4ph0001"

// newService starts an in-memory service with one running instance. It and its
// clients may be used inside a synctest bubble, if they are made there.
func newService(tb testing.TB, options ecstest.Options) *ecstest.Server {
	tb.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(tb, err)
	tb.Cleanup(server.Close)
	require.NoError(tb, server.AddInstance(ecstest.Instance{ID: id}))
	return server
}

// newSocketService is newService on a loopback socket.
func newSocketService(tb testing.TB, options ecstest.Options) *ecstest.Server {
	tb.Helper()
	server, err := ecstest.NewServer(options)
	require.NoError(tb, err)
	tb.Cleanup(server.Close)
	require.NoError(tb, server.AddInstance(ecstest.Instance{ID: id}))
	return server
}

func newClient(tb testing.TB, server *ecstest.Server, options ...ecsreboot.Option) *ecsreboot.Client {
	tb.Helper()
	client, err := server.NewClient(options...)
	require.NoError(tb, err)
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

// quick makes retries immediate, for tests on real time.
func quick() ecsreboot.Option {
	return ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{BaseDelay: -1})
}

var request = ecsreboot.RebootInstanceRequest{InstanceID: id}

const minute = time.Minute
