package acceptance_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// newRestarts is a service with n instances, i-0000 and so on.
func newRestarts(t *testing.T, n int, options ecstest.Options, profile ecstest.RebootProfile) *ecstest.Server {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for i := range n {
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: nth(i), Reboot: profile, CreationTime: nthNewest(i)}))
	}
	return server
}

func nth(i int) string { return fmt.Sprintf("i-%04d", i) }

func restartNth(t *testing.T, client *ecsreboot.Client, i int) (*ecsreboot.RestartResult, error) {
	t.Helper()
	return client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: nth(i)}, ecsreboot.WaitOptions{})
}

// readsOf counts the readings that n restarts of 45 s take, each begun at random
// within spread, on one client or on one each.
func readsOf(t *testing.T, n int, spread time.Duration, shared bool) (calls int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Graceful: 45 * s})
		client := newClient(t, server)
		var group sync.WaitGroup
		for i := range n {
			mine := client
			if !shared {
				mine = newClient(t, server)
			}
			group.Go(func() {
				time.Sleep(rand.N(spread + 1))
				result, err := restartNth(t, mine, i)
				if assert.NoError(t, err) {
					assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
					assert.Less(t, result.Elapsed, 45*s+13*s)
				}
			})
		}
		group.Wait()
		assert.Equal(t, n, server.TotalReboots())
		calls = countCalls(server, "DescribeInstances")
		for _, call := range server.Calls() {
			assert.LessOrEqual(t, strings.Count(call.InstanceID, ","), 99)
		}
	})
	return calls
}

// The readings of many restarts are few calls.
func TestReadingsAreGathered(t *testing.T) {
	const sample = 5
	alone := float64(readsOf(t, sample, 0, false)) / sample
	for _, c := range []struct {
		restarts int
		spread   time.Duration
		saves    float64
	}{
		{1, 0, -0.3},
		{10, 0, 0.85},
		{100, 0, 0.98},
		{200, minute / 2, 0.97},
		{1000, 0, 0.98},
		{1000, minute, 0.97},
	} {
		if c.restarts > 200 && !longTests {
			continue
		}
		calls := readsOf(t, c.restarts, c.spread, true)
		saved := 1 - float64(calls)/(alone*float64(c.restarts))
		t.Logf("%d restarts within %v: %d calls, %.1f %% fewer than %.1f each", c.restarts, c.spread, calls, 100*saved, alone)
		assert.GreaterOrEqual(t, saved, c.saves)
	}
}
