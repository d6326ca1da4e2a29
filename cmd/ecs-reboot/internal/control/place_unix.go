//go:build unix

package control

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether a file belongs to the user of this process.
func isOwn(info fs.FileInfo) bool { return isOf(info, os.Geteuid()) }

// isOfRoot reports whether a file belongs to root.
func isOfRoot(info fs.FileInfo) bool { return isOf(info, 0) }

func isOf(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(stat.Uid) == int64(uid)
}

// isRefused reports whether nobody listens on a socket.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
