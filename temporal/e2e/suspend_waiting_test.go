//go:build unix

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// The worker is suspended while it waits for work: what is given to it meanwhile lies in
// its connection, and begins when it wakes up, long after the server has given it up.
func TestSuspendedWhileWaiting(t *testing.T) {
	t.Parallel()
	s := newService(t, ecstest.Options{})
	server := temporalServer(t)
	c := dial(t, server)
	queue := "suspended-waiting"
	const size = 16
	plan := s.add(t, queue, size, quick(shortest))
	set := settings(size)
	set.SendTimeout = 5 * time.Second
	sleeper := startWorker(t, server, queue, s.URL)
	until(t, func() bool {
		described, err := c.DescribeTaskQueue(t.Context(), queue+"-send", enums.TASK_QUEUE_TYPE_ACTIVITY)
		return err == nil && len(described.GetPollers()) > 0
	}, "the worker polls")
	require.NoError(t, sleeper.Process.Signal(syscall.SIGSTOP))
	startWorker(t, server, queue, s.URL)
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: queue, TaskQueue: queue, Settings: set})
	require.NoError(t, err)
	report := finish(t, c, run)
	a := judge(t, s, report)
	before := s.TotalReboots()
	require.Equal(t, size-before, report.Count(fleet.StateUnknown), "%+v", a)
	time.Sleep(20 * time.Second)
	require.Equal(t, before, s.TotalReboots())
	require.NoError(t, sleeper.Process.Signal(syscall.SIGCONT))
	time.Sleep(8 * time.Second)
	require.Equal(t, before, s.TotalReboots(), "restarted after the run was over and had reported them")
}
