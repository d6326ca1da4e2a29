package conformance_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program returns where a program is, and skips the test on a machine without it.
// Debian keeps servers in a directory that is not on everybody's path.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("there is no %s on this machine; Debian has it in the package %s", name, debianPackage)
	return ""
}

// openDir is a temporary directory that a server may read which gives up root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "conformance") //nolint:usetesting // that of the test lies in one which only its owner may enter
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// run starts a server and returns when it listens. kill ends it at once; so does
// the end of the test.
func run(t *testing.T, addr, path string, args ...string) (kill func()) {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = time.Second // its helpers hold the output too
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	kill = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		<-ended
	})
	t.Cleanup(kill)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			conn.Close()
			return kill
		}
		select {
		case <-ended:
			require.FailNow(t, "the server ended", "%s: %s", path, output.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			kill()
			require.FailNow(t, "the server does not listen", "%s: %s", path, output.String())
		}
	}
}
