package ecsreboot

import (
	"encoding/base64"
	"slices"
	"strings"
)

// runLength is how many consecutive letters and digits of a secret a text must not
// show. Fewer are of no use to anybody; more would let a part of a secret pass.
const runLength = 12

// scrubber removes known secrets from texts. It is not safe for concurrent use.
//
// A text may spell a secret in many ways: without padding, in the URL-safe
// alphabet, with a space for each +, in lower case, percent-encoded or escaped any
// number of times, in base64, wrapped or cut off. So the scrubber does not look for
// spellings. It undoes the encodings of the text and compares only letters and
// digits, in lower case. Where runLength consecutive ones of the text are a
// secret's, it removes them and all the letters and digits that they adjoin.
//
// A secret with fewer letters and digits is looked for as a whole.
type scrubber struct {
	keyID   string
	secrets []string
	known   *knownRuns // nil until a text needs it
}

// newScrubber returns a scrubber that removes the secrets and masks the key id,
// which is no secret. It ignores empty values.
func newScrubber(keyID string, secrets ...string) *scrubber {
	return &scrubber{keyID: keyID, secrets: secrets}
}

// clean makes a text that comes from outside printable, without secrets and no
// longer than limit bytes. It removes too much rather than too little.
func (s *scrubber) clean(text string, limit int) string {
	if text == "" {
		return ""
	}
	return bound(scrubUnknown(s.scrub(cut(text))), limit)
}

// scrub removes the known secrets from text.
func (s *scrubber) scrub(text string) string {
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
	return replaceSpans(text, found, maskKeyID(s.keyID))
}

// mayShow reports whether an id of upper-case hex digits and hyphens may show one
// of the values. It allocates nothing: the id of each request passes here.
func (s *scrubber) mayShow(id string) bool {
	return mayShare(s.keyID, id) || slices.ContainsFunc(s.secrets, func(secret string) bool { return mayShare(secret, id) })
}

// mayShare reports whether value and id have runLength consecutive hex digits in
// common, or value is so short that the id might hold all of it.
func mayShare(value, id string) bool {
	length, hexOnly := 0, true
	var r hexRoller
	for i := range len(value) {
		switch digit := base36(value[i]); {
		case digit < 0:
			continue
		case digit >= 16:
			r, hexOnly = hexRoller{}, false
		case r.add(digit) && hasHexRun(id, r.run):
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
	r.run = (r.run<<4 | uint64(digit)) & (1<<(4*runLength) - 1)
	r.n++
	return r.n >= runLength
}

// roller holds the last runLength letters and digits that were added, as a number:
// 36^12 is less than 2^63, so that no two runs share one.
type roller struct {
	run uint64
	n   int
}

// add reports whether there are runLength of them.
func (r *roller) add(digit int) bool {
	const allButOne = 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 // 36^(runLength-1)
	r.run = r.run%allButOne*36 + uint64(digit)
	r.n++
	return r.n >= runLength
}

// base36 returns the value of a digit or a letter of either case, or -1.
func base36(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return -1
}

// knownRuns are the values in the form in which texts are searched for them.
type knownRuns struct {
	runs  map[uint64]bool // the runs of the values; true for a secret's
	whole []wholeValue    // the values that are too short for a run
}

func newKnownRuns(keyID string, secrets []string) *knownRuns {
	size := len(keyID)
	for _, secret := range secrets {
		size += 5 * len(secret)
	}
	k := &knownRuns{runs: make(map[uint64]bool, size)}
	k.add(keyID, false)
	for _, secret := range secrets {
		k.add(secret, true)
		if len(secret) < 8 {
			continue // so few characters of base64 stand in other texts too
		}
		// The characters of base64 that the secret alone determines, whatever stands
		// before and behind it in the encoded bytes.
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:shift] + secret))
			k.add(encoded[(shift*8+5)/6:(shift+len(secret))*8/6], true)
		}
	}
	return k
}

func (k *knownRuns) add(value string, secret bool) {
	if value == "" {
		return
	}
	letters := 0
	for _, view := range views(value) {
		var r roller
		for _, g := range view {
			if digit := base36(g.c); digit >= 0 && r.add(digit) {
				k.runs[r.run] = k.runs[r.run] || secret
			}
		}
		letters = r.n
	}
	if letters < runLength {
		k.whole = append(k.whole, newWholeValue(value, letters < 4, secret))
	}
}

// hit is a part of a view that shows something known.
type hit struct {
	from, to int
	secret   bool // rather than the key id
}

// find appends the spans of text in which the view of it shows something known.
func (k *knownRuns) find(text string, view []glyph, found []span) []span {
	var hits []hit
	var r roller
	places := make([]int32, 0, len(view)) // of the letters and digits
	for i, g := range view {
		digit := base36(g.c)
		if digit < 0 {
			continue
		}
		places = append(places, int32(i)) //nolint:gosec // texts are short
		if !r.add(digit) {
			continue
		}
		secret, ok := k.runs[r.run]
		if !ok {
			continue
		}
		from := int(places[len(places)-runLength])
		if last := len(hits) - 1; last >= 0 && hits[last].secret == secret && from < hits[last].to {
			hits[last].to = i + 1
		} else {
			hits = append(hits, hit{from, i + 1, secret})
		}
	}
	end := 0 // of the hit before
	for _, h := range hits {
		if h.secret {
			h.widen(view, end)
		}
		end = h.to
		found = append(found, span{int(view[h.from].from), int(view[h.to-1].to), h.secret})
	}
	if len(k.whole) > 0 {
		found = k.findWhole(text, view, found)
	}
	return found
}

// widen makes the hit include all the letters and digits that it adjoins, and the
// padding behind them. It goes back no further than to the end of the hit before,
// so that a text of many hits takes no longer.
func (h *hit) widen(view []glyph, before int) {
	joined := func(i int) bool { return view[i-1].to == view[i].from } // no white space was dropped there
	for h.from > before && base36(view[h.from-1].c) >= 0 && joined(h.from) {
		h.from--
	}
	for h.to < len(view) && base36(view[h.to].c) >= 0 && joined(h.to) {
		h.to++
	}
	padding := h.to
	for padding < len(view) && strings.IndexByte("=+/-_", view[padding].c) >= 0 && joined(padding) {
		padding++
	}
	if padding == len(view) || base36(view[padding].c) < 0 || !joined(padding) {
		h.to = padding
	}
}

func (k *knownRuns) findWhole(text string, view []glyph, found []span) []span {
	for i := range view {
		for _, w := range k.whole {
			n := w.length(view[i:])
			if n == 0 {
				continue
			}
			from, to := int(view[i].from), int(view[i+n-1].to)
			if len(w.value) >= 4 || standsAlone(text, from, to) {
				found = append(found, span{from, to, w.secret})
			}
		}
	}
	return found
}

// wholeValue is a value that is looked for as a whole.
type wholeValue struct {
	value  string // with its encodings undone, in lower case
	exact  bool   // one with hardly any letters and digits
	secret bool
}

func newWholeValue(value string, exact, secret bool) wholeValue {
	plain := make([]byte, 0, len(value))
	for _, g := range decode(value, false) {
		plain = append(plain, g.c)
	}
	w := wholeValue{strings.ToLower(string(plain)), exact, secret}
	if !exact { // padding may be missing
		w.value = strings.TrimFunc(w.value, func(r rune) bool { return base36(byte(r)) < 0 })
	}
	return w
}

// length returns how many glyphs spell the value from the first one on, or 0. They
// may be wrapped.
func (w wholeValue) length(view []glyph) int {
	n := 0
	for i := range len(w.value) {
		for i > 0 && n < len(view) && (view[n].c == '\n' || view[n].c == '\r') {
			n++
		}
		if n == len(view) {
			return 0
		}
		want, c := w.value[i], lower(view[n].c)
		if c != want && (w.exact || base36(c) >= 0 || base36(want) >= 0) {
			return 0
		}
		n++
	}
	return n
}

// standsAlone reports whether text[from:to] is all of a value in a query, a header
// or a quoted string.
func standsAlone(text string, from, to int) bool {
	const before, after = `="':`, `"'&,;} `
	return from > 0 && strings.IndexByte(before, text[from-1]) >= 0 &&
		(to == len(text) || strings.IndexByte(after, text[to]) >= 0)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
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
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
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
			b.WriteString(redacted)
		} else {
			b.WriteString(keyMask)
		}
		done = s.to
	}
	return b.String() + text[done:]
}
