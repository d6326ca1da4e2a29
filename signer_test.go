package ecsreboot

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/credential"
)

type v1Vector struct {
	Name           string            `json:"name"`
	Method         string            `json:"method"`
	Params         map[string]string `json:"params"`
	Secret         string            `json:"secret"`
	CanonicalQuery string            `json:"canonical_query"`
	Signature      string            `json:"signature"`
}

type v3Vector struct {
	Name        string            `json:"name"`
	Method      string            `json:"method"`
	Query       map[string]string `json:"query"`
	Headers     map[string]string `json:"headers"`
	AccessKeyID string            `json:"access_key_id"`
	Secret      string            `json:"secret"`
	Signature   string            `json:"signature"`
	Auth        string            `json:"authorization"`
}

type vectors struct {
	V1 []v1Vector `json:"rpc_v1_hmac_sha1"`
	V3 []v3Vector `json:"acs3_hmac_sha256"`
}

// readVectors reads signatures of the vendor's documentation and of requests that
// its SDKs sent.
func readVectors(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/signatures.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	require.NotEmpty(t, v.V1)
	require.NotEmpty(t, v.V3)
	return v
}

func sortedFields(m map[string]string) []field {
	fields := make([]field, 0, len(m))
	for name, value := range m {
		fields = append(fields, field{name, value})
	}
	sort.Sort(byName(fields))
	return fields
}

func TestVectorsV1(t *testing.T) {
	for _, v := range readVectors(t).V1 {
		t.Run(v.Name, func(t *testing.T) {
			query := canonicalQuery(sortedFields(v.Params))
			assert.Equal(t, v.CanonicalQuery, query)
			assert.Equal(t, v.Signature, rpcSignature(v.Method, query, v.Secret))
		})
	}
}

func TestVectorsV3(t *testing.T) {
	for _, v := range readVectors(t).V3 {
		t.Run(v.Name, func(t *testing.T) {
			query := canonicalQuery(sortedFields(v.Query))
			keys := credential.AccessKey(v.AccessKeyID, v.Secret, "")
			var given []header
			for _, h := range sortedFields(v.Headers) {
				given = append(given, header{signedName: h.name, value: h.value})
			}
			authorization := acs3Authorization(v.Method, query, given, v.Headers["x-acs-content-sha256"], keys)
			assert.Equal(t, v.Auth, authorization)
			assert.True(t, strings.HasSuffix(authorization, v.Signature))
		})
	}
}

// net/http finds the headers by these names.
func TestHeaderNames(t *testing.T) {
	result := signV3(vectorMessage(), credential.AccessKey("id", "secret", "token"))
	require.Len(t, result.header, 8)
	for name := range result.header {
		assert.Equal(t, http.CanonicalHeaderKey(name), name)
	}
}

// vectorMessage is the request that the captured vectors hold.
func vectorMessage() message {
	return message{
		host:   "ecs.cn-hangzhou.aliyuncs.com",
		action: "RebootInstance",
		params: []field{{"DryRun", "true"}, {"ForceStop", "false"}, {"InstanceId", "i-bp67acfmxazb4p000001"}},
		at:     time.Date(2026, 1, 2, 11, 4, 5, 0, time.FixedZone("CST", 8*3600)),
		nonce:  "0123456789abcdef0123456789abcdef",
	}
}

// The whole request, as the client sends it, has the vendor's signature.
func TestSignV3IsTheVendorsRequest(t *testing.T) {
	s := signV3(vectorMessage(), credential.AccessKey("testid", "testsecret", ""))
	var want v3Vector
	for _, v := range readVectors(t).V3 {
		if v.Name == "G minimal header set POST" {
			want = v
		}
	}
	assert.Equal(t, "DryRun=true&ForceStop=false&InstanceId=i-bp67acfmxazb4p000001", s.rawQuery)
	assert.Equal(t, want.Signature, s.signature)
	assert.Equal(t, want.Auth, s.header.Get("Authorization"))
	delete(want.Headers, "host") // net/http writes it
	for name, value := range want.Headers {
		assert.Equal(t, value, s.header.Get(name), name)
	}
	assert.Len(t, s.header, len(want.Headers)+1)
	for name := range s.header {
		assert.Equal(t, http.CanonicalHeaderKey(name), name)
	}
}

func TestSignV1IsTheVendorsRequest(t *testing.T) {
	for name, keys := range map[string]credential.Secrets{
		"F RebootInstance POST":     credential.AccessKey("testid", "testsecret", ""),
		"G RebootInstance POST STS": credential.AccessKey("testid", "testsecret", "sts/token+with=chars"),
	} {
		t.Run(name, func(t *testing.T) {
			s := signV1(vectorMessage(), keys)
			// The vector was captured with Format=json; the service takes either.
			query, err := url.ParseQuery(s.rawQuery)
			require.NoError(t, err)
			require.Equal(t, "JSON", query.Get("Format"))
			require.Equal(t, s.signature, query.Get("Signature"))
			query.Del("Signature")
			query.Set("Format", "json")
			got := make(map[string]string)
			for name := range query {
				got[name] = query.Get(name)
			}
			for _, v := range readVectors(t).V1 {
				if v.Name == name {
					assert.Equal(t, v.Params, got)
					assert.Equal(t, v.Signature, rpcSignature(http.MethodPost, canonicalQuery(sortedFields(got)), v.Secret))
				}
			}
			withoutSignature, _, _ := strings.Cut(s.rawQuery, "&Signature=")
			assert.Equal(t, rpcSignature(http.MethodPost, withoutSignature, "testsecret"), s.signature)
			assert.Empty(t, s.header)
		})
	}
}

func TestSignWithToken(t *testing.T) {
	s := signV3(vectorMessage(), credential.AccessKey("id", "s", "a/b+c="))
	assert.Equal(t, "a/b+c=", s.header.Get("X-Acs-Security-Token"))
	assert.Equal(t, "id", s.header.Get("X-Acs-Accesskey-Id"))
	assert.Contains(t, s.header.Get("Authorization"),
		"SignedHeaders=host;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version,")
	assert.NotContains(t, s.rawQuery, "token")
}

func TestSignWithBearerToken(t *testing.T) {
	keys := credential.BearerToken("bearer/+=")
	v3 := signV3(vectorMessage(), keys)
	assert.Equal(t, "bearer/+=", v3.header.Get("X-Acs-Bearer-Token"))
	assert.Empty(t, v3.header.Get("Authorization"))
	assert.Equal(t, "DryRun=true&ForceStop=false&InstanceId=i-bp67acfmxazb4p000001&SignatureType=BEARERTOKEN", v3.rawQuery)
	assert.NotEmpty(t, v3.header.Get("X-Acs-Signature-Nonce"))

	v1 := signV1(vectorMessage(), keys)
	query, err := url.ParseQuery(v1.rawQuery)
	require.NoError(t, err)
	assert.Equal(t, "bearer/+=", query.Get("BearerToken"))
	assert.Equal(t, "BEARERTOKEN", query.Get("SignatureType"))
	for _, name := range []string{"AccessKeyId", "SignatureMethod", "SignatureVersion", "Signature"} {
		assert.False(t, query.Has(name), name)
	}
}

// Signing leaves its message alone: the next attempt signs it again.
func TestSignKeepsTheMessage(t *testing.T) {
	m := vectorMessage()
	m.params = slices.Grow(m.params, 8)
	want := slices.Clone(m.params)
	for _, keys := range []credential.Secrets{credential.AccessKey("a", "b", ""), credential.BearerToken("c")} {
		signV1(m, keys)
		signV3(m, keys)
		assert.Equal(t, want, m.params)
		assert.Equal(t, make([]field, 8), m.params[3:11])
	}
}

func TestEncoding(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "",
		" ":                      "%20",
		"*":                      "%2A",
		"~":                      "~",
		"+":                      "%2B",
		"/":                      "%2F",
		"-_.~aZ09":               "-_.~aZ09",
		"2026-01-02T03:04:05Z":   "2026-01-02T03%3A04%3A05Z",
		"a b*c~d+e/f:中\"'()!":    "a%20b%2Ac~d%2Be%2Ff%3A%E4%B8%AD%22%27%28%29%21",
		"\x00\xff":               "%00%FF",
		"%20":                    "%2520",
		"a=b&c":                  "a%3Db%26c",
		"\U0001F600":             "%F0%9F%98%80",
		"[\"i-bp67\",\"i-bp8\"]": "%5B%22i-bp67%22%2C%22i-bp8%22%5D",
	} {
		assert.Equal(t, want, encode(value), "%q", value)
	}
	assert.Equal(t, "A=&B=%20", canonicalQuery([]field{{"A", ""}, {"B", " "}}))
}

// Names sort by their bytes: upper case first, and .10 before .2.
func TestSortFields(t *testing.T) {
	fields := []field{{"a", ""}, {"InstanceId.2", ""}, {"Format", ""}, {"InstanceId.10", ""}, {"InstanceId.1", ""}}
	sort.Sort(byName(fields))
	assert.Equal(t, []field{{"Format", ""}, {"InstanceId.1", ""}, {"InstanceId.10", ""}, {"InstanceId.2", ""}, {"a", ""}}, fields)
}

// Decoding what was encoded gives it back, and encodes to nothing that a URL or
// the signature would read differently.
func FuzzCanonicalQuery(f *testing.F) {
	f.Add("InstanceId", "i-bp67acfmxazb4ph0001")
	f.Add("a b", "*~+/ 中\x00\xff")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, name, value string) {
		query := canonicalQuery([]field{{name, value}})
		for _, c := range []byte(query) {
			require.True(t, c > ' ' && c < 0x7f, "%q", query)
		}
		parsed, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.Equal(t, url.Values{name: {value}}, parsed)
		want := strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(name) + "=" + url.QueryEscape(value))
		require.Equal(t, want, query)
	})
}
