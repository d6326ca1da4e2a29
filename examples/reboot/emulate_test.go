package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// practise runs with --emulate and a restart of a few milliseconds.
func practise(ctx context.Context, t *testing.T, restart time.Duration, args ...string) printed {
	t.Helper()
	isolate(t)
	var stdout, stderr bytes.Buffer
	p := newProgram(strings.NewReader(""), &stdout, &stderr)
	p.restartTime = restart
	code := p.run(ctx, append([]string{"--emulate"}, args...))
	return printed{code, stdout.String(), stderr.String()}
}

func TestEmulate(t *testing.T) {
	for _, signature := range []string{"v1", "v3"} {
		got := practise(t.Context(), t, 20*time.Millisecond, "--signature", signature, id)
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Regexp(t, `^`+id+`: restart accepted \(request [0-9A-F-]{36}\)\n$`, got.stdout)
		require.Regexp(t, regexp.MustCompile(`^emulated service at http://127\.0\.0\.1:\d+, in this process; no real instance is touched
  \d+\.\d\d s  Running
  \d+\.\d\d s  RebootInstance `+id+`
(?:  \d+\.\d\d s  (?:Starting|RebootInstance: response 200|Running)\n){3}the service restarted the instance once
`), got.stderr)
		require.Contains(t, got.stderr, "With a real service and without a wait, it exits when the service has accepted the restart.")
	}
}

func TestEmulateForce(t *testing.T) {
	got := practise(t.Context(), t, 20*time.Millisecond, "--force", "--json", id)
	line := got.jsonLine(t)
	require.Equal(t, true, line["forceStop"])
	require.Equal(t, "accepted", line["outcome"])
	require.Contains(t, got.stderr, id+" by force\n")
}

func TestEmulateDryRun(t *testing.T) {
	got := practise(t.Context(), t, time.Hour, "--dry-run", id)
	require.Equal(t, exitcode.Done, got.code)
	require.Contains(t, got.stdout, "dry run passed")
	require.Contains(t, got.stderr, "RebootInstance: response 400 DryRunOperation\n")
	require.Contains(t, got.stderr, "the service restarted the instance 0 times\n")
	require.NotContains(t, got.stderr, "wait")
}

func TestEmulateQuietDoesNotWatch(t *testing.T) {
	got := practise(t.Context(), t, time.Hour, "--quiet", id)
	require.Equal(t, exitcode.Done, got.code)
	require.Contains(t, got.stdout, "restart accepted")
	require.Empty(t, got.stderr)
}

// The result is known by then, so an interrupt only ends the watching.
func TestEmulateInterruptedWhileWatching(t *testing.T) {
	isolate(t)
	ctx, cancel := context.WithCancel(t.Context())
	stderr := new(bytes.Buffer)
	p := newProgram(strings.NewReader(""), &watcher{until: "accepted", then: cancel}, stderr)
	p.restartTime = time.Hour
	require.Equal(t, exitcode.Done, p.run(ctx, []string{"--emulate", id}))
	require.Contains(t, stderr.String(), "stopped watching: context canceled\nthe service restarted the instance once\n")
}
