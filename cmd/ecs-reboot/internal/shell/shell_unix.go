//go:build unix

package shell

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// interpreted are the characters that no value may contain. There are none: sh does not
// interpret what the expansion of a variable yields.
const interpreted = ""

// Printable returns a value as it is.
func Printable(value string) string { return value }

func sameName(a, b string) bool { return a == b }

// newCommand returns a command in a process group of its own. An interrupt from the
// terminal does not reach the group: the run decides when its hooks end.
func newCommand(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // the operator gave the command
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// terminate asks the process group of a command to end.
func terminate(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// alive reports whether a process of the process group of a command is left.
func alive(pid int) bool { return !errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) }

// kill ends the process group of a command. The system does not give the number of the
// group to others while a process of the group is alive.
func kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
