package acceptance_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// echo is a secret, or a part of it, as a service may spell it.
type echo struct {
	text  string
	steps []string // how it came to be
}

// spelling is one way to spell a text. Those that lose a part of it come before
// those that encode what is left.
type spelling struct {
	name  string
	write func(r *rand.Rand, text string) string
}

func always(write func(string) string) func(*rand.Rand, string) string {
	return func(_ *rand.Rand, text string) string { return write(text) }
}

// parts are spellings that keep the characters of a secret, or lose some.
var parts = []spelling{
	{"raw", always(func(s string) string { return s })},
	{"no padding", always(func(s string) string { return strings.TrimRight(s, "=") })},
	{"URL-safe", always(strings.NewReplacer("+", "-", "/", "_").Replace)},
	{"space for plus", always(func(s string) string { return strings.ReplaceAll(s, "+", " ") })},
	{"lower case", always(strings.ToLower)},
	{"upper case", always(strings.ToUpper)},
	{"head cut", func(r *rand.Rand, s string) string { return s[r.IntN(len(s)*2/3):] }},
	{"tail cut", func(r *rand.Rand, s string) string { return s[:len(s)-r.IntN(len(s)*2/3)] }},
}

// inBase64 are for an unchanged secret.
var inBase64 = []spelling{
	{"base64", always(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
	{"base64 of one byte more", always(func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(":" + s)) })},
	{"base64 of more", func(r *rand.Rand, s string) string {
		return base64.URLEncoding.EncodeToString([]byte("u:"[:r.IntN(3)] + "user:" + s + "tail"[:r.IntN(5)]))
	}},
}

// encodings may follow each other in any order and number.
var encodings = []spelling{
	{"query", always(url.QueryEscape)},
	{"path", always(url.PathEscape)},
	{"percent, lower case", always(func(s string) string { return lowerHex(url.QueryEscape(s)) })},
	{"percent, each byte", always(func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
		return b.String()
	})},
	{"JSON", always(func(s string) string { return strings.Trim(quoted(s), `"`) })},
	{"JSON, slashes too", always(func(s string) string { return strings.ReplaceAll(strings.Trim(quoted(s), `"`), "/", `\/`) })},
	{"JSON by code points", always(strings.NewReplacer("/", `\u002f`, "+", `\u002B`, "=", `\u003d`, "%", `\u0025`).Replace)},
	{"Go", always(func(s string) string { q := strconv.QuoteToASCII(s); return q[1 : len(q)-1] })},
	{"XML", always(html.EscapeString)},
	{"XML by code points", always(strings.NewReplacer("/", "&#47;", "+", "&#x2B;", "=", "&#61;").Replace)},
	{"wrapped", func(r *rand.Rand, s string) string { return wrapLines(s, 1+r.IntN(20), "\n") }},
	{"wrapped for a mail", func(r *rand.Rand, s string) string { return wrapLines(s, 4+r.IntN(73), "\r\n ") }},
}

func wrapLines(s string, columns int, lineBreak string) string {
	var lines []string
	for len(s) > columns {
		lines, s = append(lines, s[:columns]), s[columns:]
	}
	return strings.Join(append(lines, s), lineBreak)
}

// newSecret returns characters that keys are made of. Some secrets have lower-case
// letters only: they look like words, so that only who knows them finds them.
func newSecret(r *rand.Rand) string {
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	if r.IntN(2) == 0 {
		alphabet = "abcdefghijklmnopqrstuvwxyz+/"
	}
	secret := make([]byte, 24+r.IntN(100))
	for i := range secret {
		secret[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(secret) + "=="[:r.IntN(3)]
}

// newEcho spells a secret at random.
func newEcho(r *rand.Rand, secret string) echo {
	e := echo{text: secret}
	add := func(from []spelling) {
		s := from[r.IntN(len(from))]
		e.text, e.steps = s.write(r, e.text), append(e.steps, s.name)
	}
	if r.IntN(4) == 0 {
		add(inBase64)
	} else {
		for range 1 + r.IntN(3) {
			add(parts)
		}
	}
	for range r.IntN(4) {
		add(encodings)
	}
	return e
}

// The oracle of scrubbing is written without a look at the scrubber: it undoes each
// encoding by another's code, over and over, and looks at what it sees then.

var (
	percentEscape = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	codePoint     = regexp.MustCompile(`\\u00[0-9a-fA-F]{2}|\\x[0-9a-fA-F]{2}`)
	base64Run     = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`)
	// The Replacers are made once, because making them is most of their cost.
	standardBase64 = strings.NewReplacer("-", "+", "_", "/")
	unescapedJSON  = strings.NewReplacer(`\\`, `\`, `\/`, "/", `\"`, `"`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
)

// shownRun returns 12 consecutive letters and digits of a secret that a text shows.
func shownRun(text string, secrets ...string) string {
	forms := map[string]bool{}
	for _, form := range []string{text, strings.Join(strings.Fields(text), "")} {
		for range 12 {
			forms[lettersOf(form)] = true
			for _, run := range base64Run.FindAllString(standardBase64.Replace(form), -1) {
				for shift := range 4 {
					part := run[shift:]
					data, _ := base64.RawStdEncoding.DecodeString(part[:len(part)-len(part)%4])
					forms[lettersOf(string(data))] = true
				}
			}
			before := form
			if decoded, err := url.QueryUnescape(form); err == nil {
				form = decoded
			} else {
				form = percentEscape.ReplaceAllStringFunc(form, fromHex)
			}
			form = codePoint.ReplaceAllStringFunc(form, fromHex)
			form = html.UnescapeString(form)
			form = unescapedJSON.Replace(form)
			if form == before {
				break
			}
		}
	}
	runs := runsOf(secrets)
	for form := range forms {
		if run := runOf(form, runs); run != "" {
			return run
		}
	}
	return ""
}

// runsOf returns every run of 12 consecutive letters and digits of secrets.
func runsOf(secrets []string) map[string]bool {
	runs := map[string]bool{}
	for _, secret := range secrets {
		secret = lettersOf(secret)
		for i := range max(0, len(secret)-11) {
			runs[secret[i:i+12]] = true
		}
	}
	return runs
}

// runOf returns the first of the runs that a text of letters and digits shows.
func runOf(letters string, runs map[string]bool) string {
	for i := range max(0, len(letters)-11) {
		if runs[letters[i:i+12]] {
			return letters[i : i+12]
		}
	}
	return ""
}

// lettersOf returns the letters and digits of a text in lower case.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(text))
}

func fromHex(escape string) string {
	value, err := strconv.ParseUint(escape[len(escape)-2:], 16, 8)
	if err != nil {
		return escape
	}
	return string([]byte{byte(value)})
}

// inMessage puts an echo into a message, and returns words of the message that
// scrubbing should keep.
func (e echo) inMessage(r *rand.Rand) (text string, keeps []string) {
	before := []string{" ", "'", `"`, "<", ": ", "(", "%", `\`, "&", "/", "x", "\n"}
	after := []string{" ", "'", `"`, ">", ". ", ")", "%", `\`, "&", ";", "\n"}
	begin := []string{"The service says", "The request is refused at ecs.cn-hangzhou.aliyuncs.com for", "100% of the calls fail"}
	end := []string{"the request is 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E", "InvalidParameter: the instance does not exist", "HTTP 403 Forbidden"}
	keeps = []string{begin[r.IntN(len(begin))], end[r.IntN(len(end))]}
	// A word beside the secret may begin as the secret goes on.
	return keeps[0] + " the " + before[r.IntN(len(before))] + e.text + after[r.IntN(len(after))] + " and " + keeps[1], keeps
}

func (e echo) String() string { return fmt.Sprintf("%s (%s)", e.text, strings.Join(e.steps, ", ")) }

// echoBody is an error of the service that repeats a text in each of its fields.
func echoBody(text string) string {
	body, err := json.Marshal(map[string]any{
		"RequestId": text, "HostId": text, "Code": "Forbidden.RAM", "Message": text, "Recommend": text,
		"AccessDeniedDetail": map[string]string{
			"AuthAction": text, "AuthPrincipalType": text, "AuthPrincipalOwnerId": text, "AuthPrincipalDisplayName": text,
			"PolicyType": text, "NoPermissionType": text, "EncodedDiagnosticMessage": text,
		},
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// allSpellings is each spelling of a secret by itself.
func allSpellings(r *rand.Rand, secret string) []echo {
	var all []echo
	for _, s := range slices.Concat(parts, inBase64, encodings) {
		all = append(all, echo{s.write(r, secret), []string{s.name}})
	}
	return all
}
