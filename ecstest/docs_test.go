package ecstest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateDocs = flag.Bool("update", false, "rewrite what is generated in docs/")

// docs/testing.md says what the tables of operations and filters say.
func TestDocsOperations(t *testing.T) {
	const path, begin, end = "../docs/testing.md", "by: make docs -->\n", "<!-- end -->"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + documentedOperations() + "\n" + end + after
	if *updateDocs {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	if text != want {
		t.Error(path, "is stale, run: make docs")
	}
}

func documentedOperations() string {
	var b strings.Builder
	b.WriteString("\n| operation | parameters | refused |\n|---|---|---|\n")
	for _, action := range slices.Sorted(maps.Keys(operations)) {
		op := operations[action]
		parameters := list(op.parameters)
		if action == actionList {
			parameters += " and the filters below"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", action, parameters, list(op.unimplemented))
	}
	b.WriteString("\n| filter of `DescribeInstances` | selects by |\n|---|---|\n")
	for _, f := range filters {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.selects)
	}
	b.WriteString("| `Filter.1` | `CreationStartTime`, to the minute |\n| `Filter.2` | `CreationEndTime` |\n| `Filter.3` | `ExpiredStartTime` |\n" +
		"| `Filter.4` | `ExpiredEndTime` |\n| `Tag.N` | tags, up to 20, all of which an instance must have |\n")
	return b.String()
}

func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
