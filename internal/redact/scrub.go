package redact

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// runLength is how many consecutive letters and digits of a secret a text must not
// show. Fewer are of no use to anybody; more would let a part of a secret pass.
const runLength = 12

// Scrubber removes known secrets from texts. The zero Scrubber knows none. It is not
// safe for concurrent use.
//
// A text may spell a secret in many ways: without padding, in the URL-safe
// alphabet, with a space for each +, in lower case, percent-encoded or escaped any
// number of times, in base64, wrapped or cut off. So the Scrubber does not look for
// spellings. It undoes the encodings of the text and compares only letters and
// digits, in lower case. Where runLength consecutive ones of the text are a
// secret's, it removes them and all the letters and digits that they adjoin.
//
// A secret with fewer letters and digits is looked for as a whole. One of these that ends
// in a backslash or ampersand is not found where that and what follows it are an escape.
type Scrubber struct {
	keyID   string
	secrets []string
	known   *knownRuns // nil until a text needs it
}

// New returns a Scrubber that removes the secrets and masks the key id, which is no
// secret. It ignores empty values.
func New(keyID string, secrets ...string) *Scrubber {
	return &Scrubber{keyID: keyID, secrets: secrets}
}

// Format writes the same for every verb, because some verbs would print the secrets.
func (s *Scrubber) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redact.Scrubber") }

// Text makes a text that comes from outside fit for an error, an event or a log record:
// it removes the known secrets, and what looks like a secret or is named as one. The
// result is printable, on one line, and no longer than limit bytes. Text removes too
// much rather than too little.
func (s *Scrubber) Text(text string, limit int) string {
	if text == "" {
		return ""
	}
	return bound(scrubUnknown(s.Known(Cut(text))), limit)
}

// ID is Text for an id, a code or a name. The service's request ids need no work, and
// cannot spell a secret in base64 either.
func (s *Scrubber) ID(text string) string {
	const limit = 256
	if len(text) <= limit && !s.mayShow(text) {
		return text
	}
	return s.Text(text, limit)
}

// Known removes the known secrets from text, and nothing else.
func (s *Scrubber) Known(text string) string {
	if text == "" {
		return text
	}
	if s.known == nil {
		s.known = newKnownRuns(s.keyID, s.secrets)
	}
	var found []span
	for _, view := range views(text) {
		found = s.known.find(text, view, found)
	}
	return replaceSpans(text, found, KeyID(s.keyID))
}

// mayShow returns false only if an id consists of upper-case hex digits and hyphens, and
// shows none of the values. It allocates nothing: the id of each request passes here.
func (s *Scrubber) mayShow(id string) bool {
	var ends [1 << 12]bool // the last three digits of each run of the id: they rule out nearly all runs
	var r hexRoller
	for i := range len(id) {
		switch c := id[i]; {
		case c == '-':
		case '0' <= c && c <= '9', 'A' <= c && c <= 'F':
			if r.add(base36(c)) {
				ends[r.run&0xfff] = true
			}
		default:
			return true
		}
	}
	if mayShare(s.keyID, id, &ends) {
		return true
	}
	for _, secret := range s.secrets {
		if mayShare(secret, id, &ends) {
			return true
		}
	}
	return false
}

// mayShare reports whether value and id have runLength consecutive hex digits in
// common, or value is so short that the id might hold all of it.
func mayShare(value, id string, ends *[1 << 12]bool) bool {
	length, hexOnly := 0, true
	var r hexRoller
	for i := range len(value) {
		switch digit := base36(value[i]); {
		case digit < 0:
			continue
		case digit >= 16:
			r, hexOnly = hexRoller{}, false
		case r.add(digit) && ends[r.run&0xfff] && hasHexRun(id, r.run):
			return true
		}
		length++
	}
	return len(value) >= 4 && length < runLength && hexOnly
}

func hasHexRun(id string, run uint64) bool {
	var r hexRoller
	for i := range len(id) {
		if digit := base36(id[i]); digit >= 0 && r.add(digit) && r.run == run {
			return true
		}
	}
	return false
}

// hexRoller holds the last runLength hex digits that were added.
type hexRoller struct {
	run uint64
	n   int
}

// add reports whether there are runLength digits.
func (r *hexRoller) add(digit int) bool {
	r.run = (r.run<<4 | uint64(digit)) & (1<<(4*runLength) - 1) //nolint:gosec // a digit
	r.n++
	return r.n >= runLength
}

// span is a part of a text that shows something known.
type span struct {
	from, to int
	secret   bool // rather than the key id
}

// replaceSpans puts a mask in the place of each span. Where spans overlap, one
// that shows a secret decides.
func replaceSpans(text string, spans []span, keyMask string) string {
	if len(spans) == 0 {
		return text
	}
	sort.Sort(byBeginning(spans))
	merged := spans[:1]
	for _, s := range spans[1:] {
		if last := &merged[len(merged)-1]; s.from < last.to {
			last.to, last.secret = max(last.to, s.to), last.secret || s.secret
		} else {
			merged = append(merged, s)
		}
	}
	var b strings.Builder
	done := 0
	for _, s := range merged {
		b.WriteString(text[done:s.from])
		if s.secret {
			b.WriteString(Mask)
		} else {
			b.WriteString(keyMask)
		}
		done = s.to
	}
	return b.String() + text[done:]
}

// byBeginning sorts where they begin. [slices.SortFunc] would add 12 kB to a program.
type byBeginning []span

func (s byBeginning) Len() int           { return len(s) }
func (s byBeginning) Less(i, j int) bool { return s[i].from < s[j].from }
func (s byBeginning) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
