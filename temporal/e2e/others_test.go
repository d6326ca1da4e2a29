package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// Two runs that share an instance at the same time restart it once, and the one that
// did not is told so.
func TestTwoRunsOfOneInstance(t *testing.T) {
	t.Parallel()
	tr := try(t, "two", 3, quick(20*time.Second), settings(3))
	shared := tr.plan.Targets[1]
	until(t, func() bool { return tr.Reboots(shared.ID) > 0 }, "the first run has sent it")

	rest := tr.add(t, "two-b", 2, quick(shortest))
	second := fleet.Plan{Region: region, Endpoint: tr.URL, Targets: append([]fleet.Target{shared}, rest.Targets...)}
	run, err := ecstemporal.Start(t.Context(), tr.client, second, ecstemporal.StartOptions{WorkflowID: "two-b", TaskQueue: "two", Settings: settings(3)})
	require.NoError(t, err)

	for _, report := range []*fleet.Report{finish(t, tr.client, tr.run), finish(t, tr.client, run)} {
		require.NoError(t, report.Err(), "%+v", report.NotRestarted())
		judge(t, tr.service, report)
		record, ok := report.Record(shared.ID)
		require.True(t, ok)
		if report.Digest == second.Digest() {
			require.Equal(t, fleet.StateSkipped, record.State)
			require.Equal(t, fleet.ReasonOthers, record.Reason)
		} else {
			require.Equal(t, fleet.StateHealthy, record.State)
		}
	}
	require.Equal(t, 1, tr.Reboots(shared.ID))
}

// The same plan cannot be run twice at the same time.
func TestOneRunOfAPlan(t *testing.T) {
	t.Parallel()
	tr := try(t, "once", 2, quick(15*time.Second), settings(2))
	_, err := ecstemporal.Start(t.Context(), tr.client, tr.plan, ecstemporal.StartOptions{WorkflowID: tr.run.GetID(), TaskQueue: tr.queue})
	require.ErrorContains(t, err, "is already running")
	require.NoError(t, finish(t, tr.client, tr.run).Err())
	require.Equal(t, 2, tr.TotalReboots())
}

// An instance that others restart when its turn comes is waited for, and needs no
// restart.
func TestRestartedByOthers(t *testing.T) {
	t.Parallel()
	s := newService(t, ecstest.Options{})
	server := temporalServer(t)
	c := dial(t, server)
	plan := s.add(t, "others", 3, quick(20*time.Second))
	startWorker(t, server, "others", s.URL)
	until(t, func() bool { return s.reads.Load() > 0 }, "the worker begins")
	victim := plan.Targets[1].ID
	require.NoError(t, s.Restart(victim, false))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "others", TaskQueue: "others", Settings: settings(3)})
	require.NoError(t, err)
	report := finish(t, c, run)
	require.NoError(t, report.Err(), "%+v", report.NotRestarted())
	record, _ := report.Record(victim)
	require.Equal(t, fleet.ReasonOthers, record.Reason)
	require.Equal(t, 3, s.TotalReboots())
}

// What is not there is named, and nothing else suffers.
func TestInstanceThatIsGone(t *testing.T) {
	t.Parallel()
	s := newService(t, ecstest.Options{})
	server := temporalServer(t)
	c := dial(t, server)
	plan := s.add(t, "gone", 4, quick(shortest))
	gone := plan.Targets[2].ID
	s.RemoveInstance(gone)
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "gone", TaskQueue: "gone", Settings: settings(4)})
	require.NoError(t, err)
	startWorker(t, server, "gone", s.URL)
	report := finish(t, c, run)
	left := report.NotRestarted()
	require.Len(t, left, 1)
	require.Equal(t, gone, left[0].ID)
	require.True(t, slices.Contains([]fleet.State{fleet.StateFailed, fleet.StateSkipped}, left[0].State), left[0])
	require.Equal(t, 3, judge(t, s, report).once)
}
