package app

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// binaries are built once, for all tests that need processes.
var binaries struct {
	once sync.Once
	dir  string
	err  error
}

// The tests wait for processes more than they compute: more of them than cores run at once.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
	os.Exit(code)
}

// binary returns the path of the program.
func binary(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	binaries.once.Do(func() {
		if binaries.dir, binaries.err = os.MkdirTemp("", "ecs-reboot-test-"); binaries.err != nil { //nolint:usetesting // shared by tests
			return
		}
		for _, build := range []*exec.Cmd{
			exec.Command("go", "build", "-o", filepath.Join(binaries.dir, Name), "../.."),
		} {
			output, err := build.CombinedOutput()
			if err != nil {
				binaries.err = errors.New(string(output))
				return
			}
		}
	})
	require.NoError(t, binaries.err)
	return filepath.Join(binaries.dir, name)
}

// driver is the program as a process.
type driver struct {
	*exec.Cmd

	stdout, stderr buffer
}

// drive starts the program with the emulator's key and no metadata service.
func drive(t *testing.T, args ...string) *driver {
	t.Helper()
	return driveTo(t, func(*driver) {}, args...)
}

// driveTo is [drive] for a process that change prepares.
func driveTo(t *testing.T, change func(d *driver), args ...string) *driver {
	t.Helper()
	d := &driver{Cmd: exec.CommandContext(t.Context(), binary(t, Name), args...)}
	d.Env = environment(t)
	d.Stdout, d.Stderr = &d.stdout, &d.stderr
	change(d)
	require.NoError(t, d.Start())
	return d
}

// environment is that of the system with the emulator's key, without a metadata service,
// and with temporary directories.
func environment(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	return append(os.Environ(),
		"ALIBABA_CLOUD_ACCESS_KEY_ID=testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret", "ALIBABA_CLOUD_SECURITY_TOKEN=",
		"ALIBABA_CLOUD_ECS_METADATA_DISABLED=true", "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_RUNTIME_DIR="+dir, "GOTRACEBACK=all")
}

// code waits for the end; it is -1 for a process that was killed.
func (d *driver) code(t *testing.T) int {
	t.Helper()
	err := d.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	require.NoError(t, err, d.stderr.String())
	return 0
}

func (d *driver) summary(t *testing.T) summary {
	t.Helper()
	var m summary
	require.NoError(t, json.Unmarshal([]byte(d.stdout.String()), &m), "%s\n%s", d.stdout.String(), d.stderr.String())
	return m
}

// serve serves instances whose restarts take some milliseconds.
func serve(t *testing.T, options ecstest.Options, instances ...ecstest.Instance) *ecstest.Server {
	t.Helper()
	server, err := ecstest.NewServer(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for _, instance := range instances {
		require.NoError(t, server.AddInstance(instance))
	}
	return server
}

// peakMemory is how much memory a running process has had at most, in bytes; 0 where
// that cannot be known. What the system tells of one that has ended begins with the
// memory of its parent, on Linux.
func peakMemory(d *driver) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Process.Pid))
	if err != nil {
		return 0
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(peak, &kilobytes)
	return kilobytes << 10
}
