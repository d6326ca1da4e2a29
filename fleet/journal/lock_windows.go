package journal

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

const (
	lockFailImmediately = 0x1
	lockExclusive       = 0x2

	errLockViolation syscall.Errno = 33
)

// lockFile locks one byte far beyond the end: what is locked others cannot read.
func lockFile(file *os.File) error {
	at := unsafe.Pointer(&syscall.Overlapped{OffsetHigh: 0x3fffffff}) //nolint:gosec // the call takes no other
	done, _, err := lockFileEx.Call(file.Fd(), lockExclusive|lockFailImmediately, 0, 1, 0, uintptr(at))
	switch {
	case done != 0:
		return nil
	case errors.Is(err, errLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING):
		return errHeld
	default:
		return err
	}
}
