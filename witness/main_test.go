package witness_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

// TestMain makes sure that no test finds credentials or asks the metadata service.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	os.Exit(m.Run())
}

const (
	id     = "i-bp67acfmxazb4ph0001"
	region = "cn-hangzhou"
	secret = "testsecret"
)

// stage is a service with an instance, and a client of it.
type stage struct {
	*ecstest.Server

	client *ecsreboot.Client
}

func newStage(t *testing.T, options ecstest.Options) *stage {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: 40 * time.Second}}))
	client, err := server.NewClient()
	require.NoError(t, err)
	return &stage{server, client}
}

// bubble runs a test with fake time.
func bubble(t *testing.T, options ecstest.Options, f func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newStage(t, options)) })
}

func static(t *testing.T, secret string) credentials.Credential {
	t.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("access_key").SetAccessKeyId("testid").SetAccessKeySecret(secret))
	require.NoError(t, err)
	return credential
}

// options leads to the service.
func (s *stage) options(t *testing.T) witness.Options {
	t.Helper()
	return witness.Options{Credential: s.client.Credential(), Endpoint: s.URL, HTTPClient: s.HTTPClient()}
}

// of leads to the responses of a function.
func of(t *testing.T, respond func(r *http.Request) (status int, body string)) witness.Options {
	t.Helper()
	return witness.Options{Credential: static(t, secret), Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: responder(respond)}}
}

type responder func(r *http.Request) (status int, body string)

func (f responder) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: readCloser{strings.NewReader(body)}, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
	}, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// calls returns how often the server received an operation.
func (s *stage) calls(action string) (n int) {
	for _, call := range s.Calls() {
		if call.Action == action {
			n++
		}
	}
	return n
}

// nilCredential is of use only as a nil pointer.
type nilCredential struct{ credentials.Credential }
