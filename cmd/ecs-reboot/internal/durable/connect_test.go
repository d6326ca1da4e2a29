package durable

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// environment is one of a test; nothing of the system's counts.
type environment map[string]string

func (e environment) Environ() (all []string) {
	for name, value := range e {
		all = append(all, name+"="+value)
	}
	return all
}

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// with are the options that flags and an environment lead to.
func with(t *testing.T, e environment, args ...string) (client.Options, error) {
	t.Helper()
	if e == nil {
		e = environment{}
	}
	if _, ok := e["TEMPORAL_CONFIG_FILE"]; !ok {
		e["TEMPORAL_CONFIG_FILE"] = filepath.Join(t.TempDir(), "none.toml")
	}
	var f Server
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.AddFlags(flags)
	f.AddTaskQueue(flags)
	require.NoError(t, flags.Parse(args))
	if err := f.Check(); err != nil {
		return client.Options{}, err
	}
	return f.options(e)
}

// file writes a file of a test.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFlagsWinOverEnvironment(t *testing.T) {
	config := file(t, "temporal.toml", "[profile.default]\naddress = \"file:1\"\nnamespace = \"of-file\"\n[profile.other]\naddress = \"other:1\"\n")
	options, err := with(t, environment{"TEMPORAL_CONFIG_FILE": config})
	require.NoError(t, err)
	require.Equal(t, "file:1", options.HostPort)
	require.Equal(t, "of-file", options.Namespace)
	require.Nil(t, options.ConnectionOptions.TLS)

	options, err = with(t, environment{"TEMPORAL_CONFIG_FILE": config, "TEMPORAL_PROFILE": "other"})
	require.NoError(t, err)
	require.Equal(t, "other:1", options.HostPort)

	options, err = with(t, environment{"TEMPORAL_CONFIG_FILE": config, "TEMPORAL_ADDRESS": "env:1"}, "--temporal-namespace", "of-flag")
	require.NoError(t, err)
	require.Equal(t, "env:1", options.HostPort)
	require.Equal(t, "of-flag", options.Namespace)

	options, err = with(t, environment{"TEMPORAL_ADDRESS": "env:1"}, "--temporal", "flag:1")
	require.NoError(t, err)
	require.Equal(t, "flag:1", options.HostPort)
}

func TestTLS(t *testing.T) {
	options, err := with(t, nil, "--temporal-tls")
	require.NoError(t, err)
	require.NotNil(t, options.ConnectionOptions.TLS)

	options, err = with(t, environment{"TEMPORAL_TLS": "true"}, "--temporal-tls=false")
	require.NoError(t, err)
	require.Nil(t, options.ConnectionOptions.TLS)

	options, err = with(t, nil, "--temporal-tls-server-name", "temporal.internal")
	require.NoError(t, err)
	require.Equal(t, "temporal.internal", options.ConnectionOptions.TLS.ServerName)

	cert, key := certificate(t)
	options, err = with(t, environment{"TEMPORAL_TLS_SERVER_NAME": "env.internal"}, "--temporal-tls-cert", cert, "--temporal-tls-key", key, "--temporal-tls-ca", cert)
	require.NoError(t, err)
	is := options.ConnectionOptions.TLS
	require.Equal(t, "env.internal", is.ServerName)
	require.NotNil(t, is.RootCAs)
	require.True(t, len(is.Certificates) == 1 || is.GetClientCertificate != nil)

	for _, args := range [][]string{
		{"--temporal-tls-cert", cert}, {"--temporal-tls-key", key}, {"--temporal-tls=false", "--temporal-tls-ca", cert}, {"--temporal-tls-ca", "/none"}, {"--temporal-tls-cert", key, "--temporal-tls-key", cert},
	} {
		_, err = with(t, nil, args...)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "%v: %v", args, err)
	}
}

// An API key comes from the environment or a file, turns TLS on, and never travels
// without it.
func TestAPIKey(t *testing.T) {
	options, err := with(t, environment{"TEMPORAL_API_KEY": "secret"})
	require.NoError(t, err)
	require.NotNil(t, options.Credentials)
	require.NotNil(t, options.ConnectionOptions.TLS)

	options, err = with(t, nil, "--temporal-api-key-file", file(t, "key", "secret\n"))
	require.NoError(t, err)
	require.NotNil(t, options.Credentials)
	require.NotNil(t, options.ConnectionOptions.TLS)

	for _, key := range []string{"", "\n", "two words", "two\nlines\n"} {
		_, err = with(t, nil, "--temporal-api-key-file", file(t, "key", key))
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "%q", key)
	}
	_, err = with(t, environment{"TEMPORAL_API_KEY": "secret"}, "--temporal-tls=false")
	require.Equal(t, exitcode.Usage, exitcode.Of(err))
	require.NotContains(t, err.Error(), "secret")
	_, err = with(t, nil, "--temporal-tls=false", "--temporal-api-key-file", file(t, "key", "secret"))
	require.Equal(t, exitcode.Usage, exitcode.Of(err))
	require.NotContains(t, err.Error(), "secret")
}

func TestNoServer(t *testing.T) {
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	f := Server{address: "127.0.0.1:1"}
	_, err := f.Dial(t.Context(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "no Temporal server responds at 127.0.0.1:1, namespace default")
	require.Equal(t, exitcode.Failed, exitcode.Of(err))
}

// certificate makes a certificate and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))),
		file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
