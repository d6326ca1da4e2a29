package document

import (
	"encoding/json"
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
	c := Walk(object)
	for name := range c.Members() {
		value := *c
		m := jsonMember(name, c.Skip())
		if value.Kind() == '{' && strings.EqualFold(m.name, "AccessDeniedDetail") {
			for name := range value.Members() {
				m.nested = append(m.nested, jsonMember(name, value.Skip()))
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
	var own, names nameSet
	c := Walk(page)
	for name := range c.Members() {
		if !strings.EqualFold(string(name), list) || c.Kind() != '{' {
			c.Skip()
			continue
		}
		object := *c
		if !own.unique(&object) {
			return false
		}
		for name := range c.Members() {
			if !strings.EqualFold(string(name), element) || c.Kind() != '[' {
				c.Skip()
				continue
			}
			for range c.Elements() {
				if c.Kind() != '{' {
					c.Skip()
				} else if !names.unique(c) {
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
func UniqueEverywhere(value []byte) bool { return uniqueIn(Walk(value), new(nameSet), 0) }

func uniqueIn(c *Cursor, names *nameSet, depth int) bool {
	switch {
	case depth > maxDepth:
		return false
	case c.Kind() == '{':
		if object := *c; !names.unique(&object) {
			return false
		}
		for range c.Members() {
			if !uniqueIn(c, names, depth+1) {
				return false
			}
		}
	case c.Kind() == '[':
		for range c.Elements() {
			if !uniqueIn(c, names, depth+1) {
				return false
			}
		}
	default:
		c.Skip()
	}
	return true
}

// nameSet checks whether the names of an object are different, whatever their case.
// One set serves many objects, whose names are mostly the same.
type nameSet struct {
	objects int             // checked so far
	last    map[string]*int // by folded name: the last object that has it
	folded  []byte
	before  []string // the quoted names of the last object, which are different
}

// unique reports whether no two members of the object have the same name, and moves
// the cursor to the end of the object.
//
// Mostly the object has the same names in the same order as the object before. These
// names need no look into the set: it gets them at the first name that is another.
func (s *nameSet) unique(c *Cursor) bool {
	s.objects++
	same, differs := 0, false // so many names are those of the object before
	for quoted := range c.quotedMembers() {
		c.Skip()
		if !differs && same < len(s.before) && s.before[same] == string(quoted) {
			same++
			continue
		}
		if !differs {
			differs = true
			s.before = s.before[:same]
			for _, name := range s.before {
				s.add(jsonText([]byte(name)))
			}
		}
		if !s.add(jsonText(quoted)) {
			return false
		}
		s.before = append(s.before, string(quoted))
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
