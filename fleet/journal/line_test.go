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
