package document

import (
	"bytes"
	"iter"
)

// Cursor stands before a value of JSON that json.Valid has accepted. Each value is walked
// through once: the loops over an object and over an array leave it to their bodies to move
// the cursor over each value, by Skip or by a loop over what is in it.
type Cursor struct {
	text []byte
	at   int
}

// Walk returns a cursor before the value that text consists of.
func Walk(text []byte) *Cursor { return &Cursor{text, skipSpace(text, 0)} }

// Kind returns the first character of the value: '{' of an object, '[' of an array, '"' of
// a string, 'n' of null, 't' or 'f' of a boolean, and another one of a number.
func (c *Cursor) Kind() byte { return c.text[c.at] }

// Skip moves the cursor over the value, and returns the value.
func (c *Cursor) Skip() []byte {
	from := c.at
	c.at += jsonLen(c.text[from:])
	return c.text[from:c.at]
}

// Text moves the cursor over a string, and returns what the string stands for.
func (c *Cursor) Text() []byte { return jsonText(c.Skip()) }

// Members walks through an object. At each name the cursor is before the value, and the
// loop's body has to move it over the value. After a loop that was left, the cursor is of
// no use.
func (c *Cursor) Members() iter.Seq[[]byte] {
	return func(yield func(name []byte) bool) {
		for quoted := range c.quotedMembers() {
			if !yield(jsonText(quoted)) {
				return
			}
		}
	}
}

// quotedMembers is Members with the names as they are written.
func (c *Cursor) quotedMembers() iter.Seq[[]byte] {
	return func(yield func(quoted []byte) bool) {
		c.at = skipSpace(c.text, c.at+1)
		for c.text[c.at] != '}' {
			from := c.at
			end := from + jsonTextLen(c.text[from:])
			c.at = skipSpace(c.text, skipSpace(c.text, end)+1) // over the colon
			if !yield(c.text[from:end]) {
				return
			}
			c.next()
		}
		c.at++
	}
}

// Elements walks through an array as Members does through an object.
func (c *Cursor) Elements() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		c.at = skipSpace(c.text, c.at+1)
		for c.text[c.at] != ']' {
			if !yield(struct{}{}) {
				return
			}
			c.next()
		}
		c.at++
	}
}

// next moves the cursor from the end of a value to the value after it, or to the end of
// what both are in.
func (c *Cursor) next() {
	c.at = skipSpace(c.text, c.at)
	if c.text[c.at] == ',' {
		c.at = skipSpace(c.text, c.at+1)
	}
}

// jsonLen returns the length of the value that text begins with. It finds the ends of
// strings only, which takes less than to check the value anew.
func jsonLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += jsonTextLen(text[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 { // it closes what the number or word before it stands in
				return i
			}
			depth--
		case ' ', '\t', '\r', '\n', ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue // a part of a number or of a word
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// jsonTextLen returns the length of the string that text begins with.
func jsonTextLen(text []byte) int {
	for end := 1; ; end++ {
		end += bytes.IndexByte(text[end:], '"')
		escapes := 0
		for text[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end + 1
		}
	}
}

// skipSpace returns the index of the first character from index i on that is no space of
// JSON, or a larger index than there is.
func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}
