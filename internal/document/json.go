package document

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
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
		if value[0] == '{' && strings.EqualFold(m.name, "AccessDeniedDetail") {
			for name, value := range jsonMembers(value) {
				m.nested = append(m.nested, jsonMember(name, value))
			}
		}
		members = append(members, m)
	}
	return members
}

func jsonMember(name, value []byte) member {
	m := member{name: string(name)}
	switch value[0] {
	case '"':
		m.kind, m.text = kindText, string(jsonText(value))
	case '{', '[':
		m.kind = kindNested
	case 'n':
		m.kind = kindNull
	case 't', 'f':
		m.kind, m.text = kindBool, string(value)
	default:
		m.kind, m.text = kindNumber, string(value)
	}
	return m
}

// UniqueNames reports whether no name occurs twice, whatever its case, in the object
// that is the page's member of the name list, nor in an object of the array that is the
// list's member of the name element. These are the lists of the service, such as
// {"Instances":{"Instance":[{…},{…}]}}. [Read] has checked the names of the page itself.
//
// The page must be an object and valid JSON. Where something else stands in place of the
// list or the array, there are no names to check.
func UniqueNames(page []byte, list, element string) bool {
	var names nameSet
	for name, object := range jsonMembers(page) {
		if !strings.EqualFold(string(name), list) || object[0] != '{' {
			continue
		}
		if !names.unique(object) {
			return false
		}
		for name, array := range jsonMembers(object) {
			if !strings.EqualFold(string(name), element) || array[0] != '[' {
				continue
			}
			for value := range jsonElements(array) {
				if value[0] == '{' && !names.unique(value) {
					return false
				}
			}
		}
	}
	return true
}

// UniqueEverywhere reports whether no name occurs twice, whatever its case, in any object
// of a value, however deep it is. The value must be valid JSON. A value that is deeper than
// any page of the service is refused.
func UniqueEverywhere(value []byte) bool { return uniqueIn(value, new(nameSet), 0) }

func uniqueIn(value []byte, names *nameSet, depth int) bool {
	switch {
	case depth > maxDepth:
		return false
	case value[0] == '{':
		if !names.unique(value) {
			return false
		}
		for _, inner := range jsonMembers(value) {
			if !uniqueIn(inner, names, depth+1) {
				return false
			}
		}
	case value[0] == '[':
		for inner := range jsonElements(value) {
			if !uniqueIn(inner, names, depth+1) {
				return false
			}
		}
	}
	return true
}

// jsonMembers are the names and values of an object.
func jsonMembers(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
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

// nameSet checks whether the names of an object are different, whatever their case.
// One set serves many objects, whose names are mostly the same.
type nameSet struct {
	objects int             // checked so far
	last    map[string]*int // by folded name: the last object that has it
	folded  []byte
}

// unique reports whether no two members of the object have the same name.
func (s *nameSet) unique(object []byte) bool {
	s.objects++
	for name := range jsonMembers(object) {
		if !s.add(name) {
			return false
		}
	}
	return true
}

// add reports whether the name is new in this object.
func (s *nameSet) add(name []byte) bool {
	s.folded = fold(s.folded[:0], name)
	last := s.last[string(s.folded)]
	if last == nil {
		if s.last == nil {
			s.last = make(map[string]*int)
		}
		s.last[string(s.folded)] = new(s.objects)
		return true
	}
	isNew := *last != s.objects
	*last = s.objects
	return isNew
}

// fold appends to folded the same text for all names that are equal by
// strings.EqualFold. Its ASCII letters are capitals.
func fold(folded, name []byte) []byte {
	for _, r := range string(name) {
		if r < utf8.RuneSelf {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			folded = utf8.AppendRune(folded, r)
			continue
		}
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		folded = utf8.AppendRune(folded, least)
	}
	return folded
}

// jsonNext skips what stands between two values.
func jsonNext(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n:,") }

// jsonLen returns the length of the value that text begins with.
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

// jsonText is the text that a string stands for.
func jsonText(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var text string
			_ = json.Unmarshal(quoted, &text)
			return []byte(text)
		}
	}
	return inner
}
