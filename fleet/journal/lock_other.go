//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// lock creates the lock file, which outlives a crash: here is no better lock.
func lock(name string) (io.Closer, error) {
	name += lockSuffix
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm) //nolint:gosec // beside the journal
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; remove the file if that process has ended", lockedError(name))
	}
	if err != nil {
		return nil, err
	}
	// The text only informs other processes, so a full disk is no reason to fail.
	_, _ = file.WriteString(holder())
	_ = file.Close()
	return createdLock(name), nil
}

type createdLock string

func (l createdLock) Close() error { return os.Remove(string(l)) }

// holderOf knows only that no process has the journal: a crash leaves the lock file.
func holderOf(path string) (process string, known bool) {
	_, err := os.Stat(path + lockSuffix)
	return "", errors.Is(err, fs.ErrNotExist)
}
