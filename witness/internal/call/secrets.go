package call

import (
	"encoding/base64"
	"html"
	"regexp"
	"strconv"
	"strings"
)

const (
	// shownAtMost is fewer than the consecutive letters and digits of a secret that a text
	// must not show.
	shownAtMost = 12
	// leastSecret is how many letters and digits a secret has at least.
	leastSecret = 6
	// maxEncodings is how often a text may be encoded.
	maxEncodings = 8
	// maxSearched is how much of a text is searched, and shown at most.
	maxSearched = 8 << 10
)

var (
	escape    = regexp.MustCompile(`%[0-9a-fA-F]{2}|\\u00[0-9a-fA-F]{2}|\\x[0-9a-fA-F]{2}`)
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{16,}`)
)

// shows reports whether a text shows a part of a secret. A text may spell it in many ways,
// so shows undoes the encodings, one after the other, and compares only letters and
// digits, in lower case.
func shows(text string, secrets []string) bool {
	for range maxEncodings {
		if showsPlain(text, secrets) || showsBase64(text, secrets) {
			return true
		}
		text = escape.ReplaceAllStringFunc(html.UnescapeString(text), func(escaped string) string {
			code, _ := strconv.ParseUint(escaped[len(escaped)-2:], 16, 8) // of two hex digits
			return string(rune(code))
		})
	}
	return false
}

func showsBase64(text string, secrets []string) bool {
	joined := strings.NewReplacer("-", "+", "_", "/").Replace(strings.Join(strings.Fields(text), ""))
	for _, run := range base64Run.FindAllString(joined, -1) {
		for shift := range 4 {
			part := run[shift:]
			data, err := base64.RawStdEncoding.DecodeString(part[:len(part)-len(part)%4])
			if err == nil && showsPlain(string(data), secrets) {
				return true
			}
		}
	}
	return false
}

func showsPlain(text string, secrets []string) bool {
	letters := lettersOf(text)
	for _, secret := range secrets {
		wanted := lettersOf(secret)
		length := min(shownAtMost, len(wanted))
		for i := 0; length >= leastSecret && i+length <= len(wanted); i++ {
			if strings.Contains(letters, wanted[i:i+length]) {
				return true
			}
		}
	}
	return false
}

// lettersOf returns the letters and digits of a text, in lower case.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, text)
}
