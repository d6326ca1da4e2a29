package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestGuard(t *testing.T) {
	var stderr buffer
	require.Equal(t, 4, guard(&stderr, func() int { return 4 }))
	require.Empty(t, stderr.String())
	require.Equal(t, exitcode.Unknown, guard(&stderr, func() int { panic("a bug") }))
	require.Contains(t, stderr.String(), "rolling: panic: a bug\nRestarts may have been sent: resume from the journal.")
}

func TestUncertain(t *testing.T) {
	for reason, code := range map[fleet.Reason]int{
		fleet.ReasonNotProven: exitcode.Unknown, fleet.ReasonNotWatched: exitcode.Unknown,
		fleet.ReasonNotBack: exitcode.Failed, fleet.ReasonNotHealthy: exitcode.Failed, fleet.ReasonRefused: exitcode.Failed,
	} {
		report := &fleet.Report{Records: []fleet.Record{{State: fleet.StateFailed, Reason: reason}, {State: fleet.StateHealthy}}}
		require.Equal(t, code, codeOf(&result{report: report}), reason)
	}
}

func TestQuote(t *testing.T) {
	require.Equal(t, "/tmp/web-1.journal", quote("/tmp/web-1.journal"))
	require.Equal(t, `'my web'\''s; journal'`, quote("my web's; journal"))
}

func TestClean(t *testing.T) {
	require.Equal(t, "a?[2Jb?\nüé世", clean("a\x1b[2Jb\r\nüé世"))
}
