//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock, for this process only or shared, and does not wait.
func lockFile(file *os.File, exclusive bool) error {
	if exclusive {
		return flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	return flock(file, syscall.LOCK_SH|syscall.LOCK_NB)
}

// unlockFile releases the lock, whoever else has a copy of the file.
func unlockFile(file *os.File) error { return flock(file, syscall.LOCK_UN) }

func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errHeld
		default:
			return err
		}
	}
}
