package ecstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type vectors struct {
	V1 []struct {
		Name, Method, Secret, Signature string
		Params                          map[string]string
		CanonicalQuery                  string `json:"canonical_query"`
		StringToSign                    string `json:"string_to_sign"`
	} `json:"rpc_v1_hmac_sha1"`
	V3 []struct {
		Name, Method, Body, Secret, Signature, Authorization string
		Query, Headers                                       map[string]string
		CanonicalRequest                                     string `json:"canonical_request"`
		HashedCanonicalRequest                               string `json:"hashed_canonical_request"`
	} `json:"acs3_hmac_sha256"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile("../testdata/signatures.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	require.NotEmpty(t, v.V1)
	require.NotEmpty(t, v.V3)
	return v
}

func values(m map[string]string) url.Values {
	v := url.Values{}
	for name, value := range m {
		v.Set(name, value)
	}
	return v
}

func TestSignatureV1Vectors(t *testing.T) {
	for _, v := range readVectors(t).V1 {
		t.Run(v.Name, func(t *testing.T) {
			params := values(v.Params)
			require.Equal(t, v.CanonicalQuery, canonicalQuery(params))
			params.Set("Signature", v.Signature) // never signs itself
			require.Equal(t, v.StringToSign, stringToSignV1(v.Method, params))
			require.Equal(t, v.Signature, signV1(v.StringToSign, v.Secret))
		})
	}
}

func TestSignatureV3Vectors(t *testing.T) {
	for _, v := range readVectors(t).V3 {
		t.Run(v.Name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), v.Method, "/?"+values(v.Query).Encode(), strings.NewReader(v.Body))
			for name, value := range v.Headers {
				r.Header.Set(name, value)
			}
			r.Host = v.Headers["host"]
			r.Header.Del("host")
			r.Header.Set("Authorization", v.Authorization)
			r.Header.Set("User-Agent", "not signed")
			req := parseRequest(r, []byte(v.Body))
			canonical := req.canonicalRequestV3()
			require.Equal(t, v.CanonicalRequest, canonical)
			require.Equal(t, v.HashedCanonicalRequest, hashHex([]byte(canonical)))
			require.Equal(t, v.Signature, signV3(stringToSignV3(canonical), v.Secret))
			require.Equal(t, v.Signature, req.authorization.signature)
			require.Nil(t, (&Server{}).checkSignatureV3(req, v.Secret))
		})
	}
}

func TestPercentEncode(t *testing.T) {
	require.Equal(t, "a%20b%2Ac~d%2Be%2Ff%3A%E4%B8%AD%22%27%28%29%21", percentEncode(`a b*c~d+e/f:中"'()!`))
}

// The official clients write a space as + and sign %20.
func TestSpaceOnTheWire(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		for _, space := range []string{"+", "%20"} {
			c := newCaller(inMemory(t, Options{}))
			c.v1 = v1
			c.edit = func(r *http.Request) { r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "+", space) }
			r := c.reboot(t, "OwnerAccount", "a b*c~d+e/f")
			require.Equal(t, http.StatusOK, r.status, r.body)
		}
	}
}

func TestSortsByNameInBytes(t *testing.T) {
	require.Equal(t, "A=&A.1=1&A.10=10&A.2=2&a=",
		canonicalQuery(url.Values{"a": {""}, "A.2": {"2"}, "A.10": {"10"}, "A": {""}, "A.1": {"1"}}))
}

// A header that has to be signed and is not makes the signatures differ, and
// so does a wrong body hash.
func TestSignatureV3CoversEverything(t *testing.T) {
	edits := map[string]func(*http.Request){
		"header added":   func(r *http.Request) { r.Header.Set("x-acs-extra", "1") },
		"content type":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"query":          func(r *http.Request) { r.URL.RawQuery += "&ForceStop=true" },
		"nonce":          func(r *http.Request) { r.Header.Set("x-acs-signature-nonce", "other") },
		"host":           func(r *http.Request) { r.Host = "ecs.cn-hangzhou.aliyuncs.com" },
		"hash":           func(r *http.Request) { r.Header.Set("x-acs-content-sha256", hashHex([]byte("x"))) },
		"hash missing":   func(r *http.Request) { r.Header.Del("x-acs-content-sha256") },
		"body":           func(r *http.Request) { r.Body = http.NoBody; r.Method = http.MethodGet },
		"method":         func(r *http.Request) { r.Method = http.MethodGet },
		"signature case": func(r *http.Request) { upperSignature(r) },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			s := inMemory(t, Options{})
			c := newCaller(s)
			c.edit = edit
			r := c.reboot(t)
			require.Equal(t, "SignatureDoesNotMatch", r.code(), r.body)
			require.Zero(t, s.TotalReboots())
		})
	}
}

func upperSignature(r *http.Request) {
	head, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(signature))
}

func FuzzCanonicalQuery(f *testing.F) {
	for _, query := range []string{"", "a=b&c=d", "a=%zz", "x=a+b%20c", "=&=", "a;b", "%E4=1&InstanceId.1=2"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		params, _ := url.ParseQuery(query) // what is malformed is left out
		canonical := canonicalQuery(params)
		back, backErr := url.ParseQuery(canonical)
		require.NoError(t, backErr)
		require.Equal(t, params, back, "decoding gives back what was encoded")
		require.Equal(t, canonical, canonicalQuery(back))
		require.NotContains(t, canonical, "+")
	})
}
