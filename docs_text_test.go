package ecsreboot_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// pages are the texts of this module.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.Greater(t, len(all), 5)
	return all
}

// inCode finds what Markdown prints as code.
var inCode = regexp.MustCompile("`([^`]+)`")

// The tests that docs/safety.md names exist, and each row of the contract's test
// stands there once.
func TestDocsSafety(t *testing.T) {
	tests := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, found := range declared.FindAllStringSubmatch(readText(t, path), -1) {
				tests[found[1]] = true
			}
		}
		return err
	}))
	text := readText(t, "docs/safety.md")
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

// Go in docs/ is what docs_example_test.go compiles and runs, but for the programs
// of others; JSON is JSON.
func TestDocsPrograms(t *testing.T) {
	trimmed := func(text string) string {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return strings.Join(lines, "\n")
	}
	compiled := trimmed(readText(t, "docs_example_test.go"))
	block := regexp.MustCompile("(?s)(<!-- not ours -->\n)?```(go|json)\n(.*?)```\n")
	seen := make(map[string]int)
	for _, page := range pages(t) {
		if filepath.Dir(page) != "docs" {
			continue
		}
		for _, found := range block.FindAllStringSubmatch(readText(t, page), -1) {
			seen[found[1]+found[2]]++
			switch {
			case found[2] == "json":
				assert.True(t, json.Valid([]byte(found[3])), "%s: %s", page, found[3])
			case found[1] == "":
				assert.True(t, strings.Contains(compiled, trimmed(found[3])), "%s: not in docs_example_test.go: %s", page, found[3])
			}
		}
	}
	assert.Positive(t, seen["go"])
	assert.Positive(t, seen["json"])
}

// What the pages link to is there.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	programs := regexp.MustCompile("(?s)```.*?\n```|`[^`\n]+`")
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchors := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	links := 0
	for _, page := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(programs.ReplaceAllString(readText(t, page), ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(found[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			if _, err := os.Stat(target); !assert.NoError(t, err, page) || anchor == "" {
				continue
			}
			var anchors []string
			for _, title := range heading.FindAllStringSubmatch(readText(t, target), -1) {
				anchors = append(anchors, strings.ReplaceAll(strings.ToLower(notInAnchors.ReplaceAllString(title[1], "")), " ", "-"))
			}
			assert.True(t, slices.Contains(anchors, anchor), "%s: no heading for %s in %v", page, found[1], anchors)
		}
	}
	assert.Positive(t, links)
}
