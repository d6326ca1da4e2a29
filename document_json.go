package ecsreboot

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// The functions of this file walk through JSON that json.Valid has accepted.
// encoding/json takes the last of several equal keys, in whatever case, and does not
// say that there were several.

// jsonObject returns the members of an object. Of the objects in it, it opens only
// AccessDeniedDetail, and no object in that.
func jsonObject(object []byte) []member {
	var members []member
	for name, value := range jsonMembers(object) {
		m := jsonMember(name, value)
		if m.kind == kindNested && value[0] == '{' && strings.EqualFold(name, "AccessDeniedDetail") {
			for name, value := range jsonMembers(value) {
				m.nested = append(m.nested, jsonMember(name, value))
			}
		}
		members = append(members, m)
	}
	return members
}

func jsonMember(name string, value []byte) member {
	switch value[0] {
	case '"':
		return member{name: name, kind: kindText, text: jsonText(value)}
	case '{', '[':
		return member{name: name, kind: kindNested}
	case 'n':
		return member{name: name, kind: kindNull}
	case 't', 'f':
		return member{name: name, kind: kindBool, text: string(value)}
	}
	return member{name: name, kind: kindNumber, text: string(value)}
}

// jsonMembers are the names and values of an object.
func jsonMembers(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for rest := jsonNext(object[1:]); rest[0] != '}'; {
			end := jsonLen(rest)
			name := jsonText(rest[:end])
			rest = jsonNext(rest[end:])
			end = jsonLen(rest)
			if !yield(name, rest[:end]) {
				return
			}
			rest = jsonNext(rest[end:])
		}
	}
}

// jsonElements are the values of an array.
func jsonElements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := jsonNext(array[1:]); rest[0] != ']'; {
			end := jsonLen(rest)
			if !yield(rest[:end]) {
				return
			}
			rest = jsonNext(rest[end:])
		}
	}
}

// nameSet checks one object after the other.
type nameSet map[string]struct{}

// unique reports whether no two members of an object have the same name, whatever
// their case.
func (s *nameSet) unique(object []byte) bool {
	if *s == nil {
		*s = make(nameSet)
	}
	clear(*s)
	count := 0
	for name := range jsonMembers(object) {
		(*s)[fold(name)] = struct{}{}
		count++
	}
	return len(*s) == count
}

// jsonNext skips what stands between two values.
func jsonNext(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n:,") }

// jsonLen returns the length of the value that text begins with.
func jsonLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
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

// jsonText is the text that a string stands for.
func jsonText(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			var text string
			_ = json.Unmarshal(quoted, &text)
			return text
		}
	}
	return string(inner)
}
