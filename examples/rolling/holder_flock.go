//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// holder tells who drives the run of a journal: empty if nobody does, and not known
// where its lock cannot be looked at. It changes no file.
func holder(journal string) (who string, known bool) {
	if target, err := filepath.EvalSymlinks(journal); err == nil {
		journal = target
	}
	file, err := os.Open(journal + ".lock") //nolint:gosec // beside the journal
	if err != nil {
		return "", false
	}
	defer file.Close() //nolint:errcheck // only read; lets go of the lock
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", err == nil
	}
	const most = 256
	told, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil || len(told) == 0 {
		told = []byte("another process")
	}
	return string(told), true
}
