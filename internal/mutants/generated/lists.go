package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// list is what a file says of mutants: their keys, each with what stands below it.
type list struct {
	file string
	keys []string
	note map[string]string
}

// readList reads a file of the form
//
//	key of a mutant
//	    why it is equivalent, or which test is missing
//
// A line that begins with # is left out. Several keys may share a note that follows the
// last of them.
func readList(path string) (*list, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the module
	if err != nil {
		return nil, err
	}
	l := &list{file: path, note: map[string]string{}}
	var problems []error
	var open []string // keys without a note
	noted := false
	unnoted := func() {
		for _, key := range open {
			if l.note[key] == "" {
				problems = append(problems, fmt.Errorf("%s: no note for %q", path, key))
			}
		}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, " \n")
		switch {
		case strings.HasPrefix(line, "#") || line == "":
		case strings.HasPrefix(line, " "):
			for _, key := range open {
				l.note[key] = strings.TrimSpace(l.note[key] + " " + strings.TrimSpace(line))
			}
			if len(open) == 0 {
				problems = append(problems, fmt.Errorf("%s: %q stands before the first key", path, line))
			}
			noted = true
		default:
			if noted {
				open, noted = nil, false
			}
			if l.has(line) {
				problems = append(problems, fmt.Errorf("%s: %q occurs twice", path, line))
			}
			open = append(open, line)
			l.keys = append(l.keys, line)
			l.note[line] = ""
		}
	}
	if !noted {
		unnoted()
	}
	return l, errors.Join(problems...)
}

func (l *list) has(key string) bool {
	_, ok := l.note[key]
	return ok
}

// stale returns the keys of a package that belong to none of its mutants.
func (l *list) stale(mutants []*mutant, dir string) (keys []string) {
	known := map[string]bool{}
	for _, m := range mutants {
		known[m.key] = true
	}
	for _, key := range l.keys {
		if strings.HasPrefix(key, dir+" ") && !known[key] {
			keys = append(keys, key)
		}
	}
	return keys
}
