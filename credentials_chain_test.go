package ecsreboot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// Credentials that the chain may find: those that the service accepts at first, and
// those of somebody else, as whom nobody must ever act by mistake.
const (
	chainKey, chainSecret, chainToken = "STS.NUchainkeyid00001", "chain-secret", "chain-token"
	otherKey, otherSecret             = "LTAI5totheridentity01", "other-secret"
)

// home is a home directory with nothing in it, in an environment that names no
// credentials.
type home struct {
	t    *testing.T
	path string
}

func newHome(t *testing.T) home {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			t.Setenv(name, "") // so that it is restored
			os.Unsetenv(name)
		}
	}
	h := home{t, t.TempDir()}
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	t.Setenv("HOME", h.path)
	t.Setenv("USERPROFILE", h.path)
	return h
}

func (h home) write(name, content string) string {
	h.t.Helper()
	path := filepath.Join(h.path, name)
	require.NoError(h.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(h.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// config writes config.json.
func (h home) config(content string) string { return h.write(".aliyun/config.json", content) }

// ini writes the credentials file.
func (h home) ini(content string) string { return h.write(".alibabacloud/credentials", content) }

// somebodyElse lies in the file behind config.json.
func (h home) somebodyElse() {
	h.ini(fmt.Sprintf("[default]\ntype=access_key\naccess_key_id=%s\naccess_key_secret=%s\n[prod]\ntype=access_key\naccess_key_id=%[1]s\naccess_key_secret=%[2]s\n", otherKey, otherSecret))
}

type fields = map[string]any

// profiles is a config.json whose first profile is the current one.
func profiles(all ...fields) string {
	data, err := json.Marshal(fields{"current": all[0]["name"], "profiles": all})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func keyProfile(name, id, secret string) fields {
	return fields{"name": name, "mode": "AK", "access_key_id": id, "access_key_secret": secret}
}

func stsProfile(name, token string) fields {
	return fields{"name": name, "mode": "StsToken", "access_key_id": chainKey, "access_key_secret": chainSecret, "sts_token": token}
}

func roleProfile(name, source string) fields {
	return fields{"name": name, "mode": "ChainableRamRoleArn", "source_profile": source, "ram_role_arn": "acs:ram::1:role/r"}
}

func commandProfile(command string) fields {
	return fields{"name": "p", "mode": "External", "process_command": command}
}

var chainOptions = ecstest.Options{AccessKeyID: chainKey, AccessKeySecret: chainSecret, SecurityToken: chainToken}

// chainClient has no credentials but those that the default chain finds.
func chainClient(t *testing.T, server *ecstest.Server, options ...ecsreboot.Option) *ecsreboot.Client {
	t.Helper()
	client, err := ecsreboot.NewClient("cn-hangzhou", append([]ecsreboot.Option{
		ecsreboot.WithEndpoint(server.URL), ecsreboot.WithHTTPClient(server.HTTPClient()), quick(),
	}, options...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// A source that is there and cannot be used is an error that names it. Another
// identity lies beside it, and is not acted as.
func TestUnusableSourceIsAnError(t *testing.T) {
	good := profiles(stsProfile("p", chainToken))
	for name, c := range map[string]struct {
		prepare func(h home)
		says    []string
	}{
		"a role from itself": {func(h home) { h.config(profiles(roleProfile("p", "p"))) }, []string{"source_profile", `"p" -> "p"`, "config.json"}},
		"roles in a circle": {
			func(h home) { h.config(profiles(roleProfile("p", "q"), roleProfile("q", "p"))) },
			[]string{"source_profile", `"p" -> "q" -> "p"`, "config.json"},
		},
		"roles that lead to a circle": {
			func(h home) { h.config(profiles(roleProfile("p", "q"), roleProfile("q", "r"), roleProfile("r", "q"))) },
			[]string{`"p" -> "q" -> "r" -> "q"`},
		},
		"a role of nobody":         {func(h home) { h.config(profiles(roleProfile("p", "q"))) }, []string{`no profile "q"`}},
		"empty":                    {func(h home) { h.config("") }, []string{"config.json", "empty"}},
		"a byte order mark alone":  {func(h home) { h.config("\ufeff\r\n") }, []string{"config.json", "empty"}},
		"cut short":                {func(h home) { h.config(good[:len(good)-3]) }, []string{"config.json", "JSON"}},
		"overwritten in part":      {func(h home) { h.config(good + `"}]}`) }, []string{"config.json", "JSON"}},
		"another type":             {func(h home) { h.config(`{"current":"p","profiles":[{"name":"p","expired_seconds":"1"}]}`) }, []string{"expired_seconds"}},
		"no profiles":              {func(h home) { h.config(`{"current":"p","profiles":[null]}`) }, []string{`no profile "p"`}},
		"a directory":              {func(h home) { require.NoError(h.t, os.MkdirAll(filepath.Join(h.path, ".aliyun/config.json"), 0o700)) }, []string{"config.json", "cannot be read"}},
		"too large":                {func(h home) { h.config(strings.Repeat(" ", 5<<20)) }, []string{"larger"}},
		"unknown mode":             {func(h home) { h.config(profiles(fields{"name": "p", "mode": "Magic"})) }, []string{"Magic", "not supported"}},
		"profile without a secret": {func(h home) { h.config(profiles(keyProfile("p", chainKey, ""))) }, []string{`"p"`, "access_key_secret"}},
		"token profile, no token":  {func(h home) { h.config(profiles(stsProfile("p", ""))) }, []string{"sts_token"}},
		"OIDC profile, half":       {func(h home) { h.config(profiles(fields{"name": "p", "mode": "OIDC", "ram_role_arn": "r"})) }, []string{"oidc_token_file"}},
		"OAuth of yesterday": {func(h home) {
			h.config(profiles(fields{"name": "p", "mode": "OAuth", "oauth_site_type": "CN", "oauth_refresh_token": "x", "oauth_access_token": "y", "oauth_access_token_expire": 1}))
		}, []string{"OAuth", "expired", "aliyun"}},
		"OAuth of nowhere":           {func(h home) { h.config(profiles(fields{"name": "p", "mode": "OAuth"})) }, []string{"oauth_site_type"}},
		"CloudSSO of yesterday":      {func(h home) { h.config(profiles(fields{"name": "p", "mode": "CloudSSO"})) }, []string{"CloudSSO", "expired"}},
		"External without a command": {func(h home) { h.config(profiles(commandProfile(""))) }, []string{"process_command"}},
		"External, open quote":       {func(h home) { h.config(profiles(commandProfile("x '"))) }, []string{"quote"}},
		"External, no such command":  {func(h home) { h.config(profiles(commandProfile("/nonexistent/command"))) }, []string{"its command failed", "no such file"}},

		"half a key pair": {func(h home) { h.config(good); h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "x") }, []string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"}},
		"the other half":  {func(h home) { h.config(good); h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x") }, []string{"ALIBABA_CLOUD_ACCESS_KEY_ID is not"}},
		"a token alone":   {func(h home) { h.config(good); h.t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "x") }, []string{"ALIBABA_CLOUD_ACCESS_KEY_ID"}},
		"OIDC without a role": {func(h home) {
			h.config(good)
			h.t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/x")
			h.t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "x")
		}, []string{"OIDC", "ALIBABA_CLOUD_ROLE_ARN"}},
		"OIDC without a token": {func(h home) {
			h.config(good)
			h.t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "x")
			h.t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "x")
		}, []string{"OIDC", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"}},
		"OIDC, no such file": {func(h home) {
			h.config(good)
			h.t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "x")
			h.t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "x")
			h.t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nonexistent/token")
		}, []string{"OIDC", "no such file"}},
		"no such config":        {func(h home) { h.t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", "/nonexistent/c.json") }, []string{"ALIBABA_CLOUD_CONFIG_FILE", "/nonexistent/c.json"}},
		"no such profile":       {func(h home) { h.config(good); h.t.Setenv("ALIBABA_CLOUD_PROFILE", "prod") }, []string{"ALIBABA_CLOUD_PROFILE", `"prod"`, "config.json"}},
		"no such section":       {func(h home) { h.t.Setenv("ALIBABA_CLOUD_PROFILE", "test") }, []string{`"test"`, ".alibabacloud/credentials"}},
		"no such current one":   {func(h home) { h.config(`{"current":"prod","profiles":[]}`) }, []string{`"prod"`, "config.json"}},
		"no current one at all": {func(h home) { h.config(`{}`) }, []string{`""`, "config.json"}},

		"empty ini":            {func(h home) { h.ini("\n") }, []string{".alibabacloud/credentials", "empty"}},
		"ini without sections": {func(h home) { h.ini("x=1\n") }, []string{`profile "default"`, "no such section"}},
		"ini, no type":         {func(h home) { h.ini("[default]\nx=1\n") }, []string{"type"}},
		"ini, unknown type":    {func(h home) { h.ini("[default]\ntype=sts\n") }, []string{"access_key"}},
		"ini, no secret":       {func(h home) { h.ini("[default]\ntype=access_key\naccess_key_id=x\n") }, []string{"lacks"}},
		"no ini at all": {func(h home) {
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", "/nonexistent/c")
			h.t.Setenv("ALIBABA_CLOUD_PROFILE", "")
		}, []string{"ALIBABA_CLOUD_CREDENTIALS_FILE", "/nonexistent/c"}},
		"a profile, no file": {
			func(h home) {
				require.NoError(h.t, os.RemoveAll(filepath.Join(h.path, ".alibabacloud")))
				h.t.Setenv("ALIBABA_CLOUD_PROFILE", "prod")
				h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/")
			},
			[]string{"ALIBABA_CLOUD_PROFILE", `"prod"`, "config.json", ".alibabacloud/credentials"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.somebodyElse()
			c.prepare(h)
			server := newSocketService(t, ecstest.Options{AccessKeyID: otherKey, AccessKeySecret: otherSecret})
			_, err := chainClient(t, server).RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			for _, text := range c.says {
				assert.Contains(t, err.Error(), text)
			}
			assert.Empty(t, server.Calls())
			assert.Zero(t, server.Reboots(id))
		})
	}
}

// A source that is not there leaves the turn to the next one.
func TestAbsentSourcesAreSkipped(t *testing.T) {
	uri := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":"2999-01-01T00:00:00Z"}`, chainKey, chainSecret, chainToken)
	}))
	t.Cleanup(uri.Close)
	for name, prepare := range map[string]func(h home){
		"environment": func(h home) {
			h.somebodyElse()
			h.config(profiles(keyProfile("p", otherKey, otherSecret)))
			h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", chainKey)
			h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", chainSecret)
			h.t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", chainToken)
		},
		"config.json": func(h home) { h.somebodyElse(); h.config(profiles(stsProfile("p", chainToken))) },
		"a file given": func(h home) {
			h.somebodyElse()
			h.t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", h.write("c.json", profiles(stsProfile("p", chainToken))))
		},
		"a profile given": func(h home) {
			h.somebodyElse()
			h.config(profiles(keyProfile("p", otherKey, otherSecret), stsProfile("q", chainToken)))
			h.t.Setenv("ALIBABA_CLOUD_PROFILE", "q")
		},
		"byte order mark": func(h home) { h.somebodyElse(); h.config("\ufeff" + profiles(stsProfile("p", chainToken))) },
		"no home": func(h home) {
			h.t.Setenv("HOME", "")
			h.t.Setenv("USERPROFILE", "")
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri.URL)
		},
		"home is no place": func(h home) {
			h.t.Setenv("HOME", "/dev/null")
			h.t.Setenv("USERPROFILE", "/dev/null")
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri.URL)
		},
		"URI": func(h home) { h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri.URL) },
		"config.json is off": func(h home) {
			h.config("{")
			h.t.Setenv("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "TRUE")
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			prepare(h)
			server := newSocketService(t, chainOptions)
			_, err := chainClient(t, server).RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.Len(t, server.Calls(), 1)
		})
	}
	t.Run("credentials file", func(t *testing.T) {
		newHome(t).somebodyElse()
		server := newSocketService(t, ecstest.Options{AccessKeyID: otherKey, AccessKeySecret: otherSecret})
		_, err := chainClient(t, server).RebootInstance(t.Context(), request)
		require.NoError(t, err)
	})
	t.Run("none", func(t *testing.T) {
		h := newHome(t)
		server := newSocketService(t, chainOptions)
		_, err := chainClient(t, server).RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		for _, text := range []string{"ALIBABA_CLOUD_ACCESS_KEY_ID is not set", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", h.path + "/.aliyun/config.json: no such file", ".alibabacloud/credentials: no such file", "ALIBABA_CLOUD_ECS_METADATA_DISABLED", "ALIBABA_CLOUD_CREDENTIALS_URI"} {
			assert.Contains(t, err.Error(), text)
		}
	})
}

// logFunc is told of each record of a log.
type logFunc func(slog.Record)

func (f logFunc) Enabled(context.Context, slog.Level) bool { return true }
func (f logFunc) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f logFunc) WithGroup(string) slog.Handler            { return f }

func (f logFunc) Handle(_ context.Context, r slog.Record) error {
	f(r)
	return nil
}

// An empty or half-written file is read again, as whoever writes it may be done.
func TestFileInTheMaking(t *testing.T) {
	whole := profiles(stsProfile("p", chainToken))
	for name, c := range map[string]struct {
		before string
		ini    bool
	}{
		"empty":          {"", false},
		"half":           {whole[:len(whole)/2], false},
		"empty ini":      {"", true},
		"half of an ini": {"[defau", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			options, write, after := chainOptions, h.config, whole
			if c.ini {
				options, write = ecstest.Options{AccessKeyID: otherKey, AccessKeySecret: otherSecret}, h.ini
				after = fmt.Sprintf("[default]\ntype=access_key\naccess_key_id=%s\naccess_key_secret=%s\n", otherKey, otherSecret)
			} else {
				h.somebodyElse()
			}
			write(c.before)
			server := newSocketService(t, options)
			retries := 0
			client := chainClient(t, server, ecsreboot.WithLogger(slog.New(logFunc(func(r slog.Record) {
				if r.Message == "ecsreboot: sending again" {
					retries++
					write(after)
				}
			}))))
			_, err := client.RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.Equal(t, 1, retries)
			assert.Equal(t, 1, server.Reboots(id))
			require.Len(t, server.Calls(), 1)
			assert.Equal(t, options.AccessKeyID, server.Calls()[0].AccessKeyID)
		})
	}
}

// The log says where the credentials come from, once, and again when they change.
func TestSourceIsLogged(t *testing.T) {
	h := newHome(t)
	path := h.config(profiles(stsProfile("p", chainToken)))
	server := newSocketService(t, chainOptions)
	var said []string
	client := chainClient(t, server, ecsreboot.WithLogger(slog.New(logFunc(func(r slog.Record) {
		if r.Message == "ecsreboot: credentials" {
			text := r.Level.String()
			r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
			said = append(said, text)
		}
	}))))
	for range 3 {
		_, err := list(t.Context(), client, id)
		require.NoError(t, err)
	}
	first := `DEBUG source=profile "p" of ` + path + ` credentials=access key STS.**** with security token`
	assert.Equal(t, []string{first}, said)

	require.NoError(t, server.RotateKey(otherKey, otherSecret, ""))
	h.config(profiles(keyProfile("p", otherKey, otherSecret)))
	_, err := list(t.Context(), client, id)
	require.NoError(t, err)
	assert.Equal(t, []string{first, `DEBUG source=profile "p" of ` + path + ` credentials=access key LTAI****`}, said)
}
