package ecsreboot

import (
	"fmt"
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

// scrubber returns what removes the keys from texts; a nil one knows none.
func (s *secrets) scrubber(signature string) *scrubber {
	if s == nil {
		return newScrubber("")
	}
	return newScrubber(s.accessKeyID, s.accessKeySecret, s.securityToken, s.bearerToken, signature)
}

// scrubKnown removes the keys from text and masks the key id.
func scrubKnown(text string, keys *secrets) string { return keys.scrubber("").scrub(text) }

// safeText makes a text that comes from outside fit for an error, an event or a log
// record: it removes the known secrets, and what looks like one or is named as one.
// Known may be nil. Its result has no more than limit bytes.
func safeText(text string, known *secrets, limit int) string {
	return known.scrubber("").clean(text, limit)
}

// redactor cleans texts that come from outside of the secrets of one attempt,
// before they become part of an error.
type redactor struct{ scrubber }

func newRedactor(keys secrets, signature string) *redactor {
	return &redactor{*keys.scrubber(signature)}
}

// text cleans a message.
func (r *redactor) text(text string) string { return r.clean(text, maxTextBytes) }

// unknownText is text: every text goes the same way.
func (r *redactor) unknownText(text string) string { return r.text(text) }

// short cleans an id, a code or a name. The service's request ids need no work, and
// cannot spell a secret in base64 either.
func (r *redactor) short(text string) string {
	const limit = 256
	if strings.Trim(text, "0123456789ABCDEF-") == "" && len(text) <= limit && !r.mayShow(text) {
		return text
	}
	return r.clean(text, limit)
}

const idCharacters = letters + "0123456789-._"

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
