package reboot

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

const id = "i-bp67acfmxazb4ph0001"

func TestPages(t *testing.T) {
	for page, commands := range map[string][][]string{
		usage:  {{"-h"}, {"--help"}, {"--emulate", "-h", id}},
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
	s, err := Parse([]string{"--emulate", "help"})
	require.NoError(t, err, "an id, where it is not the only argument")
	require.Empty(t, s.Page)
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
	require.Contains(t, strings.Join(strings.Fields(manual), " "), "Default: "+strings.TrimSuffix(target.DefaultTimeout.String(), "0s"))
	require.Contains(t, strings.Join(strings.Fields(manual), " "), "Default: "+strings.TrimSuffix(defaultWaitTimeout.String(), "0s"))
	require.Contains(t, strings.Join(strings.Fields(manual), " "), "Default: "+strings.TrimSuffix(defaultUnknownGrace.String(), "0s"))
}

func TestEndpoints(t *testing.T) {
	for args, endpoint := range map[string]string{
		"--region cn-beijing":                              "https://ecs.cn-beijing.aliyuncs.com",
		"--region cn-beijing --vpc":                        "https://ecs-vpc.cn-beijing.aliyuncs.com",
		"--region cn-beijing --endpoint https://ecs.local": "https://ecs.local",
	} {
		s, err := Parse(append(strings.Fields(args), id))
		require.NoError(t, err)
		client, err := ecsreboot.NewClient(s.Region, s.Options(Program, nil)...)
		require.NoError(t, err)
		require.Equal(t, endpoint, client.Endpoint())
	}
}

// A zero of the command line means none, not the default.
func TestWaitOptions(t *testing.T) {
	for args, want := range map[string]ecsreboot.WaitOptions{
		"":                                     {Timeout: 25 * time.Minute, UnknownGrace: time.Minute},
		"--wait-timeout 1h --unknown-grace 5s": {Timeout: time.Hour, UnknownGrace: 5 * time.Second},
		"--wait-timeout 0 --unknown-grace 0":   {Timeout: -1, UnknownGrace: -1},
		"--resend-unknown --unknown-grace 0":   {Timeout: 25 * time.Minute, UnknownGrace: -1, ResendUnknown: true},
	} {
		s, err := Parse(append(strings.Fields("--emulate --wait "+args), id))
		require.NoError(t, err)
		require.Equal(t, want, s.WaitOptions)
	}
}
