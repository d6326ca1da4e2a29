package ecsreboot

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateDocs = flag.Bool("update", false, "rewrite what is generated in docs/")

// docs/errors.md tells what the catalogue and the decision tell.
func TestDocsErrors(t *testing.T) {
	const path, begin, end = "docs/errors.md", "by: make docs -->\n", "<!-- end -->"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + errorTables() + "\n" + end + after
	if *updateDocs {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	if text != want {
		t.Error(path, "is stale, run: make docs")
	}
}

// errorTables are the tables of docs/errors.md, one a class.
func errorTables() string {
	throttling := catalogueEntry{code: "Throttling", status: 400, class: ErrThrottled, meaning: "too many calls were sent; the same for every code that begins with `Throttling.`"}
	throttling.advice = throttling.code.Advice()
	entries := append(catalogue(), throttling)
	slices.SortFunc(entries, func(a, b catalogueEntry) int { return cmp.Compare(a.code, b.code) })
	var b strings.Builder
	for _, group := range []struct {
		title string
		class error
	}{
		{"The instance, the request, the service", nil},
		{"Throttling: the class `ErrThrottled`", ErrThrottled},
		{"Credentials and signatures: the class `ErrUnauthenticated`", ErrUnauthenticated},
		{"Permissions: the class `ErrAccessDenied`", ErrAccessDenied},
		{"KMS keys of encrypted disks: the class `ErrKMSKey`", ErrKMSKey},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| code | HTTP | means | what to do | restarted? |\n|---|---|---|---|---|\n", group.title)
		for _, entry := range entries {
			if entry.class == group.class { //nolint:errorlint // sentinels
				if entry.source != "" {
					entry.meaning += " (source: " + entry.source + ")"
				}
				fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", string(entry.code), entry.status, entry.meaning, entry.advice, restarted(entry))
			}
		}
	}
	return b.String()
}

// restarted says what an answer with the entry's code makes of a restart.
func restarted(entry catalogueEntry) string {
	outcome, then := decide(operation{}, event{
		stage: stageAnswered, status: entry.status, code: entry.code, hasRequestID: true, serverTime: true,
		stale: isStale(&APIError{StatusCode: entry.status, Code: entry.code}),
	})
	switch {
	case outcome == OutcomeUnknown:
		return "**perhaps**"
	case then == fixClock:
		return "no; retried once"
	case then == renew:
		return "no; retried once if the default chain has new credentials"
	case then == awaitGate:
		return "no; retried when the service allows it"
	}
	return "no"
}
