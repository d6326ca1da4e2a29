package examples_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each program is one lesson: under 120 lines, all its files together, with a page of
// 80 columns and a test.
func TestPrograms(t *testing.T) {
	directories, err := os.ReadDir(".")
	require.NoError(t, err)
	page := regexp.MustCompile("(?s)const usage = `(.*?)`")
	for _, directory := range directories {
		if !directory.IsDir() {
			continue
		}
		files, err := filepath.Glob(filepath.Join(directory.Name(), "*.go"))
		require.NoError(t, err)
		lines, tests := 0, 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if strings.HasSuffix(file, "_test.go") {
				tests++
				continue
			}
			lines += bytes.Count(text, []byte("\n"))
			for _, found := range page.FindAllSubmatch(text, -1) {
				for line := range strings.Lines(string(found[1])) {
					require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, "%s: %s", file, line)
				}
			}
		}
		require.Less(t, lines, 120, directory.Name())
		require.NotZero(t, tests, directory.Name())
	}
}
