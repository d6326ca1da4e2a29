package journal

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLockOfAChild closes a lock of which a child process has a copy, as one has between
// fork and exec.
func TestLockOfAChild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("children have no copies there")
	}
	path := filepath.Join(t.TempDir(), "run.journal")
	held, err := lock(path)
	require.NoError(t, err)
	_, known := holderOf(path)
	require.True(t, known)
	child := exec.Command("cat") // it ends with its input
	child.ExtraFiles = []*os.File{held.(heldLock).File}
	input, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { require.NoError(t, child.Wait()) }()
	defer input.Close() // the end of the child
	_, err = lock(path)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, held.Close())
	again, err := lock(path)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// TestNoLockIsAnError locks a file that cannot be locked, as on a file system without locks.
func TestNoLockIsAnError(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	err = lockPatiently(file)
	require.Error(t, err)
	require.NotErrorIs(t, err, errHeld)
}

// TestLockedByWhom names the holder as far as the lock file does.
func TestLockedByWhom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("who holds the lock keeps others from writing to its file there")
	}
	path := filepath.Join(t.TempDir(), "run.journal")
	held, err := lock(path)
	require.NoError(t, err)
	file := lockName(path)
	for told, want := range map[string]string{
		"":                       "journal: in use (" + file + ")",
		"x":                      "journal: in use: x (" + file + ")",
		strings.Repeat("y", 256): "journal: in use: " + strings.Repeat("y", 256) + " (" + file + ")",
		strings.Repeat("z", 300): "journal: in use: " + strings.Repeat("z", 256) + " (" + file + ")",
	} {
		require.NoError(t, os.WriteFile(file, []byte(told), filePerm))
		_, err := lock(path)
		require.ErrorIs(t, err, ErrLocked)
		require.EqualError(t, err, want)
		process, known := holderOf(path)
		require.True(t, known)
		require.Equal(t, cmp.Or(told[:min(len(told), 256)], "another process"), process)
	}
	require.NoError(t, held.Close())
	process, known := holderOf(path)
	require.True(t, known)
	require.Empty(t, process)
}

// TestSyncDir fails for a directory that is not there, and does not for what cannot be
// synced.
func TestSyncDir(t *testing.T) {
	require.NoError(t, osFS{}.SyncDir(t.TempDir()))
	if runtime.GOOS == "windows" {
		return // where no directory can
	}
	require.Error(t, osFS{}.SyncDir(filepath.Join(t.TempDir(), "gone")))
	if runtime.GOOS == "linux" {
		require.NoError(t, osFS{}.SyncDir("/proc"))
	}
}

// TestHolderKeepsNoFile leaves no file open, whoever has the lock.
func TestHolderKeepsNoFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("where /proc shows the files that are open")
	}
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(files)
	}
	path := filepath.Join(t.TempDir(), "run.journal")
	held, err := lock(path)
	require.NoError(t, err)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes files as well
	before := open()
	for range 100 {
		Holder(path)
	}
	require.Less(t, open(), before+50)
	require.NoError(t, held.Close())
	for range 100 {
		Holder(path)
	}
	require.Less(t, open(), before+50)
}
