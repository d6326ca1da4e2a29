package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/ecsreboot/ecsreboot/temporal/e2e/embedded"
)

// served serves until the test ends, or what it returns is called.
func served(t *testing.T, args ...string) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, line := io.Pipe()
	done := make(chan int, 1)
	var stderr bytes.Buffer
	go func() { done <- run(ctx, args, line, &stderr) }()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	stop = func() {
		cancel()
		require.Equal(t, exitDone, <-done, stderr.String())
		require.Contains(t, stderr.String(), "for trials")
	}
	return strings.TrimSpace(address), stop
}

func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	address, stop := served(t, "-address", "127.0.0.1:0", "-file", file)
	dial := func() client.Client {
		c, err := client.DialContext(t.Context(), client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		require.NoError(t, err)
		return c
	}
	c := dial()
	namespace, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: embedded.Namespace})
	require.NoError(t, err)
	var registered []string
	for _, name := range namespace.GetConfig().GetCustomSearchAttributeAliases() {
		registered = append(registered, name)
	}
	require.ElementsMatch(t, []string{"EcsrebootPlanDigest", "EcsrebootGroup"}, registered)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: "none"}, "Nothing")
	require.NoError(t, err)
	c.Close()
	stop()

	var stderr bytes.Buffer
	_, again := served(t, "-address", address, "-file", file)
	require.Equal(t, exitFailed, runOnce(t, []string{"-address", address}, &stderr), "the address is taken")
	require.Contains(t, stderr.String(), address)
	c = dial()
	described, err := c.DescribeWorkflowExecution(t.Context(), "kept", "")
	require.NoError(t, err)
	require.Equal(t, run.GetRunID(), described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	c.Close()
	again()
}

func runOnce(t *testing.T, args []string, stderr *bytes.Buffer) int {
	t.Helper()
	return run(t.Context(), args, io.Discard, stderr)
}

func TestUsage(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, exitUsage, runOnce(t, []string{"-nonsense"}, &stderr))
	require.Equal(t, exitUsage, runOnce(t, []string{"more"}, &stderr))
	require.Equal(t, exitDone, runOnce(t, []string{"-h"}, &stderr))
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:7233", "127.0.0.1:x", "127.0.0.1"} {
		require.Equal(t, exitFailed, runOnce(t, []string{"-address", address}, &stderr), address)
	}
}
