package main

import (
	"bytes"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

func TestUsageErrors(t *testing.T) {
	region := []string{"-region", "cn-hangzhou"}
	tests := map[string]struct {
		args []string
		text string
	}{
		"nothing":           {nil, "no instance id"},
		"neither":           {[]string{id}, "-region for the real service or -emulate"},
		"unknown flag":      {append(region, "-wait", id), "-wait"},
		"flag after an id":  {append(region, id, "-force"), `"-force" stands after the instance id`},
		"empty id":          {append(region, id, ""), "the instance id is empty"},
		"id with a space":   {append(region, "i-1 "), "holds ' '"},
		"the same id twice": {append(region, id, "i-2", id), id + " is given twice"},
		"empty region":      {[]string{"-region", "", id}, "-region has an empty value"},
		"not a region":      {[]string{"-region", "CN-Hangzhou", id}, "region"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitcode.Usage, run(t.Context(), test.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), test.text)
			require.True(t, strings.HasSuffix(stderr.String(), "\nRun ecs-check -h for its manual.\n"), stderr.String())
			require.Empty(t, stdout.String())

			code := run(t.Context(), append([]string{"-json"}, test.args...), &stdout, &stderr)
			lines := printed{stdout: stdout.String()}.jsonLines(t)
			require.Len(t, lines, 1)
			require.InDelta(t, code, lines[0]["exitCode"], 0)
			require.Equal(t, notFoundOut, lines[0]["verdict"])
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitcode.Done, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Equal(t, helpPage, stdout.String())
	require.Empty(t, stderr.String())
	newFlagSet(new(settings)).VisitAll(func(f *flag.Flag) {
		require.Contains(t, helpPage, "\n  -"+f.Name+" ", "the page leaves -%s out", f.Name)
	})
	for _, code := range []int{
		exitcode.Done, exitcode.Failed, exitcode.Usage, exitcode.Unknown, exitcode.Throttled, exitcode.NoCredentials, exitcode.Interrupted,
	} {
		require.Contains(t, helpPage, fmt.Sprintf("\n  %-3d  ", code))
	}
	for _, verdict := range []string{wouldBeAccepted, wouldBeRefused, notFoundOut, dryRunIgnored} {
		require.Contains(t, helpPage, "\n    "+verdict+" ")
	}
	require.Contains(t, helpPage, "default "+strings.TrimSuffix(target.DefaultTimeout.String(), "0s")+",")
	for line := range strings.Lines(helpPage) {
		require.LessOrEqual(t, len(line), 101, line)
	}
}

func TestVersion(t *testing.T) {
	var stdout bytes.Buffer
	require.Equal(t, exitcode.Done, run(t.Context(), []string{"-version"}, &stdout, &stdout))
	require.True(t, strings.HasPrefix(stdout.String(), "ecs-check "+ecsreboot.Version+" go1."), stdout.String())
}
