package ecsreboot

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

// docs/errors.md says what the constants' comments, the table of codes and the decision say.
func TestDocsErrors(t *testing.T) {
	const path, begin, end = "docs/errors.md", "by: make docs -->\n", "<!-- end -->"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + errorTables(t) + "\n" + end + after
	if *updateDocs {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	if text != want {
		t.Error(path, "is stale, run: make docs")
	}
}

// errorTables are the tables of docs/errors.md, one a class.
func errorTables(t *testing.T) string {
	t.Helper()
	codes := describedCodes(t)
	codes["Throttling"] = describedCode{status: 400, meaning: "too many calls were sent; the same for every code that begins with `Throttling.`"}
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
		fmt.Fprintf(&b, "\n## %s\n\n| code | HTTP | means | what to do | restarted? | source |\n|---|---|---|---|---|---|\n", group.title)
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			row, status := rowOf(code, ""), codes[code].status
			if row.class == group.class { //nolint:errorlint // sentinels
				fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s | %s |\n", string(code), status, codes[code].meaning, row.advice, restarted(code, status), row.source)
			}
		}
	}
	return b.String()
}

// restarted says what an answer with the code makes of a restart.
func restarted(code ErrorCode, status int) string {
	outcome, then := decide(operation{}, progress{
		stage: stageAnswered, status: status, code: code, genuine: true, serverTime: true,
		stale: isStale(&APIError{StatusCode: status, Code: code}),
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
