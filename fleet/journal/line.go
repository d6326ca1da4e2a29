package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"unicode/utf8"
)

// line is what one line of the file holds.
type line struct {
	seq    uint64
	group  uint64 // the seq of the group's first line
	record json.RawMessage
}

const (
	beforeSeq    = `{"seq":`
	beforeGroup  = `,"group":`
	beforeRecord = `,"record":`
	beforeSum    = `,"crc":"`
	afterSum     = `"}`
	sumLen       = len(beforeSum) + 2*crc32.Size + len(afterSum)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the record of line 0.
const header = `{"format":"journal","version":1}`

// appendTo appends the line with its newline.
func (l line) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, beforeSeq...)
	b = strconv.AppendUint(b, l.seq, 10)
	b = append(b, beforeGroup...)
	b = strconv.AppendUint(b, l.group, 10)
	b = append(b, beforeRecord...)
	b = append(b, l.record...)
	b = appendSum(b, b[start:])
	return append(b, '\n')
}

func appendSum(b, body []byte) []byte {
	return fmt.Appendf(b, "%s%08x%s", beforeSum, crc32.Checksum(body, castagnoli), afterSum)
}

// parseLine accepts nothing but what appendTo makes, without the newline. The
// record is a part of the text.
func parseLine(text []byte) (line, bool) {
	if len(text) < sumLen {
		return line{}, false
	}
	body, sum := text[:len(text)-sumLen], text[len(text)-sumLen:]
	if !bytes.Equal(sum, appendSum(nil, body)) {
		return line{}, false
	}
	rest, isLine := bytes.CutPrefix(body, []byte(beforeSeq))
	seqText, rest, hasGroup := bytes.Cut(rest, []byte(beforeGroup))
	groupText, record, hasRecord := bytes.Cut(rest, []byte(beforeRecord))
	seq, seqValid := parseNumber(seqText)
	group, groupValid := parseNumber(groupText)
	if !isLine || !hasGroup || !hasRecord || !seqValid || !groupValid || checkRecord(record) != nil {
		return line{}, false
	}
	return line{seq: seq, group: group, record: slices.Clip(record)}, true
}

// parseNumber accepts a number in the one form that is written.
func parseNumber(text []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == string(text)
}

// encodeRecord makes a record fit for a line.
func encodeRecord(record any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // a record that is JSON already comes back as it is
	if err := encoder.Encode(record); err != nil {
		return nil, fmt.Errorf("%sthe record cannot be encoded: %w", prefix, err)
	}
	encoded := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if err := checkRecord(encoded); err != nil {
		return nil, err
	}
	return encoded, nil
}

func checkRecord(record []byte) error {
	switch {
	case !utf8.Valid(record): // which encoding/json lets pass in a json.RawMessage
		return errors.New(prefix + "the record is not UTF-8")
	case !json.Valid(record) || bytes.IndexByte(record, '\n') >= 0 || len(bytes.TrimSpace(record)) < len(record):
		return errors.New(prefix + "the record is not JSON in one line")
	}
	return nil
}
