//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows

package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// lock takes the kernel's lock on the lock file. The file is never removed: who
// has just opened it would lock a file that others do not find any more.
func lock(name string) (io.Closer, error) {
	name = lockName(name)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm) //nolint:gosec // beside the journal
	if err != nil {
		return nil, err
	}
	if err := lockPatiently(file); err != nil {
		if errors.Is(err, errHeld) {
			err = lockedError(name)
		} else {
			err = &os.PathError{Op: "lock", Path: name, Err: err}
		}
		return nil, errors.Join(err, file.Close())
	}
	// The text only informs other processes, so a full disk is no reason to fail.
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(holder()), 0)
	}
	return heldLock{file}, nil
}

// heldLock is a lock file whose lock this process has.
type heldLock struct{ *os.File }

// Close releases the lock and closes the file. A child process that another goroutine is
// just starting may have a copy of the file for a moment, and the lock with it, so closing
// the file is not enough.
func (l heldLock) Close() error { return errors.Join(unlockFile(l.File), l.File.Close()) }

// lockPatiently takes the lock even if a Holder has it for a moment.
func lockPatiently(file *os.File) error {
	for range lookTries {
		if err := lockFile(file, true); !errors.Is(err, errHeld) {
			return err
		}
		time.Sleep(lookTime)
	}
	return lockFile(file, true)
}

const (
	lookTries = 10
	lookTime  = 2 * time.Millisecond
)

// holderOf takes the shared lock, which fails if a process has the lock.
func holderOf(path string) (process string, known bool) {
	file, err := os.Open(lockName(path))
	if err != nil {
		return "", false
	}
	defer file.Close() //nolint:errcheck // only read
	if err := lockFile(file, false); !errors.Is(err, errHeld) {
		return "", err == nil && unlockFile(file) == nil
	}
	const most = 256
	told, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil || len(told) == 0 {
		return "another process", true
	}
	return string(told), true
}

// lockName returns the name of the lock file: a journal has one, by whatever name the
// journal goes.
func lockName(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return path + lockSuffix
}

// errHeld is why lockFile refuses if another has the lock.
var errHeld = errors.New("held")
