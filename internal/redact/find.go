package redact

import (
	"encoding/base64"
	"strings"
)

// roller holds the last runLength letters and digits that were added, as a number:
// 36^12 is less than 2^63, so that no two runs share one.
type roller struct {
	run uint64
	n   int
}

// add reports whether there are runLength of them.
func (r *roller) add(digit int) bool {
	const allButOne = 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 // 36^(runLength-1)
	r.run = r.run%allButOne*36 + uint64(digit)                             //nolint:gosec // a digit
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
		places = append(places, int32(i))
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
	for h.to < len(view) && view[h.to].c == '=' && joined(h.to) {
		h.to++
	}
	padding := h.to
	for padding < len(view) && strings.IndexByte("+/-_=", view[padding].c) >= 0 && joined(padding) {
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
			if w.long || standsAlone(text, from, to) {
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
	long   bool   // so long that it is no accident, wherever it stands
	secret bool
}

func newWholeValue(value string, exact, secret bool) wholeValue {
	plain := make([]byte, 0, len(value))
	for _, g := range decode(value, true) {
		plain = append(plain, lower(g.c))
	}
	w := wholeValue{string(plain), exact, len(value) >= 4, secret}
	if !exact { // padding may be missing
		w.value = strings.TrimFunc(w.value, func(r rune) bool { return !strings.ContainsRune(letters+"0123456789", r) })
	}
	return w
}

// length returns how many glyphs spell the value from the first one on, or 0. They
// may be wrapped, and have other characters or none between the letters and digits
// where the value has some.
func (w wholeValue) length(view []glyph) int {
	n := 0
	for i := range len(w.value) {
		for i > 0 && n < len(view) && (view[n].c == '\n' || view[n].c == '\r') {
			n++
		}
		want, c := w.value[i], byte(0)
		if n < len(view) {
			c = lower(view[n].c)
		}
		switch {
		case n < len(view) && c == want:
			n++
		case w.exact || base36(want) >= 0:
			return 0
		case n < len(view) && base36(c) < 0:
			n++
		}
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
