package shell

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// interpreted are the characters that no value may contain: cmd replaces %NAME% before it
// reads the line, so that they would be a part of the command.
const interpreted = "\"&|<>^%!()"

// Printable returns a value with a space in place of each character that [Run] refuses,
// for texts that nothing depends on.
func Printable(value string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(interpreted, r) {
			return ' '
		}
		return r
	}, value)
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// newCommand passes the command to cmd as it is: the rules by which Go quotes arguments
// are not those of cmd.
func newCommand(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CmdLine:       `cmd /d /s /c "` + command + `"`,
		CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP,
	}
	return cmd
}

// terminate ends a command and the processes that it has started. Windows has no request
// to end for processes without a console.
func terminate(pid int) error {
	return exec.Command("taskkill", "/t", "/f", "/pid", strconv.Itoa(pid)).Run() //nolint:gosec,noctx // the context has ended
}

// alive returns false: terminate has ended the processes.
func alive(int) bool { return false }

// kill does nothing: terminate has ended the processes.
func kill(int) {}
