package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
)

// Values of the shape that the service gives out, with every character that is
// spelled differently in a URL.
const (
	testKeyID  = "LTAI5tTestKeyNotReal0001"
	testSecret = "s3cret/With+Three=Odd/Chars01"
	testToken  = "CAISToken/With+Odd=Chars/0123456789abcdefABCDEF=="
	testBearer = "bearer/Tok+en=With.Odd-Chars_42"
)

// fakeCredential is a credential whose GetCredential is fetch. Any other method
// fails the program: the adapter must not call them.
type fakeCredential struct {
	credentials.Credential
	fetch func() (*credentials.CredentialModel, error)
}

func (f *fakeCredential) GetCredential() (*credentials.CredentialModel, error) { return f.fetch() }

// fakeProvider is a provider of credentials-go's own interface.
type fakeProvider struct {
	fetch func() (*providers.Credentials, error)
}

func (f *fakeProvider) GetCredentials() (*providers.Credentials, error) { return f.fetch() }
func (f *fakeProvider) GetProviderName() string                         { return "fake" }

func keyModel(id, secret, token string) *credentials.CredentialModel {
	return &credentials.CredentialModel{AccessKeyId: &id, AccessKeySecret: &secret, SecurityToken: &token}
}

func mustSupply(tb testing.TB, c credentials.Credential) *Supply {
	tb.Helper()
	s, err := NewSupply(c)
	if err != nil {
		tb.Fatalf("NewSupply: %v", err)
	}
	return s
}

func mustCredential(tb testing.TB, config *credentials.Config) credentials.Credential {
	tb.Helper()
	c, err := credentials.NewCredential(config)
	if err != nil {
		tb.Fatalf("NewCredential: %v", err)
	}
	return c
}

func mustGet(tb testing.TB, s *Supply) Secrets {
	tb.Helper()
	keys, err := s.get(tb.Context())
	if err != nil {
		tb.Fatalf("get: %v", err)
	}
	return *keys
}

func wantCredentialError(tb testing.TB, err error) *Error {
	tb.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, ErrCredentials) || !strings.HasPrefix(e.Error(), "credentials: ") {
		tb.Fatalf("got %T %v, want a *Error that is ErrCredentials", err, err)
	}
	return e
}

func TestStaticCredentialsAreReadOnce(t *testing.T) {
	cleanEnvironment(t)
	for _, test := range []struct {
		config credentials.Config
		want   Secrets
	}{
		{
			credentials.Config{Type: new("access_key"), AccessKeyId: new(testKeyID), AccessKeySecret: new(testSecret)},
			Secrets{accessKeyID: testKeyID, accessKeySecret: testSecret},
		},
		{
			credentials.Config{Type: new("sts"), AccessKeyId: new(testKeyID), AccessKeySecret: new(testSecret), SecurityToken: new(testToken)},
			Secrets{accessKeyID: testKeyID, accessKeySecret: testSecret, securityToken: testToken},
		},
		{
			credentials.Config{Type: new("bearer"), BearerToken: new(testBearer)},
			Secrets{bearerToken: testBearer},
		},
	} {
		t.Run(*test.config.Type, func(t *testing.T) {
			s := mustSupply(t, mustCredential(t, &test.config))
			if s.guard != nil {
				t.Fatal("a static credential takes the guarded path")
			}
			if got := mustGet(t, s); got != test.want {
				t.Errorf("got other secrets: %v", got)
			}
			ctx := t.Context()
			if n := testing.AllocsPerRun(100, func() { _, _ = s.get(ctx) }); n != 0 {
				t.Errorf("get allocates %v times, want 0", n)
			}
		})
	}
}

func TestBearerTokenSetAnewIsSeen(t *testing.T) {
	bearer := &credentials.BearerTokenCredential{BearerToken: testBearer}
	s := mustSupply(t, bearer)
	bearer.BearerToken = "another-token"
	if got := mustGet(t, s); got != (Secrets{bearerToken: "another-token"}) {
		t.Errorf("the old token is still in use")
	}
	bearer.BearerToken = "broken\ntoken"
	_, err := s.get(t.Context())
	if e := wantCredentialError(t, err); !strings.Contains(e.Error(), "bearer token") || strings.Contains(e.Error(), "broken") {
		t.Errorf("got %q", e)
	}
}

func TestTypeNameProvesNothing(t *testing.T) {
	asked := false
	custom := &fakeProvider{fetch: func() (*providers.Credentials, error) {
		asked = true
		return &providers.Credentials{AccessKeyId: testKeyID, AccessKeySecret: testSecret}, nil
	}}
	for _, name := range []string{"access_key", "sts", "bearer"} {
		if s := mustSupply(t, credentials.FromCredentialsProvider(name, custom)); s.guard == nil || asked {
			t.Fatalf("a custom provider named %s is taken for a static one (asked: %v)", name, asked)
		}
	}
	if got := mustGet(t, mustSupply(t, credentials.FromCredentialsProvider("access_key", custom))); got.accessKeyID != testKeyID {
		t.Errorf("got %v", got)
	}

	// And the other way round: a static provider under any name is one.
	static, err := providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(testKeyID).WithAccessKeySecret(testSecret).Build()
	if err != nil {
		t.Fatal(err)
	}
	if s := mustSupply(t, credentials.FromCredentialsProvider("mine", static)); s.guard != nil {
		t.Error("credentials-go's static provider takes the guarded path")
	}

	// A type that only embeds the bearer credential may do anything.
	type embedding struct {
		*credentials.BearerTokenCredential
	}
	if s := mustSupply(t, embedding{&credentials.BearerTokenCredential{BearerToken: testBearer}}); s.guard == nil {
		t.Error("a type around the bearer credential is taken for it")
	}
}

func TestUnusableCredentialIsRefusedAtOnce(t *testing.T) {
	half := providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(testKeyID).WithAccessKeySecret(testSecret)
	noSecret, err := half.Build()
	if err != nil {
		t.Fatal(err)
	}
	half.WithAccessKeySecret("") // the builder still holds what it has built

	for name, test := range map[string]struct {
		credential credentials.Credential
		problem    string
	}{
		"typed nil of ours":        {(*fakeCredential)(nil), "nil *credential.fakeCredential"},
		"typed nil bearer":         {(*credentials.BearerTokenCredential)(nil), "nil *credentials.BearerTokenCredential"},
		"nil provider":             {credentials.FromCredentialsProvider("x", nil), "nil provider"},
		"typed nil static":         {credentials.FromCredentialsProvider("x", (*providers.StaticAKCredentialsProvider)(nil)), "nil *providers"},
		"key id alone":             {credentials.FromCredentialsProvider("access_key", noSecret), "no access key secret"},
		"neither":                  {credentials.FromCredentialsProvider("sts", &providers.StaticSTSCredentialsProvider{}), "neither"},
		"empty bearer":             {&credentials.BearerTokenCredential{}, "no bearer token"},
		"bearer with a line break": {&credentials.BearerTokenCredential{BearerToken: "tok\r\nX-Evil: 1"}, "bearer token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewSupply(test.credential)
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Fatalf("got %v, want an error about %q", err, test.problem)
			}
			if strings.Contains(err.Error(), testKeyID) || strings.Contains(err.Error(), "Evil") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestModels(t *testing.T) {
	empty := ""
	pair := Secrets{accessKeyID: testKeyID, accessKeySecret: testSecret}
	withToken := pair
	withToken.securityToken = testToken
	bearer := Secrets{bearerToken: testBearer}
	typed := func(m *credentials.CredentialModel, kind string) *credentials.CredentialModel {
		m.Type = &kind
		return m
	}
	withBearer := func(m *credentials.CredentialModel) *credentials.CredentialModel {
		m.BearerToken = new(testBearer)
		return m
	}
	for name, test := range map[string]struct {
		model *credentials.CredentialModel
		want  Secrets
		says  string // instead of want
	}{
		"nil":                         {model: nil, says: "nothing"},
		"empty":                       {model: &credentials.CredentialModel{}, says: "neither"},
		"empty strings":               {model: &credentials.CredentialModel{AccessKeyId: &empty, BearerToken: &empty}, says: "neither"},
		"token alone":                 {model: keyModel("", "", testToken), says: "neither"},
		"id alone":                    {model: keyModel(testKeyID, "", ""), says: "no access key secret"},
		"secret alone":                {model: keyModel("", testSecret, testToken), says: "no access key id"},
		"id alone beside a bearer":    {model: withBearer(keyModel(testKeyID, "", "")), says: "no access key secret"},
		"bearer without a token":      {model: typed(keyModel(testKeyID, testSecret, ""), "bearer"), says: "no bearer token"},
		"pair":                        {model: &credentials.CredentialModel{AccessKeyId: new(testKeyID), AccessKeySecret: new(testSecret)}, want: pair},
		"pair called sts":             {model: typed(keyModel(testKeyID, testSecret, ""), "sts"), want: pair},
		"temporary called access_key": {model: typed(keyModel(testKeyID, testSecret, testToken), "access_key"), want: withToken},
		"pair beside a bearer":        {model: withBearer(keyModel(testKeyID, testSecret, testToken)), want: withToken},
		"bearer":                      {model: typed(&credentials.CredentialModel{BearerToken: new(testBearer)}, "bearer"), want: bearer},
		"bearer of no type":           {model: &credentials.CredentialModel{BearerToken: new(testBearer)}, want: bearer},
		"bearer beside a pair":        {model: typed(withBearer(keyModel(testKeyID, testSecret, testToken)), "bearer"), want: bearer},
		"line break in the secret":    {model: keyModel(testKeyID, testSecret+"\n", ""), says: "access key secret"},
		"space in the id":             {model: keyModel("LTAI 5t", testSecret, ""), says: "access key id"},
		"NUL in the token":            {model: keyModel(testKeyID, testSecret, "a\x00b"), says: "security token"},
		"byte order mark in the id":   {model: keyModel("\ufeff"+testKeyID, testSecret, ""), says: "access key id"},
		"tab in the bearer":           {model: &credentials.CredentialModel{BearerToken: new("\t" + testBearer)}, says: "bearer token"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { return test.model, nil }})
			got, err := s.get(t.Context())
			if test.says == "" {
				if err != nil || *got != test.want {
					t.Fatalf("got %v and %v", got, err)
				}
				return
			}
			e := wantCredentialError(t, err)
			if e.temporary || got != nil || !strings.Contains(e.Error(), test.says) {
				t.Fatalf("got %v and %q, want a lasting error that says %q", got, e, test.says)
			}
			for _, value := range []string{testKeyID, testSecret, testToken, testBearer} {
				if strings.Contains(e.Error(), value) {
					t.Errorf("the error holds a value: %q", e)
				}
			}
		})
	}
}

func TestModelIsCopied(t *testing.T) {
	model := keyModel(testKeyID, testSecret, testToken)
	s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { return model, nil }})
	got := mustGet(t, s)
	*model.AccessKeySecret = "overwritten"
	if got.accessKeySecret != testSecret {
		t.Error("the secrets still point into the model")
	}
}

// timeoutError is what a provider of the caller's own may return.
type timeoutError struct{}

func (timeoutError) Error() string { return "took too long, key " + testSecret }
func (timeoutError) Timeout() bool { return true }

func TestWhichErrorsAreTemporary(t *testing.T) {
	const (
		envMissing = "unable to get credentials from enviroment variables, Access key ID must be specified via environment variable (ALIBABA_CLOUD_ACCESS_KEY_ID)"
		noProfile  = "reading aliyun cli config from '/root/.aliyun/config.json' failed open /root/.aliyun/config.json: no such file or directory, ERROR: Can not open fileopen /root/.alibabacloud/credentials: open /root/.alibabacloud/credentials: no such file or directory"
		metadata   = `Get "http://100.100.100.200/latest/meta-data/ram/security-credentials/?": `
		chain      = chainPrefix + envMissing + ", " + noProfile
	)
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("something new")}
	for name, test := range map[string]struct {
		err       error
		temporary bool
	}{
		"timeout of its own type":   {fmt.Errorf("vault: %w", timeoutError{}), true},
		"own deadline":              {fmt.Errorf("vault: %w", context.DeadlineExceeded), true},
		"own cancellation":          {fmt.Errorf("vault: %w", context.Canceled), false},
		"dial":                      {&url.Error{Op: "Get", URL: "http://x", Err: dial}, true},
		"DNS":                       {&net.DNSError{Err: "something new", Name: "x"}, true},
		"EOF":                       {&url.Error{Op: "Get", URL: "http://x", Err: io.EOF}, true},
		"body cut off":              {io.ErrUnexpectedEOF, true},
		"certificate":               {errors.New(`Post "https://sts": tls: failed to verify certificate: x509: certificate signed by unknown authority`), false},
		"certificate, then a dial":  {&net.OpError{Op: "remote error", Err: errors.New("x509: bad")}, false},
		"plain HTTP behind https":   {errors.New(`Post "https://sts": http: server gave HTTP response to HTTPS client`), false},
		"refused as text":           {errors.New("refresh Ecs sts token err: dial tcp 100.100.100.200:80: connect: connection refused"), true},
		"metadata of a role given":  {errors.New("get role name failed: " + metadata + "dial tcp 100.100.100.200:80: i/o timeout"), true},
		"handshake":                 {errors.New("net/http: TLS handshake timeout"), true},
		"external command":          {errors.New("command process timed out after 60000 milliseconds"), true},
		"metadata 503":              {errors.New("refresh Ecs sts token err, httpStatus: 503, message = busy"), true},
		"role name 502":             {errors.New("get role name failed: GET http://100.100.100.200/latest/meta-data/ram/security-credentials/ 502"), true},
		"role name 404":             {errors.New("get role name failed: GET http://100.100.100.200/latest/meta-data/ram/security-credentials/ 404"), false},
		"gateway's page":            {errors.New("get credentials from GET http://x failed: <h1>504 Gateway Time-out</h1>"), true},
		"STS throttles":             {errors.New(`refresh session token failed: {"Code":"Throttling.User","Message":"slow down"}`), true},
		"STS refuses":               {errors.New(`refresh session token failed: {"Code":"NoPermission","RequestId":"503"}`), false},
		"empty secret":              {errors.New("the access key secret is empty"), false},
		"role expiry":               {errors.New("CloudSSO access token is empty or expired, please re-login with cli"), false},
		"key id ending in a status": {errors.New("InvalidAccessKeyId.NotFound 503500"), false},

		"chain: nothing":                      {errors.New(chain), false},
		"chain: metadata times out":           {errors.New(chain + ", get role name failed: " + metadata + "dial tcp 100.100.100.200:80: i/o timeout"), false},
		"chain: metadata, the client's limit": {errors.New(chain + ", get role name failed: " + metadata + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"), false},
		"chain: metadata unreachable":         {errors.New(chain + ", get role name failed: " + metadata + "dial tcp 100.100.100.200:80: connect: network is unreachable"), false},
		"chain: metadata behind a proxy":      {errors.New(chain + ", get role name failed: " + metadata + "proxyconnect tcp: dial tcp 127.0.0.1:3128: connect: connection refused"), false},
		"chain: metadata token":               {errors.New(chain + `, get metadata token failed: Put "http://100.100.100.200/latest/api/token?": dial tcp 100.100.100.200:80: i/o timeout`), false},
		"chain: no role":                      {errors.New(chain + ", get role name failed: GET http://100.100.100.200/latest/meta-data/ram/security-credentials/ 404"), false},
		"chain: metadata answers 503":         {errors.New(chain + ", get role name failed: GET http://100.100.100.200/latest/meta-data/ram/security-credentials/ 503"), true},
		"chain: metadata, and a silent URI":   {errors.New(chain + ", get role name failed: " + metadata + `dial tcp 100.100.100.200:80: i/o timeout, Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused`), true},
		"chain: STS resets, then metadata":    {errors.New(chainPrefix + `Post "https://sts.aliyuncs.com/?Action=AssumeRoleWithOIDC": read tcp: connection reset by peer, get role name failed: ` + metadata + "dial tcp 100.100.100.200:80: i/o timeout"), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { return nil, test.err }})
			_, err := s.get(t.Context())
			e := wantCredentialError(t, err)
			if e.temporary != test.temporary {
				t.Errorf("temporary = %v for %q", e.temporary, e)
			}
			if quoted, provider := e.Provider(); provider != test.err || quoted == "" || errors.Is(err, test.err) { //nolint:errorlint // the very error
				t.Errorf("the provider's error is %v, %q, and wrapped: %v", provider, quoted, errors.Is(err, test.err))
			}
			if len(e.Error()) > 700 {
				t.Errorf("text of %d bytes: %q", len(e.Error()), e)
			}
			if strings.HasPrefix(name, "chain: ") && !test.temporary {
				for _, word := range []string{"environment", "OIDC", "CLI profile", "credentials file", "RAM role", "credentials URI", "no such file"} {
					if !strings.Contains(e.Error(), word) {
						t.Errorf("%q doesn't name %q", e, word)
					}
				}
			}
		})
	}
}

func TestErrorIsCleanedOfKeysSeenBefore(t *testing.T) {
	// A secret that looks like no secret, quoted without its name.
	const plain = "correct-horse-battery"
	fail := false
	s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
		if fail {
			return nil, errors.New("upstream said no to " + url.QueryEscape(plain+"/x") + " and " + plain + "/x")
		}
		return keyModel(testKeyID, plain+"/x", ""), nil
	}})
	mustGet(t, s)
	fail = true
	_, err := s.get(t.Context())
	if e := wantCredentialError(t, err); strings.Contains(e.Error(), plain) || !strings.Contains(e.Error(), "upstream said no") {
		t.Errorf("got %q", e)
	}
}

func TestContextCause(t *testing.T) {
	stopped := errors.New("the operator said stop")
	never := &fakeCredential{fetch: func() (*credentials.CredentialModel, error) { panic("must not be asked") }}
	s := mustSupply(t, never)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	_, err := s.get(ctx)
	if e := wantCredentialError(t, err); e.temporary || !errors.Is(err, stopped) || !errors.Is(err, context.Canceled) || !e.Ended() || strings.Contains(err.Error(), stopped.Error()) {
		t.Errorf("got %v, temporary %v", err, e.temporary)
	}

	ctx, stop := context.WithTimeoutCause(t.Context(), -time.Second, stopped)
	defer stop()
	_, err = s.get(ctx)
	if e := wantCredentialError(t, err); !e.temporary || !errors.Is(err, stopped) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, temporary %v", err, e.temporary)
	}
}
