package ecsreboot_test

import (
	"encoding/json"
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

// programBlock is a block of Go or JSON in a page.
var programBlock = regexp.MustCompile("(?s)(<!-- not ours -->\n)?```(go|json)\n(.*?)```\n")

// TestDocsPrograms checks that each piece of Go in README.md and docs/ is in
// docs_example_test.go, which compiles and runs it, unless it is a whole program,
// which TestDocsWholeProgramOf… runs, or marked as somebody else's, or of module witness,
// which compiles it. JSON must be valid.
func TestDocsPrograms(t *testing.T) {
	trimmed := func(text string) string {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ") // gofmt aligns comments
		}
		return strings.Join(lines, "\n")
	}
	compiled := trimmed(readText(t, "docs_example_test.go"))
	seen := make(map[string]int)
	for _, page := range pages(t) {
		if filepath.Dir(page) != "docs" && page != "README.md" {
			continue
		}
		for _, found := range programBlock.FindAllStringSubmatch(readText(t, page), -1) {
			seen[found[1]+found[2]]++
			switch {
			case found[2] == "json":
				assert.True(t, json.Valid([]byte(found[3])), "%s: %s", page, found[3])
			case strings.Contains(found[3], "witness.New"):
			case found[1] == "" && !strings.HasPrefix(found[3], "package main\n"):
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
