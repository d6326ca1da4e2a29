package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// intercept keeps what credentials-go asks on this machine: it clones the default
// transport for everything. Requests for a host of the map go to its proxy; those
// for any other host off this machine fail the test.
func intercept(t *testing.T, proxies map[string]string, trusted *x509.CertPool) {
	t.Helper()
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	transport := before.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		host := r.URL.Hostname()
		if proxy := proxies[host]; proxy != "" {
			return url.Parse(proxy)
		}
		if address := net.ParseIP(host); address == nil || !address.IsLoopback() {
			t.Errorf("a request for %s", host)
			return nil, fmt.Errorf("%s is not on this machine", host)
		}
		return nil, nil
	}
	http.DefaultTransport = transport
}

// ofChain makes a client of the service that takes its credentials from the
// default chain, as the environment has it.
func ofChain(t *testing.T, server *ecstest.Server) *ecsreboot.Client {
	t.Helper()
	client, err := ecsreboot.NewClient(region, ecsreboot.WithEndpoint(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// ofConfig makes one that takes them from where the config says.
func ofConfig(t *testing.T, server *ecstest.Server, config *credentials.Config) *ecsreboot.Client {
	t.Helper()
	credential, err := credentials.NewCredential(config)
	require.NoError(t, err)
	return newClient(t, server, ecsreboot.WithCredential(credential))
}

// assertRestarts checks that a restart comes with the key.
func assertRestarts(t *testing.T, server *ecstest.Server, client *ecsreboot.Client, k key) {
	t.Helper()
	_, err := client.RebootInstance(t.Context(), restart)
	require.NoError(t, err)
	assert.Equal(t, 1, server.Reboots(id))
	calls := server.Calls()
	assert.Equal(t, key{id: k.id, token: k.token, bearer: k.bearer}, inUse(calls[len(calls)-1]))
}

func TestCredentialsOfEnvironment(t *testing.T) {
	for _, name := range []string{"access key", "STS token"} {
		t.Run(name, func(t *testing.T) {
			intercept(t, nil, nil)
			k := keys[name]
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", k.id)
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", k.secret)
			t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", k.token)
			server := newService(t, k.options())
			assertRestarts(t, server, ofChain(t, server), k)
		})
	}
}

// With nothing to find, nothing is sent.
func TestNoCredentials(t *testing.T) {
	intercept(t, nil, nil)
	server := newService(t, ecstest.Options{})
	_, err := ofChain(t, server).RebootInstance(t.Context(), restart)
	require.ErrorIs(t, err, ecsreboot.ErrCredentials)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	assert.Empty(t, server.Calls())
}

// writeFile writes a file that only its owner reads and returns its name.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// cliProfiles is the configuration of Alibaba Cloud CLI, as its own configure
// command writes it.
func cliProfiles(t *testing.T, profiles ...map[string]any) string {
	t.Helper()
	for _, p := range profiles {
		p["region_id"], p["output_format"], p["language"] = region, "json", "en"
	}
	return jsonOf(t, map[string]any{"current": profiles[0]["name"], "profiles": profiles, "meta_path": ""})
}

func TestCredentialsOfCLIProfile(t *testing.T) {
	ak, sts := keys["access key"], keys["STS token"]
	config := cliProfiles(t,
		map[string]any{"name": "default", "mode": "AK", "access_key_id": ak.id, "access_key_secret": ak.secret},
		map[string]any{"name": "temporary", "mode": "StsToken", "access_key_id": sts.id, "access_key_secret": sts.secret, "sts_token": sts.token})
	t.Run("current profile", func(t *testing.T) {
		intercept(t, nil, nil)
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", config))
		server := newService(t, ak.options())
		assertRestarts(t, server, ofChain(t, server), ak)
	})
	t.Run("named profile", func(t *testing.T) {
		intercept(t, nil, nil)
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", config))
		t.Setenv("ALIBABA_CLOUD_PROFILE", "temporary")
		server := newService(t, sts.options())
		assertRestarts(t, server, ofChain(t, server), sts)
	})
	t.Run("in the home directory", func(t *testing.T) {
		intercept(t, nil, nil)
		home := t.TempDir()
		t.Setenv("HOME", home)
		t.Setenv("USERPROFILE", home)
		require.NoError(t, os.Mkdir(filepath.Join(home, ".aliyun"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".aliyun", "config.json"), []byte(config), 0o600))
		server := newService(t, ak.options())
		assertRestarts(t, server, ofChain(t, server), ak)
	})
	t.Run("external command", func(t *testing.T) {
		intercept(t, nil, nil)
		answer := writeFile(t, "answer.json", jsonOf(t, map[string]string{
			"mode": "StsToken", "access_key_id": sts.id, "access_key_secret": sts.secret, "sts_token": sts.token,
		}))
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", cliProfiles(t,
			map[string]any{"name": "default", "mode": "External", "process_command": "cat " + answer})))
		server := newService(t, sts.options())
		assertRestarts(t, server, ofChain(t, server), sts)
	})
	t.Run("broken", func(t *testing.T) {
		intercept(t, nil, nil)
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", config[:len(config)-2]))
		server := newService(t, ak.options())
		_, err := ofChain(t, server).RebootInstance(t.Context(), restart)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		for _, secret := range []string{ak.secret, sts.secret, sts.token} {
			assert.NotContains(t, err.Error(), secret)
		}
	})
}

func TestCredentialsOfSharedFile(t *testing.T) {
	intercept(t, nil, nil)
	k := keys["access key"]
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", writeFile(t, "credentials",
		"[default]\nenable = true\ntype = access_key\naccess_key_id = "+k.id+"\naccess_key_secret = "+k.secret+"\n"))
	server := newService(t, k.options())
	assertRestarts(t, server, ofChain(t, server), k)
}
