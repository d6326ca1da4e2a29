package cmdline_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestArguments(t *testing.T) {
	require.NoError(t, cmdline.RejectFlags([]string{"i-1", "i-2"}))
	require.NoError(t, cmdline.RejectFlags([]string{"-1"}), "what the flag package let pass")
	require.Error(t, cmdline.RejectFlags(nil))
	require.Error(t, cmdline.RejectFlags([]string{"i-1", "--dry-run"}))

	require.NoError(t, cmdline.CheckID("i-1"))
	for _, id := range []string{"", "i 1", "i-1\n", "i-\x1b[2J"} {
		require.Error(t, cmdline.CheckID(id))
	}
}

func TestAsks(t *testing.T) {
	require.True(t, cmdline.HasSwitch([]string{"-x", "--json", "i-1"}, "json"))
	require.True(t, cmdline.HasSwitch([]string{"i-1", "--json=1"}, "json"))
	require.False(t, cmdline.HasSwitch([]string{"--json=false", "json", "--json=x"}, "json"))
}

func TestParseID(t *testing.T) {
	parse := func(args ...string) (string, error) {
		flags := cmdline.NewFlagSet("")
		flags.String("x", "", "")
		return cmdline.ParseID(flags, args)
	}
	id, err := parse("-x", "1", "i-1")
	require.NoError(t, err)
	require.Equal(t, "i-1", id)
	for _, args := range [][]string{{}, {"-x", "1"}, {"-x", "", "i-1"}, {"-y", "i-1"}, {"i-1", "-x"}, {"i-1", "i-2"}, {""}} {
		_, err := parse(args...)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "%v: %v", args, err)
	}
	_, err = parse("-h")
	require.ErrorIs(t, err, flag.ErrHelp)
}
