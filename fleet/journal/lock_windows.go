package journal

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// unlockFile does nothing: no other process has a copy of the file, and closing it releases
// the lock.
func unlockFile(*os.File) error { return nil }

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

const (
	lockFailImmediately = 0x1
	lockExclusive       = 0x2

	errLockViolation syscall.Errno = 33
)

// lockFile takes the lock, for this process only or shared, and does not wait. It locks
// one byte far beyond the end, because others cannot read what is locked.
func lockFile(file *os.File, exclusive bool) error {
	how := uintptr(lockFailImmediately)
	if exclusive {
		how |= lockExclusive
	}
	at := unsafe.Pointer(&syscall.Overlapped{OffsetHigh: 0x3fffffff}) //nolint:gosec // the call takes no other
	done, _, err := lockFileEx.Call(file.Fd(), how, 0, 1, 0, uintptr(at))
	switch {
	case done != 0:
		return nil
	case errors.Is(err, errLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING):
		return errHeld
	default:
		return err
	}
}
