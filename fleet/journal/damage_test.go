package journal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// newLine is a line as the package's comment has it.
func newLine(seq, group int, record string) string {
	return sumLine(fmt.Sprintf(`{"seq":%d,"group":%d,"record":%s`, seq, group, record))
}

func sumLine(body string) string {
	sum := crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%s,\"crc\":\"%08x\"}\n", body, sum)
}

const headerRecord = `{"format":"journal","version":1}`

func TestFormat(t *testing.T) {
	data := newJournal(t)
	groups := []int{0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 6}
	var want strings.Builder
	want.WriteString(newLine(0, 0, headerRecord))
	for n := 1; n <= 10; n++ {
		var record bytes.Buffer
		encoder := json.NewEncoder(&record)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(newNote(n)))
		want.WriteString(newLine(n, groups[n], string(bytes.TrimSpace(record.Bytes()))))
	}
	require.Equal(t, want.String(), string(data))
	require.Equal(t, `{"seq":0,"group":0,"record":{"format":"journal","version":1},"crc":"e9c0d136"}`, string(data[:bytes.IndexByte(data, '\n')]),
		"the format must not change without a new version")
}

// readBoth reads the data by Read and by Open, which must agree and be content
// with what they leave.
func readBoth(t *testing.T, data []byte) (*journal.Contents, error) {
	t.Helper()
	d := simdisk.New()
	options := journal.Options{FS: d}
	d.Put(path, data)
	contents, err := journal.Read(path, options)
	require.Equal(t, data, d.Content(path))

	j, opened, openErr := journal.Open(path, options)
	if err != nil {
		require.EqualError(t, openErr, err.Error())
		require.Equal(t, data, d.Content(path), "refused, and changed all the same")
		require.Nil(t, d.Content(path+".torn"))
		require.Empty(t, d.Locks())
		return contents, err
	}
	require.NoError(t, openErr)
	require.Equal(t, contents, opened)
	require.Equal(t, len(contents.Torn), len(d.Content(path+".torn")))
	if len(contents.Torn) == 0 {
		require.Nil(t, d.Content(path+".torn"), "there is nothing to keep")
	}
	require.Equal(t, string(data), string(d.Content(path))+string(d.Content(path+".torn")))
	last := len(contents.Records) + 1
	require.NoError(t, j.Append(newNote(last)))
	require.NoError(t, j.Close())

	again, err := journal.Read(path, options)
	require.NoError(t, err)
	require.Empty(t, again.Torn)
	require.Equal(t, contents.Records, again.Records[:last-1])
	require.Equal(t, upTo(last), notes(t, again.Records))
	return contents, nil
}

func TestEveryTruncation(t *testing.T) {
	data := newJournal(t)
	for size := range len(data) {
		contents, err := readBoth(t, data[:size])
		lines := bytes.Count(data[:size], []byte("\n"))
		if lines < 2 {
			require.ErrorIs(t, err, journal.ErrNoRecords)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, upTo(lines-1), notes(t, contents.Records))
		require.Equal(t, size-bytes.LastIndexByte(data[:size], '\n')-1, len(contents.Torn))
	}
}

func TestEveryBitFlip(t *testing.T) {
	data := newJournal(t)
	lines := bytes.SplitAfter(data, []byte("\n"))
	lastGroup := len(bytes.Join(lines[:6], nil))
	for at := range data {
		before := bytes.Count(data[:at], []byte("\n"))
		for bit := range 8 {
			flipped := slices.Clone(data)
			flipped[at] ^= 1 << bit
			contents, err := readBoth(t, flipped)
			require.Equal(t, upTo(max(0, before-1)), notes(t, contents.Records))
			require.Equal(t, bytes.Join(lines[:before], nil), flipped[:len(flipped)-len(contents.Torn)])
			if at < lastGroup {
				require.ErrorIs(t, err, journal.ErrCorrupt)
				require.ErrorContains(t, err, fmt.Sprintf("line %d ", before+1))
			} else {
				require.NoError(t, err, "the last group may be torn anywhere")
			}
		}
	}
}

// TestEveryLine treats whole lines as no crash would.
func TestEveryLine(t *testing.T) {
	lines := bytes.SplitAfter(newJournal(t), []byte("\n"))
	lines = lines[:len(lines)-1]
	corrupt := func(why string, number int, lines ...[]byte) {
		t.Helper()
		contents, err := readBoth(t, bytes.Join(lines, nil))
		require.ErrorIs(t, err, journal.ErrCorrupt, "%s: line %d", why, number+1)
		found := notes(t, contents.Records)
		require.Equal(t, upTo(len(found)), found)
		require.LessOrEqual(t, len(found), max(0, number), why)
	}
	for i, line := range lines {
		if i < len(lines)-1 {
			corrupt("lost", i, slices.Delete(slices.Clone(lines), i, i+1)...)
			swapped := slices.Clone(lines)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			corrupt("swapped", i, swapped...)
			corrupt("empty line put in", i, slices.Insert(slices.Clone(lines), i, []byte("\n"))...)
			corrupt("garbage put in", i, slices.Insert(slices.Clone(lines), i, []byte("{\"seq\":1}\n"))...)
		}
		corrupt("twice", i, slices.Insert(slices.Clone(lines), i, line)...)
		corrupt("again at the end", len(lines), append(slices.Clone(lines), line)...)
		if i > 0 && i < 6 {
			corrupt("damaged in an earlier group", i, slices.Replace(slices.Clone(lines), i, i+1, []byte("\x00\x00\n"))...)
		}
	}
	_, err := readBoth(t, []byte{})
	require.ErrorIs(t, err, journal.ErrNoRecords)
}

// TestTornGroups has what a crash may make of a last group, and what it may not.
func TestTornGroups(t *testing.T) {
	begin := newLine(0, 0, headerRecord) + newLine(1, 0, `"a"`) + newLine(2, 2, `"b"`)
	for name, test := range map[string]struct {
		tail  string
		cause error
	}{
		"whole group damaged":                 {"\x00\x00", nil},
		"its beginning damaged":               {"\x00\x00\x00" + newLine(4, 3, "1") + newLine(5, 3, "2"), nil},
		"its beginning and end damaged":       {"\x00\n" + newLine(4, 3, "1") + `{"seq":5`, nil},
		"two pieces damaged":                  {"\x00\n" + newLine(4, 3, "1") + "\x00\n" + newLine(7, 3, "2"), nil},
		"its middle damaged":                  {newLine(3, 3, "1") + "\x00\n" + newLine(5, 3, "2"), nil},
		"the middle of a group that goes on":  {newLine(3, 2, "1") + "\x00\n" + newLine(5, 2, "2"), nil},
		"lost before a later group":           {"\x00\n" + newLine(4, 4, "1"), journal.ErrCorrupt},
		"lost in a group before a later one":  {newLine(3, 3, "1") + "\x00\n" + newLine(6, 5, "2"), journal.ErrCorrupt},
		"a later group after the damage":      {"\x00\n" + newLine(4, 3, "1") + newLine(5, 5, "2"), journal.ErrCorrupt},
		"two groups after the damage":         {"\x00\n" + newLine(4, 2, "1") + newLine(5, 3, "2"), journal.ErrCorrupt},
		"an earlier group after the damage":   {"\x00\n" + newLine(4, 0, "1"), journal.ErrCorrupt},
		"a repetition after the damage":       {"\x00\n" + newLine(2, 2, `"b"`), journal.ErrCorrupt},
		"no room for the damage":              {"\x00\n" + newLine(3, 3, "1"), journal.ErrCorrupt},
		"a repetition among what is torn":     {"\x00\n" + newLine(4, 3, "1") + newLine(4, 3, "1"), journal.ErrCorrupt},
		"a gap":                               {newLine(4, 4, "1"), journal.ErrCorrupt},
		"a gap in a group":                    {newLine(3, 3, "1") + newLine(5, 3, "2"), journal.ErrCorrupt},
		"another group":                       {newLine(3, 1, "1"), journal.ErrCorrupt},
		"a group that is to come":             {newLine(3, 4, "1"), journal.ErrCorrupt},
		"JSON that is none":                   {newLine(3, 3, "{"), nil},
		"a number in another form":            {sumLine(`{"seq":03,"group":3,"record":1`), nil},
		"not UTF-8":                           {newLine(3, 3, "\"\xff\""), nil},
		"without its newline":                 {newLine(3, 3, "1")[:len(newLine(3, 3, "1"))-1], nil},
		"with a carriage return":              {newLine(3, 3, "1")[:len(newLine(3, 3, "1"))-1] + "\r\n", nil},
		"a sum in upper case":                 {upperSum(newLine(3, 3, `"h"`)), nil},
		"a signed number":                     {sumLine(`{"seq":3,"group":+3,"record":1`), nil},
		"members in another order":            {sumLine(`{"group":3,"seq":3,"record":1`), nil},
		"members that are not of the format":  {newLine(3, 3, `1,"more":2`), nil},
		"a sequence number out of all bounds": {sumLine(`{"seq":99999999999999999999,"group":3,"record":1`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := simdisk.New()
			d.Put(path, []byte(begin+test.tail))
			_, contents, err := journal.Open(path, journal.Options{FS: d})
			require.ErrorIs(t, err, test.cause)
			if test.cause != nil {
				require.Equal(t, begin+test.tail, string(d.Content(path)))
				return
			}
			kept := string(d.Content(path))
			require.Equal(t, begin+test.tail, kept+string(contents.Torn))
			require.Len(t, contents.Records, bytes.Count([]byte(kept), []byte("\n"))-1)
			require.Equal(t, contents.Torn, d.Content(path+".torn"))
			require.NotEmpty(t, contents.Torn)
		})
	}
}

func upperSum(line string) string {
	at := len(line) - len("1a2b3c4d\"}\n")
	return line[:at] + string(bytes.ToUpper([]byte(line[at:])))
}

func TestForeignFiles(t *testing.T) {
	for name, test := range map[string]struct {
		data  string
		cause error
	}{
		"another version": {newLine(0, 0, `{"format":"journal","version":2,"new":true}`) + "anything\n", journal.ErrVersion},
		"another format":  {newLine(0, 0, `{"format":"log","version":1}`) + newLine(1, 0, "1"), journal.ErrCorrupt},
		"no header":       {newLine(0, 0, "1") + newLine(1, 0, "1"), journal.ErrCorrupt},
		"text":            {"some\nnotes\n", journal.ErrNoRecords},
		"header only":     {newLine(0, 0, headerRecord), journal.ErrNoRecords},
		"no first record": {newLine(0, 0, headerRecord) + newLine(1, 0, "1")[:20], journal.ErrNoRecords},
		"later part only": {newLine(5, 5, "1"), journal.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readBoth(t, []byte(test.data))
			require.ErrorIs(t, err, test.cause)
		})
	}
}

// TestTornFileThatCannotBeRead cuts nothing and keeps what was cut before.
func TestTornFileThatCannotBeRead(t *testing.T) {
	data := newJournal(t)
	data = data[:len(data)-3]
	d := simdisk.New()
	d.Put(path, data)
	d.Put(path+".torn", []byte("cut before\n"))
	d.Before = func(operation, name string) error {
		if operation == "read" && name == path+".torn" {
			return simdisk.ErrIO
		}
		return nil
	}
	_, _, err := journal.Open(path, journal.Options{FS: d})
	require.ErrorIs(t, err, simdisk.ErrIO)
	require.Equal(t, data, d.Content(path))
	require.Equal(t, "cut before\n", string(d.Content(path+".torn")))
	require.Empty(t, d.Locks())
	d.Before = nil
	j, contents, err := journal.Open(path, journal.Options{FS: d})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NotEmpty(t, contents.Torn)
	require.Equal(t, "cut before\n"+string(contents.Torn), string(d.Content(path+".torn")))
}

// TestTornFileThatCannotBeClosed cuts nothing: what it keeps may not be there.
func TestTornFileThatCannotBeClosed(t *testing.T) {
	data := newJournal(t)
	data = data[:len(data)-3]
	d := simdisk.New()
	d.Put(path, data)
	d.Closing = func(name string) error {
		if name == path+".torn" {
			return simdisk.ErrIO
		}
		return nil
	}
	_, _, err := journal.Open(path, journal.Options{FS: d})
	require.ErrorIs(t, err, simdisk.ErrIO)
	require.Equal(t, data, d.Content(path))
	require.Empty(t, d.Locks())
}
