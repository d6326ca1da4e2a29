//go:build unix

package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// TestNextApproval: a run that waits for approval prints the command that approves it, and
// a shell runs that as it is.
func TestNextApproval(t *testing.T) {
	t.Parallel()
	server := serve(t, ecstest.Options{}, slow(2)...)
	var stderr buffer
	env := append(environment(t), "PATH="+filepath.Dir(binary(t, Name))+":"+os.Getenv("PATH"))
	d := driveTo(t, func(d *driver) { d.Env, d.Stderr = env, &stderr },
		append(firstArgs(server, filepath.Join(t.TempDir(), "a run.journal")), "--canary", "1", "--approve")...)
	var command string
	require.Eventually(t, func() bool {
		_, after, found := strings.Cut(stderr.String(), "to approve it in another terminal: ")
		command, _, _ = strings.Cut(after, "\n")
		return found
	}, patience, 10*time.Millisecond)
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Env = env
	output, err := shell.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, output)
	require.Contains(t, string(output), "stage 1 is approved")
	require.Equal(t, exitcode.Done, d.code(t), stderr.String())
	require.Equal(t, 2, server.TotalReboots())
}
