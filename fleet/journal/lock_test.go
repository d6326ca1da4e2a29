package journal

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
