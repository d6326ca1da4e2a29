package app

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDescribeBuild(t *testing.T) {
	settings := func(pairs ...string) []debug.BuildSetting {
		list := []debug.BuildSetting{{Key: "GOOS", Value: "plan9"}, {Key: "GOARCH", Value: "mips"}}
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for name, tt := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"installed": {
			&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0", Sum: "h1:abc="}, Settings: settings()},
			"ecs-reboot v0.1.0 (h1:abc=) go1.26.8 plan9/mips",
		},
		"clean clone of a tag": {
			&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}, Settings: settings("vcs.revision", commit, "vcs.modified", "false")},
			"ecs-reboot v0.1.0 commit " + commit + " go1.26.8 plan9/mips",
		},
		"changed clone": {
			&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: settings("vcs.revision", commit, "vcs.modified", "true")},
			"ecs-reboot (devel) commit " + commit + " dirty go1.26.8 plan9/mips",
		},
		"without version control": {
			&debug.BuildInfo{GoVersion: "go1.26.8", Settings: settings()},
			"ecs-reboot (devel) go1.26.8 plan9/mips",
		},
		"unknown": {nil, "ecs-reboot (devel) " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, describeBuild(tt.info))
		})
	}
}

func TestVersion(t *testing.T) {
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	require.Equal(t, 0, p.run(t.Context(), []string{"version"}))
	require.Regexp(t, `^ecs-reboot \S+ (\(h1:\S+\) )?(commit \S+ )?(dirty )?go\S+ `+runtime.GOOS+"/"+runtime.GOARCH+"\n$", stdout.String())
	require.Empty(t, stderr.String())
}

func TestVersionThatCannotBePrinted(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	p := &program{stdout: full, stderr: &stderr, getenv: func(string) string { return "" }}
	require.NotEqual(t, 0, p.run(t.Context(), []string{"version"}))
	require.Contains(t, stderr.String(), "no space left on device")
}
