//go:build linux

package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// TestFullDisk: what is lost on a full disk is no success. Of a command that may have
// restarted something, the code says that nobody knows.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = full.Close() })
	instances := make([]ecstest.Instance, 10)
	for i := range instances {
		instances[i] = ecstest.Instance{ID: fmt.Sprintf("i-%d", i), Reboot: ecstest.RebootProfile{Graceful: leastReboot}}
	}
	server := serve(t, ecstest.Options{}, instances...)
	where := []string{"--region", "cn-hangzhou", "--endpoint", server.URL}
	sending := append([]string{"--yes", "--min-ready", "0"}, where...)
	finished := filepath.Join(t.TempDir(), "run.journal")
	first := drive(t, append([]string{"run", "i-0", "--journal", finished}, sending...)...)
	require.Equal(t, exitcode.Done, first.code(t), first.stderr.String())
	for _, test := range []struct {
		stream string
		args   []string
		code   int
	}{
		{"stdout", append([]string{"restart", "i-1", "--yes"}, where...), exitcode.Unknown},
		{"stderr", append([]string{"restart", "i-2", "--yes"}, where...), exitcode.Unknown},
		{"stdout", append([]string{"restart", "i-3", "i-4"}, sending...), exitcode.Unknown},
		{"stderr", append([]string{"restart", "i-5", "i-6"}, sending...), exitcode.Unknown},
		{"stdout", append([]string{"run", "i-7"}, sending...), exitcode.Unknown},
		{"stdout", append([]string{"run", "i-8", "--json"}, sending...), exitcode.Unknown},
		{"stderr", append([]string{"run", "i-9"}, sending...), exitcode.Unknown},
		{"stdout", append([]string{"check", "i-0"}, where...), exitcode.Failed},
		{"stdout", append([]string{"plan", "--all"}, where...), exitcode.Failed},
		{"stdout", append([]string{"plan", "--all", "--json"}, where...), exitcode.Failed},
		{"stdout", []string{"status", finished}, exitcode.Failed},
		{"stdout", []string{"status"}, exitcode.Failed},
		{"stdout", []string{"version"}, exitcode.Failed},
		{"stdout", []string{"help", "run"}, exitcode.Failed},
		{"stderr", []string{"status", finished + ".none"}, exitcode.Failed},
		{"stderr", []string{"plan", "--region", "cn-hangzhou"}, exitcode.Usage},
	} {
		t.Run(strings.Join(test.args[:min(2, len(test.args))], " ")+", "+test.stream, func(t *testing.T) {
			t.Parallel()
			d := driveTo(t, func(d *driver) {
				if test.stream == "stdout" {
					d.Stdout = full
				} else {
					d.Stderr = full
				}
			}, test.args...)
			require.Equal(t, test.code, d.code(t), "%s\n%s", d.stdout.String(), d.stderr.String())
		})
	}
}
