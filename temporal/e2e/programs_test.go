package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// told is what the program prints of a run.
type told struct {
	ExitCode     int                 `json:"exitCode"`
	Run          string              `json:"run"`
	Instances    int                 `json:"instances"`
	Restarted    int                 `json:"restarted"`
	Reason       fleet.Reason        `json:"reason"`
	States       map[fleet.State]int `json:"states"`
	NotRestarted []fleet.Record      `json:"notRestarted"`
}

// output is what a program prints, which can be read while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command prepares the program against a server.
func command(t *testing.T, name string, args ...string) (cmd *exec.Cmd, stdout, stderr *output) {
	t.Helper()
	stdout, stderr = new(output), new(output)
	cmd = exec.Command(programOf(t), append([]string{name, "--temporal", temporalServer(t)}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(t), stdout, stderr
	return cmd, stdout, stderr
}

// tool runs the program, and checks its exit code.
func tool(t *testing.T, want int, name string, args ...string) string {
	t.Helper()
	cmd, stdout, stderr := command(t, name, args...)
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	} else {
		require.NotZero(t, exit.ExitCode())
	}
	require.Equal(t, want, cmd.ProcessState.ExitCode(), "%s %v\n%s%s", name, args, stdout, stderr)
	return stdout.String()
}

func read(t *testing.T, line string) told {
	t.Helper()
	var is told
	require.NoError(t, json.Unmarshal([]byte(line), &is), line)
	return is
}

// A trial needs nothing but a server.
func TestTrial(t *testing.T) {
	t.Parallel()
	is := read(t, tool(t, exitcode.Done, "run", "--emulate", "12", "--canary", "1", "--json"))
	require.Equal(t, 12, is.Restarted)
	require.Equal(t, fleet.ReasonDone, is.Reason)

	// Its report is there when all that has carried it out is gone.
	require.Contains(t, tool(t, exitcode.Done, "status", is.Run), "12 of 12 instances restarted with proof")
}

// A trial that is interrupted ends in good order.
func TestTrialInterrupted(t *testing.T) {
	t.Parallel()
	cmd, stdout, stderr := command(t, "run", "--emulate", "40", "--json")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	until(t, func() bool { return strings.Contains(stderr.String(), " restarting") }, "it restarts instances")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	require.Equal(t, exitcode.Interrupted, cmd.ProcessState.ExitCode(), stderr.String())
	is := read(t, stdout.String())
	require.Equal(t, fleet.ReasonUser, is.Reason)
	require.Positive(t, is.States[fleet.StateWaiting])
	require.Zero(t, is.States[fleet.StateRestarting])
}

// The programs do all that an operator does to a run.
func TestOperator(t *testing.T) {
	t.Parallel()
	const size = 30
	server := temporalServer(t)
	s := newService(t, ecstest.Options{})
	plan := s.add(t, "operator", size, quick(shortest))
	begin := []string{
		"--region", region, "--endpoint", s.URL, "--task-queue", "operator", "--run-id", "operator", "--all", "--max-unavailable", "20%", "--min-ready", "0",
		"--canary", "1", "--approve", "--yes", "--search-attributes", "--detach",
	}
	require.Equal(t, "operator\n", tool(t, exitcode.Done, "run", begin...))
	tool(t, exitcode.Failed, "run", begin...)   // it is already running
	tool(t, exitcode.Done, "pause", "operator") // without a worker
	startWorker(t, server, "operator", s.URL)
	time.Sleep(quiet)
	require.Zero(t, s.TotalReboots(), "it is paused")
	tool(t, exitcode.Done, "unpause", "operator")
	until(t, func() bool {
		status, stdout, _ := command(t, "status", "operator", "--json")
		return status.Run() == nil && read(t, stdout.String()).Restarted == 1 // a query may fail
	}, "the canary is healthy")
	tool(t, exitcode.Failed, "approve", "operator", "--stage", "2")
	tool(t, exitcode.Done, "pause", "operator")
	tool(t, exitcode.Done, "approve", "operator", "--stage", "1")
	time.Sleep(quiet)
	require.Equal(t, 1, s.TotalReboots(), "it is paused")

	follower, _, stderr := command(t, "status", "operator", "--follow")
	require.NoError(t, follower.Start())
	t.Cleanup(func() { _ = follower.Process.Kill() })
	until(t, func() bool { return strings.Contains(stderr.String(), "paused: as requested") }, "it shows the pause")
	require.NoError(t, follower.Process.Signal(syscall.SIGINT))
	_ = follower.Wait()
	require.Equal(t, exitcode.Interrupted, follower.ProcessState.ExitCode())
	require.Contains(t, stderr.String(), "the run continues without this command")

	tool(t, exitcode.Done, "unpause", "operator")
	until(t, func() bool { return s.TotalReboots() > 5 }, "it goes on")
	tool(t, exitcode.Done, "abort", "operator")
	is := read(t, tool(t, exitcode.Interrupted, "status", "operator", "--follow", "--json"))
	require.Equal(t, size, is.Instances)
	require.Equal(t, s.TotalReboots(), is.Restarted)
	require.Len(t, is.NotRestarted, size-is.Restarted)
	require.Contains(t, tool(t, exitcode.Interrupted, "status", "operator"), "stopped as requested")
	tool(t, exitcode.Failed, "pause", "operator") // it is over

	// What is left, by its ids: the same plan could be run anew as well.
	var rest []string
	for _, record := range is.NotRestarted {
		rest = append(rest, record.ID)
	}
	again := []string{
		"--region", region, "--endpoint", s.URL, "--task-queue", "operator", "--max-unavailable", "100%", "--allow-wide", "--min-ready", "0", "--canary", "none",
		"--yes", "--json",
	}
	is = read(t, tool(t, exitcode.Done, "run", append(again, rest...)...))
	require.True(t, strings.HasPrefix(is.Run, "rolling-reboot/"+region+"/"), is.Run)
	for _, target := range plan.Targets {
		require.Equal(t, 1, s.Reboots(target.ID), target.ID)
	}
}
