package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// The program as a script meets it: a process, signals, exit codes.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGINT can be sent to a process there")
	}
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary := filepath.Join(t.TempDir(), "reboot")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(output))

	t.Run("SIGINT after the request left", func(t *testing.T) {
		server := serve(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
		got := execute(t, binary, os.Interrupt, func() bool { return server.Reboots(id) == 1 }, at(server, "--json", id)...)
		require.Equal(t, exitcode.Unknown, got.code, got.stderr)
		require.Equal(t, "unknown", got.jsonLine(t)["outcome"])
		require.Contains(t, got.stderr, "interrupt signal received")
		require.Equal(t, 1, server.Reboots(id))
	})
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String()+" while it waits", func(t *testing.T) {
			if sig == syscall.SIGHUP && signal.Ignored(sig) {
				t.Skip("the program inherits that it is ignored")
			}
			server := serve(t, ecstest.Instance{})
			got := execute(t, binary, sig, func() bool { return server.Reboots(id) == 1 }, at(server, "--wait", id)...)
			require.Equal(t, exitcode.Unknown, got.code, got.stderr)
			require.Contains(t, got.stdout, id+": ")
			require.Contains(t, got.stderr, sig.String()+" signal received")
			require.NotContains(t, got.stderr, "\x1b")
			require.Equal(t, 1, server.Reboots(id))
		})
	}
	t.Run("nobody reads stdout any more", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, at(server, "--json", id)...)
		cmd.Stdout, cmd.Stderr = writer, &stderr
		require.NoError(t, cmd.Run(), stderr.String())
		require.NoError(t, writer.Close())
		require.Contains(t, stderr.String(), "failed to write the result to stdout: ")
		require.Contains(t, stderr.String(), `"outcome":"accepted"`)
		require.Equal(t, 1, server.Reboots(id))
	})
	t.Run("stdout is full", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("there is no /dev/full")
		}
		defer full.Close()
		server := serve(t, ecstest.Instance{})
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, at(server, "--json", id)...)
		cmd.Stdout, cmd.Stderr = full, &stderr
		require.NoError(t, cmd.Run(), stderr.String())
		require.Contains(t, stderr.String(), "failed to write the result to stdout: ")
		require.Contains(t, stderr.String(), `"outcome":"accepted"`)
	})
	t.Run("stdin is /dev/null", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		got := execute(t, binary, nil, nil, at(server, "--force", id)...)
		require.Equal(t, exitcode.Usage, got.code, got.stderr)
		require.Contains(t, got.stderr, "--force needs --yes")
		require.Empty(t, server.Calls())
	})
	t.Run("accepted", func(t *testing.T) {
		server := serve(t, ecstest.Instance{})
		got := execute(t, binary, nil, nil, at(server, id)...)
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Equal(t, 1, server.Reboots(id))
	})
}

// execute runs the program without stdin, and sends it the signal when the
// condition holds.
func execute(t *testing.T, binary string, sig os.Signal, when func() bool, args ...string) printed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	if when != nil {
		require.Eventually(t, when, 10*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(sig))
	}
	code := 0
	if err := cmd.Wait(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v", err)
		code = exit.ExitCode()
	}
	return printed{code, stdout.String(), stderr.String()}
}
