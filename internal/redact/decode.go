package redact

import "strings"

// glyph is a byte of a text whose encodings are undone, and what spells it there.
type glyph struct {
	from, to int32
	c        byte
}

// views returns the text as it stands and with its encodings undone: an escape may
// begin with a character that stands for itself, which only the first shows, and a
// text that was wrapped may have white space within its escapes.
func views(text string) [][]glyph {
	plain := make([]glyph, len(text))
	for i := range len(text) {
		plain[i] = glyph{int32(i), int32(i + 1), text[i]}
	}
	if !strings.ContainsAny(text, `%\&`) {
		return [][]glyph{plain}
	}
	return [][]glyph{plain, decode(text, false), decode(text, true)}
}

// decode undoes percent-encoding, the escapes of JSON and Go, and the character
// references of XML and HTML, in whatever order and however often they were applied.
//
// It takes the text byte by byte. Whenever the last glyphs are an escape, the one
// that it stands for takes their place, which may in turn complete another escape.
// So any depth is undone in one pass.
func decode(text string, dropSpace bool) []glyph {
	out := make([]glyph, 0, len(text))
	for i := range len(text) {
		out = append(out, glyph{int32(i), int32(i + 1), text[i]})
		for {
			if c := out[len(out)-1].c; dropSpace && (c == ' ' || '\t' <= c && c <= '\r') {
				out = out[:len(out)-1]
				break
			}
			n, c := lastEscape(out)
			if n == 0 {
				break
			}
			first := len(out) - n
			out[first] = glyph{out[first].from, int32(i + 1), c}
			out = out[:first+1]
		}
	}
	return out
}

// lastEscape returns how many glyphs at the end are an escape, and what it stands
// for; 0 if they are none.
func lastEscape(glyphs []glyph) (n int, c byte) {
	back := func(i int) byte { // the i-th from the end, or 0
		if i > len(glyphs) {
			return 0
		}
		return glyphs[len(glyphs)-i].c
	}
	last := back(1)
	switch {
	case last == ';':
		return lastReference(glyphs)
	case back(2) == '\\':
		switch last {
		case 'n', 'r', 't', 'v', 'f', 'b', 'a':
			return 2, '\n'
		case '\\', '/', '"', '\'', '`', '&', '<', '>':
			return 2, last
		}
	case !isHex(last) || !isHex(back(2)):
	case back(3) == '%':
		return 3, hexByte(back(2), last)
	case back(3) == 'x' && back(4) == '\\':
		return 4, hexByte(back(2), last)
	case back(6) == '\\' && back(5) == 'u' && isHex(back(4)) && isHex(back(3)):
		if back(4) == '0' && back(3) == '0' {
			return 6, hexByte(back(2), last)
		}
		return 6, 0 // beyond any secret's characters
	}
	return 0, 0
}

// lastReference is lastEscape for references such as &#43; &#x2B; and &amp;
func lastReference(glyphs []glyph) (n int, c byte) {
	const longest = 10
	tail := glyphs[max(0, len(glyphs)-longest):]
	first := len(tail) - 1
	for first >= 0 && tail[first].c != '&' {
		first--
	}
	if first < 0 || len(tail)-first < len("&lt;") {
		return 0, 0
	}
	n = len(tail) - first
	name := make([]byte, 0, longest)
	for _, g := range tail[first+1 : len(tail)-1] {
		name = append(name, lower(g.c))
	}
	if name[0] != '#' {
		if c, ok := references[string(name)]; ok {
			return n, c
		}
		return 0, 0
	}
	value, base := 0, 10
	digits := name[1:]
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	for _, d := range digits {
		digit := base36(d)
		if digit < 0 || digit >= base {
			return 0, 0
		}
		value = value*base + digit
	}
	if len(digits) == 0 || value > 0xff {
		value = 0
	}
	return n, byte(value)
}

// references are the names of the characters that secrets are made of besides
// letters and digits, and of those that escape others.
var references = map[string]byte{
	"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "nbsp": ' ', "tab": '\t', "newline": '\n',
	"plus": '+', "sol": '/', "equals": '=', "lowbar": '_', "period": '.', "percnt": '%', "bsol": '\\',
}

func isHex(c byte) bool { d := base36(c); return 0 <= d && d < 16 }

func hexByte(high, low byte) byte { return byte(base36(high)<<4 | base36(low)) } //nolint:gosec // two digits
