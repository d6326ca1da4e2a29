//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"
)

func syncDir(name string) error {
	dir, err := os.Open(name) //nolint:gosec // where the caller wants the journal
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // this file system cannot
	}
	return errors.Join(err, dir.Close())
}
