package journal

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// FS is the file system below a journal. Tests replace it to make it fail.
type FS interface {
	// OpenFile works like [os.OpenFile].
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Remove works like [os.Remove].
	Remove(name string) error
	// SyncDir makes the entries of a directory durable, where the system can.
	SyncDir(name string) error
	// Lock takes the lock of the journal of that name, until the Closer is closed or
	// the process ends. Lock does not wait: the error is [ErrLocked] if the lock is
	// taken.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an [FS].
type File interface {
	io.ReadCloser
	io.WriterAt
	Truncate(size int64) error
	// Sync returns once all written data is durable.
	Sync() error
}

// osFS is the file system of the operating system.
type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	file, err := os.OpenFile(name, flag, perm) //nolint:gosec // where the caller wants the journal
	if err != nil {
		return nil, err // not a nil *os.File in an interface
	}
	return file, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(name string) error { return syncDir(name) }

func (osFS) Lock(name string) (io.Closer, error) { return lock(name) }

// Holder returns which process has the journal open for writing, such as
// "process 7 on web-1"; the text is empty if no process has. If that cannot be known,
// known is false: the journal has no lock file, or the system has no lock that ends with
// its process.
//
// Holder changes no file. It takes a shared lock for a moment, for which [Create] and
// [Open] wait.
func Holder(path string) (process string, known bool) { return holderOf(path) }

// lockedError returns an error that names the holder of a lock if the lock file does.
func lockedError(name string) error {
	told, err := os.ReadFile(name) //nolint:gosec // beside the journal
	if err != nil || len(told) == 0 {
		return fmt.Errorf("%w (%s)", ErrLocked, name)
	}
	return fmt.Errorf("%w: %s (%s)", ErrLocked, told[:min(len(told), 256)], name)
}

// holder returns the text that the holder of a lock writes to the lock file.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}
