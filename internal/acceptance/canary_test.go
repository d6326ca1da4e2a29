package acceptance_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// Secrets that are easy to find again, and hard to keep apart from what surrounds
// them.
const (
	canaryKeyID  = "LTAI5tCANARYkeyID7Qz"
	canarySecret = "cAnArY/sEcReT+0a1b2c3d4e="
	canaryToken  = "CAIS/cAnArY+tOkEn/Zz9y8x7w6v5u==+"
	canaryBearer = "bEaReR/cAnArY+9z8y7x6w=="
)

// canary collects all that a failure path shows, and the signatures that were
// sent on it.
type canary struct {
	mu         sync.Mutex
	secrets    []string
	signatures []string
	log        bytes.Buffer
}

// watch is a transport wrapper that notes the signatures.
func (c *canary) watch(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		c.mu.Lock()
		if _, signature, ok := strings.Cut(req.Header.Get("Authorization"), "Signature="); ok {
			c.signatures = append(c.signatures, signature)
		}
		if signature := req.URL.Query().Get("Signature"); signature != "" {
			c.signatures = append(c.signatures, signature)
		}
		c.mu.Unlock()
		return next.RoundTrip(req)
	})
}

// logger logs all that it is given, as text and as JSON.
func (c *canary) logger() *slog.Logger {
	return slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}),
		slog.NewJSONHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// show prints a value in every way there is.
func (c *canary) show(t *testing.T, value any) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, value); verb != "%x" {
			c.log.WriteString(text + "\n")
		}
	}
	if data, err := json.Marshal(value); err == nil {
		c.log.Write(data)
	}
	c.logger().Info("value", "value", value)
	if err, ok := value.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			c.log.WriteString(err.Error() + "\n")
			fmt.Fprintf(&c.log, "%#v\n", err)
		}
	}
}

// all returns the secrets and the signatures. A transport may still be at work.
func (c *canary) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.secrets, c.signatures)
}

// search fails the test if any secret, or a signature that was sent, stands in
// what was shown: raw, percent-encoded once or twice, or in base64.
func (c *canary) search(t *testing.T) {
	t.Helper()
	output := c.log.String()
	require.NotEmpty(t, output)
	for _, secret := range c.all() {
		once := url.QueryEscape(secret)
		for _, form := range []string{
			secret, once, url.PathEscape(secret), lowerHex(once), url.QueryEscape(once), url.PathEscape(url.PathEscape(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), strings.ReplaceAll(secret, "/", `\/`), secret[:len(secret)-4],
		} {
			if i := strings.Index(output, form); i >= 0 {
				t.Errorf("%q stands in: …%s…", form, output[max(0, i-200):min(len(output), i+len(form)+50)])
				return
			}
		}
	}
}

// lowerHex spells %2F as %2f.
func lowerHex(escaped string) string {
	return regexp.MustCompile(`%..`).ReplaceAllStringFunc(escaped, strings.ToLower)
}

type canaryIdentity struct {
	name       string
	secrets    []string
	credential credentials.Credential
	server     ecstest.Options
}

func canaryIdentities(t *testing.T) []canaryIdentity {
	t.Helper()
	of := func(config *credentials.Config) credentials.Credential {
		credential, err := credentials.NewCredential(config)
		require.NoError(t, err)
		return credential
	}
	return []canaryIdentity{
		{
			"key",
			[]string{canaryKeyID, canarySecret},
			of(new(credentials.Config).SetType("access_key").SetAccessKeyId(canaryKeyID).SetAccessKeySecret(canarySecret)),
			ecstest.Options{AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret},
		},
		{
			"STS",
			[]string{canaryKeyID, canarySecret, canaryToken},
			of(new(credentials.Config).SetType("sts").SetAccessKeyId(canaryKeyID).SetAccessKeySecret(canarySecret).SetSecurityToken(canaryToken)),
			ecstest.Options{AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret, SecurityToken: canaryToken},
		},
		{
			"bearer",
			[]string{canaryBearer},
			of(new(credentials.Config).SetType("bearer").SetBearerToken(canaryBearer)),
			ecstest.Options{BearerToken: canaryBearer},
		},
	}
}

// echo is an answer that repeats all it was sent, in all spellings.
func (c *canary) echo(req *http.Request) string {
	dump := fmt.Sprintf("%s %s %v", c.secrets, req.URL, req.Header)
	return dump + url.QueryEscape(dump) + url.QueryEscape(url.QueryEscape(dump)) + base64.StdEncoding.EncodeToString([]byte(strings.Join(c.secrets, "")))
}

// echoing answers a call with what make makes of the request.
func (c *canary) echoing(status int, header string, body func(echo string) string) func(http.RoundTripper) http.RoundTripper {
	return func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			echo := c.echo(req)
			resp := &http.Response{StatusCode: status, Header: http.Header{}, Request: req, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body(echo)))}
			if header != "" {
				resp.Header.Set(header, echo)
			}
			return resp, nil
		})
	}
}

func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// valueError is an error whose fields %#v would print.
type valueError struct{ Secret, URL string }

func (e valueError) Error() string { return "failed: " + e.Secret + " " + e.URL }

func failingWith(fail func(*http.Request) error) func(http.RoundTripper) http.RoundTripper {
	return func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return nil, fail(req) })
	}
}

// canaryPaths are the ways in which a call can fail once there are credentials.
var canaryPaths = map[string]func(t *testing.T, c *canary, server *ecstest.Server) []ecsreboot.Option{
	"accepted": func(_ *testing.T, _ *canary, _ *ecstest.Server) []ecsreboot.Option { return nil },
	"refused": func(t *testing.T, _ *canary, server *ecstest.Server) []ecsreboot.Option {
		t.Helper()
		require.NoError(t, server.SetStatus(id, ecsreboot.StatusStopped))
		return nil
	},
	"bad signature": func(t *testing.T, _ *canary, server *ecstest.Server) []ecsreboot.Option {
		t.Helper()
		require.NoError(t, server.RotateKey(canaryKeyID, "another", ""))
		return nil
	},
	"answer lost": func(_ *testing.T, _ *canary, server *ecstest.Server) []ecsreboot.Option {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop})
		return nil
	},
	"throttled": func(_ *testing.T, c *canary, server *ecstest.Server) []ecsreboot.Option {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Millisecond, Message: "throttled " + strings.Join(c.secrets, " ")})
		return nil
	},
	"dial": func(_ *testing.T, _ *canary, _ *ecstest.Server) []ecsreboot.Option {
		dial := func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }
		return []ecsreboot.Option{ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}})}
	},
	"transport returns a url error": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(failingWith(func(req *http.Request) error {
			return fmt.Errorf("again: %w", &url.Error{Op: "Post", URL: req.URL.String(), Err: &url.Error{Op: "Post", URL: c.echo(req), Err: io.ErrUnexpectedEOF}})
		}))}
	},
	"transport returns a value": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(failingWith(func(req *http.Request) error {
			return valueError{Secret: c.echo(req), URL: req.URL.String()}
		}))}
	},
	"echo in a JSON error": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(403, "", func(echo string) string {
			return `{"Code":"Forbidden.RAM","Message":` + quoted(echo) + `,"HostId":` + quoted(echo) + `,"Recommend":` + quoted(echo) + `,"RequestId":` + quoted(echo) +
				`,"AccessDeniedDetail":{"AuthAction":` + quoted(echo) + `,"AuthPrincipalDisplayName":` + quoted(echo) + `,"EncodedDiagnosticMessage":` + quoted(echo) + `}}`
		}))}
	},
	"echo in a code": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(400, "", func(echo string) string { return `{"Code":` + quoted(echo) + `}` }))}
	},
	"echo in an XML error": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(400, "", func(echo string) string {
			return `<Error><Code>X</Code><Message><![CDATA[` + echo + `]]></Message></Error>`
		}))}
	},
	"echo in a page": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(502, "", func(echo string) string { return echo }))}
	},
	"echo of the token first in a page": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(502, "", func(string) string {
			return strings.Repeat("x", 100) + strings.Join(c.secrets, "") // where it is cut
		}))}
	},
	"echo in the request id": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(200, "X-Acs-Request-Id", func(string) string { return "" }))}
	},
	"echo in the location": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				location := "https://" + url.PathEscape(c.secrets[0]) + ".example/?" + req.URL.RawQuery
				return &http.Response{StatusCode: 302, Header: http.Header{"Location": {location}}, Request: req, Body: http.NoBody}, nil
			})
		})}
	},
	"the older words": func(_ *testing.T, c *canary, _ *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithTransportWrapper(c.echoing(400, "", func(echo string) string {
			return `{"Code":"IncompleteSignature","Message":"The request signature does not conform to Aliyun standards. server string to sign is:` + strings.Trim(quoted(echo), `"`) + `"}`
		}))}
	},
}

func TestCanary(t *testing.T) {
	t.Parallel()
	for n, path := range slices.Sorted(maps.Keys(canaryPaths)) {
		for i, identity := range canaryIdentities(t) {
			for v, version := range []ecsreboot.SignatureVersion{ecsreboot.SignatureV3, ecsreboot.SignatureV1} {
				if !longTests && (n+i+v)%2 != 0 { // each path and each identity keeps both versions
					continue
				}
				t.Run(path+"/"+identity.name+"/"+[]string{"V3", "V1"}[v], func(t *testing.T) {
					t.Parallel()
					server := newSocketService(t, identity.server)
					c := &canary{secrets: identity.secrets}
					options := append([]ecsreboot.Option{
						ecsreboot.WithCredential(identity.credential), ecsreboot.WithSignatureVersion(version),
						ecsreboot.WithLogger(c.logger()), quick(),
					}, canaryPaths[path](t, c, server)...)
					options = append(options, ecsreboot.WithTransportWrapper(c.watch))
					client := newClient(t, server, options...)
					for _, dryRun := range []bool{false, true} {
						req := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: dryRun}
						resp, err := client.RebootInstance(t.Context(), req)
						if path != "accepted" && (path != "bad signature" || identity.name != "bearer") && path != "throttled" && path != "echo in the request id" && !dryRun {
							require.Error(t, err)
						}
						for _, value := range []any{client, struct{ Client *ecsreboot.Client }{client}, options, req, resp, err, identity.credential != nil} {
							c.show(t, value)
						}
						_, found := errors.AsType[*url.Error](err)
						assert.False(t, found, "a *url.Error can be reached")
						if timeout, ok := errors.AsType[net.Error](err); ok {
							c.show(t, timeout)
						}
						if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
							c.show(t, *failed)
							c.show(t, failed.Err)
						}
						if apiErr, ok := errors.AsType[*ecsreboot.APIError](err); ok {
							c.show(t, *apiErr)
						}
					}
					if identity.name != "bearer" && path != "dial" {
						require.NotEmpty(t, c.signatures)
					}
					c.search(t)
				})
			}
		}
	}
}

// panicking is a provider that panics with its secret.
type panicking struct{ credentials.Credential }

func (panicking) GetType() *string { return nil }

func (panicking) GetCredential() (*credentials.CredentialModel, error) {
	panic(fmt.Sprintf("no use for %s %s", canarySecret, canaryToken))
}

// What goes wrong before there are credentials does not show any either.
func TestCanaryCredentials(t *testing.T) {
	body := `{"Code":"Fail","AccessKeyId":"` + canaryKeyID + `","AccessKeySecret":"` + canarySecret + `","SecurityToken":"` + canaryToken + `"`
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/500" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, body+req.URL.Query().Get("end"))
	}))
	defer source.Close()
	uri := func(suffix string) credentials.Credential {
		credential, err := credentials.NewCredential(new(credentials.Config).SetType("credentials_uri").SetURLCredential(source.URL + suffix))
		require.NoError(t, err)
		return credential
	}
	profile := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(profile, []byte(`{"current":"default","profiles":[{"name":"default","mode":"AK","access_key_id":"`+canaryKeyID+
		`","access_key_secret":"`+canarySecret+`","sts_token":"`+canaryToken+`"},`), 0o600))
	t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", profile)
	role, err := credentials.NewCredential(new(credentials.Config).SetType("ram_role_arn").SetAccessKeyId(canaryKeyID).SetAccessKeySecret(canarySecret).
		SetSecurityToken(canaryToken).SetRoleArn("acs:ram::1:role/r").SetRoleSessionName("s").SetSTSEndpoint("127.0.0.1:1").SetConnectTimeout(1000))
	require.NoError(t, err)

	for name, credential := range map[string]credentials.Credential{
		"URI, cut short":         uri("/"),
		"URI, incomplete":        uri("/?end=%7D"),
		"URI, 500":               uri("/500?end=%7D"),
		"URI with a password":    uri("/?password=" + url.QueryEscape(canarySecret)),
		"STS cannot be reached":  role,
		"broken profile":         nil,
		"panic":                  panicking{},
		"error in prose":         &fakeCredential{failures: []error{errors.New("AccessKeySecret: " + canarySecret + ", SecurityToken=" + canaryToken + " key " + canaryKeyID)}},
		"error with a url error": &fakeCredential{failures: []error{&url.Error{Op: "Get", URL: "https://x/?AccessKeyId=" + canaryKeyID + "&SecurityToken=" + url.QueryEscape(canaryToken), Err: io.EOF}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &canary{secrets: []string{canaryKeyID, canarySecret, canaryToken}}
			options := []ecsreboot.Option{ecsreboot.WithLogger(c.logger()), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2, BaseDelay: -1})}
			if credential != nil {
				options = append(options, ecsreboot.WithCredential(credential))
			}
			client, err := ecsreboot.NewClient("cn-hangzhou", append(options, ecsreboot.WithEndpoint("http://127.0.0.1:1"))...)
			require.NoError(t, err)
			_, err = client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			if name != "error with a url error" { // its second attempt has credentials
				require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			}
			for _, value := range []any{client, struct{ Client *ecsreboot.Client }{client}, options, err} {
				c.show(t, value)
			}
			_, found := errors.AsType[*url.Error](err)
			assert.False(t, found)
			c.search(t)
		})
	}
}
