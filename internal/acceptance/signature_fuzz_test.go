package acceptance_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// anew writes decoded parameters as the vendor's page says: what net/url writes,
// with three replacements.
func anew(params url.Values) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(params.Encode())
}

// signatureV1Of and signatureV3Of calculate the signature that a request as it was
// received must have.
func signatureV1Of(method string, params url.Values, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(method + "&%2F&" + strings.ReplaceAll(url.QueryEscape(anew(params)), "+", "%20")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func signatureV3Of(method, host string, params url.Values, header http.Header, body, secret string) (authorization string) {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	lines := []string{"host:" + host}
	for name, values := range header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") || name == "content-type" {
			lines = append(lines, name+":"+strings.Join(values, ","))
		}
	}
	slices.Sort(lines) // no name is the beginning of another
	names := make([]string, len(lines))
	for i, line := range lines {
		names[i], _, _ = strings.Cut(line, ":")
	}
	signed := strings.Join(names, ";")
	canonical := method + "\n/\n" + anew(params) + "\n" + strings.Join(lines, "\n") + "\n\n" + signed + "\n" + hash(body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hash(canonical)))
	return "SignedHeaders=" + signed + ",Signature=" + hex.EncodeToString(mac.Sum(nil))
}

// What the fuzz target calculates is what the vendor calculates.
func TestSignaturesOfFuzzTargets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "testdata", "signatures.json"))
	require.NoError(t, err)
	var vectors struct {
		V1 []struct {
			Method, Secret, Signature string
			Params                    map[string]string
		} `json:"rpc_v1_hmac_sha1"`
		V3 []struct {
			Method, Secret, Body, Authorization string
			Query, Headers                      map[string]string
		} `json:"acs3_hmac_sha256"`
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	values := func(m map[string]string) url.Values {
		v := url.Values{}
		for name, value := range m {
			v.Set(name, value)
		}
		return v
	}
	require.NotEmpty(t, vectors.V1)
	for _, v := range vectors.V1 {
		require.Equal(t, v.Signature, signatureV1Of(v.Method, values(v.Params), v.Secret))
	}
	require.NotEmpty(t, vectors.V3)
	for _, v := range vectors.V3 {
		header := http.Header(values(v.Headers))
		header.Del("Host")
		delete(header, "host")
		got := signatureV3Of(v.Method, v.Headers["host"], values(v.Query), header, v.Body, v.Secret)
		require.Contains(t, v.Authorization, ","+got)
	}
}

// FuzzSignature looks at requests with any credentials and parameters as whoever
// receives them does: decoded they are what was asked for, their form is the
// canonical one, and their signature is what somebody else calculates.
func FuzzSignature(f *testing.F) {
	f.Add("testid", "testsecret", "", "", "i-bp67acfmxazb4p000001", "", "", "", false)
	f.Add("testid", "testsecret", "sts/token+with=chars", "", "", "role", "web", "cn-hangzhou-h", true)
	f.Add("YourAccessKeyId", "YourAccessKeySecret", "", "", "i-中\"'()!&=%", "a b*c~d+e/f:中\"'()!", "mock date", "", false)
	f.Add("", "", "", "eyJhbGciOi.J9+/=", "i-1", "~-_.", "\x00\x7f", "%2B", true)
	f.Add("a=b&c", "&", "%", "", "+", "Signature", "AccessKeyId=", "*", true)
	f.Fuzz(func(t *testing.T, keyID, secret, token, bearer, id, tag, value, zone string, v1 bool) {
		config := new(credentials.Config).SetType("access_key").SetAccessKeyId(keyID).SetAccessKeySecret(secret)
		switch {
		case bearer != "":
			config = new(credentials.Config).SetType("bearer").SetBearerToken(bearer)
		case token != "":
			config.SetType("sts").SetSecurityToken(token)
		}
		credential, err := credentials.NewCredential(config)
		if err != nil {
			return
		}
		var req *http.Request
		broken := errors.New("seen enough")
		version := ecsreboot.SignatureV3
		if v1 {
			version = ecsreboot.SignatureV1
		}
		client, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(credential), ecsreboot.WithSignatureVersion(version),
			ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}),
			ecsreboot.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) { req = r; return nil, broken })}))
		if err != nil {
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			return
		}
		want := url.Values{"MaxResults": {"100"}, "RegionId": {"cn-hangzhou"}}
		asked := ecsreboot.DescribeInstancesRequest{Zone: zone}
		if zone != "" {
			want.Set("ZoneId", zone)
		}
		if tag != "" {
			asked.Tags = map[string]string{tag: value}
			want.Set("Tag.1.Key", tag)
			if value != "" {
				want.Set("Tag.1.Value", value)
			}
		}
		if id != "" {
			asked.InstanceIDs = []string{id}
		}
		for _, failed := range client.DescribeInstances(t.Context(), asked) {
			err = failed
		}
		if req == nil {
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			return
		}

		got, err := url.ParseQuery(req.URL.RawQuery)
		require.NoError(t, err)
		wire, _, _ := strings.Cut(req.URL.RawQuery, "&Signature=")
		if id != "" {
			var ids []string
			require.NoError(t, json.Unmarshal([]byte(got.Get("InstanceIds")), &ids))
			require.Equal(t, asked.InstanceIDs, ids)
			want["InstanceIds"] = got["InstanceIds"]
		}
		signature := got.Get("Signature")
		got.Del("Signature")
		require.Equal(t, anew(got), wire, "the canonical form")
		host := req.Host
		require.Equal(t, req.URL.Host, host)
		switch {
		case bearer != "":
			require.Empty(t, signature)
			require.Empty(t, req.Header.Get("Authorization"))
			require.Equal(t, bearer, got.Get("BearerToken")+req.Header.Get("X-Acs-Bearer-Token"))
			want.Set("SignatureType", "BEARERTOKEN")
		case v1:
			require.Equal(t, signatureV1Of(req.Method, got, secret), signature)
			require.Equal(t, token, got.Get("SecurityToken"))
			require.Equal(t, keyID, got.Get("AccessKeyId"))
		default:
			require.Equal(t, "ACS3-HMAC-SHA256 Credential="+keyID+","+signatureV3Of(req.Method, host, got, req.Header, "", secret), req.Header.Get("Authorization"))
			require.Equal(t, token, req.Header.Get("X-Acs-Security-Token"))
		}
		for _, name := range []string{"Action", "Version", "Format", "Timestamp", "SignatureNonce", "SignatureMethod", "SignatureVersion", "AccessKeyId", "SecurityToken", "BearerToken"} {
			if v1 {
				got.Del(name)
			}
		}
		require.Equal(t, want, got)
	})
}
