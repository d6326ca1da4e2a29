package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// TagCondition is a condition on one tag of an instance. Its text form is that of
// [ParseTagCondition].
type TagCondition struct {
	Key string
	// Values are the values that satisfy the condition; if empty, any value does. A value
	// that is an empty string matches a tag with an empty value only.
	Values []string
	// Not inverts the condition: the instance must not have the tag with one of Values, or
	// not at all if Values is empty. An instance without the tag satisfies the condition.
	Not bool
}

// HasTags returns the conditions that an instance has all the tags. An empty value
// matches any value.
func HasTags(tags map[string]string) []TagCondition {
	conditions := make([]TagCondition, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		c := TagCondition{Key: key}
		if tags[key] != "" {
			c.Values = []string{tags[key]}
		}
		conditions = append(conditions, c)
	}
	return conditions
}

// Matches reports whether the tags of an instance satisfy the condition.
func (c TagCondition) Matches(tags map[string]string) bool {
	value, ok := tags[c.Key]
	return (ok && (len(c.Values) == 0 || slices.Contains(c.Values, value))) != c.Not
}

// ParseTagCondition parses the text of a condition:
//
//	role            has the tag role, with any value
//	role=web        has the tag role with the value web
//	role=web|api    has the tag role with the value web or api
//	env!=prod       does not have the tag env with the value prod
//	env!=prod|test  does not have the tag env with the value prod or test
//	!role           does not have the tag role
//
// A backslash takes the meaning from one of the characters \ ! = | after it. In a value,
// ! and = need no backslash. Keys and values that begin or end with a space are refused,
// because "env!= prod" would match instances that have env=prod.
func ParseTagCondition(text string) (TagCondition, error) {
	refuse := func(problem string) (TagCondition, error) {
		return TagCondition{}, input("Tags", fmt.Sprintf("holds %q, which %s", text, problem))
	}
	if !utf8.ValidString(text) {
		return refuse("is not valid UTF-8")
	}
	var c TagCondition
	var part strings.Builder
	inValue, escaped, bang, absent := false, false, false, false
	for i, r := range text {
		if bang && (escaped || r != '=') {
			return refuse("has a ! inside the key; write \\!")
		}
		switch {
		case escaped && !strings.ContainsRune(special, r):
			return refuse("has a backslash before " + string(r))
		case escaped:
			escaped = false
			part.WriteRune(r)
		case r == '\\':
			escaped = true
		case r == '|' && !inValue:
			return refuse("has a | in the key; only values can be alternatives")
		case r == '|':
			c.Values = append(c.Values, part.String())
			part.Reset()
		case inValue:
			part.WriteRune(r)
		case r == '!' && i == 0:
			absent = true
		case r == '!':
			bang = true
		case r == '=' && absent:
			return refuse("begins with ! and has a value; write KEY!=VALUE")
		case r == '=':
			c.Key, c.Not, inValue, bang = part.String(), bang, true, false
			part.Reset()
		default:
			part.WriteRune(r)
		}
	}
	switch {
	case escaped:
		return refuse("ends with a backslash")
	case bang:
		return refuse("has a ! inside the key; write \\!")
	case inValue:
		c.Values = append(c.Values, part.String())
	default:
		c.Key, c.Not = part.String(), absent
	}
	if c.Key == "" {
		return refuse("has no key")
	}
	for _, word := range append([]string{c.Key}, c.Values...) {
		if strings.TrimSpace(word) != word {
			return refuse("has a space around the key or a value")
		}
	}
	return c, nil
}

// special are the characters with a meaning in the text of a condition.
const special = `\!=|`

var (
	escapeKey   = strings.NewReplacer(`\`, `\\`, `!`, `\!`, `=`, `\=`, `|`, `\|`)
	escapeValue = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
)

// String returns the text that [ParseTagCondition] parses.
func (c TagCondition) String() string {
	key := escapeKey.Replace(c.Key)
	switch {
	case len(c.Values) == 0 && c.Not:
		return "!" + key
	case len(c.Values) == 0:
		return key
	}
	values := make([]string, len(c.Values))
	for i, value := range c.Values {
		values[i] = escapeValue.Replace(value)
	}
	sign := "="
	if c.Not {
		sign = "!="
	}
	return key + sign + strings.Join(values, "|")
}

// checkTags refuses conditions that cannot be meant.
func checkTags(conditions []TagCondition) error {
	for i, c := range conditions {
		if c.Key == "" {
			return input("Tags", "holds an empty key")
		}
		for _, text := range append([]string{c.Key}, c.Values...) {
			if !utf8.ValidString(text) {
				return input("Tags", fmt.Sprintf("holds %q, which is not valid UTF-8", text))
			}
		}
		for _, other := range conditions[:i] {
			if c.Key == other.Key && c.contradicts(other) {
				return input("Tags", fmt.Sprintf("holds %q and %q, and no instance can match both; alternatives are written KEY=A|B", other, c))
			}
		}
	}
	return nil
}

// contradicts reports whether two conditions on the same key need different values.
func (c TagCondition) contradicts(other TagCondition) bool {
	return !c.Not && !other.Not && len(c.Values) > 0 && len(other.Values) > 0 &&
		!slices.ContainsFunc(c.Values, func(value string) bool { return slices.Contains(other.Values, value) })
}

// maxRequestTags is how many tags the service takes in one request.
const maxRequestTags = 20

// requestTags returns what the service can filter by: the tags that an instance must have.
// The service has no alternatives and no "!=", and does not document what two values of
// one key mean, so there is one value for a key, or any.
func requestTags(conditions []TagCondition) map[string]string {
	tags := make(map[string]string)
	for _, c := range conditions {
		if _, ok := tags[c.Key]; c.Not || !ok && len(tags) == maxRequestTags {
			continue
		}
		tags[c.Key] = "" // any
		if len(c.Values) == 1 {
			tags[c.Key] = c.Values[0]
		}
	}
	return tags
}
