package check

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

func TestPages(t *testing.T) {
	for page, commands := range map[string][][]string{
		usage:  {{"-h"}, {"--help"}, {"--emulate", "-h", "i-1"}},
		manual: {{"help"}},
	} {
		for _, args := range commands {
			s, err := Parse(args)
			require.NoError(t, err)
			require.Equal(t, page, s.Page)
		}
		for line := range strings.Lines(page) {
			require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, line)
		}
	}
}

func TestManualIsComplete(t *testing.T) {
	newFlagSet(new(Settings), new(bool)).VisitAll(func(f *flag.Flag) {
		require.Contains(t, manual, "\n  --"+f.Name+" ", "the manual leaves --%s out", f.Name)
	})
	for _, code := range []int{
		exitcode.Done, exitcode.Failed, exitcode.Usage, exitcode.Unknown, exitcode.Throttled, exitcode.NoCredentials, exitcode.Interrupted,
	} {
		require.Contains(t, manual, fmt.Sprintf("\n  %-3d  ", code))
	}
	for _, verdict := range []string{WouldBeAccepted, WouldBeRefused, NotFoundOut, DryRunIgnored} {
		require.Contains(t, manual, "\n    "+verdict+" ")
	}
	require.Contains(t, strings.Join(strings.Fields(manual), " "), "Default: "+strings.TrimSuffix(target.DefaultTimeout.String(), "0s"))
}
