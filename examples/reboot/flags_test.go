package main

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

func TestUsageErrors(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	toServer := func(args ...string) []string { return at(server, args...) }
	tests := map[string]struct {
		args []string
		text string
	}{
		"nothing":                    {nil, "no instance id"},
		"no id":                      {toServer(), "no instance id"},
		"neither":                    {[]string{id}, "-region for the real service or -emulate"},
		"unknown flag":               {toServer("-frobnicate", id), "-frobnicate"},
		"flag after the id":          {toServer(id, "-dry-run"), `"-dry-run" stands after the instance id; flags go before it`},
		"json after the id":          {toServer(id, "--json=1"), `"--json=1" stands after`},
		"two ids":                    {toServer(id, "i-2"), "2 arguments"},
		"value of a switch":          {toServer("-dry-run", "true", id), "2 arguments"},
		"empty id":                   {toServer(""), "the instance id is empty"},
		"id with a space":            {toServer("i-1 "), `holds ' '`},
		"id with an escape":          {toServer("i-\x1b[2J"), `holds '\x1b'`},
		"empty region":               {[]string{"-region", "", id}, "-region has an empty value"},
		"empty region, emulated":     {[]string{"-emulate", "-region=", id}, "-region has an empty value"},
		"empty endpoint":             {[]string{"-region", "cn-hangzhou", "-endpoint", "", id}, "-endpoint has an empty value"},
		"emulate and region":         {[]string{"-emulate", "-region", "cn-hangzhou", id}, "-emulate and -region"},
		"emulate and endpoint":       {[]string{"-emulate", "-endpoint", server.URL, id}, "-emulate and -endpoint"},
		"emulate and vpc":            {[]string{"-emulate", "-vpc", id}, "-emulate and -vpc"},
		"vpc and endpoint":           {toServer("-vpc", id), "-vpc and -endpoint"},
		"negative timeout":           {toServer("-timeout", "-1s", id), "-timeout -1s is negative"},
		"timeout without a unit":     {toServer("-timeout", "5", id), "-timeout"},
		"wait and dry run":           {toServer("-wait", "-dry-run", id), "-wait and -dry-run"},
		"wait and timeout":           {toServer("-wait", "-timeout", "2m", id), "give -wait-timeout"},
		"negative wait timeout":      {toServer("-wait", "-wait-timeout", "-1s", id), "-wait-timeout -1s is negative"},
		"negative settle":            {toServer("-wait", "-settle", "-1s", id), "-settle -1s is negative"},
		"settle without wait":        {toServer("-settle", "1s", id), "-settle is of no use without -wait"},
		"resending without wait":     {toServer("-resend-unknown", id), "-resend-unknown is of no use without -wait"},
		"wait timeout without wait":  {toServer("-wait-timeout", "1s", id), "-wait-timeout is of no use without -wait"},
		"signature":                  {toServer("-signature", "v2", id), `-signature "v2"`},
		"force without a terminal":   {toServer("-force", id), "it needs -yes"},
		"region that is none":        {[]string{"-region", "CN-Hangzhou", id}, "region"},
		"plain http beyond loopback": {[]string{"-region", "cn-hangzhou", "-endpoint", "http://192.0.2.1", id}, "must be https"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := invoke(t.Context(), t, test.args...)
			require.Equal(t, exitcode.Usage, got.code, got.stderr)
			require.Contains(t, got.stderr, test.text)
			require.True(t, strings.HasSuffix(got.stderr, "\nRun ecs-reboot -h for its manual.\n"), got.stderr)
			if target.Asks(test.args, "json") {
				return
			}
			require.Empty(t, got.stdout)

			got = invoke(t.Context(), t, append([]string{"-json"}, test.args...)...)
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
		{"-json", "-frobnicate", id},
		{"-frobnicate", "-json", id},
		{"-emulate", id, "-json"},
		{"-emulate", id, "--json=true"},
		{"-json"},
	} {
		got := invoke(t.Context(), t, args...)
		require.Equal(t, exitcode.Usage, got.code)
		got.jsonLine(t)
	}
	for _, args := range [][]string{{"-frobnicate", "-json=false"}, {"-frobnicate", "json"}, {"-frobnicate", "-json=x"}} {
		require.Empty(t, invoke(t.Context(), t, args...).stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"-emulate", "-h", id}} {
		got := invoke(t.Context(), t, args...)
		require.Equal(t, printed{code: exitcode.Done, stdout: helpPage}, got)
	}
	flags := newFlagSet(new(settings))
	flags.VisitAll(func(f *flag.Flag) {
		require.Contains(t, helpPage, "\n  -"+f.Name+" ", "the page leaves -%s out", f.Name)
	})
	for _, code := range []int{
		exitcode.Done, exitcode.Failed, exitcode.Usage, exitcode.Unknown, exitcode.Throttled, exitcode.NoCredentials, exitcode.Interrupted,
	} {
		require.Contains(t, helpPage, fmt.Sprintf("\n  %-3d  ", code))
	}
	require.Contains(t, helpPage, "default "+strings.TrimSuffix(target.DefaultTimeout.String(), "0s")+",")
	for line := range strings.Lines(helpPage) {
		require.LessOrEqual(t, len(line), 101, line)
	}
}

func TestVersion(t *testing.T) {
	got := invoke(t.Context(), t, "-version")
	require.Equal(t, exitcode.Done, got.code)
	require.True(t, strings.HasPrefix(got.stdout, "ecs-reboot "+ecsreboot.Version+" go1."), got.stdout)
}

func TestEndpoints(t *testing.T) {
	isolate(t)
	for args, endpoint := range map[string]string{
		"-region cn-beijing":                             "https://ecs.cn-beijing.aliyuncs.com",
		"-region cn-beijing -vpc":                        "https://ecs-vpc.cn-beijing.aliyuncs.com",
		"-region cn-beijing -endpoint https://ecs.local": "https://ecs.local",
	} {
		s, err := parse(append(strings.Fields(args), id))
		require.NoError(t, err)
		client, err := ecsreboot.NewClient(s.Region, new(program).options(s)...)
		require.NoError(t, err)
		require.Equal(t, endpoint, client.Endpoint())
	}
}
