package main

import (
	"bytes"
	"context"
	"os/exec"
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

const id = "i-bp67acfmxazb4ph0001"

func invoke(ctx context.Context, connector service.Connector, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, command.New("wait", usage, args, connector, &out, &errs))
	return code, out.String(), errs.String()
}

// serving connects to a server in memory with one instance that is not emulated.
func serving(t *testing.T, instance ecstest.Instance) (*ecstest.Server, service.Connector) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	instance.ID = id
	require.NoError(t, server.AddInstance(instance))
	return server, service.Connector{NewClient: func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
		return server.NewClient(options...)
	}}
}

func TestEmulate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code, stdout, stderr := invoke(t.Context(), service.Connector{NewServer: ecstest.NewInMemoryServer}, "-emulate", id)
		require.Equal(t, exitcode.Done, code, stderr)
		require.Equal(t, id+": restarted, proven by its status\n", stdout)
	})
}

// Whoever restarts the instance, the proof is the same.
func TestSomebodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, connector := serving(t, ecstest.Instance{})
		time.AfterFunc(10*time.Minute, func() { _ = server.Restart(id, true) })
		code, stdout, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", id)
		require.Equal(t, exitcode.Done, code, stderr)
		require.Equal(t, id+": restarted, proven by its status\n", stdout)
		require.Contains(t, stderr, "restart the instance now\n")
		for _, call := range server.Calls() {
			require.Equal(t, "DescribeInstances", call.Action, "the program sends no restart")
		}
	})
}

// After the baseline, every failure means that the instance may have restarted.
func TestNotProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connector := serving(t, ecstest.Instance{})
		code, stdout, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", "-timeout", "1h", id)
		require.Equal(t, exitcode.Unknown, code, stderr)
		require.Empty(t, stdout)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		code, _, stderr = invoke(ctx, connector, "-region", "cn-hangzhou", id)
		require.Equal(t, exitcode.Unknown, code, stderr)
	})
	synctest.Test(t, func(t *testing.T) {
		server, connector := serving(t, ecstest.Instance{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstances", Skip: 1})
		code, _, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", id)
		require.Equal(t, exitcode.Unknown, code, stderr)
	})
}

// Of an instance that is not Running, no restart can be proven: the command must not
// run.
func TestNotRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connector := serving(t, ecstest.Instance{Status: ecsreboot.StatusStopped})
		code, _, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", id, "--", "no-such-command")
		require.Equal(t, exitcode.Failed, code, stderr)
		require.Contains(t, stderr, id+" is Stopped")
		require.NotContains(t, stderr, "no-such-command")
	})
}

// The command gets the endpoint of the service that wait polls. Its failure proves
// nothing: the status of the instance decides, for another minute.
func TestCommand(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs a shell")
	}
	synctest.Test(t, func(t *testing.T) {
		server, connector := serving(t, ecstest.Instance{})
		require.NoError(t, server.Restart(id, false), "it is Starting")
		code, _, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", id, "--", "false")
		require.Equal(t, exitcode.Failed, code, stderr)

		require.NoError(t, server.SetStatus(id, ecsreboot.StatusRunning))
		begin := time.Now()
		code, stdout, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", id, "--", "sh", "-c", "echo at $ENDPOINT; exit 7")
		require.Equal(t, exitcode.Unknown, code, stderr)
		require.Equal(t, time.Minute, time.Since(begin).Round(time.Second))
		require.Empty(t, stdout)
		require.Contains(t, stderr, "at "+server.URL+"\n")
		require.Contains(t, stderr, "exit status 7; this proves nothing, waiting a minute\n")
	})
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {id}, {"-emulate", id, "i-2"}, {"-emulate", "--", "true"}, {"-emulate", id, "-timeout", "1s"}} {
		code, _, stderr := invoke(t.Context(), service.Connector{}, args...)
		require.Equal(t, exitcode.Usage, code)
		require.Contains(t, stderr, "Run wait -h for help.")
	}
	code, stdout, _ := invoke(t.Context(), service.Connector{}, "-h")
	require.Equal(t, exitcode.Done, code)
	require.Equal(t, usage, stdout)
}
