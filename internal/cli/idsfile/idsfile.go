// Package idsfile parses files of instance ids, as people and spreadsheets write them.
package idsfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// List is the content of a file.
type List struct {
	IDs        []string // each once, in the order of the file
	Duplicates []Duplicate
}

// Duplicate is an id that stands in the file more than once.
type Duplicate struct {
	ID          string
	Line, First int // where it stands once more, and where it stood first
}

// String returns "line 7: i-1 is on line 2 already".
func (d Duplicate) String() string {
	return fmt.Sprintf("line %d: %s is on line %d already", d.Line, d.ID, d.First)
}

// maxLine is the length of the longest line in bytes: all ids may stand on one.
const maxLine = 16 << 20

// The byte order marks that editors write.
var (
	markUTF8    = []byte("\xef\xbb\xbf")
	markUTF16LE = []byte("\xff\xfe")
	markUTF16BE = []byte("\xfe\xff")
)

// Parse reads ids, which spaces, tabs, commas and line ends separate. It skips blank lines,
// the rest of a line after "#", and the byte order mark of UTF-8. The errors of Parse are
// usage errors that name the line, except those of the reader. A file without an id is an
// error, because it must not select every instance.
func Parse(from io.Reader) (List, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var list List
	first := make(map[string]int)
	line := 0
	for lines.Scan() {
		line++
		text := lines.Bytes()
		if line == 1 {
			if bytes.HasPrefix(text, markUTF16LE) || bytes.HasPrefix(text, markUTF16BE) {
				return List{}, cmdline.Errorf("line 1: the text is UTF-16; save it as UTF-8")
			}
			text = bytes.TrimPrefix(text, markUTF8)
		}
		text, _, _ = bytes.Cut(text, []byte("#"))
		for _, word := range bytes.FieldsFunc(text, isSeparator) {
			id := string(word)
			if err := check(id); err != nil {
				return List{}, cmdline.Errorf("line %d: %v", line, err)
			}
			if before, ok := first[id]; ok {
				list.Duplicates = append(list.Duplicates, Duplicate{ID: id, Line: line, First: before})
				continue
			}
			first[id] = line
			list.IDs = append(list.IDs, id)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return List{}, cmdline.Errorf("line %d: longer than %d bytes", line+1, maxLine)
	case err != nil:
		return List{}, fmt.Errorf("line %d: %w", line+1, err)
	case len(list.IDs) == 0:
		return List{}, cmdline.Errorf("no instance id in %d lines", line)
	}
	return list, nil
}

func isSeparator(r rune) bool { return strings.ContainsRune(", \t\r", r) }

func check(id string) error {
	switch {
	case !utf8.ValidString(id):
		return fmt.Errorf("%q is not valid UTF-8", id)
	case strings.ContainsAny(id, "*?"):
		return fmt.Errorf("%q looks like a name with a wildcard, not like an instance id", id)
	}
	return cmdline.CheckID(id)
}
