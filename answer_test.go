package ecsreboot

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

func response(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func read(t *testing.T, resp *http.Response) (attempted, *APIError) {
	t.Helper()
	res := readAnswer(operation{action: "RebootInstance"}, once.Read(resp), redact.New("testid", "testsecret", "5a5a"))
	if res.err == nil {
		return res, nil
	}
	failure, ok := errors.AsType[*APIError](res.err)
	require.True(t, ok)
	return res, failure
}

func TestReadErrorAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want APIError
	}{
		"JSON": {
			`{"RequestId":"D4FE743F","Message":"Specified signature nonce was used already.","Recommend":"https://api.aliyun.com/troubleshoot?q=X","HostId":"ecs.aliyuncs.com","Code":"SignatureNonceUsed"}`,
			APIError{Code: "SignatureNonceUsed", Message: "Specified signature nonce was used already.", RequestID: "D4FE743F", HostID: "ecs.aliyuncs.com", Recommend: "https://api.aliyun.com/troubleshoot?q=X"},
		},
		"lower-case keys": {`{"requestId":"R","code":"C","message":"m"}`, APIError{Code: "C", Message: "m", RequestID: "R"}},
		"description":     {`{"Code":"C","Description":"d"}`, APIError{Code: "C", Message: "d"}},
		"number":          {`{"Code":403,"Message":7,"HostId":"h"}`, APIError{Code: "403", Message: "7", HostID: "h"}},
		"null":            {`{"Code":"C","Message":null,"Recommend":null}`, APIError{Code: "C", Message: `not an answer of the service: "{\"Code\":\"C\",\"Message\":null,\"Recommend\":null}"`}},
		"XML": {
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><RequestId>R</RequestId><HostId>h</HostId><Code>C</Code><Message>m &lt;b&gt;</Message><Recommend>u</Recommend></Error>",
			APIError{Code: "C", Message: "m <b>", RequestID: "R", HostID: "h", Recommend: "u"},
		},
		"XML, not trimmed": {"\r\n <Error><Code>C</Code><Message>m</Message></Error>\n", APIError{Code: "C", Message: "m"}},
		"denied": {
			`{"Code":"Forbidden.RAM","Message":"m","AccessDeniedDetail":{"AuthAction":"ecs:RebootInstance","AuthPrincipalType":"SubUser","AuthPrincipalOwnerId":"1","AuthPrincipalDisplayName":"2","PolicyType":"P","NoPermissionType":"ImplicitDeny","EncodedDiagnosticMessage":"E"}}`,
			APIError{Code: "Forbidden.RAM", Message: "m", AccessDenied: AccessDenied{"ecs:RebootInstance", "SubUser", "1", "2", "P", "ImplicitDeny", "E"}},
		},
		"a field of another type": {
			`{"Code":"Forbidden.RAM","Message":"m","AccessDeniedDetail":"text","RequestId":"R"}`,
			APIError{Code: "Forbidden.RAM", Message: "m", RequestID: "R", AccessDenied: AccessDenied{Action: "ecs:RebootInstance"}},
		},
		"boolean code": {`{"Code":false,"RequestId":"R"}`, APIError{Message: `not an answer of the service: "{\"Code\":false,\"RequestId\":\"R\"}"`}},
		"denied in XML": {
			`<Error><Code>NoPermission</Code><Message>m</Message><AccessDeniedDetail><AuthAction>ecs:X</AuthAction></AccessDeniedDetail></Error>`,
			APIError{Code: "NoPermission", Message: "m", AccessDenied: AccessDenied{Action: "ecs:X"}},
		},
		"page":               {"<!DOCTYPE html>\n<html><body>Faithfully yours, tengine.</body></html>", APIError{Message: `not an answer of the service: "<!DOCTYPE html> <html><body>Faithfully yours, tengine.</body></html>"`}},
		"XHTML":              {"<html><body><p>502</p></body></html>", APIError{Message: `not an answer of the service: "<html><body><p>502</p></body></html>"`}},
		"empty":              {"", APIError{Message: "an answer without a body"}},
		"white space":        {" \n", APIError{Message: "an answer without a body"}},
		"array":              {`["Code"]`, APIError{Message: `not an answer of the service: "[\"Code\"]"`}},
		"object code":        {`{"Code":{"a":1}}`, APIError{Message: `not an answer of the service: "{\"Code\":{\"a\":1}}"`}},
		"garbage at the end": {`{"Code":"C"}x`, APIError{Message: `not an answer of the service: "{\"Code\":\"C\"}x"`}},
		"control characters": {`{"Code":"C","Message":"a\nb\u0000c\u001b[31m"}`, APIError{Code: "C", Message: "a bc[31m"}},
	} {
		t.Run(name, func(t *testing.T) {
			res, got := read(t, response(403, c.body))
			require.NotNil(t, got)
			c.want.StatusCode = 403
			assert.Equal(t, c.want, *got)
			assert.Equal(t, c.want.Code, res.progress.code)
		})
	}
}

// The string to sign that a signature error echoes is cut off, in all its wordings.
func TestStringToSignIsCut(t *testing.T) {
	for message, want := range map[string]string{
		"Specified signature is not matched with our calculation. server string to sign is:GET&%2F&AccessKeyId":                                  "Specified signature is not matched with our calculation.",
		"Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\nab] server CanonicalRequest is [POST\n/]": "Specified signature does not match our calculation.",
		"The request signature does not conform to Aliyun standards. server string to sign is:POST":                                              "The request signature does not conform to Aliyun standards.",
		"Server CanonicalRequest is [POST": "Server.",
		"nothing of that kind":             "nothing of that kind",
	} {
		assert.Equal(t, want, cutStringToSign(message))
	}
}

func TestTextsAreBounded(t *testing.T) {
	long := strings.Repeat("long ", 100_000)
	_, got := read(t, response(400, fmt.Sprintf(`{"Code":%q,"Message":%q,"RequestId":%q,"HostId":%q,"Recommend":%q}`, long, long, long, long, long), "X-Acs-Request-Id", long))
	for _, text := range []string{string(got.Code), got.Message, got.RequestID, got.HostID, got.Recommend} {
		assert.Less(t, len(text), 1100)
		assert.NotEmpty(t, text)
	}
	assert.Less(t, len(got.Error()), 3000)
}

func TestBodiesAreBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`{"Code":"C","Message":"`), endlessReader{})
	resp := &http.Response{StatusCode: 400, Header: http.Header{"X-Acs-Request-Id": {"R"}}, ContentLength: -1, Body: io.NopCloser(endless)}
	res, got := read(t, resp)
	assert.Empty(t, res.progress.code)
	assert.Equal(t, "the answer is longer than any of the service's", got.Message)
	assert.Equal(t, "R", got.RequestID)

	resp = &http.Response{StatusCode: 400, Header: http.Header{}, ContentLength: once.MaxBody + 1, Body: io.NopCloser(endlessReader{})}
	_, got = read(t, resp)
	assert.Equal(t, "the answer is longer than any of the service's", got.Message)
}

// A body of another length than the one that was announced is not all there is, or
// somebody has added to it.
func TestBodiesOfAnotherLength(t *testing.T) {
	const body = `{"RequestId":"R"}`
	for length, want := range map[int64]bool{-1: true, int64(len(body)): true, int64(len(body)) + 1: false, int64(len(body)) - 1: false, 0: false} {
		resp := response(200, body)
		resp.ContentLength = length
		res, _ := read(t, resp)
		assert.Equal(t, want, res.err == nil, length)
	}
}

type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestCutOffBodies(t *testing.T) {
	cut := func(status int, body string, length int64) *http.Response {
		resp := response(status, "", "X-Acs-Request-Id", "R")
		resp.ContentLength = length
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp
	}
	for body, message := range map[string]string{
		"":              "the answer's body did not arrive",
		`{"Code":"Disk`: "the answer was cut short",
	} {
		for _, length := range []int64{-1, 500} {
			res, got := read(t, cut(403, body, length))
			assert.Equal(t, message, got.Message)
			assert.Empty(t, res.progress.code)
			assert.Equal(t, "R", got.RequestID)
		}
	}
	// What was cut short is no success, and what is whole must say so itself. That the
	// part which arrived is a document does not help.
	for _, body := range []string{"", `{"RequestId":"47`, `<RebootInstanceResponse><RequestId>47`, `{"RequestId":"47"}`, `{"Code":"Int`, `{"requestId":"R","code":"InternalErr`, `{"RequestId":"R","Message":"The request processing has failed`, `<Error><Code>InternalErr`} {
		for _, length := range []int64{-1, 500} {
			res, got := read(t, cut(200, body, length))
			require.NotNil(t, got, body)
			assert.False(t, res.progress.genuine)
			assert.Equal(t, "R", got.RequestID)
		}
	}
	for _, body := range []string{"", "{}", "<html></html>", `{"RequestId":"47`} {
		_, got := read(t, response(200, body, "X-Acs-Request-Id", "R"))
		assert.NotNil(t, got, body)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, 0},
		{[]string{"X-Acs-Retry-After", "2000"}, 2 * time.Second},
		{[]string{"x-acs-retry-after", " 1 "}, time.Millisecond},
		{[]string{"X-Acs-Retry-After", "-5"}, 0},
		{[]string{"X-Acs-Retry-After", "soon"}, 0},
		{[]string{"X-Acs-Retry-After", "1.5"}, 0},
		{[]string{"X-Acs-Retry-After", "99999999999999999"}, 24 * time.Hour},
		{[]string{"X-Acs-Retry-After", "99999999999999999999999"}, 0},
		{[]string{"X-Ratelimit-User-Api", "Limit:1,Remain:0,TimeLeft:2000,Reset:1234"}, 2 * time.Second},
		{[]string{"X-Ratelimit-User", "Limit:1, Remain:0, TimeLeft: 3000 , Reset:1234"}, 3 * time.Second},
		{[]string{"X-Ratelimit-User", "TimeLeft"}, 0},
		{[]string{"X-Ratelimit-User", "timeleft:7"}, 7 * time.Millisecond},
		{[]string{"X-Acs-Retry-After", "1000", "X-Ratelimit-User-Api", "TimeLeft:5000", "X-Ratelimit-User", "TimeLeft:4000"}, 5 * time.Second},
		{[]string{"Retry-After", "120"}, 0},
	} {
		_, got := read(t, response(400, `{"Code":"Throttling.User","Message":"m"}`, append(c.header, "Date", "Fri, 02 Jan 2026 03:04:18 GMT")...))
		assert.Equal(t, c.want, got.RetryAfter, c.header)
	}
}

// Whatever arrives, an error is made of it that is bounded, printable, clean of
// the attempt's secrets, and decided as the contract wants.
func FuzzReadAnswer(f *testing.F) {
	f.Add(403, "", []byte(`{"RequestId":"R","Code":"IncorrectInstanceStatus","Message":"The current status"}`))
	f.Add(400, "2000", []byte(`{"Code":"Throttling.User","AccessDeniedDetail":{"AuthAction":"a"}}`))
	f.Add(400, "", []byte(`<Error><Code>C</Code><Message>m</Message></Error>`))
	f.Add(200, "", []byte(`{"RequestId":"R"}`))
	f.Add(502, "x", []byte(`<html>`))
	f.Add(400, "", []byte(`{"Code":"SignatureDoesNotMatch","Message":"server string to sign is:testsecret"}`))
	keys := credential.AccessKey("LTAI5tFuzzed", "sEcReT/fuzzed+0=", "tOkEn/fuzzed+1=")
	f.Fuzz(func(t *testing.T, status int, hint string, body []byte) {
		resp := response(status, string(body)+keys.AccessKeySecret(), "X-Acs-Retry-After", hint, "X-Acs-Request-Id", keys.SecurityToken())
		res := readAnswer(operation{action: "RebootInstance"}, once.Read(resp), keys.Scrubber())
		outcome, then := decide(operation{action: "RebootInstance"}, res.progress)
		if res.err == nil {
			require.Equal(t, OutcomeAccepted, outcome)
			require.NotContains(t, res.requestID, keys.SecurityToken())
			return
		}
		require.NotEqual(t, OutcomeAccepted, outcome)
		require.NotEqual(t, done, then)
		text := (&OperationError{Operation: "RebootInstance", InstanceID: "i", Outcome: outcome, Err: res.err}).Error()
		require.NotContains(t, text, keys.AccessKeySecret())
		require.NotContains(t, text, keys.SecurityToken())
		require.Less(t, len(text), 4096)
		require.Equal(t, redact.Printable(text), strings.Join(strings.Fields(text), " "))
		if then == awaitGate {
			require.ErrorIs(t, res.err, ErrThrottled)
		}
	})
}

// The diagnostic message can be decoded only as a whole.
func TestDiagnosticMessageIsWholeOrAbsent(t *testing.T) {
	for length, want := range map[int]int{1800: 1800, maxDiagnosticBytes: maxDiagnosticBytes, maxDiagnosticBytes + 1: 0, 100_000: 0} {
		_, got := read(t, response(403, fmt.Sprintf(`{"Code":"Forbidden.RAM","AccessDeniedDetail":{"EncodedDiagnosticMessage":%q}}`, strings.Repeat("A", length))))
		assert.Len(t, got.AccessDenied.EncodedDiagnosticMessage, want)
	}
}

// A time of nobody's clock is not believed.
func TestAbsurdDates(t *testing.T) {
	for date, want := range map[string]bool{
		"Fri, 02 Jan 2026 03:04:18 GMT": true, "Sat, 01 Jan 0001 00:00:00 GMT": false, "Fri, 31 Dec 9999 23:59:59 GMT": false, "today": false,
	} {
		res, _ := read(t, response(400, `{"Code":"InvalidTimeStamp.Expired"}`, "Date", date))
		assert.Equal(t, want, res.progress.serverTime, date)
	}
}

// A long text of nothing but escapes costs no more than another.
func TestHostileTextsAreCheap(t *testing.T) {
	for _, hostile := range []string{`\\`, "%25", "%2525", `\"`} {
		_, got := read(t, response(403, `{"Code":"C","Message":"`+strings.Repeat(hostile, 500_000)+`"}`))
		assert.Less(t, len(got.Message), 1100)
	}
}
