//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows

package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// lock takes the kernel's lock on the lock file. The file is never removed: who
// has just opened it would lock a file that others do not find any more.
func lock(name string) (io.Closer, error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // one lock for the journal, by whatever name
	}
	name += lockSuffix
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm) //nolint:gosec // beside the journal
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
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
	return file, nil
}

// errHeld is why lockFile refuses if another has the lock.
var errHeld = errors.New("held")
