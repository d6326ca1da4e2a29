// Package console makes the console output of an instance safe to show and to keep.
package console

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

const (
	// Max is how many bytes of the output are kept.
	Max = 16 << 10
	// maxRead is how many bytes of the output are read. It bounds the time of Clean.
	maxRead = 64 << 10
)

var (
	// escapes are the control sequences of a terminal.
	escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\-_])")
	// privateKeys are private keys in PEM, complete or cut off.
	// headless is a text up to the end of a private key whose beginning is missing.
	privateKeys = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`)
	headless    = regexp.MustCompile(`(?s)\A.*?-----END [A-Z ]*PRIVATE KEY-----`)
	// secrets are values that follow the name of a secret; keyIDs are access key IDs.
	secrets = regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key(?:[_-]?(?:id|secret))?|authorization)["']?(?:\s+(?:is|for\s+\S+|of\s+\S+))*\s*[:=]\s*)(?:bearer\s+|basic\s+)?("[^"\n]*"|'[^'\n]*'|\S+)`)
	keyIDs  = regexp.MustCompile(`\b(LTAI|STS\.)[0-9A-Za-z]{12,}`)
)

// Clean returns the end of a console's output, at most Max bytes, without control
// characters. Values that look like secrets are replaced by "***" or "[redacted]". Cut
// reports whether earlier output is left out.
//
// Clean scrubs before it cuts the text to Max, so that a secret is not separated from its
// name.
func Clean(raw string) (text string, cut bool) {
	if len(raw) > maxRead {
		raw, cut = tail(raw, maxRead), true
	}
	raw = strings.ToValidUTF8(strings.ReplaceAll(escapes.ReplaceAllString(raw, ""), "\r\n", "\n"), "?")
	raw = strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\t', c == '\r':
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, raw)
	if key := headless.FindString(raw); cut && key != "" && !privateKeys.MatchString(key) {
		raw = "***" + raw[len(key):]
	}
	raw = privateKeys.ReplaceAllString(raw, "***")
	raw = keyIDs.ReplaceAllString(raw, "***")
	raw = redactLines(raw)
	raw = secrets.ReplaceAllString(raw, "${1}***")
	if len(raw) > Max {
		raw, cut = tail(raw, Max), true
	}
	return raw, cut
}

// redactLines removes from each line what package redact finds. The spaces of the other
// lines stay as they are.
func redactLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if scrubbed := redact.Unknown(line, maxRead); scrubbed != strings.Join(strings.Fields(line), " ") {
			lines[i] = scrubbed
		}
	}
	return strings.Join(lines, "\n")
}

// tail returns the last limit bytes of a text, from the beginning of a line if there is one.
func tail(text string, limit int) string {
	text = text[len(text)-limit:]
	if _, rest, found := strings.Cut(text, "\n"); found {
		text = rest
	}
	return strings.ToValidUTF8(text, "")
}
