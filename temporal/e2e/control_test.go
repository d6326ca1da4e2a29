package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

const (
	// soon is far longer than it takes on a quiet machine until a death is noticed and
	// the work is taken over: 20 to 40 s.
	soon    = 4 * time.Minute
	quiet   = 3 * time.Second // in which nothing happens that is not to happen
	glimpse = 50 * time.Millisecond
)

// trial is a run of a fleet, and the only worker.
type trial struct {
	*service

	client  client.Client
	server  string
	queue   string
	plan    fleet.Plan
	run     client.WorkflowRun
	working *process
}

// try starts a run, with a worker, on a task queue of its own, which is also the name
// of the fleet.
func try(t *testing.T, name string, size int, profile func(int) ecstest.RebootProfile, s ecstemporal.Settings) *trial {
	t.Helper()
	tr := &trial{service: newService(t, ecstest.Options{}), server: temporalServer(t), queue: name}
	tr.client = dial(t, tr.server)
	tr.plan = tr.add(t, name, size, profile)
	tr.work(t)
	var err error
	tr.run, err = ecstemporal.Start(t.Context(), tr.client, tr.plan, ecstemporal.StartOptions{WorkflowID: name, TaskQueue: name, Settings: s})
	require.NoError(t, err)
	return tr
}

func (tr *trial) work(t *testing.T) {
	t.Helper()
	tr.working = startWorker(t, tr.server, tr.queue, tr.URL)
}

// succeed kills the worker, and starts another one.
func (tr *trial) succeed(t *testing.T) {
	t.Helper()
	tr.working.kill()
	require.True(t, tr.working.killed(), tr.working.log.String())
	tr.work(t)
}

// progress asks until a worker answers: the server may still ask one that is dead.
func (tr *trial) progress(t *testing.T) ecstemporal.Progress {
	t.Helper()
	var progress ecstemporal.Progress
	var err error
	until(t, func() bool {
		progress, err = ecstemporal.GetProgress(t.Context(), tr.client, tr.run.GetID())
		return err == nil
	}, "a worker answers")
	return progress
}

// until waits for something to happen. Conditions run in the goroutine of the test, so
// they may fail it.
func until(t *testing.T, is func() bool, what string) {
	t.Helper()
	for begin := time.Now(); !is(); time.Sleep(glimpse) {
		require.Less(t, time.Since(begin), soon, what)
	}
}

// atRest waits for what is under way to settle, and checks that nothing more is sent.
func (tr *trial) atRest(t *testing.T) int {
	t.Helper()
	until(t, func() bool { return tr.progress(t).Counts[fleet.StateRestarting] == 0 }, "what was sent settles")
	before := tr.TotalReboots()
	time.Sleep(quiet)
	require.Equal(t, before, tr.TotalReboots(), "it was told to send nothing")
	return before
}

// A pause holds across the death of the worker, and so does its end.
func TestPauseSurvives(t *testing.T) {
	t.Parallel()
	const (
		size = 60
		lost = 16 // at most: what the worker that is killed was sending
		// With that many unknown, there is room for others.
		width = lost + 4
	)
	tr := try(t, "pause", size, quick(shortest), settings(width))
	until(t, func() bool { return tr.TotalReboots() > 5 }, "it goes")
	require.NoError(t, ecstemporal.Pause(t.Context(), tr.client, tr.run.GetID()))
	tr.succeed(t)
	until(t, func() bool { return tr.progress(t).Paused }, "it is paused")
	require.Less(t, tr.atRest(t), size)

	tr.working.kill()
	require.NoError(t, ecstemporal.Unpause(t.Context(), tr.client, tr.run.GetID())) // nobody is there to hear it
	tr.work(t)
	report := finish(t, tr.client, tr.run)
	require.Equal(t, fleet.ReasonDone, report.Reason)
	a := judge(t, tr.service, report)
	require.GreaterOrEqual(t, a.once, size-lost)
	require.LessOrEqual(t, tr.mostDown("pause"), width)
}

// An abort that no worker was there to hear ends the run when one is.
func TestAbortSurvives(t *testing.T) {
	t.Parallel()
	const size = 60
	tr := try(t, "abort", size, quick(shortest), settings(4))
	until(t, func() bool { return tr.TotalReboots() > 5 }, "it goes")
	tr.working.kill()
	require.NoError(t, ecstemporal.Abort(t.Context(), tr.client, tr.run.GetID()))
	tr.work(t)
	report := finish(t, tr.client, tr.run)
	require.Equal(t, fleet.ReasonUser, report.Reason)
	require.Error(t, report.Err())
	a := judge(t, tr.service, report)
	require.Less(t, a.once, size/2)
	require.Positive(t, report.Count(fleet.StateWaiting))
	require.Zero(t, report.Count(fleet.StateRestarting))
}

// Approval is waited for across the death of the worker, and that of another stage
// does not count.
func TestApprovalSurvives(t *testing.T) {
	t.Parallel()
	const size = 12
	s := settings(4)
	s.Canary, s.ApproveCanary = []int{1, 2}, true
	tr := try(t, "approve", size, quick(shortest), s)
	approve := func(stage int) {
		require.NoError(t, ecstemporal.ApproveCanary(t.Context(), tr.client, tr.run.GetID(), stage))
	}
	until(t, func() bool { return tr.progress(t).Awaiting == 1 }, "the first stage is healthy")
	tr.succeed(t)
	approve(2)
	require.Equal(t, 1, tr.atRest(t))
	require.Equal(t, 1, tr.progress(t).Awaiting)
	approve(1)
	until(t, func() bool { return tr.progress(t).Awaiting == 2 }, "the second stage is healthy")
	require.Equal(t, 3, tr.atRest(t))
	tr.working.kill()
	approve(2)
	tr.work(t)
	report := finish(t, tr.client, tr.run)
	require.NoError(t, report.Err(), "%+v", report.NotRestarted())
	require.Equal(t, size, judge(t, tr.service, report).once)
}

// Without a worker, the status says so, and the run goes on when one starts.
func TestStatusWithoutWorkers(t *testing.T) {
	t.Parallel()
	s := newService(t, ecstest.Options{})
	server := temporalServer(t)
	c := dial(t, server)
	plan := s.add(t, "idle", 2, quick(shortest))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "idle", TaskQueue: "idle", Settings: settings(2)})
	require.NoError(t, err)
	_, err = ecstemporal.GetProgress(t.Context(), c, run.GetID())
	require.ErrorIs(t, err, ecstemporal.ErrNoWorker)
	cmd, _, stderr := command(t, "status", "idle")
	require.Error(t, cmd.Run())
	require.Contains(t, stderr.String(), `no worker polls the task queue "idle"`)
	startWorker(t, server, "idle", s.URL)
	require.NoError(t, finish(t, c, run).Err())
}

// The report can be drawn while restarts are in flight.
func TestReportInFlight(t *testing.T) {
	t.Parallel()
	tr := try(t, "drawn", 6, quick(30*time.Second), settings(2))
	until(t, func() bool { return tr.TotalReboots() == 2 }, "two are in flight")
	file := filepath.Join(t.TempDir(), "report.html")
	tool(t, exitcode.Done, "report", "drawn", "-o", file)
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(page), tr.plan.Targets[0].ID)
	history, err := ecstemporal.GetHistory(t.Context(), tr.client, "drawn")
	require.NoError(t, err)
	is := history.Report()
	for _, record := range is.Records[:2] {
		require.Equal(t, fleet.StateRestarting, record.State)
		require.Equal(t, 1, record.Attempts)
	}
	require.NoError(t, ecstemporal.Abort(t.Context(), tr.client, "drawn"))
	finish(t, tr.client, tr.run)
	tool(t, exitcode.Done, "report", "drawn", "-o", file)
}

// The report of a run that is over needs no worker.
func TestReportWithoutWorkers(t *testing.T) {
	t.Parallel()
	tr := try(t, "alone", 3, quick(shortest), settings(3))
	require.NoError(t, tr.run.Get(t.Context(), nil))
	tr.working.kill()
	require.NoError(t, finish(t, tr.client, tr.run).Err())
}
