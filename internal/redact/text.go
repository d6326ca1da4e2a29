package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mask stands in place of what was removed.
const Mask = "[redacted]"

// KeyID masks an access key id. It keeps the prefix that shows the kind of key: LTAI…
// is the key of a user, STS.… is a temporary key.
func KeyID(id string) string {
	if len(id) < 8 {
		return "****"
	}
	return id[:4] + "****"
}

// Unknown is [Scrubber.Text] where no secrets are known.
func Unknown(text string, limit int) string { return new(Scrubber).Text(text, limit) }

// Line makes a text without secrets printable, on one line, and no longer than about
// limit bytes.
func Line(text string, limit int) string { return bound(Printable(text), limit) }

// maxScrubbed bounds the text that scrubUnknown reads: its patterns are linear,
// but slow.
const maxScrubbed = 32 << 10

// Cut shortens text to what is worth scrubbing, and not inside a word, which
// might be half a secret.
func Cut(text string) string {
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
	return Beginning(text, (limit-len(gap))*2/3) + gap + text[tail:]
}

// Beginning returns the first limit bytes of a text, or a few less, because it cuts no
// character.
func Beginning(text string, limit int) string {
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Printable drops what an error's sentence should not have in it: white space
// becomes single spaces, and anything else that does not print is removed.
func Printable(text string) string {
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
