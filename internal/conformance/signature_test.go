package conformance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	legacycredentials "github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/signers"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/utils"
	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// verifier signs each request anew with the vendor's own functions, out of what
// arrived, and keeps those whose signature is another.
type verifier struct {
	service http.Handler

	mu       sync.Mutex
	secret   string
	verified int
	wrong    []string
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verify := v.verifyV1
	if r.Header.Get("Authorization") != "" {
		verify = v.verifyV3
	}
	v.mu.Lock()
	if problem := verify(r); problem != "" {
		v.wrong = append(v.wrong, problem)
	} else {
		v.verified++
	}
	v.mu.Unlock()
	v.service.ServeHTTP(w, r)
}

// query is the decoded query in the form that the vendor signs it.
func query(r *http.Request) map[string]*string {
	params := make(map[string]*string)
	for name, values := range r.URL.Query() {
		params[name] = &values[0]
	}
	return params
}

// verifyV1 signs as either SDK does.
func (v *verifier) verifyV1(r *http.Request) string {
	params := query(r)
	if params["Signature"] == nil {
		return "is not signed"
	}
	got := *params["Signature"]
	delete(params, "Signature")
	if want := *openapiutil.GetRPCSignature(params, new(r.Method), new(v.secret)); got != want {
		return fmt.Sprintf("%s: darabonba-openapi has %s", r.URL, want)
	}
	// The other SDK does not export the string to sign; only its parts are exported.
	plain := make(map[string]string)
	for name, value := range params {
		plain[name] = *value
	}
	canonical := strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(utils.GetUrlFormedMap(plain))
	signer := signers.NewAccessKeySigner(legacycredentials.NewAccessKeyCredential(plain["AccessKeyId"], v.secret))
	if want := signer.Sign(r.Method+"&%2F&"+url.QueryEscape(canonical), "&"); got != want {
		return fmt.Sprintf("%s: alibaba-cloud-sdk-go has %s", r.URL, want)
	}
	return ""
}

func (v *verifier) verifyV3(r *http.Request) string {
	headers := map[string]*string{"host": new(r.Host)}
	for name, values := range r.Header {
		if len(values) != 1 {
			return fmt.Sprintf("%s: %d times %s", r.URL, len(values), name)
		}
		headers[strings.ToLower(name)] = &values[0]
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	hash := sha256.Sum256(body)
	payload := hex.EncodeToString(hash[:])
	if sent := r.Header.Get("X-Acs-Content-Sha256"); sent != payload {
		return fmt.Sprintf("%s: the payload's hash is %s, not %s", r.URL, payload, sent)
	}
	got := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(got, "Credential=")
	keyID, _, _ := strings.Cut(rest, ",")
	signed := &dara.Request{Method: new(r.Method), Pathname: new(r.URL.EscapedPath()), Query: query(r), Headers: headers}
	if want := *openapiutil.GetAuthorization(signed, new("ACS3-HMAC-SHA256"), new(payload), new(keyID), new(v.secret)); got != want {
		return fmt.Sprintf("%s: %s, but darabonba-openapi has %s", r.URL, got, want)
	}
	return ""
}

// changing is a credential that is another one whenever the test says so.
type changing struct {
	credentials.Credential
	k key
}

func (*changing) GetType() *string { return new("changing") }

func (c *changing) GetCredential() (*credentials.CredentialModel, error) {
	return &credentials.CredentialModel{AccessKeyId: &c.k.id, AccessKeySecret: &c.k.secret, SecurityToken: &c.k.token}, nil
}

// input makes random text.
type input struct{ *rand.Rand }

var (
	alphanumeric = []rune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
	printable    = func() (all []rune) {
		for c := '!'; c <= '~'; c++ {
			all = append(all, c)
		}
		return all
	}()
	// signs are treated differently by the ways to encode a URL.
	signs   = []rune("+*~%&=/?#-_.!'()[]{}<>|\\^`\";:@,$")
	unusual = []rune("äßñ中文名称каЖ😀🚀€ﬁ\u0301é")
)

func (r input) text(least, most int, alphabets ...[]rune) string {
	runes := make([]rune, least+r.IntN(most-least+1))
	for n := range runes {
		alphabet := alphabets[r.IntN(len(alphabets))]
		runes[n] = alphabet[r.IntN(len(alphabet))]
	}
	return string(runes)
}

func (r input) key() key {
	k := key{id: r.text(1, 32, alphanumeric), secret: r.text(1, 48, printable)}
	if r.IntN(2) == 0 {
		k.id, k.token = "STS."+k.id, r.text(1, 800, printable, alphanumeric)
	}
	return k
}

func (r input) tags() map[string]string {
	tags := make(map[string]string)
	for range r.IntN(20) {
		tags[r.text(1, 20, alphanumeric, signs, unusual, []rune{' '})] = r.text(0, 20, alphanumeric, signs, unusual, []rune{' '})
	}
	return tags
}

// Thousands of calls with random ids, tags, keys and tokens are signed as the
// vendor signs them, arrive as they were meant, and satisfy ecstest.
func TestSignatures(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 150
	}
	for name, version := range map[string]ecsreboot.SignatureVersion{"V1": ecsreboot.SignatureV1, "V3": ecsreboot.SignatureV3} {
		t.Run(name, func(t *testing.T) {
			random := input{rand.New(rand.NewPCG(2014, 526))}
			server, err := ecstest.NewServer(ecstest.Options{})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			checks := &verifier{service: server}
			front := httptest.NewServer(checks)
			t.Cleanup(front.Close)
			credential := new(changing)
			client := newClient(t, server, ecsreboot.WithEndpoint(front.URL), ecsreboot.WithCredential(credential), ecsreboot.WithSignatureVersion(version))
			for n := range rounds {
				k := random.key()
				credential.k = k
				checks.mu.Lock()
				checks.secret = k.secret
				checks.mu.Unlock()
				require.NoError(t, server.RotateKey(k.id, k.secret, k.token))
				server.ForgetCalls()

				instance := ecstest.Instance{ID: random.text(1, 30, alphanumeric, signs, unusual), Tags: random.tags()}
				require.NoError(t, server.AddInstance(instance))
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: instance.ID, ForceStop: random.IntN(2) == 0})
				require.NoError(t, err, "%q", instance.ID)
				request := ecsreboot.DescribeInstancesRequest{Tags: instance.Tags}
				if n%2 == 0 {
					request.InstanceIDs = []string{instance.ID, "i-nobody" + random.text(0, 10, unusual, signs)}
				}
				var listed []string
				for found, err := range client.DescribeInstances(t.Context(), request) {
					require.NoError(t, err)
					if found.Listed() {
						listed = append(listed, found.ID)
					}
				}
				require.Contains(t, listed, instance.ID, "%q", instance.Tags)
				for _, call := range server.Calls() {
					require.Equal(t, key{id: k.id, token: k.token}, inUse(call))
				}
				server.RemoveInstance(instance.ID)
			}
			assert.Empty(t, checks.wrong)
			assert.Greater(t, checks.verified, 3*rounds/2)
		})
	}
}

// The verifier is no rubber stamp.
func TestSignatureVerifierRefuses(t *testing.T) {
	for _, version := range []ecsreboot.SignatureVersion{ecsreboot.SignatureV1, ecsreboot.SignatureV3} {
		server := newService(t, ecstest.Options{})
		checks := &verifier{service: server, secret: "testsecret."}
		front := httptest.NewServer(checks)
		t.Cleanup(front.Close)
		_, err := newClient(t, server, ecsreboot.WithEndpoint(front.URL), ecsreboot.WithSignatureVersion(version)).RebootInstance(t.Context(), dryRun)
		require.NoError(t, err)
		assert.Len(t, checks.wrong, 1)
		assert.Zero(t, checks.verified)
	}
}
