package ecsreboot

import (
	"strings"
	"unicode"
)

// scrubUnknown makes a text printable that may hold secrets nobody here knows:
// a provider's error quotes answers, configuration files and signed URLs. It
// goes by the names that secrets are given and by what they look like, and
// removes too much rather than too little. Request ids, hosts, paths and the
// words of an error mostly remain. Only the first 32 KiB are read.
func scrubUnknown(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return -1 // it could hide a name from the patterns
		}
		return r
	}, cut(text))
	p := patterns()
	text = replaceEach(text, p.pem, func([]string) string { return redacted })
	text = scrubUserinfo(text) // before a name in a password takes the @ for its value
	text = scrubNamed(text)
	text = scrubSchemes(text)
	text = replaceEach(text, p.port, func([]string) string { return `invalid port "` + redacted + `"` })
	text = replaceEach(text, p.keyID, func(id []string) string { return maskKeyID(id[0]) })
	text = replaceEach(text, p.jwt, func([]string) string { return redacted })
	text = replaceEach(text, p.run, scrubRun)
	return printable(text)
}

// named is one match of the pattern of names, by its groups.
type named struct {
	prefix, keyID, line, secret, rest, nameQuote, separator, bracket, quote string

	afterSlash bool // the name ends a path, such as that of a token's file
}

// scrubNamed replaces the values that stand after the name of a secret.
func scrubNamed(text string) string {
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
		to := from
		if n.isName(text[from:]) {
			to += n.valueLen(text[from:])
		}
		mask := redacted
		switch value := text[from:to]; {
		case value == "": // not a name, or one without a value: go on behind the name
			from -= len(n.nameQuote + n.separator + n.bracket + n.quote) // the quote behind the name may open a value
			to, mask = from, ""
		case n.keyID != "" && !strings.Contains(strings.ToLower(n.prefix), "secret") && strings.Trim(value, keyIDCharacters) == "":
			mask = maskKeyID(value)
		}
		b.WriteString(text[:from] + mask)
		afterSlash = text[to-1] == '/'
		text = text[to:]
	}
}

// isName tells a name from a word of a sentence, an error code or a path; value
// is the text behind the separator.
func (n *named) isName(value string) bool {
	quoted := n.quote != ""
	switch {
	case n.rest != "" && n.nameQuote == "":
		return false // SignatureMethod=, InvalidSecurityToken.Expired:
	case strings.TrimSpace(n.separator) == "":
		return quoted && n.nameQuote == "" // token "…"
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

const (
	letters         = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	keyIDCharacters = letters + "0123456789.-_*"
)

// valueLen returns the length of the value at the start of text. Where its end
// can't be told it reaches too far.
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

// scrubSchemes replaces what follows Bearer and Basic, unless it is the next
// word of a sentence.
func scrubSchemes(text string) string {
	return replaceEach(text, patterns().scheme, func(g []string) string {
		switch strings.ToLower(strings.TrimRight(g[2], ".:")) {
		case "token", "tokens", "credential", "credentials", "auth", "authentication", "authorization", "scheme",
			"is", "in", "not", "must", "was", "for", "or", "and", redacted[:len(redacted)-1]:
			return g[0]
		}
		return g[1] + redacted
	})
}

// scrubUserinfo replaces what stands before the host in URLs.
func scrubUserinfo(text string) string {
	parts := strings.Split(text, "://")
	for i, part := range parts[1:] {
		end := strings.IndexAny(part, " \t\r\n\"'<>")
		if end < 0 {
			end = len(part)
		}
		at := strings.LastIndexByte(part[:end], '@')
		if at < 0 {
			continue
		}
		authority := part[:end]
		if j := strings.IndexAny(authority, "/?#"); j >= 0 {
			authority = authority[:j]
		}
		if j := strings.LastIndexByte(authority, '@'); j >= 0 {
			at = j
		} else if _, port, _ := strings.Cut(authority, ":"); strings.Trim(port, "0123456789") == "" {
			continue // an @ in the path or the query, not a password with a slash in it
		}
		parts[i+1] = redacted + part[at:]
	}
	return strings.Join(parts, "://")
}

// scrubRun judges a long run of characters without a separator. One that begins
// with a slash is a path, and judged by its parts.
func scrubRun(groups []string) string {
	run := groups[0]
	rest := replaceEach(run, patterns().nothingInRun, func([]string) string { return "" })
	if !strings.HasPrefix(run, "/") && looksRandom(rest) {
		return redacted
	}
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == '/' }) {
		if looksRandom(part) {
			return redacted
		}
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune("+_%-=", r) }) {
			oneCase := word == strings.ToLower(word) || word == strings.ToUpper(word)
			if len(word) >= 32 && oneCase && strings.ContainsAny(word, "0123456789") && strings.Trim(word, "0123456789") != "" {
				return redacted // hex, base32
			}
		}
	}
	return run
}

// looksRandom tells a key from CamelCase and paths: the words of these average
// four letters and more, those of random characters fewer than three.
func looksRandom(s string) bool {
	const lower, upper, digit, other = 1, 2, 3, 4
	words, length, previous, seen := 0, 0, 0, [5]bool{}
	for i := range len(s) {
		class := other
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
			class = lower
		case 'A' <= c && c <= 'Z':
			class = upper
		case '0' <= c && c <= '9':
			class = digit
		}
		if class != other {
			length++
			if class != previous && (previous != upper || class != lower) {
				words++
			}
		}
		previous, seen[class] = class, true
	}
	return len(s) >= 20 && seen[lower] && seen[upper] && float64(length) < 3.5*float64(words)
}
