//go:build unix

package shell_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/shell"
)

func TestExitCodeDecides(t *testing.T) {
	require.NoError(t, shell.Run(t.Context(), "echo fine >&2; true"))
	for want, command := range map[string]string{
		"exit code 3":                      "exit 3",
		"exit code 3: drained: no":         "echo one; echo drained: no >&2; exit 3",
		"exit code 1: the last":            "printf 'a\\nthe last\\n\\n \\n'; exit 1",
		"exit code 1: 100 %":               "printf '50 %%\\r100 %%'; exit 1",
		"signal: killed: before":           "echo before; kill -9 $$",
		"exit code 1: red text":            "printf '\\033[31mred\\007 text\\033[0m\\n'; exit 1",
		"exit code 1: broken":              "printf 'bro\\377ken'; exit 1",
		"exit code 1: password=[redacted]": "echo password=hunter2hunter2; exit 1",
	} {
		require.EqualError(t, shell.Run(t.Context(), command), want)
	}
	require.ErrorContains(t, shell.Run(t.Context(), "there-is-no-such-program"), "exit code 127: ")
}

func TestValuesAreEnvironment(t *testing.T) {
	t.Setenv("ECS_INSTANCE_NAME", "of an outer hook")
	t.Setenv("KEPT", "yes")
	evil := "a b'\"; exit 7 # $(exit 8) `exit 9`"
	require.NoError(t, shell.Run(t.Context(), `test "$ECS_INSTANCE_NAME" = "$WANT" && test "$KEPT" = yes`,
		shell.Variable{Name: "ECS_INSTANCE_NAME", Value: evil}, shell.Variable{Name: "WANT", Value: evil}))
	require.NoError(t, shell.Run(t.Context(), `test "$V" = "onetwo"`, shell.Variable{Name: "V", Value: "one\x00\n\x1btwo"}))
	require.NoError(t, shell.Run(t.Context(), `test -z "${ECS_INSTANCE_NAME-unset}"`, shell.Variable{Name: "ECS_INSTANCE_NAME"}))
}

func TestStandardInputIsEmpty(t *testing.T) {
	require.NoError(t, shell.Run(t.Context(), `test -z "$(cat)"`))
}

func TestOutputIsBounded(t *testing.T) {
	err := shell.Run(t.Context(), "yes | head -c 50000000; echo; echo the end; exit 1")
	require.EqualError(t, err, "exit code 1: the end")
	err = shell.Run(t.Context(), "head -c 100000 /dev/zero | tr '\\0' 'word '; exit 1")
	require.Error(t, err)
	require.Less(t, len(err.Error()), 400)
}

// TestEndOfTheContextEndsTheGroup starts a process that starts another one, both of which
// ignore SIGTERM, and checks that neither is left.
func TestEndOfTheContextEndsTheGroup(t *testing.T) {
	t.Parallel()
	for name, output := range map[string]string{"output held open": "", "output closed": " >/dev/null 2>&1 </dev/null"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			cause := errors.New("not done within 1 s")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, cause)
			defer cancel()
			begun := time.Now()
			err := shell.Run(ctx, `trap "" TERM; sh -c 'trap "" TERM; echo $$ >$FILE; sleep 60; sleep 60'`+output+` & echo begun; wait; sleep 60`,
				shell.Variable{Name: "FILE", Value: file})
			require.EqualError(t, err, "killed: not done within 1 s: begun")
			require.ErrorIs(t, err, cause)
			require.Less(t, time.Since(begun), 10*time.Second)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return dead(pid) }, 5*time.Second, 10*time.Millisecond, "the inner process is left")
		})
	}
}

// dead reports whether there is no such process, or only a zombie.
func dead(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestTermComesBeforeKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trap")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := shell.Run(ctx, `trap 'echo cleaned >"$FILE"; exit 0' TERM; while :; do sleep 0.05; done`, shell.Variable{Name: "FILE", Value: file})
	require.ErrorIs(t, err, context.DeadlineExceeded, "exit code 0 of a command that was ended early is no success")
	require.FileExists(t, file)
}

// TestTermComesBeforeKillInTheGroup: the shell ends at once, and a process of its group that
// holds no output open gets its time to clean up, too.
func TestTermComesBeforeKillInTheGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trap")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := shell.Run(ctx, `sh -c 'trap "sleep 0.3; echo cleaned >$FILE; exit 0" TERM; while :; do sleep 0.05; done' >/dev/null 2>&1; echo after`,
		shell.Variable{Name: "FILE", Value: file})
	require.EqualError(t, err, "killed: context deadline exceeded")
	require.FileExists(t, file)
	require.Less(t, time.Since(begun), 20*time.Second)
}

func TestProcessLeftBehind(t *testing.T) {
	begun := time.Now()
	require.NoError(t, shell.Run(t.Context(), "sleep 30 & exit 0"))
	require.Less(t, time.Since(begun), 20*time.Second)
	require.EqualError(t, shell.Run(t.Context(), "sleep 30 & echo no; exit 1"), "exit code 1: no")
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "ran")
	require.ErrorIs(t, shell.Run(ctx, `: >"$FILE"`, shell.Variable{Name: "FILE", Value: file}), context.Canceled)
	require.NoFileExists(t, file)
}
