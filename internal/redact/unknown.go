package redact

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
	}, Cut(text))
	p := patterns()
	text = replaceEach(text, p.pem, func([]string) string { return Mask })
	text = scrubUserinfo(text) // before a name in a password takes the @ for its value
	text = scrubBareUserinfo(text)
	text = scrubNamed(text)
	text = scrubSchemes(text)
	text = replaceEach(text, p.port, func([]string) string { return `invalid port "` + Mask + `"` })
	text = replaceEach(text, p.keyID, func(id []string) string { return KeyID(id[0]) })
	text = replaceEach(text, p.jwt, func([]string) string { return Mask })
	text = replaceEach(text, p.run, scrubRun)
	return Printable(text)
}

// scrubSchemes replaces what follows Bearer and Basic, unless it is the next
// word of a sentence.
func scrubSchemes(text string) string {
	return replaceEach(text, patterns().scheme, func(g []string) string {
		switch strings.ToLower(strings.TrimRight(g[2], ".:")) {
		case "token", "tokens", "credential", "credentials", "auth", "authentication", "authorization", "scheme",
			"is", "in", "not", "must", "was", "for", "or", "and", Mask[:len(Mask)-1]:
			return g[0]
		}
		return g[1] + Mask
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
		parts[i+1] = Mask + part[at:]
	}
	return strings.Join(parts, "://")
}

// scrubBareUserinfo replaces what stands before the host in user:password@host,
// where no scheme shows that it is a URL.
func scrubBareUserinfo(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for text != "" {
		end := strings.IndexAny(text, " \t\r\n\"'`<>") + 1
		if end == 0 {
			end = len(text)
		}
		b.WriteString(withoutUserinfo(text[:end]))
		text = text[end:]
	}
	return b.String()
}

// withoutUserinfo is for a word. An image's digest and the name of a RAM user have
// an @ as well.
func withoutUserinfo(word string) string {
	if before, _, ok := strings.Cut(word, "://"); ok { // scrubUserinfo has seen to the rest
		scheme := len(strings.TrimRight(before, letters))
		return withoutUserinfo(word[:scheme]) + word[scheme:]
	}
	at := strings.LastIndexByte(word, '@')
	if at < 0 || strings.HasPrefix(word[at:], "@sha256:") {
		return word
	}
	user, password, found := strings.Cut(word[:at], ":")
	if !found || password == "" || strings.HasPrefix(password, ":") || at+1 == len(word) || base36(word[at+1]) < 0 && word[at+1] != '[' {
		return word
	}
	from := strings.LastIndexAny(user, "=,;([{&?/") + 1
	switch user[from:] {
	case "acs", "arn", "mailto":
		return word
	}
	return word[:from] + Mask + word[at:]
}

// scrubRun judges a long run of characters without a separator. One that begins
// with a slash is a path, and judged by its parts.
func scrubRun(groups []string) string {
	run := groups[0]
	rest := replaceEach(run, patterns().nothingInRun, func([]string) string { return "" })
	if !strings.HasPrefix(run, "/") && looksRandom(rest) {
		return Mask
	}
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == '/' }) {
		if looksRandom(part) {
			return Mask
		}
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune("+_%-=", r) }) {
			oneCase := word == strings.ToLower(word) || word == strings.ToUpper(word)
			if len(word) >= 32 && oneCase && strings.ContainsAny(word, "0123456789") && strings.Trim(word, "0123456789") != "" {
				return Mask // hex, base32
			}
		}
	}
	return run
}

func looksRandom(s string) bool { return len(s) >= 20 && isShuffled(s) }

// isShuffled reports whether s looks like a key, not like CamelCase or a path: the words
// of CamelCase and paths average four letters and more, those of random characters
// fewer than three.
func isShuffled(s string) bool {
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
	return seen[lower] && seen[upper] && float64(length) < 3.5*float64(words)
}
