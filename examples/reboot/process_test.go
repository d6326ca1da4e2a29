package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

// The program as a script meets it: a process, signals, exit codes.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGINT can be sent to a process there")
	}
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary := filepath.Join(t.TempDir(), "ecs-reboot")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(output))

	t.Run("SIGINT after the request left", func(t *testing.T) {
		server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
		got := execute(t, binary, func() bool { return server.Reboots(id) == 1 }, at(server, "-json", id)...)
		require.Equal(t, exitcode.Unknown, got.code, got.stderr)
		require.Equal(t, "unknown", got.jsonLine(t)["outcome"])
		require.Contains(t, got.stderr, "interrupt signal received")
		require.Equal(t, 1, server.Reboots(id))
	})
	t.Run("SIGINT while it waits", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		got := execute(t, binary, func() bool { return server.Reboots(id) == 1 }, at(server, "-wait", id)...)
		require.Equal(t, exitcode.Unknown, got.code, got.stderr)
		require.Contains(t, got.stdout, id+": ")
		require.Contains(t, got.stderr, "interrupt signal received")
		require.NotContains(t, got.stderr, "\x1b")
		require.Equal(t, 1, server.Reboots(id))
	})
	t.Run("stdin is /dev/null", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		got := execute(t, binary, nil, at(server, "-force", id)...)
		require.Equal(t, exitcode.Usage, got.code, got.stderr)
		require.Contains(t, got.stderr, "it needs -yes")
		require.Empty(t, server.Calls())
	})
	t.Run("accepted", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		got := execute(t, binary, nil, at(server, id)...)
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Equal(t, 1, server.Reboots(id))
	})
}

// execute runs the program without stdin, and interrupts it when the condition
// holds.
func execute(t *testing.T, binary string, interruptWhen func() bool, args ...string) printed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	if interruptWhen != nil {
		require.Eventually(t, interruptWhen, 10*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
	}
	code := 0
	if err := cmd.Wait(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v", err)
		code = exit.ExitCode()
	}
	return printed{code, stdout.String(), stderr.String()}
}
