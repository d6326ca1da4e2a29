package ecsreboot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxTags is how many tags the service takes in one query.
const maxTags = 20

// check refuses what would not select what it says. The service judges the rest.
func (r DescribeInstancesRequest) check() error {
	refuse := func(field, problem string) error { return &InputError{Field: field, Problem: problem} }
	if len(r.Tags) > maxTags {
		return refuse("Tags", fmt.Sprintf("holds %d tags, the limit is %d", len(r.Tags), maxTags))
	}
	for key, value := range r.Tags {
		switch {
		case key == "":
			return refuse("Tags", "holds an empty key")
		case !utf8.ValidString(key), !utf8.ValidString(value):
			return refuse("Tags", fmt.Sprintf("holds what is not valid UTF-8 (%q: %q)", key, value))
		}
	}
	switch r.Status {
	case "", StatusPending, StatusStarting, StatusRunning, StatusStopping, StatusStopped:
	default:
		return refuse("Status", fmt.Sprintf("is %q, which no instance can be", r.Status))
	}
	if !utf8.ValidString(r.Zone) || strings.TrimSpace(r.Zone) != r.Zone {
		return refuse("Zone", fmt.Sprintf("is %q, which is no id of a zone", r.Zone))
	}
	return nil
}

// filter is the request as parameters, but for the ids.
func (r DescribeInstancesRequest) filter() []field {
	fields := make([]field, 0, 2+2*len(r.Tags))
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	add("Status", string(r.Status))
	add("ZoneId", r.Zone)
	for n, key := range slices.Sorted(maps.Keys(r.Tags)) {
		tag := "Tag." + strconv.Itoa(n+1)
		add(tag+".Key", key)
		add(tag+".Value", r.Tags[key])
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.name, b.name) }) // Tag.10 comes before Tag.2
	return fields
}

// matches reports whether an instance is one of those asked for, but for the ids.
func (r DescribeInstancesRequest) matches(i Instance) bool {
	for key, value := range r.Tags {
		if got, ok := i.Tags[key]; !ok || value != "" && got != value {
			return false
		}
	}
	return (r.Status == "" || r.Status == i.Status) && (r.Zone == "" || r.Zone == i.Zone)
}
