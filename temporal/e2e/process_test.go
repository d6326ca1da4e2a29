package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is a worker as a process of its own.
type process struct {
	*exec.Cmd

	log     bytes.Buffer
	dismiss atomic.Bool // it is meant to end
	ended   chan struct{}
}

// startWorker starts a worker of a task queue for the service at an endpoint.
func startWorker(t *testing.T, temporal, queue, endpoint string, args ...string) *process {
	t.Helper()
	return launch(t, exec.Command(programOf(t), append([]string{
		"worker", "--temporal", temporal, "--task-queue", queue, "--region", region, "--endpoint", endpoint, "--quiet",
	}, args...)...))
}

// launch starts a worker that a command is. Variables go before those of environment.
func launch(t *testing.T, command *exec.Cmd, variables ...string) *process {
	t.Helper()
	p := &process{Cmd: command, ended: make(chan struct{})}
	p.Env = append(environment(t), variables...)
	p.Stdout, p.Stderr = &p.log, &p.log
	require.NoError(t, p.Start())
	go func() {
		defer close(p.ended)
		err := p.Wait()
		if !p.dismiss.Load() {
			t.Errorf("a worker ended by itself: %v\n%s", err, p.log.String())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// environment has the key of the emulated service, and nothing that would lead to
// another Temporal server.
func environment(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID=testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret", "ALIBABA_CLOUD_ECS_METADATA_DISABLED=true",
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_RUNTIME_DIR=" + home,
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "ALIBABA_CLOUD_") && !strings.HasPrefix(name, "TEMPORAL_") && name != "HOME" && !strings.HasPrefix(name, "XDG_") {
			env = append(env, variable)
		}
	}
	return env
}

// kill ends it as a crash does, wherever it is.
func (p *process) kill() {
	p.dismiss.Store(true)
	_ = p.Process.Kill()
	<-p.ended
}

// stop ends it as an operator does, and checks that it ends in good order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.dismiss.Store(true)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	<-p.ended
	require.True(t, p.ProcessState.Success(), "%v\n%s", p.ProcessState, p.log.String())
}

// killed reports whether it was killed, and did not end by itself.
func (p *process) killed() bool {
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// crew is a number of workers at a time.
type crew struct {
	start func() *process

	working []*process
	killed  int
}

// newCrew starts so many workers.
func newCrew(size int, start func() *process) *crew {
	c := &crew{start: start}
	for range size {
		c.working = append(c.working, start())
	}
	return c
}

// replace kills a worker, and starts another one in its place.
func (c *crew) replace(t *testing.T, which int) {
	t.Helper()
	p := c.working[which%len(c.working)]
	p.kill()
	require.True(t, p.killed(), "it ended by itself: %v\n%s", p.ProcessState, p.log.String())
	c.killed++
	c.working[which%len(c.working)] = c.start()
}
