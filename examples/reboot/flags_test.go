package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestUsageErrors(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	toServer := func(args ...string) []string { return at(server, args...) }
	tests := map[string]struct {
		args []string
		text string
	}{
		"nothing":                    {nil, "missing instance id"},
		"no id":                      {toServer(), "missing instance id"},
		"neither":                    {[]string{id}, "missing --region for the real service, or --emulate"},
		"unknown flag":               {toServer("--frobnicate", id), "--frobnicate"},
		"flag after the id":          {toServer(id, "--dry-run"), `flag "--dry-run" after the instance id; flags go before it`},
		"json after the id":          {toServer(id, "--json=1"), `flag "--json=1" after`},
		"two ids":                    {toServer(id, "i-2"), "2 arguments"},
		"value of a switch":          {toServer("--dry-run", "true", id), "2 arguments"},
		"empty id":                   {toServer(""), "empty instance id"},
		"id with a space":            {toServer("i-1 "), `contains ' '`},
		"id with an escape":          {toServer("i-\x1b[2J"), `contains '\x1b'`},
		"empty region":               {[]string{"--region", "", id}, "empty value of --region"},
		"empty region, emulated":     {[]string{"--emulate", "--region=", id}, "empty value of --region"},
		"empty endpoint":             {[]string{"--region", "cn-hangzhou", "--endpoint", "", id}, "empty value of --endpoint"},
		"emulate and region":         {[]string{"--emulate", "--region", "cn-hangzhou", id}, "--emulate and --region"},
		"emulate and endpoint":       {[]string{"--emulate", "--endpoint", server.URL, id}, "--emulate and --endpoint"},
		"emulate and vpc":            {[]string{"--emulate", "--vpc", id}, "--emulate and --vpc"},
		"vpc and endpoint":           {toServer("--vpc", id), "--vpc and --endpoint"},
		"negative timeout":           {toServer("--timeout", "-1s", id), "--timeout -1s is negative"},
		"timeout without a unit":     {toServer("--timeout", "5", id), "--timeout"},
		"wait and dry run":           {toServer("--wait", "--dry-run", id), "--wait and --dry-run"},
		"wait and timeout":           {toServer("--wait", "--timeout", "2m", id), "use --wait-timeout"},
		"negative wait timeout":      {toServer("--wait", "--wait-timeout", "-1s", id), "--wait-timeout -1s is negative"},
		"negative settle":            {toServer("--wait", "--unknown-grace", "-1s", id), "--unknown-grace -1s is negative"},
		"settle without wait":        {toServer("--unknown-grace", "1s", id), "--unknown-grace needs --wait"},
		"resending without wait":     {toServer("--resend-unknown", id), "--resend-unknown needs --wait"},
		"wait timeout without wait":  {toServer("--wait-timeout", "1s", id), "--wait-timeout needs --wait"},
		"signature":                  {toServer("--signature", "v2", id), `-signature "v2"`},
		"force without a terminal":   {toServer("--force", id), "--force needs --yes"},
		"region that is none":        {[]string{"--region", "CN-Hangzhou", id}, "region"},
		"plain http beyond loopback": {[]string{"--region", "cn-hangzhou", "--endpoint", "http://192.0.2.1", id}, "must be https"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := invoke(t.Context(), t, test.args...)
			require.Equal(t, exitcode.Usage, got.code, got.stderr)
			require.Contains(t, got.stderr, test.text)
			require.True(t, strings.HasSuffix(got.stderr, "\nRun reboot -h for help.\n"), got.stderr)
			if cmdline.HasSwitch(test.args, "json") {
				return
			}
			require.Empty(t, got.stdout)

			got = invoke(t.Context(), t, append([]string{"--json"}, test.args...)...)
			line := got.jsonLine(t)
			require.Equal(t, "not sent", line["outcome"])
			require.Contains(t, line["error"], test.text)
		})
	}
	require.Empty(t, server.Calls(), "nothing may be sent")
}

func TestJSONIsSeenWhereverItStands(t *testing.T) {
	isolate(t)
	for _, args := range [][]string{
		{"--json", "--frobnicate", id},
		{"--frobnicate", "--json", id},
		{"--emulate", id, "--json"},
		{"--emulate", id, "--json=true"},
		{"--json"},
	} {
		got := invoke(t.Context(), t, args...)
		require.Equal(t, exitcode.Usage, got.code)
		got.jsonLine(t)
	}
	for _, args := range [][]string{{"--frobnicate", "--json=false"}, {"--frobnicate", "json"}, {"--frobnicate", "--json=x"}} {
		require.Empty(t, invoke(t.Context(), t, args...).stdout)
	}
}

func TestVersion(t *testing.T) {
	got := invoke(t.Context(), t, "--version")
	require.Equal(t, exitcode.Done, got.code)
	require.True(t, strings.HasPrefix(got.stdout, "reboot "+ecsreboot.Version+" go1."), got.stdout)
}
