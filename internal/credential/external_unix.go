//go:build unix

package credential

import (
	"os/exec"
	"syscall"
)

const isWindows = false

// killGroup makes the end of the command's time the end of all that it has started.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
