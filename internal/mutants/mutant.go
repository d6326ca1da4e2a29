package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is a change of one declaration that the named tests must notice.
type mutant struct {
	name     string // file/name
	function string // the declaration, in the form of [source.find]
	old, new string
	tests    string // regexp of go test -run
	at       string // file:line, for errors
}

// readMutants reads all files of a directory with the ending .mutant.
func readMutants(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.mutant"))
	if err != nil {
		return nil, err
	}
	var list []mutant
	var problems []error
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // a file of the module
		if err != nil {
			return nil, err
		}
		ofFile, err := parseMutants(file, string(text))
		list = append(list, ofFile...)
		problems = append(problems, err)
	}
	return list, errors.Join(problems...)
}

// parseMutants reads one file: entries of the lines
//
//	mutant: short-name
//	func: (*exchange).onGotConn
//	old: a snippet of the declaration
//	new: its replacement
//	tests: TestA|TestB/row
//
// Old and new may be "|", followed by lines that are indented by four spaces. A line
// outside of such text that is empty or begins with # is left out. The error names
// every entry that is malformed; the others are returned.
func parseMutants(file, text string) ([]mutant, error) {
	subject := strings.TrimSuffix(filepath.Base(file), ".mutant")
	lines := strings.Split(text, "\n")
	var list []mutant
	var problems []error
	given := map[string]bool{} // fields of the last entry
	for n := 0; n < len(lines); n++ {
		line := strings.TrimRight(lines[n], " \t\r")
		at := fmt.Sprintf("%s:%d", file, n+1)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if value == "|" {
			end := n + 1
			for end < len(lines) && (strings.HasPrefix(lines[end], "    ") || strings.TrimSpace(lines[end]) == "") {
				end++
			}
			value = strings.TrimSpace(strings.Join(lines[n+1:end], "\n"))
			n = end - 1
		}
		if field == "mutant" {
			list = append(list, mutant{name: subject + "/" + value, at: at})
			clear(given)
		} else if len(list) == 0 {
			problems = append(problems, fmt.Errorf("%s: %q stands before the first mutant", at, line))
			continue
		}
		if given[field] {
			problems = append(problems, fmt.Errorf("%s: second %q of one mutant", at, field))
		}
		given[field] = true
		last := &list[len(list)-1]
		switch field {
		case "mutant":
		case "func":
			last.function = value
		case "old":
			last.old = value
		case "new":
			last.new = value
		case "tests":
			last.tests = value
		default:
			problems = append(problems, fmt.Errorf("%s: unknown field %q", at, field))
		}
	}
	return list, errors.Join(append(problems, check(list)...)...)
}

// check finds entries that lack a field, change nothing or share a name.
func check(list []mutant) []error {
	var problems []error
	seen := map[string]bool{}
	for _, m := range list {
		problem := ""
		switch {
		case strings.HasSuffix(m.name, "/"):
			problem = "has no name"
		case seen[m.name]:
			problem = "occurs twice"
		case m.function == "":
			problem = "has no func"
		case m.old == "":
			problem = "has no old"
		case m.tests == "":
			problem = "has no tests"
		case m.old == m.new:
			problem = "changes nothing"
		}
		if problem != "" {
			problems = append(problems, fmt.Errorf("%s: mutant %q %s", m.at, m.name, problem))
		}
		seen[m.name] = true
	}
	return problems
}

// trimmed is a text without the indentation of its lines.
type trimmed struct {
	text string
	at   []int // where each byte of text is in the whole
}

func trim(whole string) trimmed {
	var t trimmed
	var text strings.Builder
	indented := true
	for i := range len(whole) {
		indented = indented && (whole[i] == ' ' || whole[i] == '\t')
		if !indented {
			text.WriteByte(whole[i])
			t.at = append(t.at, i)
		}
		indented = indented || whole[i] == '\n'
	}
	t.text = text.String()
	return t
}

// replace replaces the one place where old stands in a declaration.
func (m mutant) replace(declaration string) (string, error) {
	in, old := trim(declaration), trim(m.old).text
	first := strings.Index(in.text, old)
	if first < 0 {
		return "", fmt.Errorf("%s does not hold %q", m.function, m.old)
	}
	if first != strings.LastIndex(in.text, old) {
		return "", fmt.Errorf("%s holds %q more than once", m.function, m.old)
	}
	end := in.at[first+len(old)-1] + 1
	return declaration[:in.at[first]] + m.new + declaration[end:], nil
}

// names returns the names, sorted.
func names(list []mutant) []string {
	var all []string
	for _, m := range list {
		all = append(all, m.name)
	}
	return slices.Sorted(slices.Values(all))
}
