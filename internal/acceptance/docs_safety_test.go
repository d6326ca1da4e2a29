package acceptance_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

var updateDocs = flag.Bool("update", false, "rewrite the links of docs/safety.md and SECURITY.md to tests")

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

var (
	inCode   = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile("\\[?`((?:Test|Fuzz)[A-Z]\\w+)`(?:\\]\\(([^)]*)\\))?")
)

// testFiles returns the files that declare each test of the repository, as slash paths
// relative to its root. A name that several packages use means the test of the
// client: files of this package come first, then those of the root package.
func testFiles(t *testing.T) map[string][]string {
	t.Helper()
	root, _, err := testindex.Root(moduleRoot)
	require.NoError(t, err)
	files := make(map[string][]string)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "go.mod" {
			return err
		}
		module, name, err := testindex.Root(filepath.Dir(path))
		require.NoError(t, err)
		tests, err := testindex.Tests(module, name)
		require.NoError(t, err)
		for _, test := range tests {
			path, err := filepath.Rel(root, test.File)
			require.NoError(t, err)
			path = filepath.ToSlash(path)
			files[test.Name] = append(files[test.Name], path)
		}
		return nil
	}))
	place := func(path string) int {
		return slices.Index([]string{".", "internal/acceptance"}, filepath.ToSlash(filepath.Dir(path)))
	}
	for _, paths := range files {
		slices.SortStableFunc(paths, func(a, b string) int { return place(b) - place(a) })
	}
	return files
}

// TestDocsTestLinks checks that each test that these pages name exists, and is a
// link to a file that declares it.
func TestDocsTestLinks(t *testing.T) {
	files := testFiles(t)
	for page, up := range map[string]string{"docs/safety.md": "../", "SECURITY.md": ""} {
		path := filepath.Join(moduleRoot, filepath.FromSlash(page))
		text := readText(t, path)
		linked := testName.ReplaceAllStringFunc(text, func(found string) string {
			parts := testName.FindStringSubmatch(found)
			name, target := parts[1], parts[2]
			if !assert.NotEmpty(t, files[name], "%s: no such test: %s", page, name) {
				return found
			}
			if !slices.Contains(files[name], strings.TrimPrefix(target, up)) {
				target = up + files[name][0]
			}
			return "[`" + name + "`](" + target + ")"
		})
		if *updateDocs {
			require.NoError(t, os.WriteFile(path, []byte(linked), 0o600))
		} else if linked != text {
			t.Error(page, "has links to tests that are stale, run: make docs")
		}
	}
}

// TestDocsSafety checks that docs/safety.md names a test for each of its claims, and
// each row of TestContract once.
func TestDocsSafety(t *testing.T) {
	files := testFiles(t)
	text := readText(t, filepath.Join(moduleRoot, "docs", "safety.md"))
	section := func(title string) string {
		_, rest, found := strings.Cut(text, "\n## "+title+"\n")
		require.True(t, found, title)
		rest, _, _ = strings.Cut(rest, "\n## ")
		return rest
	}
	numbered := regexp.MustCompile(`(?m)^\| (\d+a?) \|.*$`)

	claims, held := section("When a request is retried"), section("The tests of each row")
	var claimed, tested, rows []string
	for _, row := range numbered.FindAllStringSubmatch(claims, -1) {
		claimed = append(claimed, row[1])
	}
	for _, row := range numbered.FindAllStringSubmatch(held, -1) {
		tested = append(tested, row[1])
		names := inCode.FindAllStringSubmatch(row[0], -1)
		assert.NotEmpty(t, names, row[0])
		for _, name := range names {
			if files[name[1]] == nil {
				rows = append(rows, name[1])
			}
		}
	}
	assert.Equal(t, claimed, tested, "both tables have the same rows")
	var want []string
	for _, row := range contract {
		want = append(want, row.name)
	}
	assert.ElementsMatch(t, want, rows, "the rows of TestContract")

	for _, title := range []string{"What a response says", "What proves a restart", "What else could send twice", "Deadlines", "Secrets"} {
		claims := 0
		for line := range strings.Lines(section(title)) {
			if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasSuffix(line, "| held by |\n") {
				continue
			}
			claims++
			assert.Regexp(t, testName, line, "names no test")
		}
		assert.Positive(t, claims, title)
	}
}
