// Package wildcard matches texts against patterns with wildcards.
package wildcard

// Match reports whether the whole text matches a pattern. In the pattern, "*" stands for
// any text, also the empty one, and "?" for one character. Every other character stands
// for itself, in its case.
func Match(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, from := -1, 0 // the last star, and where the text after it begins
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0: // the star stands for one character more
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
