//go:build unix

package credential

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const answer = `{"mode":"StsToken","access_key_id":"id","access_key_secret":"secret","sts_token":"token"}`

func command(t *testing.T, script string) *external {
	t.Helper()
	path := filepath.Join(t.TempDir(), "command")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	e, err := newExternal("/bin/sh " + path)
	require.NoError(t, err)
	return e
}

// When its time is over, the command ends with all that it has started.
func TestCommandLimit(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	e := command(t, "sleep 600 &\necho $! >"+child+"\necho working >&2\nwait")
	e.limit = 500 * time.Millisecond
	begin := time.Now()
	_, err := e.GetCredentials()
	require.ErrorContains(t, err, "did not end within 500ms; its standard error: working")
	assert.True(t, err.(*sourceError).temporary) //nolint:errorlint // nothing wraps it
	assert.Less(t, time.Since(begin), 20*time.Second)
	text, err := os.ReadFile(child)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond, "the child lives on")
}

// alive reports whether a process runs; one that has ended may wait for its parent.
func alive(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		return !strings.Contains(string(state), ") Z ")
	}
	return syscall.Kill(pid, 0) == nil
}

// A process that the command leaves behind, with its output open, holds nobody up.
func TestCommandLeavesAProcess(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	e := command(t, "sleep 600 &\necho $! >"+child+"\necho '"+answer+"'")
	e.pipes = 50 * time.Millisecond
	keys, err := e.GetCredentials()
	require.NoError(t, err)
	assert.Equal(t, "token", keys.SecurityToken)
	text, err := os.ReadFile(child)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func TestCommandOutputIsBounded(t *testing.T) {
	_, err := command(t, "head -c 1000000 /dev/zero").GetCredentials()
	require.ErrorContains(t, err, "printed more than 65536 bytes")
	_, err = command(t, "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3").GetCredentials()
	require.ErrorContains(t, err, "exit status 3; its standard error: xxx")
	assert.Less(t, len(err.Error()), 700)
}

// The limit of the command that a profile names, without the test's own values.
func TestCommandDefaults(t *testing.T) {
	e, err := newExternal("x")
	require.NoError(t, err)
	assert.Equal(t, 60*time.Second, e.limit)
	assert.Equal(t, 2*time.Second, e.pipes)
}
