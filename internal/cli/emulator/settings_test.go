package emulator

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestPages(t *testing.T) {
	for command, page := range map[string]string{"-h": usage, "help": manual} {
		s, err := Parse([]string{command})
		require.NoError(t, err)
		require.Equal(t, page, s.Page)
		for line := range strings.Lines(page) {
			require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, line)
		}
	}
	new(Settings).Flags().VisitAll(func(f *flag.Flag) {
		require.Contains(t, manual, "\n  --"+f.Name+" ", "the manual leaves --%s out", f.Name)
	})
	for _, kind := range ecstest.FaultKinds() {
		require.Contains(t, manual, string(kind))
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]ecstest.Fault{
		"hang":       {Kind: ecstest.FaultHang},
		"drop:2,act": {Kind: ecstest.FaultDrop, Times: 2, Act: true},
		"throttle:all,hint=30s,action=RebootInstance,id=i-a": {
			Kind: ecstest.FaultThrottle, Times: -1, Hint: 30 * time.Second, Action: "RebootInstance", InstanceID: "i-a",
		},
		"error,code=DiskError,status=403,skip=1,delay=1m": {
			Kind: ecstest.FaultError, Code: "DiskError", Status: 403, Skip: 1, Delay: time.Minute,
		},
		"drop,refuse=DiskError":                      {Kind: ecstest.FaultDrop, Refuse: "DiskError"},
		"drop,real,action=RebootInstance":            {Kind: ecstest.FaultDrop, Real: true, Action: "RebootInstance"},
		"answer:1,status=200,body={\"a\":1,\"act\"}": {Kind: ecstest.FaultAnswer, Times: 1, Status: 200, Body: `{"a":1,"act"}`},
	} {
		got, err := parseFault(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{
		"", "dropped", "drop:0", "drop:-1", "drop:", "drop:x", "drop,", "drop,act=1", "drop,acts", "drop,skip", "drop,skip=x",
		"drop,delay=5", "drop,real=1", "drop,action", "drop,action=RebotInstance", "drop,action=", "drop,refuse=", "throttle,hint=x", "error,status=x", "error,colour=red",
	} {
		_, err := parseFault(text)
		require.Error(t, err, text)
	}
}

func TestImpaired(t *testing.T) {
	s, err := Parse([]string{"--count", "4", "--stopped", "i-00000001, i-00000004", "--locked", "i-00000002", "--expired", "i-00000003"})
	require.NoError(t, err)
	require.Equal(t, ecsreboot.StatusStopped, s.Instances[0].Status)
	require.Equal(t, ecsreboot.StatusStopped, s.Instances[3].Status)
	require.Equal(t, []string{"security"}, s.Instances[1].Locks)
	require.True(t, s.Instances[2].ExpiredTime.Before(time.Now()))
	require.Nil(t, s.Options.Allow)
	s, err = Parse([]string{"--instances", "i-a,i-b", "--deny", "RebootInstance:i-b", "--deny", "DescribeInstances", "--security-token", "x"})
	require.NoError(t, err)
	require.Equal(t, "x", s.Options.SecurityToken)
	require.True(t, s.Options.Allow("RebootInstance", "i-a"))
	require.False(t, s.Options.Allow("RebootInstance", "i-b"))
	require.False(t, s.Options.Allow("DescribeInstances", ""))
	for value, says := range map[string]string{
		"drop,action=RebotInstance": `unknown action "RebotInstance"`,
		"drop,refuse=":              "missing the code",
	} {
		_, err := Parse([]string{"--fault", value})
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
		require.ErrorContains(t, err, "--fault")
		require.ErrorContains(t, err, value)
		require.ErrorContains(t, err, says)
	}
	for flag, values := range map[string][]string{
		"--stopped": {"i-9", "i-a,", ""}, "--locked": {"i-9"}, "--expired": {"i-9"},
		"--deny": {"RebootInstance:i-9", "RebootInstance:", "DeleteInstance", "DescribeInstances:i-a"},
	} {
		for _, value := range values {
			_, err := Parse([]string{"--instances", "i-a", flag, value})
			require.Equal(t, exitcode.Usage, exitcode.Of(err), "%s %s", flag, value)
			require.ErrorContains(t, err, flag)
			require.ErrorContains(t, err, value)
		}
	}
}
