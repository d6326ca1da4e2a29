package emulator

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
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
	newFlagSet(new(Settings), new(instanceFlags)).VisitAll(func(f *flag.Flag) {
		require.Contains(t, manual, "\n  -"+f.Name+" ", "the manual leaves -%s out", f.Name)
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
		"answer:1,status=200,body={\"a\":1,\"act\"}": {Kind: ecstest.FaultAnswer, Times: 1, Status: 200, Body: `{"a":1,"act"}`},
	} {
		got, err := parseFault(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{
		"", "dropped", "drop:0", "drop:-1", "drop:", "drop:x", "drop,", "drop,act=1", "drop,acts", "drop,skip", "drop,skip=x",
		"drop,delay=5", "throttle,hint=x", "error,status=x", "error,colour=red",
	} {
		_, err := parseFault(text)
		require.Error(t, err, text)
	}
}
