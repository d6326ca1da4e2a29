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
	// maxRead is how many bytes from the end of the output are read. maxScrubbed is how many
	// bytes are searched for secrets, once control characters are removed. Both limit the
	// time of Clean.
	maxRead     = 256 << 10
	maxScrubbed = 32 << 10
	// margin is how many bytes are left out after a cut that comes before the search for
	// secrets. They may contain a secret whose name was cut off.
	margin = 1 << 10
)

const (
	// space matches what may stand before a value: spaces and line ends, and the kernel's time at
	// the beginning of the next line.
	space = `(?:\s*\[\s*\d+\.\d+\])?\s*`
	value = `(?:bearer\s+|basic\s+)?(?:"(?:\\.|[^"\\\n])*"?|'[^'\n]*'|\S+)`
)

var (
	// escapes matches the control sequences of a terminal, and the texts that it does not show.
	escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]")
	// privateKeys matches private keys in PEM, complete or cut off. headless matches the text
	// up to the end of a private key whose beginning is missing.
	privateKeys = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)`)
	headless    = regexp.MustCompile(`(?s)\A.*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----`)
	// keyIDs matches access key IDs. hashes matches password hashes, as in /etc/shadow.
	keyIDs = regexp.MustCompile(`\b(LTAI|STS\.)[0-9A-Za-z]{12,}`)
	hashes = regexp.MustCompile(`\$(?:[1567]|2[abxy]|g?y)\$[./0-9A-Za-z$=,-]{8,}`)
	// secrets match values that follow the name of a secret: directly, in the rest of a line
	// that names a password, in a sentence, in Chinese, and as the argument of a command.
	secrets = []*regexp.Regexp{
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode|psk|secret|token|credential|api[_-]?key|access[_-]?key(?:[_-]?(?:id|secret))?|authorization)s?["']?(?:\s+(?:is|for\s+\S+|of\s+\S+))*\s*[:=：＝|][:=>]*` + space + `)` + value),
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode)\s[^\n:=：＝]{0,80}[:=：＝]` + space + `)[^\n]+`),
		regexp.MustCompile(`(?i)((?:password|passwd|passphrase|passcode)\s+(?:(?:has|been|was|is|now|set|reset|changed)\s+)*(?:is|was|to)\s` + space + `)(?:"[^"\n]*"?|[^\s:=：＝]\S*)`),
		regexp.MustCompile(`((?:密码|口令|密钥|令牌)[^\n:=：＝]{0,40}?[为是:=：＝]+` + space + `)` + value),
		regexp.MustCompile(`(?i)((?:\s--?[a-z-]*(?:password|passwd|passphrase|secret|token|key)\s|\bsshpass\s+-p)\s*)` + value),
	}
	// chpasswd matches a password in the input of the command chpasswd.
	chpasswd = regexp.MustCompile(`(\S+:)\S+(["']?\s*\|\s*(?:sudo\s+)?chpasswd)`)
	// passwords matches the end of a line after which cloud-init lists users and their
	// passwords. account matches one line of this list.
	passwords = regexp.MustCompile(`(?i)passwords\W*$`)
	account   = regexp.MustCompile(`^((?:.*\s)?["']?[\w.-]+:)[^\s:]\S*\s*$`)
)

// Clean returns the end of a console's output, at most Max bytes, without control
// characters except line ends. Values that look like secrets are replaced by "***" or
// "[redacted]". The result cut reports whether text lacks earlier output.
//
// Clean removes secrets before it cuts the text to Max, so that a secret is not separated
// from its name.
func Clean(raw string) (text string, cut bool) {
	if len(raw) > maxRead {
		raw, cut = afterMargin(tail(raw, maxRead)), true
	}
	raw = printable(raw)
	if len(raw) > maxScrubbed {
		raw, cut = afterMargin(tail(raw, maxScrubbed)), true
	}
	if key := headless.FindString(raw); cut && key != "" && !privateKeys.MatchString(key) {
		raw = "***" + raw[len(key):]
	}
	raw = privateKeys.ReplaceAllString(raw, "***")
	raw = keyIDs.ReplaceAllString(raw, "***")
	raw = hashes.ReplaceAllString(raw, "***")
	raw = redactLines(raw)
	for _, secret := range secrets {
		raw = secret.ReplaceAllString(raw, "${1}***")
	}
	raw = chpasswd.ReplaceAllString(raw, "${1}***${2}")
	if len(raw) > Max {
		raw, cut = tail(raw, Max), true
	}
	return strings.Clone(raw), cut // so that the whole output can be freed
}

// printable returns a text as a terminal shows it: printable characters and line ends.
func printable(raw string) string {
	raw = strings.ToValidUTF8(strings.ReplaceAll(escapes.ReplaceAllString(raw, ""), "\r\n", "\n"), "?")
	shown := make([]rune, 0, len(raw))
	for _, c := range raw {
		switch last := len(shown) - 1; {
		case c == '\n', unicode.IsPrint(c):
			shown = append(shown, c)
		case c == '\t', c == '\r':
			shown = append(shown, ' ')
		case c == '\b' && last >= 0 && shown[last] != '\n':
			shown = shown[:last]
		}
	}
	return string(shown)
}

// afterMargin returns a text without the lines in its margin. If a line is longer than the
// margin, the result begins within that line, after a space.
func afterMargin(text string) string {
	if len(text) <= margin {
		return ""
	}
	from := margin - 1
	if end := strings.IndexByte(text[from:min(len(text), 2*margin)], '\n'); end >= 0 {
		return text[from+end+1:]
	}
	_, text, _ = strings.Cut(text[from:], " ")
	return text
}

// redactLines replaces the passwords that cloud-init lists, and the secrets that package
// redact finds. Package redact shortens spaces, so a line without secrets stays unchanged.
func redactLines(text string) string {
	lines, listed := strings.Split(text, "\n"), false
	for i, line := range lines {
		if listed = listed && account.MatchString(line); listed {
			lines[i] = account.ReplaceAllString(line, "${1}***")
			continue
		}
		listed = passwords.MatchString(line)
		if scrubbed := redact.Unknown(line, maxScrubbed); scrubbed != strings.Join(strings.Fields(line), " ") {
			lines[i] = scrubbed
		}
	}
	return strings.Join(lines, "\n")
}

// tail returns the last limit bytes of a text, or less, so that the result begins with a
// complete line if there is one.
func tail(text string, limit int) string {
	text = text[len(text)-limit:]
	if _, rest, found := strings.Cut(text, "\n"); found {
		text = rest
	}
	return strings.ToValidUTF8(text, "")
}
