package idsfile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/idsfile"
)

func TestParse(t *testing.T) {
	list, err := idsfile.Parse(strings.NewReader("\ufeffi-1\r\n\r\n# of the web servers\r\n  i-2,i-3\ti-4 # the last ones\r\ni-1\r\ni-5,,i-2"))
	require.NoError(t, err)
	require.Equal(t, []string{"i-1", "i-2", "i-3", "i-4", "i-5"}, list.IDs)
	require.Equal(t, []idsfile.Duplicate{{ID: "i-1", Line: 5, First: 1}, {ID: "i-2", Line: 6, First: 4}}, list.Duplicates)
	require.Equal(t, "line 6: i-2 is on line 4 already", list.Duplicates[1].String())

	ids := strings.Repeat("i-", 100) + strings.Repeat("x", 100_000)
	list, err = idsfile.Parse(strings.NewReader(ids))
	require.NoError(t, err)
	require.Equal(t, []string{ids}, list.IDs)
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no instance id in 0 lines",
		"\ufeff\r\n# nothing\r\n,,":           "no instance id in 3 lines",
		"i-1\nweb-*":                          `line 2: "web-*" looks like a name`,
		"i-1\n\ni-?":                          `line 3: "i-?" looks like a name`,
		"i-1\n\ufeffi-2":                      "line 2: ",
		"i-1\ni-\x00":                         "line 2: ",
		"i-\xff":                              "line 1: \"i-\\xff\" is not valid UTF-8",
		"i-1\ni-\u00a02":                      "line 2: ",
		"\xff\xfei\x00-\x00":                  "line 1: the text is UTF-16",
		"\xfe\xff\x00i\x00-":                  "line 1: the text is UTF-16",
		"i-1\n" + strings.Repeat(" ", 17<<20): "line 2: longer than",
	} {
		list, err := idsfile.Parse(strings.NewReader(text))
		require.ErrorContains(t, err, want)
		require.Empty(t, list)
		_, isUsage := errors.AsType[*exitcode.UsageError](err)
		require.True(t, isUsage, want)
	}
	broken := errors.New("the disk is broken")
	_, err := idsfile.Parse(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func FuzzParse(f *testing.F) {
	f.Add("\ufeffi-1\r\n# comment\r\n i-2,i-1 # last")
	f.Add("i-1\nweb-*")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := idsfile.Parse(strings.NewReader(text))
		if err != nil {
			require.Empty(t, list)
			return
		}
		require.NotEmpty(t, list.IDs)
		lines := strings.Split(text, "\n")
		seen := map[string]bool{}
		for _, id := range list.IDs {
			require.False(t, seen[id], "each once")
			seen[id] = true
			require.NotContains(t, id, "#")
			require.False(t, strings.ContainsAny(id, "*?,"))
			require.False(t, strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }))
		}
		for _, d := range list.Duplicates {
			require.True(t, seen[d.ID])
			require.LessOrEqual(t, d.First, d.Line)
			require.Contains(t, lines[d.Line-1], d.ID)
			require.Contains(t, lines[d.First-1], d.ID)
		}
		again, err := idsfile.Parse(strings.NewReader(strings.Join(list.IDs, "\n")))
		require.NoError(t, err)
		require.True(t, slices.Equal(list.IDs, again.IDs))
		require.Empty(t, again.Duplicates)
	})
}
