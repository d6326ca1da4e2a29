package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

func TestResultsAreHeldAgainstTheList(t *testing.T) {
	var out strings.Builder
	ran, err := readResults(strings.NewReader(`{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN\n"}
{"Action":"pass","Package":"p","Test":"TestA/a_row"}
{"Action":"skip","Package":"p","Test":"TestA/left_out"}
{"Action":"output","Package":"p","Test":"TestA/broken","Output":"why it failed\n"}
{"Action":"fail","Package":"p","Test":"TestA/broken"}
{"Action":"pass","Package":"p","Test":"TestA/two_ways/new"}
{"Action":"pass","Package":"p","Test":"TestA/two_ways/used"}
{"Action":"pass","Package":"p","Test":"TestA/one_fails/new"}
{"Action":"fail","Package":"p","Test":"TestA/one_fails/used"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestEndless"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  p 0.1s\n"}
{"Action":"pass","Package":"p"}
`), &out)
	require.NoError(t, err)
	require.Equal(t, "why it failed\nok  p 0.1s\n", out.String(), "as go test without -json prints it")
	for name, problem := range map[string]string{
		"TestA":           "",
		"TestA/a_row":     "",
		"TestA/left_out":  "was skipped",
		"TestA/broken":    "failed",
		"TestA/unheard":   "did not run",
		"TestA/two_ways":  "",
		"TestA/one_fails": "failed",
		"TestA/two":       "did not run",
		"TestB":           "did not run",
		"TestEndless":     "did not run",
	} {
		test, subtest, _ := strings.Cut(name, "/")
		err := ran.check([]testindex.Promise{{Sentence: "It holds", Test: test, Subtest: subtest, Line: 7}})
		if problem == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.EqualError(t, err, "line 7: "+name+" "+problem+": It holds")
	}
	_, err = readResults(strings.NewReader("ok  p 0.1s\n"), io.Discard)
	assert.ErrorContains(t, err, "not the output of go test -json")
}

func TestUnknownArgument(t *testing.T) {
	assert.ErrorContains(t, run([]string{"-", "x"}, nil, nil), `unknown argument "x"`)
}
