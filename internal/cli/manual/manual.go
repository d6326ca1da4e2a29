// Package manual formats help pages: flags with their texts, in 80 columns.
package manual

import (
	"flag"
	"fmt"
	"strings"
)

const (
	width  = 80
	column = 24 // where the text of a flag begins
)

// Flags lists flags with their texts; without names, all flags.
func Flags(flags *flag.FlagSet, names ...string) string {
	var b strings.Builder
	if len(names) == 0 {
		flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	}
	for _, name := range names {
		f := flags.Lookup(name)
		value, text := flag.UnquoteUsage(f)
		if isSwitch(f.Value) {
			value = ""
		}
		b.WriteString(Flag("--"+name, value, text))
	}
	return b.String()
}

func isSwitch(v flag.Value) bool {
	s, ok := v.(interface{ IsBoolFlag() bool })
	return ok && s.IsBoolFlag()
}

// Flag returns the entry of a flag: its name, the name of its value, which may be empty,
// and its text.
func Flag(name, value, text string) string {
	if value != "" {
		name += " " + strings.ToUpper(value)
	}
	return Entry(name, text, column)
}

// Entry returns a term with its text, which begins at a column. A line feed in the text
// begins a new line.
func Entry(term, text string, column int) string {
	var b strings.Builder
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		lines = append(lines, Wrap(paragraph, width-column)...)
	}
	if len(term)+2 < column-1 {
		fmt.Fprintf(&b, "  %-*s%s\n", column-2, term, lines[0])
		lines = lines[1:]
	} else {
		fmt.Fprintf(&b, "  %s\n", term)
	}
	for _, line := range lines {
		fmt.Fprintf(&b, "%*s%s\n", column, "", line)
	}
	return b.String()
}

// Wrap breaks a text into lines of at most so many columns, unless a word is longer.
func Wrap(text string, columns int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > columns:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
