package redact

import (
	"slices"
	"strings"
)

// named is one match of the pattern of names, by its groups.
type named struct {
	prefix, keyID, line, secret, rest, nameQuote, separator, bracket, quote string

	afterSlash bool // the name ends a path, such as that of a token's file
}

// scrubNamed replaces the values that stand after the name of a secret.
func scrubNamed(text string) string {
	folded := strings.ToLower(text) // the pattern is slow, and most texts name no secret
	if !slices.ContainsFunc(nameParts[:], func(part string) bool { return strings.Contains(folded, part) }) {
		return text
	}
	var b strings.Builder
	afterSlash := false
	for {
		g, at, from := find(text, patterns().name)
		if g == nil {
			return b.String() + text
		}
		if at > 0 {
			afterSlash = text[at-1] == '/'
		}
		n := &named{g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9], afterSlash}
		if n.quote == "" && strings.HasPrefix(n.bracket+text[from:], Mask) { // the bracket is part of what was scrubbed before
			from -= len(n.bracket)
			n.bracket = ""
		}
		to := from
		if n.isName(text[from:]) {
			to += n.valueLen(text[from:])
		}
		if strings.HasPrefix(text[from:], Mask) {
			to = max(to, from+len(Mask))
		}
		mask := Mask
		switch value := text[from:to]; {
		case value == "": // not a name, or one without a value: go on behind the name
			from -= len(n.nameQuote + n.separator + n.bracket + n.quote) // the quote behind the name may open a value
			to, mask = from, ""
		case n.keyID != "" && !strings.Contains(strings.ToLower(n.prefix), "secret") && strings.Trim(value, keyIDCharacters) == "":
			mask = KeyID(value)
		}
		b.WriteString(text[:from] + mask)
		afterSlash = text[to-1] == '/'
		text = text[to:]
	}
}

// isName reports whether the match is a name, not a word of a sentence, an error code
// or a path; value is the text after the separator.
func (n *named) isName(value string) bool {
	quoted := n.quote != ""
	switch {
	case n.rest != "" && n.nameQuote == "":
		return false // SignatureMethod=, InvalidSecurityToken.Expired:
	case n.isCommonWord(value):
		return false // security-credentials: not found
	case strings.TrimSpace(n.separator) == "" && !quoted:
		return n.secret != "" && n.nameQuote == "" && n.bracket == "" && looksLikeValue(value) // secret Hn3kQ9pL
	case strings.TrimSpace(n.separator) == "":
		return n.nameQuote == "" // token "…"
	case quoted || n.bracket != "" || strings.TrimSpace(n.separator) != ":" || n.nameQuote != "" && !n.afterSlash:
		return true
	case n.afterSlash:
		return !strings.HasSuffix(n.separator, " ") // open /run/token: no such file
	case n.prefix == "" && (n.secret == "token" || n.secret == "secret" || n.secret == "signature") && n.separator == ": ":
		word := value // refresh token: connection refused
		if i := strings.IndexAny(value, " :"); i >= 0 {
			word = value[:i]
		}
		plain := len(word) <= 12 && len(word) < len(value) && strings.Trim(word, letters) == ""
		return !plain
	}
	return true
}

// isCommonWord reports whether the match is one of commonNames as a part of another
// word or of a sentence.
func (n *named) isCommonWord(value string) bool {
	name := strings.TrimSuffix(strings.ToLower(n.secret), "s")
	if name == "pas" {
		name = "pass"
	}
	wholeWord, common := commonNames[name]
	if !common {
		return false
	}
	assigned := strings.Contains(n.separator, "=")
	if n.rest != "" {
		return true // "AuthAction":
	}
	if wholeWord && !assigned && n.prefix != "" {
		last := n.prefix[len(n.prefix)-1]
		camelCase := strings.ToLower(n.secret) != n.secret && last == lower(last)
		if base36(last) >= 10 && !camelCase {
			return true // bypass:
		}
	}
	word, _, _ := strings.Cut(value, " ")
	word = strings.TrimRight(word, ".,:;")
	return n.separator == ": " && n.quote == "" && n.nameQuote == "" && (strings.Trim(word, letters) == "" || len(word) == 3 && strings.Trim(word, "0123456789") == "")
}

// looksLikeValue reports whether text begins with a secret, not with the next word of a
// sentence: a secret mixes letters and digits, or both cases.
func looksLikeValue(text string) bool {
	word := text
	if i := strings.IndexAny(text, " \t\r\n\"'`<>"); i >= 0 {
		word = text[:i]
	}
	word = strings.TrimRight(word, ".,:;)]}")
	if patterns().nothingInRun.FindString(word) != "" {
		return false // a request id
	}
	changes, previous, plain := 0, 0, true
	for i := range len(word) {
		kind := 0
		switch digit := base36(word[i]); {
		case digit >= 10:
			kind = 1
		case digit >= 0:
			kind = 2
		default:
			plain = false
		}
		if kind != 0 && previous != 0 && kind != previous {
			changes++
		}
		previous = kind
	}
	return len(word) >= 6 && changes >= 2 || len(word) >= 10 && changes == 1 && plain || len(word) >= 8 && isShuffled(word)
}

const (
	letters         = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyIDCharacters = letters + "0123456789.-_*"
)

// valueLen returns the length of the value at the start of text. If the end of the
// value is uncertain, the length is too large.
func (n *named) valueLen(text string) int {
	upTo := func(i int) int {
		if i < 0 {
			return len(text)
		}
		return i
	}
	switch {
	case n.bracket == "[":
		return upTo(strings.IndexByte(text, ']'))
	case n.bracket == "{":
		return upTo(strings.IndexByte(text, '}'))
	case strings.HasPrefix(n.quote, "%") && strings.HasPrefix(n.nameQuote+n.separator, "%"):
		end := upTo(strings.IndexAny(text, " \t\r\n\""))
		escape := strings.TrimSuffix(n.quote, "22") + "5C" // what the closing quote must not stand behind
		for at := 0; ; at += len(n.quote) {
			i := strings.Index(text[at:end], n.quote)
			if i < 0 {
				return end
			}
			if at += i; !strings.HasSuffix(strings.ToUpper(text[max(0, at-len(escape)):at]), escape) {
				return at
			}
		}
	case n.quote != "" && n.quote[0] != '%':
		return quotedLen(text, n.quote[len(n.quote)-1], len(n.quote)-1)
	case n.separator == ">":
		return upTo(strings.IndexByte(text, '<'))
	case n.line != "":
		return upTo(strings.IndexAny(text, "\r\n\"'"))
	case strings.HasPrefix(n.separator, "%"):
		if i := strings.Index(text, "%26"); i >= 0 {
			return min(i, upTo(strings.IndexAny(text, " \t\r\n\"&")))
		}
		return upTo(strings.IndexAny(text, " \t\r\n\"&"))
	case strings.TrimSpace(n.separator) == "=":
		return upTo(strings.IndexAny(text, " \t\r\n\"'&<>"))
	}
	i := upTo(strings.IndexAny(text, " \t\r\n\""))
	return len(strings.TrimRight(text[:i], ",;)}]"))
}

// quotedLen returns where the string ends whose opening quote stood behind
// depth backslashes: JSON inside JSON escapes its quotes once more. An escaped
// quote has another number of backslashes than a closing one.
func quotedLen(text string, quote byte, depth int) int {
	slashes := 0
	for i := range len(text) {
		switch text[i] {
		case '\\':
			slashes++
			continue
		case quote:
			if slashes%(2*(depth+1)) == depth {
				return i - depth
			}
		}
		slashes = 0
	}
	return len(text)
}
