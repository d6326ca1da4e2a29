package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
)

func TestSecretsArePrintedMasked(t *testing.T) {
	all := Secrets{accessKeyID: testKeyID, accessKeySecret: testSecret, securityToken: testToken}
	bearer := Secrets{bearerToken: testBearer}
	type outer struct{ Keys Secrets }
	for _, value := range []any{all, &all, bearer, outer{all}, []Secrets{all, bearer}, map[string]Secrets{"a": all}} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", value)
		wantNone(t, out.String(), testKeyID, testSecret, testToken, testBearer, "5tTest")
		if !strings.Contains(out.String(), "LTAI****") && !strings.Contains(out.String(), "bearer token") {
			t.Errorf("%T logs no masked key: %s", value, out.String())
		}
	}
	for keys, want := range map[Secrets]string{
		all:    "access key LTAI**** with security token",
		bearer: "bearer token",
		{accessKeyID: testKeyID, accessKeySecret: testSecret}: "access key LTAI****",
		{}: "no credentials",
	} {
		if got := keys.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	// The source is a field of the client: fmt calls no method on it there.
	client := struct{ source *Supply }{mustSupply(t, &credentials.BearerTokenCredential{BearerToken: testBearer})}
	wantNone(t, fmt.Sprintf("%v %+v %#v %+v", client, client, client, *client.source), testBearer)
}

func wantNone(tb testing.TB, text string, values ...string) {
	tb.Helper()
	for _, value := range values {
		if value != "" && strings.Contains(text, value) {
			tb.Errorf("%q is in %q", value, text)
		}
	}
}

// Answers and files of the services, broken in the ways that make credentials-go
// quote them whole. These go through credentials-go itself.
func TestLeaksOfTheDependency(t *testing.T) {
	cleanEnvironment(t)
	closed := closedAddress(t)
	answer := func(body string) credentials.Credential {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		t.Cleanup(server.Close)
		return mustCredential(t, &credentials.Config{Type: new("credentials_uri"), Url: &server.URL})
	}
	configFile := func(content string) credentials.Credential {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", file)
		return mustCredential(t, nil)
	}
	config := fmt.Sprintf(`{
	"current": "prod",
	"profiles": [
		{"name": "prod", "mode": "AK", "access_key_id": %q, "access_key_secret": %q, "region_id": "cn-hangzhou"},
		{"name": "sts", "mode": "StsToken", "access_key_id": "STS.NUabcdefgh12345678", "access_key_secret": %q, "sts_token": %q},
		{"name": "rsa", "mode": "RsaKeyPair", "private_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow%s\n-----END RSA PRIVATE KEY-----"},
		{"name": "oauth", "mode": "OAuth", "oauth_access_token": %q, "oauth_refresh_token": "short1"}
	]`, testKeyID, testSecret, testSecret, testToken, strings.Repeat("AbCd/+90", 20), testBearer)

	for name, test := range map[string]struct {
		credential credentials.Credential
		temporary  bool
		keeps      []string
	}{
		"config.json without its end": {configFile(config), false, []string{"config.json", "unmarshal aliyun cli config", `"current": "prod"`, "no such file"}},
		"config.json cut in a secret": {configFile(config[:strings.Index(config, testSecret)+11]), false, []string{"config.json"}},
		"URI without an expiration": {
			answer(fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q}`, testKeyID, testSecret, testToken)),
			false,
			[]string{"refresh credentials from", "127.0.0.1", "LTAI****", "Success"},
		},
		"URI answers with a JSON string of JSON": {
			answer(fmt.Sprintf(`{"AccessKeyId":null,"raw":%q}`, fmt.Sprintf(`{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q}`, testKeyID, testSecret, testToken))),
			false,
			[]string{"refresh credentials from", "LTAI****"},
		},
		"signed URL": {
			mustCredential(t, &credentials.Config{
				Type: new("ram_role_arn"), AccessKeyId: new(testKeyID), AccessKeySecret: new(testSecret), SecurityToken: new(testToken),
				RoleArn: new("acs:ram::123456789012:role/restart"), RoleSessionName: new("s"), STSEndpoint: &closed,
			}),
			true,
			[]string{"https://127.0.0.1", "Action=AssumeRole", "SignatureMethod=HMAC-SHA1", "connection refused", "LTAI****"},
		},
		"password in a URL": {
			mustCredential(t, &credentials.Config{Type: new("credentials_uri"), Url: new("http://user:" + url.QueryEscape(testSecret) + "@" + closed + "/keys?token=" + url.QueryEscape(testToken))}),
			true,
			[]string{closed + "/keys", "connection refused"},
		},
		"proxy with a password": {
			mustCredential(t, &credentials.Config{Type: new("credentials_uri"), Url: new("http://keys.invalid/"), Proxy: new("http://user:" + testSecret + "@" + closed)}),
			false,
			[]string{"parse"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "config.json without its end" {
				configFile(config) // the environment is read late
			}
			s := mustSupply(t, test.credential)
			_, err := s.get(t.Context())
			e := wantCredentialError(t, err)
			if e.temporary != test.temporary || len(e.Error()) > 700 {
				t.Errorf("temporary %v, %d bytes", e.temporary, len(e.Error()))
			}
			wantNone(t, e.Error(), testKeyID, testKeyID[4:], testSecret, url.QueryEscape(testSecret), testSecret[:11], "s3cret", testToken,
				url.QueryEscape(testToken), testToken[:12], testBearer, "short1", "NUabcdefgh12345678", "MIIEow", "\n")
			for _, word := range test.keeps {
				if !strings.Contains(e.Error(), word) {
					t.Errorf("%q is missing in %q", word, e)
				}
			}
			t.Log(e)
		})
	}
}

func closedAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A scrubber knows every part of the secrets, and the signature.
func TestScrubberKnowsAll(t *testing.T) {
	const signature = "ffff473469c7aa6f4dc5ffffffffffffffffffff"
	for keys, text := range map[Secrets]string{
		AccessKey(testKeyID, testSecret, testToken): strings.Join([]string{testKeyID, testSecret, testToken, signature}, " | "),
		BearerToken(testBearer):                     strings.Join([]string{testBearer, signature}, " | "),
	} {
		got := keys.Scrubber(signature).Known(text)
		wantNone(t, got, testKeyID, testSecret, testToken, testBearer, signature)
	}
}

func TestSame(t *testing.T) {
	keys := AccessKey(testKeyID, testSecret, testToken)
	named := keys
	named.source = "OIDC"
	if !keys.Same(named) || keys.Same(AccessKey(testKeyID, testSecret, "")) || keys.Same(BearerToken(testToken)) || named.Source() != "OIDC" {
		t.Error("the same are others, or the other way round")
	}
}

// Neither verbs nor encoders show what the provider returned.
func TestErrorIsPrintedByItsText(t *testing.T) {
	type valueError struct{ error } // fmt follows no pointer, but a value
	s := mustSupply(t, &fakeCredential{fetch: func() (*credentials.CredentialModel, error) {
		return nil, valueError{fmt.Errorf("refused, password=%s", testSecret)}
	}})
	_, err := s.Get(t.Context(), time.Minute)
	e := wantCredentialError(t, err)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", e)
		fmt.Fprintf(&out, verb+"\n", struct{ Err error }{e})
	}
	text, jsonErr := json.Marshal(err)
	if jsonErr != nil || string(text) != "{}" {
		t.Errorf("got %s and %v", text, jsonErr)
	}
	wantNone(t, out.String(), testSecret)
	if quoted, provider := e.Provider(); quoted != "refused, password=[redacted]" || !strings.Contains(provider.Error(), testSecret) {
		t.Errorf("got %q and %v", quoted, provider)
	}
}
