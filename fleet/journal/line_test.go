package journal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForgedLines refuses lines that bear a valid sum but have another form than the one
// that is written.
func TestForgedLines(t *testing.T) {
	sealed := func(body string) []byte { return appendSum(nil, []byte(body)) }
	whole := func(body string) []byte { return append([]byte(body), sealed(body)...) }
	l, intact := parseLine(whole(`{"seq":7,"group":6,"record":{"a":1}`))
	require.True(t, intact)
	assert.Equal(t, line{seq: 7, group: 6, record: []byte(`{"a":1}`)}, l)
	_, intact = parseLine(whole(`{"seq":18446744073709551615,"group":0,"record":1`))
	require.True(t, intact)
	for _, body := range []string{
		``,
		`7,"group":6,"record":1`,
		`x{"seq":7,"group":6,"record":1`,
		`{"seq":7,"record":1`,
		`{"seq":7`,
		`{"seq":7,"group":6`,
		`{"seq":07,"group":6,"record":1`,
		`{"seq":7,"group":06,"record":1`,
		`{"seq":+7,"group":6,"record":1`,
		`{"seq":-1,"group":6,"record":1`,
		`{"seq":0x7,"group":6,"record":1`,
		`{"seq":7,"group":,"record":1`,
		`{"seq":18446744073709551616,"group":0,"record":1`,
		`{"seq":7,"group":6,"record":`,
		`{"seq":7,"group":6,"record": 1`,
		`{"seq":7,"group":6,"record":1 `,
		`{"seq":7,"group":6,"record":{`,
		"{\"seq\":7,\"group\":6,\"record\":[1,\n2]",
		"{\"seq\":7,\"group\":6,\"record\":\"\xff\"",
	} {
		_, intact := parseLine(whole(body))
		assert.False(t, intact, body)
	}
	for _, text := range []string{``, `"}`, string(sealed(``))[1:], string(whole(`{"seq":7,"group":6,"record":1`)) + " "} {
		_, intact := parseLine([]byte(text))
		assert.False(t, intact, text)
	}
}

// TestDamageOfAGroup takes damage for the work of a crash only if all that follows it
// belongs to the group that was being written, and says what speaks against it.
func TestDamageOfAGroup(t *testing.T) {
	const damaged = 1 << 63 // a mark in seq
	file := func(lines ...line) (data []byte) {
		for _, l := range lines {
			record := []byte(`"r"`)
			if l.seq&^damaged == 0 {
				record = []byte(header)
			}
			text := line{seq: l.seq &^ damaged, group: l.group, record: record}.appendTo(nil)
			if l.seq&damaged != 0 {
				text[len(text)-3] ^= 1
			}
			data = append(data, text...)
		}
		return data
	}
	for name, c := range map[string]struct {
		lines []line
		err   error
		why   string
	}{
		"in the group that creates it": {[]line{{seq: 0}, {seq: 1 | damaged}, {seq: 2}}, ErrNoRecords, "holds no record"},
		"of the header":                {[]line{{seq: 0 | damaged}, {seq: 1}}, ErrNoRecords, "holds no record"},
		"in the last group":            {[]line{{seq: 0}, {seq: 1}, {seq: 2, group: 2}, {seq: 3 | damaged, group: 2}, {seq: 4, group: 2}}, nil, ""},
		"at the begin of a group":      {[]line{{seq: 0}, {seq: 1}, {seq: 2 | damaged, group: 2}, {seq: 3, group: 2}}, nil, ""},
		"in a group that was durable":  {[]line{{seq: 0}, {seq: 1}, {seq: 2 | damaged, group: 2}, {seq: 3, group: 3}}, ErrCorrupt, "line 3 is damaged, and was durable before record 3"},
		"before two groups":            {[]line{{seq: 0}, {seq: 1 | damaged, group: 0}, {seq: 2}, {seq: 3, group: 1}}, ErrCorrupt, "line 2 is damaged, and was durable before record 3"},
		"before an earlier record":     {[]line{{seq: 0}, {seq: 1}, {seq: 2 | damaged, group: 2}, {seq: 1}}, ErrCorrupt, "line 3 is damaged, and record 1 after it was not to come"},
		"before a record twice":        {[]line{{seq: 0}, {seq: 1}, {seq: 2 | damaged, group: 2}, {seq: 3, group: 2}, {seq: 3, group: 2}}, ErrCorrupt, "record 3 after it was not to come"},
	} {
		_, contents, err := check(file(c.lines...))
		require.NotNil(t, contents, name)
		if c.err == nil {
			assert.NoError(t, err, name)
			assert.NotEmpty(t, contents.Torn, name)
			continue
		}
		assert.ErrorIs(t, err, c.err, name)
		assert.ErrorContains(t, err, c.why, name)
	}
}
