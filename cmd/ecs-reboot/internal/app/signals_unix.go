//go:build unix

package app

import (
	"os"
	"syscall"
)

func pauseSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2} }

// pauses reports whether a signal pauses the run, and whether it is about that.
func pauses(sig os.Signal) (paused, ok bool) {
	return sig == syscall.SIGUSR1, sig == syscall.SIGUSR1 || sig == syscall.SIGUSR2
}
