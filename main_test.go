package ecsreboot_test

import (
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// What follows is the part of the helpers of internal/acceptance that the tests here
// need as well.

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

func newClient(tb testing.TB, server *ecstest.Server, options ...ecsreboot.Option) *ecsreboot.Client {
	tb.Helper()
	client, err := server.NewClient(options...)
	require.NoError(tb, err)
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

var request = ecsreboot.RebootInstanceRequest{InstanceID: id}

const minute = time.Minute

// fakeCredential answers with testid, after the errors in failures.
type fakeCredential struct {
	credentials.Credential
	failures []error
}

func (c *fakeCredential) GetType() *string { return new("fake") }

func (c *fakeCredential) GetCredential() (*credentials.CredentialModel, error) {
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		return nil, err
	}
	return &credentials.CredentialModel{AccessKeyId: new("testid"), AccessKeySecret: new("testsecret")}, nil
}
