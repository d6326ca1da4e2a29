//go:build !unix

package credential

import (
	"os/exec"
	"runtime"
)

const isWindows = runtime.GOOS == "windows"

// killGroup leaves it at the command itself: there are no process groups.
func killGroup(*exec.Cmd) {}
