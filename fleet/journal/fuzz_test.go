package journal_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// checkAccepted makes sure that what Read accepts is what a line tool sees, and is
// accepted again without the tail.
func checkAccepted(t *testing.T, data []byte) (*journal.Contents, error) {
	t.Helper()
	d := simdisk.New()
	d.Put(path, data)
	contents, err := journal.Read(path, journal.Options{FS: d})
	intact, found := bytes.CutSuffix(data, contents.Torn)
	require.True(t, found)

	var rebuilt []byte
	for i, text := range slices.Collect(bytes.Lines(intact)) {
		var line struct {
			Seq    *int
			Group  *int
			Record json.RawMessage
		}
		require.NoError(t, json.Unmarshal(text, &line))
		require.Equal(t, i, *line.Seq)
		if i > 0 {
			require.Equal(t, line.Record, contents.Records[i-1])
		}
		rebuilt = append(rebuilt, newLine(*line.Seq, *line.Group, string(line.Record))...)
	}
	require.Equal(t, string(intact), string(rebuilt))
	d.Put(path, intact)
	again, againErr := journal.Read(path, journal.Options{FS: d})
	require.Equal(t, contents.Records, again.Records)
	require.Empty(t, again.Torn)
	if len(contents.Records) > 0 {
		require.NoError(t, againErr)
	}
	return contents, err
}

func FuzzRead(f *testing.F) {
	begin := newLine(0, 0, headerRecord) + newLine(1, 0, `{"a":1}`)
	for _, seed := range []string{
		"", "\n", "{}", begin, begin[:len(begin)-1],
		begin + newLine(2, 2, "[]") + newLine(3, 2, "null") + newLine(4, 4, `"\n"`),
		begin + newLine(2, 2, "1") + "\x00\n" + newLine(4, 2, "2"),
		begin + "\x00\n" + newLine(3, 3, "2"),
		newLine(0, 0, `{"format":"journal","version":2}`),
		begin + newLine(2, 2, " 1") + newLine(3, 3, "{\r}"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = checkAccepted(t, data)
		// The sums keep a fuzzer out: let it in behind them too.
		var summed []byte
		for text := range bytes.Lines(data) {
			var line struct {
				Seq, Group uint16
				Record     json.RawMessage
			}
			if json.Unmarshal(text, &line) == nil && !bytes.Contains(line.Record, []byte("\n")) {
				text = []byte(newLine(int(line.Seq), int(line.Group), string(line.Record)))
			}
			summed = append(summed, text...)
		}
		_, _ = checkAccepted(t, summed)
	})
}

// FuzzFlips damages a true journal in two places: what is read is a prefix of the
// truth, or refused.
func FuzzFlips(f *testing.F) {
	f.Add(uint16(0), uint8(1), uint16(1), uint8(2))
	f.Add(uint16(100), uint8(7), uint16(2000), uint8(0x80))
	f.Add(uint16(78), uint8('\n'), uint16(79), uint8(1))
	var data []byte
	f.Fuzz(func(t *testing.T, at1 uint16, xor1 uint8, at2 uint16, xor2 uint8) {
		if data == nil {
			data = newJournal(t)
		}
		damaged := slices.Clone(data)
		first, second := int(at1)%len(data), int(at2)%len(data)
		damaged[first] ^= xor1
		damaged[second] ^= xor2
		contents, err := checkAccepted(t, damaged)
		found := notes(t, contents.Records)
		require.Equal(t, upTo(len(found)), found)
		switch {
		case bytes.Equal(damaged, data):
			require.NoError(t, err)
			require.Len(t, found, 10)
		case err == nil:
			require.NotEmpty(t, contents.Torn)
			require.GreaterOrEqual(t, len(found), 5, "groups that were durable before others")
		}
	})
}
