package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// logFunc is a slog.Handler that is called for each record.
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

// Where nobody answers for the metadata service, or it knows no role, the turn is the
// next source's. A metadata service that fails is one that is there.
func TestRAMRole(t *testing.T) {
	role := fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":"2999-01-01T00:00:00Z"}`, chainKey, chainSecret, chainToken)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":"2999-01-01T00:00:00Z"}`, otherKey, otherSecret, "other-token")
	}))
	t.Cleanup(other.Close)
	const works, isOther, fails = "works", "other", "fails"
	for name, c := range map[string]struct {
		metadata func(w http.ResponseWriter, path string)
		role     string // given by the environment
		want     string
	}{
		"role": {func(w http.ResponseWriter, path string) {
			if path != "/latest/meta-data/ram/security-credentials/" {
				_, _ = io.WriteString(w, role)
				return
			}
			_, _ = io.WriteString(w, "a-role")
		}, "", works},
		"role given":           {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, role) }, "r", works},
		"no role":              {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusNotFound) }, "", isOther},
		"no such role":         {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusNotFound) }, "r", fails},
		"nobody":               {func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, "", isOther},
		"nobody, role given":   {func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, "r", fails},
		"failure":              {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusServiceUnavailable) }, "", fails},
		"forbidden":            {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusForbidden) }, "", fails},
		"something in its way": {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, "<html>sign in</html>") }, "", fails},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false")
			h.t.Setenv("ALIBABA_CLOUD_ECS_METADATA", c.role)
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", other.URL)
			// credentials-go sends all its requests by a clone of this one.
			before := http.DefaultTransport
			t.Cleanup(func() { http.DefaultTransport = before })
			metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.metadata(w, r.URL.Path) }))
			t.Cleanup(metadata.Close)
			http.DefaultTransport = &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
				if r.URL.Host == "100.100.100.200" {
					return url.Parse(metadata.URL)
				}
				return nil, nil
			}}
			options := chainOptions
			if c.want == isOther {
				options = ecstest.Options{AccessKeyID: otherKey, AccessKeySecret: otherSecret, SecurityToken: "other-token"}
			}
			server := newSocketService(t, options)
			_, err := chainClient(t, server).RebootInstance(t.Context(), request)
			if c.want != fails {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			require.ErrorContains(t, err, "the ECS RAM role: ")
			assert.Empty(t, server.Calls())
		})
	}
}

// A broken file is not quoted, not even what no scrubber would take for a secret.
func TestBrokenFileIsNotQuoted(t *testing.T) {
	const plain = "correct-horse"
	for name, prepare := range map[string]func(home){
		"config.json": func(h home) { h.config(`{"access_key_secret":1} ` + plain) },
		"a number":    func(h home) { h.config(`{"profiles":[{"access_key_secret":1234512345}]}`) },
		"ini":         func(h home) { h.ini("[default]\n" + plain + "\n") },
		"ini, type":   func(h home) { h.ini("[default]\ntype=" + plain + "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			prepare(newHome(t))
			_, err := chainClient(t, newSocketService(t, chainOptions)).RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			assert.NotContains(t, err.Error(), plain)
			assert.NotContains(t, err.Error(), "12345")
		})
	}
}

// No way in which a source fails shows what is in it.
func TestCanaryChain(t *testing.T) {
	pair := fmt.Sprintf(`"access_key_id":%q,"access_key_secret":%q,"sts_token":%q`, canaryKeyID, canarySecret, canaryToken)
	config := func(content string) func(home) { return func(h home) { h.config(content) } }
	ini := func(content string) func(home) { return func(h home) { h.ini(content) } }
	for name, prepare := range map[string]func(home){
		"config.json, cut short":    config(`{"current":"p","profiles":[{"name":"p","mode":"AK",` + pair + `}`),
		"config.json, no JSON":      config(`{"current":"p","profiles":[{"name":"p","mode":"AK",` + pair + `}]} ` + canarySecret),
		"config.json, another type": config(`{"current":"p","profiles":[{"name":"p","mode":"AK",` + pair + `,"expired_seconds":"` + canarySecret + `"}]}`),
		"a circle":                  config(`{"current":"p","profiles":[{"name":"p","mode":"ChainableRamRoleArn","source_profile":"p","ram_role_arn":"r",` + pair + `}]}`),
		"unknown mode":              config(`{"current":"p","profiles":[{"name":"p","mode":"X",` + pair + `}]}`),
		"half a profile":            config(`{"current":"p","profiles":[{"name":"p","mode":"StsToken","access_key_secret":"` + canarySecret + `","sts_token":"` + canaryToken + `"}]}`),
		"OAuth":                     config(`{"current":"p","profiles":[{"name":"p","mode":"OAuth","oauth_site_type":"CN","oauth_access_token":"` + canaryToken + `","oauth_refresh_token":"` + canarySecret + `",` + pair + `}]}`),
		"ini, no key":               ini("[default]\ntype=access_key\n" + canaryKeyID + "\n" + canarySecret + "\n"),
		"ini, not closed":           ini("[default\n" + canarySecret + "=" + canaryToken),
		"ini, in the type":          ini("[default]\ntype=" + canarySecret + "\naccess_key_secret=" + canarySecret + "\n"),
		"ini, half":                 ini("[default]\ntype=access_key\naccess_key_secret=" + canarySecret + "\n"),
		"half the environment":      func(h home) { h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", canarySecret) },
		"External":                  config(profiles(commandProfile(`sh -c "echo '{` + strings.ReplaceAll(pair, `"`, `\"`) + `} ` + canarySecret + `'"`))),
		"External, on error":        config(profiles(commandProfile(`sh -c "echo '{` + strings.ReplaceAll(pair, `"`, `\"`) + `} token: ` + canaryToken + `' >&2; exit 1"`))),
		"External, traced":          config(profiles(commandProfile(`sh -xc "export ACCESS_KEY_SECRET=` + canarySecret + ` SECURITY_TOKEN=` + canaryToken + `; exit 1"`))),
		"URI": func(h home) {
			h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/?password="+url.QueryEscape(canarySecret))
		},
	} {
		t.Run(name, func(t *testing.T) {
			prepare(newHome(t))
			c := &canary{secrets: []string{canaryKeyID, canarySecret, canaryToken}}
			server := newSocketService(t, ecstest.Options{})
			client := chainClient(t, server, ecsreboot.WithLogger(c.logger()), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2, BaseDelay: -1}))
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			for _, value := range []any{client, struct{ Client *ecsreboot.Client }{client}, err} {
				c.show(t, value)
			}
			c.search(t)
		})
	}
	t.Run("log of the source", func(t *testing.T) {
		h := newHome(t)
		h.config(`{"current":"p","profiles":[{"name":"p","mode":"StsToken",` + pair + `}]}`)
		c := &canary{secrets: []string{canaryKeyID, canarySecret, canaryToken}}
		server := newSocketService(t, ecstest.Options{AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret, SecurityToken: canaryToken})
		client := chainClient(t, server, ecsreboot.WithLogger(c.logger()))
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		require.NoError(t, server.RotateKey(canaryKeyID, canarySecret, "another"))
		_, err = client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
		c.show(t, err)
		require.Contains(t, c.log.String(), "ecsreboot: credentials")
		c.search(t)
	})
}

// Other programs can sign with the credential of a client, and its errors show no secret.
func TestCredentialOfTheClient(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIdefaultchain")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-secret")
	t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "canary-token")
	client, err := ecsreboot.NewClient("cn-hangzhou")
	require.NoError(t, err)
	shared := client.Credential()
	model, err := shared.GetCredential()
	require.NoError(t, err)
	require.Equal(t, "LTAIdefaultchain", *model.AccessKeyId)
	require.Equal(t, "canary-secret", *model.AccessKeySecret)
	require.Equal(t, "canary-token", *model.SecurityToken)
	require.Equal(t, "ecsreboot", *shared.GetType())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", shared, shared, shared), "canary")

	again, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(shared))
	require.NoError(t, err)
	_, err = again.Credential().GetCredential()
	require.NoError(t, err)

	failing, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(&fakeCredential{failures: []error{errors.New("AccessKeySecret=canary-secret")}}))
	require.NoError(t, err)
	_, err = failing.Credential().GetCredential()
	require.ErrorIs(t, err, ecsreboot.ErrCredentials)
	require.NotContains(t, err.Error(), "canary")
}
