package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Values of the shape that the service gives out, with every character that is
// spelled differently in a URL.
const (
	testKeyID  = "LTAI5tTestKeyNotReal0001"
	testSecret = "s3cret/With+Three=Odd/Chars01"
	testToken  = "CAISToken/With+Odd=Chars/0123456789abcdefABCDEF=="
	testBearer = "bearer/Tok+en=With.Odd-Chars_42"
)

const maxErrorText = 600

func TestMaskKeyID(t *testing.T) {
	for id, want := range map[string]string{
		"LTAI5tXXXXXXXXXXXX": "LTAI****", "STS.NUxxxxxxxx": "STS.****", "12345678": "1234****", "1234567": "****", "": "****",
	} {
		if got := KeyID(id); got != want {
			t.Errorf("KeyID(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestScrubberIsNotPrinted(t *testing.T) {
	s := New(testKeyID, testSecret)
	s.Known(testSecret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "redact.Scrubber" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func TestUnknownAndLine(t *testing.T) {
	if got := Unknown("password=hunter2\n"+strings.Repeat("é", 400), 60); !strings.HasPrefix(got, "password=[redacted] é") || len(got) > 60 {
		t.Errorf("got %q", got)
	}
	if got := Line("a\tb\x00c "+strings.Repeat("é", 400), 20); !strings.HasPrefix(got, "a bc é") || len(got) > 20 || strings.Contains(got, "\ufffd") {
		t.Errorf("got %q", got)
	}
}

func wantNone(tb testing.TB, text string, values ...string) {
	tb.Helper()
	for _, value := range values {
		if value != "" && strings.Contains(text, value) {
			tb.Errorf("%q is in %q", value, text)
		}
	}
}

// spellings of a secret that a server, a proxy or an error may use.
var spellings = map[string]func(string) string{
	"raw":               func(s string) string { return s },
	"query":             url.QueryEscape,
	"path":              url.PathEscape,
	"query, lower case": func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	"twice":             func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"twice, lower case": func(s string) string { return lowerEscapes(url.QueryEscape(lowerEscapes(url.QueryEscape(s)))) },
	"path, then query":  func(s string) string { return url.QueryEscape(url.PathEscape(s)) },
	"three times":       func(s string) string { return url.QueryEscape(url.QueryEscape(url.QueryEscape(s))) },
	"JSON":              jsonEscape,
	"JSON, slashes too": func(s string) string { return strings.ReplaceAll(jsonEscape(s), "/", `\/`) },
	"JSON in JSON":      func(s string) string { return jsonEscape(strings.ReplaceAll(jsonEscape(s), "/", `\/`)) },
	"JSON by code points": func(s string) string {
		return strings.NewReplacer("/", `\u002f`, "+", `\u002B`, "=", `\u003d`).Replace(s)
	},
	"Go string":              func(s string) string { q := strconv.Quote(s); return q[1 : len(q)-1] },
	"base64":                 func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 of a basic auth": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("u:" + s)) },
	"base64, inside":         func(s string) string { return base64.URLEncoding.EncodeToString([]byte("u" + s + "t")) },
}

func jsonEscape(s string) string {
	text, _ := json.Marshal(s)
	return string(text[1 : len(text)-1])
}

func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

func TestScrubFindsEverySpelling(t *testing.T) {
	keys := New(testKeyID, testSecret, testToken, testBearer)
	for name, spell := range spellings {
		t.Run(name, func(t *testing.T) {
			for _, value := range []string{testSecret, testToken, testBearer} {
				text := "status 403: <" + spell(value) + "> (request 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E)"
				got := keys.Known(text)
				wantNone(t, got, spell(value), value)
				if !strings.Contains(got, "[redacted]") || !strings.HasPrefix(got, "status 403: <") || !strings.HasSuffix(got, "> (request 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E)") {
					t.Errorf("got %q", got)
				}
				// What is left at an edge may not be worth having.
				if left := len(got) - len(text) + len(spell(value)) - len("[redacted]"); left > 8 {
					t.Errorf("%d bytes are left: %q", left, got)
				}
			}
		})
	}
}

func TestScrub(t *testing.T) {
	keys := New(testKeyID, testSecret, testToken)
	short := New("12345678", "short/sec+re7")
	for name, test := range map[string]struct {
		keys       *Scrubber
		text, want string
	}{
		"nothing known":     {New(""), "text " + testSecret, "text " + testSecret},
		"nothing there":     {keys, "403 Forbidden: 50% of %zz \\ done", "403 Forbidden: 50% of %zz \\ done"},
		"empty":             {keys, "", ""},
		"key id":            {keys, "AccessKeyId=" + testKeyID + "&x=1", "AccessKeyId=LTAI****&x=1"},
		"side by side":      {keys, testSecret + testToken + testSecret, "[redacted][redacted]"},
		"cut off":           {keys, "at " + testToken[:20], "at [redacted]"},
		"cut in an escape":  {keys, "at " + url.QueryEscape(testToken)[:18], "at [redacted]%2"},
		"12 letters of it":  {keys, "x " + testToken[4:18] + "!", "x [redacted]!"},
		"too little of it":  {keys, "x " + testToken[5:18] + "!", "x " + testToken[5:18] + "!"},
		"in a word":         {keys, "see https://host/x" + testToken[2:] + "/y z", "see https://host/[redacted]/y z"},
		"other words":       {keys, "a b/" + testToken + "; c", "a b/[redacted]; c"},
		"one in another":    {New("abcdefgh", "xxabcdefghxx"), "xxabcdefghxx abcdefgh", "[redacted] abcd****"},
		"percent in secret": {New("12345678", "a%2Fb%25c"), "a%2Fb%25c a%252Fb%2525c", "[redacted] [redacted]"},
		"quotes in secret":  {New("12345678", `qu"o\te`), `x qu\"o\\te qu"o\te`, "x [redacted] [redacted]"},
		"short secret":      {New("12345678", "a"), `a bad day, sk=a&b="a"`, `a bad day, sk=[redacted]&b="[redacted]"`},
		"three bytes":       {New("12345678", "ing"), "nothing going; Secret:ing", "nothing going; Secret:[redacted]"},
		"eleven letters":    {short, "SH%4Frt-sec Re7, sho\nrt/sec+re7, shortsecre7; short/sec+re, s.hort/sec+re7", "[redacted], [redacted], [redacted]; short/sec+re, s.hort/sec+re7"},
		"escaped, nested":   {keys, "at " + strings.ReplaceAll(testToken, "/", "%25255Cu002F"), "at [redacted]"},
		"four bytes":        {New("12345678", "abcd"), "xabcdx", "x[redacted]x"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.keys.Known(test.text); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// shapes are ways in which a secret that nobody here knows may stand in a text.
var shapes = []struct {
	name  string
	plant func(secret string) string
}{
	{"JSON", func(s string) string {
		return `{"access_key_id":"LTAI5tabcdefgh12","access_key_secret":"` + jsonEscape(s) + `","mode":"AK"}`
	}},
	{"JSON of the service", func(s string) string {
		return `{"SecurityToken": "` + jsonEscape(s) + `", "Expiration": "2026-01-02T03:04:05Z"}`
	}},
	{"JSON cut short", func(s string) string { return `{"name":"a","oauth_refresh_token" : "` + jsonEscape(s) }},
	{"JSON in JSON", func(s string) string {
		return `{"body":"` + jsonEscape(`{"SessionAccessKeySecret":"`+jsonEscape(s)+`","x":1}`) + `"}`
	}},
	{"JSON in JSON in JSON", func(s string) string {
		return `{"b":"` + jsonEscape(`{"b":"`+jsonEscape(`{"private_key":"`+jsonEscape(s)+`"}`)+`"}`) + `"}`
	}},
	{"JSON array", func(s string) string { return `{"tokens":["` + jsonEscape(s) + `","` + jsonEscape(s) + `"]}` }},
	{"JSON, percent-encoded", func(s string) string { return "?p=" + url.QueryEscape(`{"AccessKeySecret":"`+s+`","x":"y"}`) }},
	{"Go %q", func(s string) string { return "unmarshal " + strconv.Quote(`{"password":"`+s+`"}`) }},
	{"query", func(s string) string {
		return `Get "https://sts.aliyuncs.com/?Action=AssumeRole&SecurityToken=` + url.QueryEscape(s) + `&Version=2015-04-01": EOF`
	}},
	{"query's end", func(s string) string {
		return `Get "https://sts.aliyuncs.com/?OIDCToken=` + url.QueryEscape(s) + `": EOF`
	}},
	{"signature", func(s string) string { return "GET /?Signature=" + url.QueryEscape(s) + "&SignatureNonce=1" }},
	{"bearer parameter", func(s string) string { return "?a=b&BearerToken=" + url.QueryEscape(s) }},
	{"string to sign", func(s string) string {
		return "POST&%2F&" + url.QueryEscape("Action=A&SecurityToken="+url.QueryEscape(s)+"&Version=1")
	}},
	{"header", func(s string) string { return "x-acs-security-token: " + s + "\r\nHost: ecs.aliyuncs.com\r\n" }},
	{"header map", func(s string) string { return "map[Host:[h] X-Acs-Security-Token:[" + s + "] X-Other:[x]]" }},
	{"authorization", func(s string) string {
		return "Authorization: ACS3-HMAC-SHA256 Credential=id, Signature=" + s + "\nHost: h"
	}},
	{"authorization map", func(s string) string { return "map[Authorization:[Basic " + s + "] Host:[h]]" }},
	{"scheme", func(s string) string { return "rejected bearer " + s + ", sorry" }},
	{"scheme, quoted", func(s string) string { return `rejected "Bearer ` + s + `"` }},
	{"user info", func(s string) string { return `Get "http://user:` + url.QueryEscape(s) + `@proxy.corp:3128/path": EOF` }},
	{"user info, two URLs", func(s string) string { return `http://a/b,http://u:` + url.QueryEscape(s) + `@c/d` }},
	{"user info, as typed", func(s string) string { return `parse "http://user:x` + s + `@proxy.corp:3128"` }},
	{"prose", func(s string) string {
		return "refresh KeyPair err: SessionAccessKeyId: id, SessionAccessKeySecret: " + s + ", Expiration: "
	}},
	{"prose, quoted", func(s string) string { return `vault said: invalid token "` + s + `"` }},
	{"struct", func(s string) string { return "{AccessKeyId:id AccessKeySecret:" + s + " SecurityToken:" + s + "}" }},
	{"struct, Go syntax", func(s string) string { return "T{AccessKeySecret:" + strconv.Quote(s) + ", N:1}" }},
	{"ini", func(s string) string { return "[default]\naccess_key_secret = " + s + "\ntype = access_key\n" }},
	{"environment", func(s string) string { return "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + s + " HOME=/root" }},
	{"YAML", func(s string) string { return "security_token: '" + s + "'\nregion: x" }},
	{"YAML, next line", func(s string) string { return "client-secret:\n    " + s + "\nregion: x" }},
	{"XML", func(s string) string {
		return "<Credentials><AccessKeySecret>" + s + "</AccessKeySecret></Credentials>"
	}},
	{"PEM", func(s string) string {
		return "key -----BEGIN PRIVATE KEY-----\n" + s + "\n-----END PRIVATE KEY----- end"
	}},
	{"PEM cut short", func(s string) string { return "key -----BEGIN EC PRIVATE KEY-----\\n" + s }},
	{"key id", func(s string) string { return "no such key LTAI5t" + strings.Map(alphanumeric, s) + "Abcd1234" }},
	{"JWT", func(s string) string {
		return "claims of eyJhbGciOi." + base64.RawURLEncoding.EncodeToString([]byte(s)) + ".c2ln"
	}},
	{"JWT with the secret", func(s string) string { return "claims of eyJhbGciOi." + strings.Map(alphanumeric, s) }},
	{"hidden by a control character", func(s string) string { return "access_key\x00_secr\u200bet: " + s }},
}

func alphanumeric(r rune) rune {
	if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}

func checkShapes(t *testing.T, secret string) {
	t.Helper()
	for _, shape := range shapes {
		text := shape.plant(secret)
		if strings.Contains(shape.plant("")+Mask, secret) {
			continue
		}
		got := scrubUnknown(text)
		wantNone(t, got, secret, url.QueryEscape(secret), jsonEscape(secret))
		if t.Failed() {
			t.Fatalf("%s: %q became %q", shape.name, text, got)
		}
		if strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("%s: control characters in %q", shape.name, got)
		}
		if again := scrubUnknown(got); strings.Contains(again, secret) {
			t.Fatalf("%s: %q became %q", shape.name, got, again)
		}
	}
}

func TestScrubUnknown(t *testing.T) {
	for _, secret := range []string{testSecret, testToken, testBearer, "abcdefghijklmnopqrstuvwxyz0123", "Zx9", "pa55/word", "+/=+/=1"} {
		checkShapes(t, secret)
	}
}

func TestScrubUnknownKeepsTheSense(t *testing.T) {
	for _, text := range []string{
		"403 InvalidSecurityToken.Expired: Specified SecurityToken is expired. (request 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E)",
		"InvalidAccessKeyId.NotFound: Specified access key is not found.",
		"SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&Action=RebootInstance&InstanceId=i-bp67acfmxazb4p1g6zv0&RequestId=473469c7-aa6f-4dc5-b3db-a3dc0de3c83e",
		`{"Code":"InvalidSecurityToken.Malformed","RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","HostId":"ecs.cn-hangzhou.aliyuncs.com"}`,
		`Get "http://100.100.100.200/latest/meta-data/ram/security-credentials/?": dial tcp 100.100.100.200:80: i/o timeout`,
		`get metadata token failed: Put "http://100.100.100.200/latest/api/token?": dial tcp 100.100.100.200:80: connect: connection refused`,
		`Put "http://127.0.0.1:80/latest/api/token": EOF`,
		"open /var/run/secrets/kubernetes.io/serviceaccount/oidc-token: no such file or directory",
		"reading aliyun cli config from '/home/deploy/.aliyun/config.json' failed open /home/deploy/.aliyun/config.json: permission denied",
		"unable to get credentials from enviroment variables, Access key ID must be specified via environment variable (ALIBABA_CLOUD_ACCESS_KEY_ID)",
		"refresh token: connection refused",
		"InvalidSecurityToken.Expired: the token has expired",
		"the secret is too short, the password was changed",
		"a new signature algorithm; no credential found",
		"the security token 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E",
		"credentials: the default chain found none that work in the environment variables",
		"proxy auth: denied; pass: false; credential: expired.",
		"credentials: 403 Forbidden",
		"bypass: true1 compass: n0rth design: x1 oauth: x2",
		`{"AuthAction":"ecs:RebootInstance","AuthPrincipalType":"SubUser","PassRole":"x1","sigil":"x2"}`,
		"signature HMAC-SHA256 is unsupported",
		"passing: 12 of 13, authors: a1, signal: 9, assignee: b2, passport=c3",
		"bearer token is missing, basic authentication failed",
		"acs:ram::123456789012:role/EcsRamRoleForProduction01",
		"/Users/John/Library/Application-Support/AliyunCLI2/profile.json",
		"https://registry.example.com/team/app@v1.2.3?mail=a@b.example",
		"json: cannot unmarshal number into Go struct field urlResponse.SecurityToken of type string",
		"(RequestId-473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E)",
		"open /opt/A1/b2/C3/d4/E5/f6/G7/h8/i9: permission denied",
		`parse "http://a b": invalid character " " in host name`,
		`reading "/run/token" at 2026-11-22T10:00:00.123Z`,
	} {
		if got := scrubUnknown(text); got != text {
			t.Errorf("\n%s\nbecame\n%s", text, got)
		}
	}
}

func TestNamesOfSecrets(t *testing.T) {
	for _, name := range []string{
		"pwd", "PWD", "db_pwd", "mysqlPwd", "sig", "x-sig", "requestSig", "credential", "credentials", "Credential", "proxy_credentials",
		"secret", "client_secret", "ClientSecret", "passwd", "password", "passphrase", "pass", "user-pass", "dbPass", "auth", "proxy_auth", "basicAuth",
		"signature", "X-Acs-Signature", "token", "id_token", "private_key", "api-key", "session_key", "authorization", "cookie",
	} {
		for _, form := range []string{"%s=hunter2", "a=b&%s=hunter2&c=d", "%s: hunter2", `{"%s":"hunter2","x":1}`, "%s%%3Dhunter2%%26", "%s => hunter2", "[%s:hunter2]"} {
			text := fmt.Sprintf(form, name)
			if got := scrubUnknown(text); strings.Contains(got, "hunter2") || !strings.Contains(got, Mask) {
				t.Errorf("%s became %s", text, got)
			}
		}
	}
	for _, value := range []string{"Hn3kQ9pLw2", "a1b2c3d4", "s3cr3t", "hGkLqWeRtY", "k4/x9+Qz==", "Password1234"} {
		for _, form := range []string{"secret %s", "the token %s is wrong", "bad password\n%s.", "sig %s,", "credential\t%s"} {
			text := fmt.Sprintf(form, value)
			if got := scrubUnknown(text); strings.Contains(got, value) || !strings.Contains(got, Mask) {
				t.Errorf("%s became %s", text, got)
			}
		}
	}
}

func TestScrubBareUserinfo(t *testing.T) {
	for text, want := range map[string]string{
		"user:pw@proxy:3128":                          "[redacted]@proxy:3128",
		"lookup user:p:w/1@proxy.corp: no such host":  "lookup [redacted]@proxy.corp: no such host",
		`invalid proxy address "user:pw@10.0.0.1:80"`: `invalid proxy address "[redacted]@10.0.0.1:80"`,
		"proxy=user:pw@[::1]:80;x":                    "proxy=[redacted]@[::1]:80;x",
		"HTTP_PROXY=user:pw@a,https://u:p@b":          "HTTP_PROXY=[redacted]@a,https://[redacted]@b",
		"user:p@ss@proxy":                             "[redacted]@proxy",
		// Not the password of anything:
		"mail bob@example.com: no":                         "mail bob@example.com: no",
		"mailto:bob@example.com":                           "mailto:bob@example.com",
		"git@github.com:owner/name":                        "git@github.com:owner/name",
		"app:v1@sha256:0123":                               "app:v1@sha256:0123",
		"acs:ram::123456789012:user/bob@corp.onaliyun.com": "acs:ram::123456789012:user/bob@corp.onaliyun.com",
		"user:@host":                                       "user:@host",
		"at 12:30 @ noon, a:b@":                            "at 12:30 @ noon, a:b@",
	} {
		if got := scrubUnknown(text); got != want {
			t.Errorf("\n     %s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// What was scrubbed may become a part of another error, which is scrubbed as well.
func TestScrubTwice(t *testing.T) {
	for _, text := range []string{
		"SecurityToken=" + testToken + "&x=1", `{"password":"ab"}`, "Bearer abcdef", "http://u:p@h/", "u:p@h", "secret Hn3kQ9pLw2", "token: [ab cd]",
		"AccessKeyId=" + testKeyID, "Authorization: x y", "run Hn3kQ9pLw2Xv7Rt5Yb8Zc1Md4Fg6Js",
	} {
		keys := New(testKeyID, testSecret, testToken)
		once := keys.Text(text, maxErrorText)
		if twice := keys.Text(once, maxErrorText); twice != once {
			t.Errorf("%s became %s", once, twice)
		}
	}
}

func TestScrubUnknownFindsTheEnd(t *testing.T) {
	for text, want := range map[string]string{
		`{"password":"ab\"cd\\","x":1}`:                      `{"password":"[redacted]","x":1}`,
		`{"b":"{\"password\":\"ab\\\"cd\\\\\",\"x\":1}"}`:    `{"b":"{\"password\":\"[redacted]\",\"x\":1}"}`,
		`{"token":12345,"region":"x"}`:                       `{"token":[redacted],"region":"x"}`,
		`{"token": {"value": "ab cd"}, "x": 1}`:              `{"token": {"[redacted]}, "x": 1}`,
		`{"tokens": ["ab", "cd"], "x": 1}`:                   `{"tokens": ["[redacted]], "x": 1}`,
		`%7B%22secret%22%3A%22ab%2Fcd%22%2C%22x%22%3A1%7D`:   `%7B%22secret%22%3A%22[redacted]%22%2C%22x%22%3A1%7D`,
		`%22secret%22%3A%22%2522ab%22%2C%22x%22`:             `%22secret%22%3A%22[redacted]%22%2C%22x%22`,
		`%22secret%22:%22ab%5c%22cd%22,%22x%22`:              `%22secret%22:%22[redacted]%22,%22x%22`,
		`%2522secret%2522%253A%2522ab%22cd%2522%252C`:        `%2522secret%2522%253A%2522[redacted]%2522%252C`,
		"?SecurityToken=%22ab%22cd&Version=1":                "?SecurityToken=%22[redacted]&Version=1",
		"?a=1&u=x%3FSecurityToken%3Dab%252Fcd%26Version%3D1": "?a=1&u=x%3FSecurityToken%3D[redacted]%26Version%3D1",
		"<AccessKeySecret>ab cd</AccessKeySecret><X>1</X>":   "<AccessKeySecret>[redacted]</AccessKeySecret><X>1</X>",
		"Authorization: Digest user=x, response=ab\nHost: h": "Authorization: [redacted] Host: h",
		`"Cookie": "a=b; c=d", "Host": "h"`:                  `"Cookie": "[redacted]", "Host": "h"`,
		"secret_access_key = abcd1234efgh x":                 "secret_access_key = [redacted] x",
		"AccessKeyId: AKabcdefgh, AccessKeySecret: ab, X: y": "AccessKeyId: AKab****, AccessKeySecret: [redacted], X: y",
		`"access_key_id":"odd id"`:                           `"access_key_id":"[redacted]"`,
		"token: EOF":                                         "token: [redacted]",
		"password: hunter is wrong":                          "password: [redacted] is wrong",
		"SecurityToken=&Signature=":                          "SecurityToken=&Signature=",
		`Get "http://u:p/w@host:1/x": EOF`:                   `Get "http://[redacted]@host:1/x": EOF`,
		"ftp://u@host/a@b, http://h/a@b":                     "ftp://[redacted]@host/a@b, http://h/a@b",
		"Bearer ab+cd/ef, basic Zm9v":                        "Bearer [redacted], basic [redacted]",
	} {
		if got := scrubUnknown(text); got != want {
			t.Errorf("\n     %s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestScrubUnknownRuns(t *testing.T) {
	for _, secret := range []string{
		"Hn3kQ9pLw2Xv7Rt5Yb8Zc1Md4Fg6Js", "CAIS+gJ1q6Ft5B2yfSjIr5fHKez/nbJl7PKqY1/DuXcjTrFdjpfulDz2IHhMfnNo", "d41d8cd98f00b204e9800998ecf8427e",
		"473469C7AA6F4DC5B3DBA3DC0DE3C83E", "mfrggzdfmztwq2lknnwg23tpobyxe43u",
	} {
		got := scrubUnknown("the upstream says " + secret + " is wrong")
		wantNone(t, got, secret, secret[4:24])
		if got != "the upstream says [redacted] is wrong" {
			t.Errorf("got %q", got)
		}
	}
}

func TestScrubUnknownRunInPath(t *testing.T) {
	if got := scrubUnknown("GET /download/Hn3kQ9pLw2Xv7Rt5Yb8Zc1Md/x: 404"); got != "GET [redacted]: 404" {
		t.Errorf("got %q", got)
	}
}

func TestScrubIsBounded(t *testing.T) {
	keys := New(testKeyID, testSecret, testToken)
	for name, unit := range map[string]string{
		"letters": "a", "names": "token", "open": `"token":"`, "nested": `\"token\":[`, "PEM": "-----BEGIN A-----", "dashes": "-",
		"percent": "%25", "slashes": `\`, "URLs": "://a:b@", "ids": "LTAI", "JWT": "eyJ.", "bearer": "bearer ", "spaces": " ", "runes": "é\u202e",
		"quotes": `secret "`, "secret": testSecret[:10], "commas": `token: a,`,
	} {
		t.Run(name, func(t *testing.T) {
			// Were it not linear, this would not end.
			text := strings.Repeat(unit, 10<<20/len(unit))
			_ = keys.Known(text[:256<<10])
			got := keys.Text(text, maxErrorText)
			if len(got) > maxErrorText {
				t.Errorf("%d bytes", len(got))
			}
		})
	}

	// Cutting must not leave the half of a secret that no pattern knows.
	long := strings.Repeat("word ", maxScrubbed/5-2) + "abc-def-ghi-jkl"
	if got := Cut(long + strings.Repeat(" tail", 10)); strings.Contains(got, "abc") || len(got) < maxScrubbed/2 {
		t.Errorf("got …%q", got[len(got)-20:])
	}
}

func TestScrubUnknownIsOneLine(t *testing.T) {
	if got := scrubUnknown("\x1b[31mred\r\n\tline\u2028two\u202e\x00 \xff end\n"); got != "[31mred line two \ufffd end" {
		t.Errorf("got %q", got)
	}
}

func FuzzScrubUnknown(f *testing.F) {
	for _, secret := range []string{testSecret, testToken, testBearer, "Zx9q", "%2F%25a1", "a=b+c/d1", "%220", "%26ab1", "x0Token="} {
		f.Add(secret)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		// Keys are made of these. A word without a digit can't be told from the
		// words of a sentence in every shape.
		const characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/=._-%~"
		if len(secret) < 4 || len(secret) > 2000 || strings.Trim(secret, characters) != "" || !strings.ContainsAny(secret, "0123456789") {
			t.Skip()
		}
		checkShapes(t, secret)
	})
}

// The service's own request id is not copied, and costs next to nothing.
func TestShortOfARequestID(t *testing.T) {
	const requestID = "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"
	r := New(testKeyID, testSecret, testToken, strings.Repeat("5a", 32))
	if n := testing.AllocsPerRun(100, func() { _ = r.ID(requestID) }); n != 0 || r.ID(requestID) != requestID {
		t.Errorf("%v allocations for %q", n, r.ID(requestID))
	}
	for name, r := range map[string]*Scrubber{
		"signature":    New(testKeyID, testSecret, testToken, "ffff473469c7aa6f4dc5ffffffffffffffffffff"),
		"token":        New("", "xyz"+"473469c7/aa6f4="+"xyz"),
		"short secret": New("12345678", "b3/db-a3"),
		"four bytes":   New("12345678", "3469"),
		"base64":       New("12345678", "473469C7AA6F"),
	} {
		if got := r.ID(requestID); !strings.Contains(got, Mask) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// lettersOf returns the letters and digits of a text.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 || base36(byte(r)) < 0 {
			return -1
		}
		return r
	}, text)
}

func FuzzScrub(f *testing.F) {
	for _, secret := range []string{testSecret, testToken, "Zx9q", `%2F"\u`, "aaaaaaaa", "%%%%2525", "0%00", "%8000"} {
		f.Add(secret, "before ", " after")
	}
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		keys := New("id", secret)
		if len(secret) < 4 || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.Contains(before+Mask+after, secret) {
			t.Skip()
		}
		if strings.ContainsAny(secret[len(secret)-1:], `\&`) && len(lettersOf(secret)) < runLength {
			t.Skip() // it may be an escape together with what follows it
		}
		for name, spell := range spellings {
			if strings.HasPrefix(name, "base64") && len(secret) < 8 {
				continue
			}
			if got := keys.Known(before + "<" + spell(secret) + ">" + after); !strings.Contains(got, Mask) {
				t.Errorf("%s: got %q", name, got)
			}
		}
		wantNone(t, keys.Known(before+"<"+secret+">"+after), secret)
	})
}

func BenchmarkScrub(b *testing.B) {
	keys := New(testKeyID, testSecret, testToken)
	text := strings.Repeat("The specified instance does not exist. ", 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		keys.Known(text)
	}
}

// Texts that make each letter the beginning of something take no longer per byte.
func BenchmarkScrubHostile(b *testing.B) {
	keys := New(testKeyID, testSecret, strings.Repeat(testToken, 20))
	for name, unit := range map[string]string{
		"words": "The specified instance does not exist. ", "percent": "%25", "slashes": `\`, "semicolons": "&#;", "token": testToken,
		"pieces": testToken[:17] + "x", "short": "aaaaaaaaaab", "space": "% 2 5",
	} {
		for _, size := range []int{4 << 10, 32 << 10} {
			text := strings.Repeat(unit, size/len(unit))
			b.Run(fmt.Sprintf("text=%s/size=%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					keys.Known(text)
				}
			})
		}
	}
}

func BenchmarkShort(b *testing.B) {
	r := New(testKeyID, testSecret, strings.Repeat(testToken, 20), strings.Repeat("5a", 32))
	b.ReportAllocs()
	for b.Loop() {
		r.ID("473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E")
	}
}

func BenchmarkScrubUnknown(b *testing.B) {
	text := strings.Repeat("The specified instance does not exist. ", 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		scrubUnknown(text)
	}
}
