package ecsreboot

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const redacted = "[redacted]"

// Format writes for every verb which key it is, masked, and what else there is. To
// encoding/json the secrets are an empty object.
func (s secrets) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.describe())) }

func (s secrets) describe() string {
	switch {
	case s.bearerToken != "":
		return "bearer token"
	case s.securityToken != "":
		return "access key " + maskKeyID(s.accessKeyID) + " with security token"
	case s.accessKeyID != "" || s.accessKeySecret != "":
		return "access key " + maskKeyID(s.accessKeyID)
	}
	return "no credentials"
}

// maskKeyID keeps what tells a kind of key: LTAI… is a user's, STS.… temporary.
func maskKeyID(id string) string {
	if len(id) < 8 {
		return "****"
	}
	return id[:4] + "****"
}

// scrubKnown replaces in text whatever spells one of the secrets: as it is,
// percent-encoded any number of times, escaped for JSON, or in base64, alone or
// as a part of something longer. The key id, which is no secret, is masked.
func scrubKnown(text string, keys *secrets) string {
	if text == "" || keys == nil {
		return text
	}
	type masked struct{ value, mask string }
	values := [...]masked{
		{keys.accessKeyID, maskKeyID(keys.accessKeyID)},
		{keys.accessKeySecret, redacted},
		{keys.securityToken, redacted},
		{keys.bearerToken, redacted},
	}
	// The longest first: one value may be a part of another.
	for i := range values {
		for j := i; j > 0 && len(values[j].value) > len(values[j-1].value); j-- {
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
	for _, v := range values {
		if v.value == "" {
			continue
		}
		text = replaceSpelled(text, v.value, v.mask)
		if v.mask == redacted && len(v.value) >= 8 {
			text = replaceBase64(text, v.value)
		}
	}
	return text
}

// replaceSpelled replaces value however it is spelled. One of fewer than four
// bytes is replaced only where it stands as a value of its own, or it would
// eat the text up.
func replaceSpelled(text, value, mask string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(text); {
		n := 0
		if c := text[i]; c == value[0] || c == '%' || c == '\\' {
			n = spelled(text[i:], value)
		}
		if n == 0 || len(value) < 4 && !standsAlone(text, i, i+n) {
			i++
			continue
		}
		b.WriteString(text[done:i] + mask)
		i += n
		done = i
	}
	return b.String() + text[done:]
}

// spelled returns how many bytes of text, from its start, spell value; 0 if
// they don't.
func spelled(text, value string) int {
	if strings.HasPrefix(text, value) {
		return len(value)
	}
	// A byte that escapes others is itself ambiguous. No real key has one.
	percents, slashes := 1, 1
	if strings.Contains(value, "%") {
		percents = 4
	}
	if strings.Contains(value, `\`) {
		slashes = 3
	}
	for p := range percents {
		for s := range slashes {
			if n := spelledWith(text, value, "%252525"[:1+2*p], `\\\\`[:1<<s]); n > 0 {
				return n
			}
		}
	}
	return 0
}

// spelledWith is spelled where percent and slash stand for % and \. A text that
// ends inside value, having spelled 8 bytes of it, was cut there: it counts.
func spelledWith(text, value, percent, slash string) int {
	at := 0
	for i := range len(value) {
		n := 0
		switch rest := text[at:]; {
		case value[i] == '%' && strings.HasPrefix(rest, percent):
			n = len(percent)
		case value[i] == '\\' && strings.HasPrefix(rest, slash):
			n = len(slash)
		case value[i] != '%':
			n = spelledByte(rest, value[i])
		}
		if n == 0 {
			rest := text[at:]
			if i >= 8 && (rest == "" || len(rest) < 6 && (rest[0] == '%' || rest[0] == '\\')) {
				return len(text)
			}
			return 0
		}
		at += n
	}
	return at
}

// maxDepth bounds how often a byte may have been encoded, or a long text of
// nothing but escapes would take for ever.
const maxDepth = 8

// spelledByte returns the length of the spelling of c at the start of text.
func spelledByte(text string, c byte) int {
	switch {
	case text == "":
	case text[0] == c:
		return 1
	case text[0] == '%':
		at := 1
		for at < 2*maxDepth && len(text) >= at+4 && text[at:at+2] == "25" && isHex(text[at+2]) && isHex(text[at+3]) {
			at += 2 // the % itself was encoded
		}
		if len(text) >= at+2 && isCode(text[at:at+2], c) {
			return at + 2
		}
	case text[0] == '\\':
		at := 1
		for at < 2*maxDepth && len(text) > at && text[at] == '\\' {
			at++
		}
		switch {
		case len(text) > at && text[at] == c && strings.IndexByte(`/"'&<>`, c) >= 0:
			return at + 1
		case len(text) >= at+5 && text[at] == 'u' && isCode(text[at+1:at+5], c):
			return at + 5
		}
	}
	return 0
}

func isCode(digits string, c byte) bool {
	v, err := strconv.ParseUint(digits, 16, 16)
	return err == nil && v == uint64(c)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// standsAlone reports whether text[from:to] is all of a value in a query, a
// header or a quoted string.
func standsAlone(text string, from, to int) bool {
	const before, after = `="':`, `"'&,;} `
	return from > 0 && strings.IndexByte(before, text[from-1]) >= 0 &&
		(to == len(text) || strings.IndexByte(after, text[to]) >= 0)
}

// replaceBase64 replaces value in base64 of either alphabet, whatever precedes
// and follows it in the encoded bytes: only the characters that value alone
// determines are looked for.
func replaceBase64(text, value string) string {
	for shift := range 3 {
		from, to := (shift*8+5)/6, (shift+len(value))*8/6
		for _, encoding := range [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte("\x00\x00"[:shift] + value))
			text = strings.ReplaceAll(text, encoded[from:to], redacted)
		}
	}
	return text
}

// redactor cleans texts that come from outside of the secrets of one attempt,
// before they become part of an error.
type redactor struct {
	keys      *secrets
	signature string
}

func newRedactor(keys secrets, signature string) *redactor {
	return &redactor{keys: &keys, signature: signature}
}

// text cleans a message.
func (r *redactor) text(text string) string {
	if text == "" {
		return ""
	}
	return bound(printable(r.scrub(cut(text))), maxTextBytes)
}

// unknownText cleans a text that may hold more than the attempt's own secrets,
// such as a signed URL or a proxy's password.
func (r *redactor) unknownText(text string) string {
	return r.text(scrubUnknown(r.scrub(cut(text))))
}

// short cleans an id, a code or a name. The service's request ids need no work, and
// cannot spell a secret in base64 either.
func (r *redactor) short(text string) string {
	const limit = 256
	if strings.Trim(text, "0123456789ABCDEF-") == "" && len(text) <= limit && !r.holds(text) {
		return text
	}
	return bound(printable(r.scrub(cut(text))), limit)
}

const idCharacters = letters + "0123456789-._"

// holds reports whether one of the secrets stands in text as it is.
func (r *redactor) holds(text string) bool {
	for _, value := range [...]string{r.keys.accessKeyID, r.keys.accessKeySecret, r.keys.securityToken, r.keys.bearerToken, r.signature} {
		if value != "" && strings.Contains(text, value) {
			return true
		}
	}
	return false
}

func (r *redactor) scrub(text string) string {
	text = scrubKnown(text, r.keys)
	if r.signature != "" {
		text = replaceSpelled(text, r.signature, redacted)
	}
	return text
}

// maxScrubbed bounds the text that scrubUnknown reads: its patterns are linear,
// but slow.
const maxScrubbed = 32 << 10

// cut shortens text to what is worth scrubbing, and not inside a word, which
// might be half a secret.
func cut(text string) string {
	if len(text) <= maxScrubbed {
		return text
	}
	for i := maxScrubbed - 1; i > maxScrubbed/2; i-- {
		if strings.IndexByte(" \t\r\n\"'&,", text[i]) >= 0 {
			return text[:i]
		}
	}
	return text[:maxScrubbed]
}

// bound shortens scrubbed text to limit bytes, about: the end is kept as well,
// for it is often what says most.
func bound(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const gap = " … "
	tail := len(text) - (limit-len(gap))/3
	for tail < len(text) && !utf8.RuneStart(text[tail]) {
		tail++
	}
	return beginning(text, (limit-len(gap))*2/3) + gap + text[tail:]
}

// beginning returns the first bytes of a text, so many or a few less: no character
// is cut.
func beginning(text string, limit int) string {
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// printable drops what an error's sentence should not have in it: white space
// becomes single spaces, anything else that doesn't print goes.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}
