package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/check"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

func TestUsageErrors(t *testing.T) {
	region := []string{"--region", "cn-hangzhou"}
	tests := map[string]struct {
		args []string
		text string
	}{
		"nothing":           {nil, "missing instance id"},
		"neither":           {[]string{id}, "missing --region for the real service, or --emulate"},
		"unknown flag":      {append(region, "--wait", id), "--wait"},
		"flag after an id":  {append(region, id, "--force"), `flag "--force" after the instance id`},
		"empty id":          {append(region, id, ""), "empty instance id"},
		"id with a space":   {append(region, "i-1 "), "contains ' '"},
		"the same id twice": {append(region, id, "i-2", id), "instance id " + id + " is repeated"},
		"empty region":      {[]string{"--region", "", id}, "empty value of --region"},
		"not a region":      {[]string{"--region", "CN-Hangzhou", id}, "region"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitcode.Usage, run(t.Context(), service.Connector{}, test.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), test.text)
			require.True(t, strings.HasSuffix(stderr.String(), "\nRun ecs-check -h for help.\n"), stderr.String())
			require.Empty(t, stdout.String())

			code := run(t.Context(), service.Connector{}, append([]string{"--json"}, test.args...), &stdout, &stderr)
			lines := printed{stdout: stdout.String()}.jsonLines(t)
			require.Len(t, lines, 1)
			require.InDelta(t, code, lines[0]["exitCode"], 0)
			require.Equal(t, check.NotFoundOut, lines[0]["verdict"])
		})
	}
}

func TestVersion(t *testing.T) {
	var stdout bytes.Buffer
	require.Equal(t, exitcode.Done, run(t.Context(), service.Connector{}, []string{"--version"}, &stdout, &stdout))
	require.True(t, strings.HasPrefix(stdout.String(), "ecs-check "+ecsreboot.Version+" go1."), stdout.String())
}
