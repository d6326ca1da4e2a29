package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// startServer starts a Temporal server as a process of its own, and returns its
// address and what kills it.
func startServer(t *testing.T, address, file string) (string, func()) {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	server := exec.Command(binary)
	server.Env = append(environment(t), serverFile+"="+file, serverAddress+"="+address)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe() // that ends with this process
	require.NoError(t, err)
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	kill := func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = stdin.Close()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), kill
}

// A run goes on where it was when the server is killed and started again, with the
// workers of before.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	const (
		size  = 60
		width = 10
		times = 3
	)
	file := filepath.Join(t.TempDir(), "temporal.db")
	address, kill := startServer(t, "", file)
	s := newService(t, ecstest.Options{})
	c := dial(t, address)
	plan := s.add(t, "server", size, quick(shortest))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "server", TaskQueue: "server", Settings: settings(width)})
	require.NoError(t, err)
	for range crewSize {
		startWorker(t, address, "server", s.URL)
	}
	for n := range times {
		want := (n + 1) * size / (times + 2)
		until(t, func() bool { return s.TotalReboots() >= want }, fmt.Sprintf("it goes on after %d deaths", n))
		kill()
		_, kill = startServer(t, address, file)
	}
	var report *fleet.Report
	require.Eventually(t, func() bool {
		if err := run.Get(t.Context(), nil); err != nil {
			return false
		}
		report, err = ecstemporal.GetReport(t.Context(), c, run.GetID())
		return err == nil
	}, patience, time.Second)
	a := judge(t, s, report)
	require.Equal(t, fleet.ReasonDone, report.Reason)
	require.LessOrEqual(t, s.mostDown("server"), width)
	t.Logf("%d deaths of the server; of %d instances %d restarted once, %d not; %d named", times, size, a.once, a.never, a.named)
}
