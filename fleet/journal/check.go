package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Contents is what a journal holds.
type Contents struct {
	// Records are the caller's records in order, without the header; the first is the
	// one given to [Create].
	Records []json.RawMessage
	// Torn is everything from the first damaged or misplaced line on; empty if there is
	// no damage. A crash leaves such a line, and so does a writer that is still writing
	// it. The package comment says what Torn may mean.
	Torn []byte
}

// scan is the state of checking a file: what is intact so far.
type scan struct {
	records []json.RawMessage
	next    uint64 // the seq after that of the last line
	group   uint64 // the last line's
	size    int    // of the lines
	begin   int    // of the last group, in bytes
	lines   int
}

// check reads the lines of a file. The error is [ErrCorrupt], [ErrVersion] or
// [ErrNoRecords]; what comes before the damage is returned all the same.
func check(data []byte) (*scan, *Contents, error) {
	s := &scan{}
	var err error
	for err == nil && s.size < len(data) {
		text, _, ended := bytes.Cut(data[s.size:], []byte("\n"))
		l, intact := parseLine(text)
		if !ended || !intact {
			err = s.checkTorn(data[s.size:])
			break
		}
		err = s.add(l, len(text)+1)
	}
	if err == nil && len(s.records) == 0 {
		err = ErrNoRecords
	}
	return s, &Contents{Records: s.records, Torn: data[s.size:]}, err
}

// add takes an intact line.
func (s *scan) add(l line, size int) error {
	switch {
	case l.seq != s.next:
		return s.corrupt("is record %d where %d belongs", l.seq, s.next)
	case l.group != l.seq && (s.lines == 0 || l.group != s.group):
		return s.corrupt("is of another group")
	case s.lines == 0:
		if err := checkHeader(l.record); err != nil {
			return err
		}
	default:
		s.records = append(s.records, l.record)
	}
	if l.group == l.seq {
		s.begin = s.size
	}
	s.next, s.group = l.seq+1, l.group
	s.size += size
	s.lines++
	return nil
}

// checkTorn makes sure that what begins with a damaged line may be the work of a
// crash: all lines in it that are intact are of one group, the last, which began
// before the damage or with it.
func (s *scan) checkTorn(tail []byte) error {
	seen := line{seq: s.next}
	for text := range bytes.Lines(tail) {
		text, ended := bytes.CutSuffix(text, []byte("\n"))
		l, intact := parseLine(text)
		if !ended || !intact {
			continue
		}
		first := seen.seq == s.next
		switch {
		case l.seq <= seen.seq:
			return s.corrupt("is damaged, and record %d after it was not to come", l.seq)
		case l.group != s.next && (s.lines == 0 || l.group != s.group), !first && l.group != seen.group:
			return s.corrupt("is damaged, and was durable before record %d", l.seq)
		}
		seen = l
	}
	return nil
}

// corrupt returns an error about the line after the intact ones.
func (s *scan) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: line %d "+format, append([]any{ErrCorrupt, s.lines + 1}, args...)...)
}

// checkHeader checks the record of line 0.
func checkHeader(record json.RawMessage) error {
	if string(record) == header {
		return nil
	}
	var found struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(record, &found); err != nil || found.Format != "journal" {
		return fmt.Errorf("%w: line 1 is not the header of a journal", ErrCorrupt)
	}
	return fmt.Errorf("%w: %d", ErrVersion, found.Version)
}
