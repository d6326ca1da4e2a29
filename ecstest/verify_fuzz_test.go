package ecstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// direct is a transport that hands requests to a server without a network between.
type direct struct {
	server http.Handler
	change func(*http.Request) // on the way; nil changes nothing
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = http.NoBody
	if d.change != nil {
		d.change(r)
	}
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	return w.Result(), nil
}

// sameQuery reports whether two queries are the same once they are decoded.
func sameQuery(a, b string) bool {
	valuesA, errA := url.ParseQuery(a)
	valuesB, errB := url.ParseQuery(b)
	return errA == nil && errB == nil && reflect.DeepEqual(valuesA, valuesB)
}

// replaceByte puts another byte where one was.
func replaceByte(text string, at uint16, with byte) string {
	if text == "" {
		return text
	}
	i := int(at) % len(text)
	return text[:i] + string([]byte{with}) + text[i+1:]
}

// FuzzVerify has the client sign requests with any credentials and parameters. The
// server verifies them and reads the parameters that were meant; and it refuses what
// was changed on the way, unless it means the same.
func FuzzVerify(f *testing.F) {
	f.Add("testid", "testsecret", "", "role", "web", "cn-hangzhou-h", false, uint8(0), uint16(3), byte('x'))
	f.Add("STS.NUxxxxxxxx", "sEc/rEt+0==", "sts/token+with=chars", "a b*c~d+e/f:中\"'()!", "%2B+ %", "", true, uint8(0), uint16(40), byte('+'))
	f.Add("LTAI5tXXXXXXXXXXXXXXXXXX", `"\&=;,`, "CAIS%2F~", "k", "", "z", false, uint8(3), uint16(1), byte(' '))
	f.Add("Credential=a;Signature=b", "x", "a;b,c", "SignatureType", "BEARERTOKEN", "+", false, uint8(9), uint16(70), byte('A'))
	f.Add("testid", "testsecret", "", "Action", "RebootInstance", "&Action=x", true, uint8(1), uint16(0), byte('%'))
	headers := []string{
		"Authorization", "X-Acs-Action", "X-Acs-Version", "X-Acs-Date", "X-Acs-Signature-Nonce", "X-Acs-Content-Sha256",
		"X-Acs-Security-Token", "X-Acs-Accesskey-Id", "Host", "X-Acs-Other",
	}
	s := inMemory(f, Options{})
	f.Fuzz(func(t *testing.T, keyID, secret, token, tag, value, zone string, v1 bool, place uint8, at uint16, with byte) {
		if strings.Contains(keyID, ",") && !v1 {
			return // which ends it in a header, and no key has
		}
		config := new(credentials.Config).SetType("access_key").SetAccessKeyId(keyID).SetAccessKeySecret(secret)
		if token != "" {
			config.SetType("sts").SetSecurityToken(token)
		}
		credential, err := credentials.NewCredential(config)
		if err != nil {
			return
		}
		version := ecsreboot.SignatureV3
		if v1 {
			version = ecsreboot.SignatureV1
		}
		way := &direct{server: s}
		client, err := s.NewClient(
			ecsreboot.WithCredential(credential), ecsreboot.WithHTTPClient(&http.Client{Transport: way}),
			ecsreboot.WithSignatureVersion(version), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1}),
		)
		if err != nil {
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			return
		}
		s.mu.Lock()
		s.keys, s.nonces, s.calls = map[string]key{keyID: {secret: secret, token: token}}, nonceStore{}, nil
		s.mu.Unlock()
		list := func() (err error) {
			for _, failed := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{Tags: map[string]string{tag: value}, Zone: zone}) {
				err = failed
			}
			return err
		}

		switch err := list(); {
		case err == nil:
		case len(s.Calls()) == 0:
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			return
		default:
			require.NoError(t, err)
		}
		require.Len(t, s.Calls(), 1)
		call := s.Calls()[0]
		require.Equal(t, []string{tag}, call.Query["Tag.1.Key"])
		require.Equal(t, value, call.Query.Get("Tag.1.Value"))
		require.Equal(t, zone, call.Query.Get("ZoneId"))
		require.Equal(t, keyID, call.AccessKeyID)
		require.Equal(t, v1, call.SignatureVersion == signatureV1)

		same, harmless := false, false
		way.change = func(r *http.Request) {
			name := headers[int(place)%len(headers)]
			if v1 || place >= 128 {
				before := r.URL.RawQuery
				r.URL.RawQuery = replaceByte(before, at, with)
				same = sameQuery(before, r.URL.RawQuery)
				return
			}
			if name == "Host" {
				before := r.Host
				r.Host = replaceByte(before, at, with)
				same = before == r.Host
				return
			}
			before := r.Header.Clone()
			if text := r.Header.Get(name); text != "" || name == "X-Acs-Other" {
				r.Header.Set(name, replaceByte(text+" "[:1-min(1, len(text))], at, with))
			}
			same = reflect.DeepEqual(before, r.Header)
			// White space around a value is not signed, nor is how an Authorization is written.
			was := request{header: before, authorization: parseAuthorization(before.Get("Authorization"))}
			is := request{header: r.Header, authorization: parseAuthorization(r.Header.Get("Authorization"))}
			namesWere, namesAre := was.headersToSign(), is.headersToSign()
			was.authorization.signedHeaders, is.authorization.signedHeaders = nil, nil
			harmless = reflect.DeepEqual(namesWere, namesAre) && reflect.DeepEqual(was.authorization, is.authorization) &&
				(name == "Authorization" || strings.TrimSpace(before.Get(name)) == strings.TrimSpace(r.Header.Get(name)))
		}
		err = list()
		switch {
		case same:
			require.NoError(t, err)
		case !harmless:
			require.Error(t, err, "a changed request was accepted")
		}
	})
}

// FuzzParseRequest writes parameters into query and form, in any of the ways that
// clients have, and reads back what they mean.
func FuzzParseRequest(f *testing.F) {
	f.Add("i-1\x00i-2", "DescribeInstanceStatus", uint16(0b10), true, "true", "50")
	f.Add("i-bp67acfmxazb4ph0001", "RebootInstance", uint16(1), false, "False", "0")
	f.Add("a b+c%20\x00\x00中\xff\x00&=;", "DescribeInstances", uint16(0xffff), true, "1", "+7")
	f.Fuzz(func(t *testing.T, text, action string, places uint16, plus bool, flag, number string) {
		ids := strings.Split(text, "\x00")
		if len(ids) > 20 {
			return
		}
		encode := url.QueryEscape
		if !plus {
			encode = func(s string) string { // every byte, in lower case
				if s == "" {
					return ""
				}
				return strings.ReplaceAll(fmt.Sprintf(" % x", s), " ", "%")
			}
		}
		var query, form []string
		put := func(i int, name, value string) {
			pair := encode(name) + "=" + encode(value)
			if places&(1<<(i%16)) != 0 {
				form = append(form, pair)
			} else {
				query = append(query, pair)
			}
		}
		want := url.Values{}
		for i, pair := range append([][2]string{{"Action", action}, {"DryRun", flag}, {"PageSize", number}, {"InstanceId", ids[0]}}, numbered("InstanceId", ids)...) {
			put(i, pair[0], pair[1])
			want.Set(pair[0], pair[1])
		}
		body := strings.Join(form, "&")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.URL.RawQuery = strings.Join(query, "&")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		req := parseRequest(r, []byte(body))
		require.False(t, req.malformed)
		require.Equal(t, want, req.params)
		require.Equal(t, signatureV1, req.style)
		require.Equal(t, action, req.action)
		switch action {
		case actionList:
			require.Nil(t, req.ids)
		case actionStatus:
			require.Equal(t, ids, req.ids)
		default:
			require.Equal(t, ids[0] != "", len(req.ids) == 1)
		}
		value, ok := req.boolean("DryRun")
		require.Equal(t, strings.EqualFold(flag, "true"), value)
		require.Equal(t, flag == "" || strings.EqualFold(flag, "true") || strings.EqualFold(flag, "false"), ok)
		size, ok := req.number("PageSize", 10, 50)
		if ok {
			require.True(t, number == "" && size == 10 || number != "" && size >= 1 && size <= 50)
		}
		canonical := req.canonicalRequestV3()
		require.Equal(t, hashHex([]byte(body)), canonical[strings.LastIndexByte(canonical, '\n')+1:])
		require.NotContains(t, stringToSignV1(http.MethodPost, req.params), "+")
	})
}

func numbered(name string, values []string) [][2]string {
	pairs := make([][2]string, len(values))
	for i, value := range values {
		pairs[i] = [2]string{fmt.Sprintf("%s.%d", name, i+1), value}
	}
	return pairs
}
