package acceptance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// inCode finds what Markdown prints as code.
var inCode = regexp.MustCompile("`([^`]+)`")

// The tests that docs/safety.md names exist, and each row of the contract's test
// stands there once.
func TestDocsSafety(t *testing.T) {
	tests := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir(moduleRoot, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, found := range declared.FindAllStringSubmatch(readText(t, path), -1) {
				tests[found[1]] = true
			}
		}
		return err
	}))
	text := readText(t, filepath.Join(moduleRoot, "docs", "safety.md"))
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
		assert.True(t, tests[name[1]], "no such test: %s", name[1])
	}

	var want, got []string
	for _, row := range contract {
		want = append(want, row.name)
	}
	_, table, found := strings.Cut(text, "## What holds it\n")
	require.True(t, found)
	table, _, found = strings.Cut(table, "\n## ")
	require.True(t, found)
	for line := range strings.Lines(table) {
		if !regexp.MustCompile(`^\| \d`).MatchString(line) {
			continue
		}
		for _, name := range inCode.FindAllStringSubmatch(line, -1) {
			if !tests[name[1]] {
				got = append(got, name[1])
			}
		}
	}
	assert.ElementsMatch(t, want, got, "the rows of TestContract")
}
