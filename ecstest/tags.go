package ecstest

import (
	"slices"
	"strconv"
)

// maxTags is how many tags one query may name.
const maxTags = 20

// tagged reads Tag.N.Key and Tag.N.Value. It returns a function that reports whether an
// instance has all these tags; a key without a value stands for any value. ok is false
// for too many tags, a value without a key, and an empty key.
func (r *request) tagged() (has func(*tagsView) bool, ok bool) {
	var wanted []func(tagView) bool
	for n := 1; ; n++ {
		name := "Tag." + strconv.Itoa(n)
		key, value := r.params.Get(name+".Key"), r.params.Get(name+".Value")
		anyValue := !r.params.Has(name + ".Value")
		if anyValue && !r.params.Has(name+".Key") {
			break
		}
		if key == "" || n > maxTags {
			return nil, false
		}
		wanted = append(wanted, func(t tagView) bool { return t.TagKey == key && (anyValue || t.TagValue == value) })
	}
	return func(tags *tagsView) bool {
		return !slices.ContainsFunc(wanted, func(is func(tagView) bool) bool { return !slices.ContainsFunc(tags.Tag, is) })
	}, true
}
