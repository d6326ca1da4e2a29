package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

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
	require.Equal(t, "a?[2Jb?\nüé世", screen.Clean("a\x1b[2Jb\r\nüé世"))
}

func TestExitCodes(t *testing.T) {
	require.Equal(t, exitcode.Finished, codeOfError(fmt.Errorf("x: %w", fleet.ErrFinished)))
	require.Equal(t, exitcode.Busy, codeOfError(fmt.Errorf("x: %w", journal.ErrLocked)))
}
