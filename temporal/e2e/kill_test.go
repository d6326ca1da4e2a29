package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

const (
	// killFleets is how many fleets are restarted at once, by the same workers.
	killFleets = 3
	crewSize   = 2
)

// However often workers are killed, and whenever: no instance is restarted twice,
// each one that was not restarted is named, no more are down at once than may be,
// and the runs come to their ends.
func TestKill(t *testing.T) {
	random := rand.New(rand.NewPCG(drawn(t), 0))
	server := temporalServer(t)
	c := dial(t, server)
	s := newService(t, ecstest.Options{})
	begin := time.Now()

	size := (*machines + killFleets - 1) / killFleets
	width := max(1, size*4/10)
	runs := make([]client.WorkflowRun, killFleets)
	for n := range runs {
		name := fmt.Sprintf("kill%d", n)
		plan := s.add(t, name, size, func(i int) ecstest.RebootProfile {
			profile, faults := mishaps(random, idOf(name, i))
			s.Inject(faults...)
			return profile
		})
		options := ecstemporal.StartOptions{WorkflowID: name, TaskQueue: "kill", Settings: settings(width), SearchAttributes: n == 1}
		options.Settings.ReadyTimeout, options.Settings.SendTimeout = 15*time.Second, 5*time.Second // which those that hang take up
		if n == 2 {
			options.Settings.ContinueAfter = max(1, size/10)
		}
		var err error
		runs[n], err = ecstemporal.Start(t.Context(), c, plan, options)
		require.NoError(t, err)
	}
	workers := newCrew(crewSize, func() *process { return startWorker(t, server, "kill", s.URL) })
	over := ends(t.Context(), runs)
	for workers.killed < *kills {
		await(t, random, s, (*machines)/(*kills+1), over)
		workers.replace(t, random.IntN(crewSize))
	}
	reports := make([]*fleet.Report, killFleets)
	for n, run := range runs {
		reports[n] = finish(t, c, run)
	}
	took := time.Since(begin).Round(time.Second)

	var all account
	for n, report := range reports {
		a := judge(t, s, report)
		all.once, all.never, all.unknown, all.named = all.once+a.once, all.never+a.never, all.unknown+a.unknown, all.named+a.named
		require.Equal(t, fleet.ReasonDone, report.Reason, report.Error)
		down := s.mostDown(fmt.Sprintf("kill%d", n))
		require.LessOrEqual(t, down, width)
		t.Logf("fleet %d: %d of %d down at once, at most, in %d executions", n, down, width, executions(t, c, runs[n].GetID()))
	}
	require.Greater(t, executions(t, c, runs[2].GetID()), 2, "it was to continue as new while instances were under way")
	t.Logf("%d kills; of %d instances %d restarted once, 0 twice, %d not; %d named as not healthy, of them %d unknown; %d reading calls; %v",
		workers.killed, killFleets*size, all.once, all.never, all.named, all.unknown, s.reads.Load(), took)
	require.GreaterOrEqual(t, all.once, killFleets*size*7/10, "who sends nothing restarts nothing twice")
}

// ends returns a channel that tells when all runs are over, and what went wrong.
func ends(ctx context.Context, runs []client.WorkflowRun) <-chan error {
	over := make(chan error, 1)
	errs := make([]error, len(runs))
	var all sync.WaitGroup
	for n, run := range runs {
		all.Go(func() { errs[n] = end(ctx, run) })
	}
	go func() {
		all.Wait()
		over <- errors.Join(errs...)
	}()
	return over
}

// await waits for a moment that nobody can foresee: until some more restarts are
// carried out, but not for long, and then for a little more.
func await(t *testing.T, random *rand.Rand, s *service, share int, over <-chan error) {
	t.Helper()
	const longest = 6 * time.Second
	want := s.TotalReboots() + 1 + random.IntN(max(1, share))
	for deadline := time.Now().Add(longest); s.TotalReboots() < want && time.Now().Before(deadline); {
		select {
		case err := <-over:
			t.Fatalf("the runs were over too early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
}

// drawn is the seed of a test.
func drawn(t *testing.T) uint64 {
	t.Helper()
	is := *seed
	if is == 0 {
		is = rand.Uint64()
	}
	t.Logf("seed %d", is)
	return is
}
