package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

// practise serves three instances with the tag role=web, and one without, in virtual
// time. The function that it passes on runs the program.
func practise(t *testing.T, test func(t *testing.T, server *ecstest.Server, start func(ctx context.Context) (int, string))) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		defer server.Close()
		for _, id := range []string{"i-1", "i-2", "i-3"} {
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Tags: map[string]string{"role": "web"}}))
		}
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-other"}))
		connector := service.Connector{NewClient: func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
			return server.NewClient(options...)
		}}
		test(t, server, func(ctx context.Context) (int, string) {
			var stdout, stderr bytes.Buffer
			args := []string{"-region", "cn-hangzhou", "-dir", dir}
			code := run(ctx, command.New("fleet", usage, args, connector, &stdout, &stderr))
			return code, stdout.String() + stderr.String()
		})
		require.Equal(t, 0, server.Reboots("i-other"))
		journals, err := filepath.Glob(filepath.Join(dir, "role=web-*.journal"))
		require.NoError(t, err)
		require.NotEmpty(t, journals)
	})
}

// A start after the end is a new run: it never reports the success of the last one.
func TestEachRunHasAJournal(t *testing.T) {
	practise(t, func(t *testing.T, server *ecstest.Server, start func(context.Context) (int, string)) {
		for n := range 3 {
			code, output := start(t.Context())
			require.Equal(t, exitcode.Done, code, output)
			require.Contains(t, output, "all 3 instances have restarted")
			require.Equal(t, 3*(n+1), server.TotalReboots())
			time.Sleep(time.Hour)
		}
	})
}

// A start after a stop goes on, and restarts nothing twice.
func TestResumes(t *testing.T) {
	practise(t, func(t *testing.T, server *ecstest.Server, start func(context.Context) (int, string)) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel) // amid the first restart
		code, output := start(ctx)
		require.Equal(t, exitcode.Interrupted, code, output)
		require.Equal(t, 1, server.TotalReboots())

		code, output = start(t.Context())
		require.Equal(t, exitcode.Done, code, output)
		for _, id := range []string{"i-1", "i-2", "i-3"} {
			require.Equal(t, 1, server.Reboots(id))
		}
	})
}

func TestUnknownAndHalted(t *testing.T) {
	practise(t, func(t *testing.T, server *ecstest.Server, start func(context.Context) (int, string)) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Skip: 3}) // after the dry runs
		code, output := start(t.Context())
		require.Equal(t, exitcode.Unknown, code, output)
		require.Contains(t, output, "i-1 unknown")
	})
	practise(t, func(t *testing.T, server *ecstest.Server, start func(context.Context) (int, string)) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance", Skip: 3, Times: 2}) // one may fail
		code, output := start(t.Context())
		require.Equal(t, exitcode.Halted, code, output)
	})
}

func TestEmulate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		args := []string{"-emulate", "-tag", "a/b=../c", "-dir", dir}
		code := run(t.Context(), command.New("fleet", usage, args, service.Connector{NewServer: ecstest.NewInMemoryServer}, &stdout, &stderr))
		require.Equal(t, exitcode.Done, code, stderr.String())
		require.Equal(t, "all 12 instances have restarted, see "+dir+"\n", stdout.String())
	})
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2, "a journal and its lock")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-emulate", "i-1"}, {"-emulate", "-dir", ""}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitcode.Usage, run(t.Context(), command.New("fleet", usage, args, service.Connector{}, &stdout, &stderr)))
		require.Contains(t, stderr.String(), "Run fleet -h for help.")
	}
}
