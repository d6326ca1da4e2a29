package acceptance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// printed is an error in all the forms in which it may get into a log.
func printed(err error) string {
	var b bytes.Buffer
	for e := err; e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n%q\n%T\n", e, e, e, e, e)
		text, _ := json.Marshal(e)
		b.Write(text)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Error("failed", "error", err)
	slog.New(slog.NewJSONHandler(&b, nil)).Error("failed", "error", err)
	if api, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n%v", *api, *api, *api, api.Code)
	}
	return b.String()
}

// spelled are ways in which a server or a proxy may repeat a secret.
var spelled = []func(string) string{
	func(s string) string { return s },
	url.QueryEscape,
	url.PathEscape,
	func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	func(s string) string {
		return strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(s))
	},
	func(s string) string { return strings.NewReplacer("/", `\/`).Replace(s) },
	func(s string) string {
		return strings.NewReplacer("/", `\u002f`, "+", `\u002B`, "=", `\u003d`, "s", `\u0073`).Replace(s)
	},
	func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	func(s string) string { return base64.URLEncoding.EncodeToString([]byte("u:" + s)) },
}

// requireClean makes sure that a text holds no secret, nor much of one.
func requireClean(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{fuzzSecret, fuzzToken} {
		for i := range spelled {
			if found := strings.Trim(spelled[i](secret), "="); strings.Contains(text, found) {
				require.Fail(t, "a secret is in it", "%q in %q", found, text)
			}
		}
		const much = 12
		for i := range len(secret) - much {
			if strings.Contains(text, secret[i:i+much]) {
				require.Fail(t, "much of a secret is in it", "%q in %q", secret[i:i+much], text)
			}
		}
	}
}

var errorBodies = []string{
	`{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","HostId":"ecs-cn-hangzhou.aliyuncs.com","Code":"IncorrectInstanceStatus","Message":"The current status of the resource does not support this operation.","Recommend":"https://api.aliyun.com/troubleshoot?q=IncorrectInstanceStatus&product=Ecs"}`,
	`{"Code":"Forbidden.RAM","Message":"User not authorized to operate on the specified resource, or this API doesn't support RAM.","RequestId":"R","AccessDeniedDetail":{"AuthAction":"ecs:RebootInstance","AuthPrincipalType":"SubUser","AuthPrincipalOwnerId":"1234567890123456","AuthPrincipalDisplayName":"200000000000000001","PolicyType":"AccountLevelIdentityBasedPolicy","NoPermissionType":"ImplicitDeny","EncodedDiagnosticMessage":"AQEAAAAA"}}`,
	`{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId%3Dtestid%26SecurityToken%3D","RequestId":"R"}`,
	`{"Code":"SignatureDoesNotMatch","Message":"Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\n00] server CanonicalRequest is [POST\n/\n\nx-acs-security-token:","RequestId":"R"}`,
	`{"Code":"Throttling.User","Message":"Request was denied due to user flow control.","RequestId":"R"}`,
	`{"Code":403,"Message":-1e999,"RequestId":"R"}`,
	`{"code":"A","Code":"B","CODE":null,"message":"one","Message":"two","RequestId":"1","requestid":"2"}`,
	`{"Code":"C","Message":"\ud800\u0000\u001b[31m` + "\xff\xc0" + `","RequestId":"R"}`,
	`{"Code":{"Code":"C"},"Message":["m"],"RequestId":1}`,
	`{"Code":"C","Message":"m","RequestId":"R"`,
	strings.Repeat(`{"Code":`, 200) + `"C"` + strings.Repeat("}", 200),
	strings.Repeat("[", 20_000),
	"<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R</RequestId><HostId>h</HostId><Code>DiskError</Code><Message>IncorrectDiskStatus.</Message></Error>",
	"<Error><Code><![CDATA[C]]></Code><Message>&lt;&#x9;&amp;amp;&#0;</Message></Error>",
	"<Error><Code>C</Code><Message>m</Message>", "<Error>", "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>tengine</body></html>",
	"", "null", "\"text\"", "\ufeff{}", "HTTP/1.1 200 OK\r\n\r\n",
}

// openEscape is an escape of JSON that is not complete.
var openEscape = regexp.MustCompile(`\\+(?:u[0-9a-fA-F]{0,3})?$`)

// FuzzErrorAnswer answers a restart with anything at all, in which a secret of the
// client's stands somewhere. What comes of it is an answer's error or a transport's,
// short, and without the secret in any form that can be printed.
func FuzzErrorAnswer(f *testing.F) {
	for i, body := range errorBodies {
		f.Add(400+i%4, body, "R", "", uint16(i*37), uint8(i%7), uint16(0), int16(-1))
		f.Add(500+i%4, body, "", "https://example.com/", uint16(20), uint8(135+(i+1)%7), uint16(i), int16(60))
	}
	f.Add(403, errorBodies[0], "", "", uint16(200), uint8(0), uint16(6_520), int16(-1))
	f.Add(302, errorBodies[0], "", "//%zz", uint16(0), uint8(0), uint16(0), int16(-1))
	f.Fuzz(func(t *testing.T, status int, body, requestID, location string, at uint16, how uint8, pad uint16, broken int16) {
		status = max(-status, status) % 1000
		secret := fuzzSecret
		if how >= 128 {
			secret = fuzzToken
		}
		secret = spelled[int(how)%len(spelled)](secret)
		place := int(at) % (len(body) + 1)
		place -= len(openEscape.FindString(body[:place])) // which would take the secret's first character for its own
		if pad%8 == 0 {                                   // most are short
			filler := []string{"x", "word ", "%41"}[int(pad/8)%3]
			body = body[:place] + strings.Repeat(filler, int(pad)*5%40_000/len(filler)) + body[place:]
			place = min(place+int(pad)*5%40_000, len(body))
		}
		body = body[:place] + secret + body[place:]
		header := http.Header{"X-Acs-Request-Id": {requestID + secret}, "Location": {location + secret}, "Content-Type": {"application/json"}}
		client := fuzzClient(t, answered(status, header, body, int(broken)))
		response, err := client.RebootInstance(t.Context(), request)
		if err == nil {
			require.Equal(t, 2, status/100)
			requireClean(t, response.RequestID)
			return
		}
		failed, ok := errors.AsType[*ecsreboot.OperationError](err)
		require.True(t, ok)
		require.NotEqual(t, ecsreboot.OutcomeAccepted, failed.Outcome)
		api, answered := errors.AsType[*ecsreboot.APIError](err)
		if answered {
			require.Equal(t, status, api.StatusCode)
			require.NotEmpty(t, api.Error())
			for _, text := range []string{string(api.Code), api.Message, api.RequestID, api.HostID, api.Recommend, api.AccessDenied.Action} {
				require.LessOrEqual(t, len(text), 1100)
				require.True(t, utf8.ValidString(text))
				require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
			}
		} else {
			require.Equal(t, ecsreboot.OutcomeUnknown, failed.Outcome)
			var signed *url.Error
			require.NotErrorAs(t, err, &signed)
		}
		require.LessOrEqual(t, len(err.Error()), 4096)
		text := printed(err)
		require.LessOrEqual(t, len(text), 256<<10)
		requireClean(t, text)
	})
}

var (
	plainCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	mayBeAKey = regexp.MustCompile(`[A-Za-z0-9_-]{20}`)
)

// isMasked reports whether shown is the text with "[redacted]" in place of a part.
func isMasked(text, shown string) bool {
	const mask = "[redacted]"
	parts := strings.Split(shown, mask)
	return len(parts) > 1 && strings.HasPrefix(text, parts[0]) && strings.HasSuffix(text, parts[len(parts)-1])
}

// FuzzAnswerRoundTrip has a server refuse a restart with any code and message, as
// JSON and as XML: the client reports the same error for both, with that code and
// message.
func FuzzAnswerRoundTrip(f *testing.F) {
	f.Add("IncorrectInstanceStatus", "The current status of the resource does not support this operation.", uint8(1), int64(0), false)
	f.Add("Throttling.User", "Request was denied due to user flow control.", uint8(0), int64(1500*time.Millisecond), true)
	f.Add("Forbidden.RAM", `<b> & "quotes" 'n' ]]> &amp; 中`, uint8(1), int64(0), false)
	f.Add("C", "spaces  and more ", uint8(2), int64(1), true)
	f.Add("<Code>", "</Message><Code>X</Code>", uint8(3), int64(100*time.Hour), true)
	server := newService(f, ecstest.Options{AccessKeyID: fuzzKeyID, AccessKeySecret: fuzzSecret, SecurityToken: fuzzToken})
	statuses := []int{400, 403, 404, 409, 500, 503}
	headers := []ecstest.HintHeader{ecstest.HintRetryAfter, ecstest.HintRateLimitAPI, ecstest.HintRateLimitUser}
	f.Fuzz(func(t *testing.T, code, message string, pick uint8, hint int64, throttle bool) {
		valid := func(r rune) bool {
			return unicode.IsPrint(r) && r != utf8.RuneError || r == ' ' || r == '\n' || r == '\t' || r == '\r'
		}
		if strings.IndexFunc(code+" "+message, func(r rune) bool { return !valid(r) }) >= 0 || strings.TrimSpace(code) == "" || strings.TrimSpace(message) == "" {
			return // XML cannot hold it, or it says nothing
		}
		fault := ecstest.Fault{Kind: ecstest.FaultError, Code: code, Message: message, Status: statuses[int(pick)%len(statuses)], Times: 2}
		if throttle {
			fault.Kind, fault.Hint, fault.HintHeader = ecstest.FaultThrottle, max(0, time.Duration(hint)%(200*time.Hour)), headers[int(pick)%len(headers)]
		}
		server.ClearFaults()
		server.ForgetCalls()
		server.Inject(fault)
		var told [2]ecsreboot.APIError
		for i, accept := range []string{"application/json", "text/xml"} {
			client := fuzzClient(t, served(server, func(r *http.Request) { r.Header.Set("Accept", accept) }), ecsreboot.WithEndpoint(server.URL))
			_, err := client.RebootInstance(t.Context(), request)
			require.Error(t, err)
			api, ok := errors.AsType[*ecsreboot.APIError](err)
			require.True(t, ok, "%v", err)
			call := server.Calls()[i]
			require.Equal(t, call.RequestID, api.RequestID)
			require.Equal(t, call.Status, api.StatusCode)
			require.Contains(t, err.Error(), call.RequestID)
			told[i] = *api
			told[i].RequestID, told[i].Recommend = "", ""
		}
		require.Equal(t, told[0], told[1], "JSON and XML")
		if masked := mayBeAKey.MatchString(code) && isMasked(code, string(told[0].Code)); plainCode.MatchString(code) && !masked {
			require.Equal(t, ecsreboot.ErrorCode(code), told[0].Code)
		}
		lower := strings.ToLower(message)
		if normal := strings.Join(strings.Fields(message), " "); len(normal) <= 1000 && !strings.Contains(lower, "string") && !strings.Contains(lower, "canonicalrequest") &&
			!strings.Contains(told[0].Message, "[redacted]") { // a text that names a secret loses it
			require.Equal(t, normal, told[0].Message)
		}
		want := (fault.Hint + time.Millisecond - 1).Truncate(time.Millisecond)
		require.Equal(t, min(want, 24*time.Hour), told[0].RetryAfter)
	})
}
