package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// A run continues as new again and again while instances are in flight, at the width
// that it may have, and with workers that die.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	const (
		size  = 300
		width = 66 // more than the workers that are killed can leave unknown
		every = 12
		kills = 4
	)
	random := rand.New(rand.NewPCG(drawn(t), 1))
	server := temporalServer(t)
	c := dial(t, server)
	s := newService(t, ecstest.Options{})
	plan := s.add(t, "continue", size, func(int) ecstest.RebootProfile {
		return ecstest.RebootProfile{Graceful: 2*time.Second + time.Duration(random.Int64N(int64(2*time.Second)))}
	})
	set := settings(width)
	set.ContinueAfter, set.SendTimeout = every, 5*time.Second
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "continue", TaskQueue: "continue", Settings: set})
	require.NoError(t, err)
	workers := newCrew(crewSize, func() *process { return startWorker(t, server, "continue", s.URL) })
	over := ends(t.Context(), []client.WorkflowRun{run})
	for workers.killed < kills {
		await(t, random, s, size/(kills+1), over)
		workers.replace(t, random.IntN(crewSize))
	}
	report := finish(t, c, run)
	a := judge(t, s, report)
	require.Equal(t, fleet.ReasonDone, report.Reason)
	require.LessOrEqual(t, s.mostDown("continue"), width)
	n := executions(t, c, run.GetID())
	t.Logf("%d executions, %d kills; %d restarted once, %d not; %d named; %d of %d down at once, at most",
		n, workers.killed, a.once, a.never, a.named, s.mostDown("continue"), width)
	// From the 12th end on, an execution begins nothing; what is in flight may end in it.
	require.Greater(t, n, size/(every+width))
	require.GreaterOrEqual(t, a.once, size-2*16*kills, "a worker sends 16 at once, at most")
}

// Workers that are replaced in good order lose nothing.
func TestWorkersReplaced(t *testing.T) {
	t.Parallel()
	const (
		size  = 60
		times = 3
	)
	server := temporalServer(t)
	c := dial(t, server)
	s := newService(t, ecstest.Options{})
	plan := s.add(t, "replace", size, quick(2*time.Second))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "replace", TaskQueue: "replace", Settings: settings(12)})
	require.NoError(t, err)
	workers := newCrew(crewSize, func() *process { return startWorker(t, server, "replace", s.URL) })
	for n := range times {
		want := (n + 1) * size / (times + 1)
		until(t, func() bool { return s.TotalReboots() >= want }, "it goes on")
		which := n % crewSize
		workers.working[which].stop(t)
		workers.working[which] = workers.start()
	}
	report := finish(t, c, run)
	require.NoError(t, report.Err(), "%+v", report.NotRestarted())
	require.Equal(t, size, judge(t, s, report).once)
}
