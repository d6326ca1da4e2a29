package redact

import (
	"regexp"
	"strings"
	"sync"
)

// patterns are what the texts of others are read by. They are compiled for the first
// such text: many programs never have one.
var patterns = sync.OnceValue(func() *patternSet {
	return &patternSet{
		// The end of a key may have been cut off.
		pem: regexp.MustCompile(`(?s)-----BEGIN[^-]*-----.*?(?:-----END[^-]*(?:-----|\z)|\z)`),

		// A name in any quoting, what separates it from its value, and the value's
		// opening bracket and quote.
		name: regexp.MustCompile(`(?i)([\w.-]*)` +
			`(?:(access[_-]?key(?:[_-]?id)?)|(authorization|cookie)|(` + secretNames + `)s?)` +
			`([\w.-]*)(` + quoteExpr + `?)` +
			`(\s*(?:=>|[:=>]|%(?:25)*3[ad])\s*|\s+)` +
			`([\[{]?)(` + quoteExpr + `?)`),

		scheme: regexp.MustCompile(`(?i)\b((?:bearer|basic)(?:\s|%20|\+)+["']?)([^\s"',;\]})]+)`),
		port:   regexp.MustCompile(`invalid port "[^"]*"`),
		keyID:  regexp.MustCompile(`(?:LTAI|STS\.|TMP\.)[0-9A-Za-z]{8,}`),
		jwt:    regexp.MustCompile(`eyJ[\w-]{6,}(?:\.[\w-]*)*`),
		run:    regexp.MustCompile(`[0-9A-Za-z+/_%-]{20,}={0,2}`),

		// Request ids and escapes.
		nothingInRun: regexp.MustCompile(`(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|%(?:25)*[0-9a-f]{2}`),
	}
})

// secretNames are the names that secrets are given, in lower case. A longer one
// stands before its beginning. Those of commonNames have other meanings too.
const secretNames = `secret|token|passw(?:or)?d|passphrase|pwd|(?:private|secret|api|session)[_-]?key|signature|credential|pass|sig|auth`

// commonNames are the names that are also words, or parts of words, of sentences.
// True are those that must not be the end of another word, such as bypass.
var commonNames = map[string]bool{"credential": false, "pass": true, "sig": true, "auth": true}

// nameParts are parts of the names, one of which every name has.
var nameParts = [...]string{"secret", "token", "pass", "pwd", "key", "sig", "auth", "cookie", "credential"}

type patternSet struct {
	pem, name, scheme, port, keyID, jwt, run, nothingInRun *regexp.Regexp
}

const quoteExpr = "(?:\\\\*[\"'`]|%(?:25)*22)"

// find returns the first match of a pattern by its groups, and where it is.
func find(text string, pattern *regexp.Regexp) (groups []string, from, to int) {
	at := pattern.FindStringSubmatchIndex(text)
	if at == nil {
		return nil, 0, 0
	}
	groups = make([]string, len(at)/2)
	for i := range groups {
		if at[2*i] >= 0 {
			groups[i] = text[at[2*i]:at[2*i+1]]
		}
	}
	return groups, at[0], at[1]
}

// replaceEach puts another text in the place of each match of a pattern.
func replaceEach(text string, pattern *regexp.Regexp, by func(groups []string) string) string {
	var b strings.Builder
	for {
		groups, from, to := find(text, pattern)
		if groups == nil {
			return b.String() + text
		}
		b.WriteString(text[:from] + by(groups))
		text = text[to:]
	}
}
