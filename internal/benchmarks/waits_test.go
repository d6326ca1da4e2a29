//go:build !race

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/typed"
)

const (
	running = string(ecsreboot.StatusRunning)
	// longestWait is the time limit of the loops that people write, and the default of
	// RebootAndWait.
	longestWait = 25 * time.Minute
)

var (
	waitsFile = flag.String("waits", "", "write the waits as JSON to this file")
	waitSeeds = flag.Int("seeds", 1000, "how many restarts a way to wait takes")
)

var errGaveUp = errors.New("gave up")

// A rule decides when a wait reads the status and when it ends. It begins after the service
// accepted the restart.
type rule func(ctx context.Context, status func() (string, error)) error

type way struct {
	name string
	wait rule
}

// rivals are the ways to wait that ours is compared with, by the vendor's typed client.
var rivals = []way{
	{"a poll every 1 s", every(time.Second)},
	{"a poll every 3 s", every(3 * time.Second)},
	{"a poll every 5 s", every(5 * time.Second)},
	{"a poll every 10 s", every(10 * time.Second)},
	{"CLI `--waiter`", cliWaiter(180 * time.Second)},
	{"CLI `--waiter`, timeout=600", cliWaiter(600 * time.Second)},
	{"OOS `ACS::ECS::RebootInstance`", oosWaitFor},
}

// carefulRivals are rivals too. If the status is current, the last one does what the poll every
// second does.
var carefulRivals = append(slices.Clone(rivals), way{"a poll every 1 s, Running after another status", afterAnother(every(time.Second))})

// every reads the status once an interval until it is Running. The first pause comes before
// the first read, which favours the loop: the status has time to change.
func every(interval time.Duration) rule {
	return func(_ context.Context, status func() (string, error)) error {
		for begin := time.Now(); time.Since(begin) < longestWait; {
			time.Sleep(interval)
			if got, err := status(); err != nil || got == running {
				return err
			}
		}
		return errGaveUp
	}
}

// afterAnother takes Running for an end only if it has seen another status before.
func afterAnother(wait rule) rule {
	return func(ctx context.Context, status func() (string, error)) error {
		changed := false
		return wait(ctx, func() (string, error) {
			got, err := status()
			if got != running {
				changed = true
			} else if !changed {
				got = ""
			}
			return got, err
		})
	}
}

// cliWaiter follows the vendor's CLI, openapi/waiter.go of aliyun-cli v3.4.11: it reads at
// once and then every 5 s. It looks at its time limit after each read: 180 s by default, 600 s
// at most.
func cliWaiter(limit time.Duration) rule {
	return func(_ context.Context, status func() (string, error)) error {
		for begin := time.Now(); ; time.Sleep(5 * time.Second) {
			if got, err := status(); err != nil || got == running {
				return err
			}
			if time.Since(begin) > limit {
				return errGaveUp
			}
		}
	}
}

// oosWaitFor follows the second task of the OOS action ACS::ECS::RebootInstance, an
// ACS::WaitFor without options, by its documentation: 10 retries, the nth after 2^n s.
// (https://www.alibabacloud.com/help/en/oos/user-guide/acs-waitfor)
func oosWaitFor(_ context.Context, status func() (string, error)) error {
	for retry := 1; ; retry++ {
		if got, err := status(); err != nil || got == running {
			return err
		}
		if retry > 10 {
			return errGaveUp
		}
		time.Sleep(time.Second << retry)
	}
}

// bands are the ranges of durations. The durations and the times at which the waits begin are
// those of internal/acceptance/time_to_know_test.go.
var bands = []struct{ shortest, longest time.Duration }{
	{5 * time.Second, 20 * time.Second},
	{20 * time.Second, time.Minute},
	{time.Minute, 5 * time.Minute},
	{5 * time.Minute, 20 * time.Minute},
}

// waitCase is one restart.
type waitCase struct {
	begin, restart, stale time.Duration
	ignored               bool // the service accepts the restart, and nothing happens
}

// waitOnce restarts an instance and waits by a rule, or by RebootAndWait if there is none.
func waitOnce(t *testing.T, wait rule, c waitCase, way *Way) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(c.begin)
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		defer server.Close()
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: instanceID, Reboot: ecstest.RebootProfile{
			Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: c.restart, Stale: c.stale,
		}}))
		if c.ignored {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "RebootInstance", Status: http.StatusOK, Body: answerBody})
		}
		if wait == nil {
			err = waitByOurs(t, server)
		} else {
			err = waitByTyped(t, server, wait)
		}
		returned := time.Now()
		calls := server.Calls()
		way.MeanRequests += float64(len(calls))
		way.MaxRequests = max(way.MaxRequests, len(calls))
		lag := returned.Sub(restartedAt(t, calls).Add(c.restart))
		switch {
		case err != nil:
			way.GaveUp++
		case c.ignored || lag < 0:
			way.Wrong++
		default:
			way.MeanLag += lag
			way.MaxLag = max(way.MaxLag, lag)
			way.MeanShare += float64(lag) / float64(c.restart)
		}
	})
}

// restartedAt is when the service received the one restart.
func restartedAt(t *testing.T, calls []ecstest.ReceivedCall) time.Time {
	t.Helper()
	var at []time.Time
	for _, c := range calls {
		if c.Action == "RebootInstance" {
			at = append(at, c.Time)
		}
	}
	require.Len(t, at, 1)
	return at[0]
}

func waitByOurs(t *testing.T, server *ecstest.Server) error {
	t.Helper()
	client, err := server.NewClient()
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	_, err = client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: instanceID}, ecsreboot.WaitOptions{})
	if err != nil {
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
	}
	return err
}

func waitByTyped(t *testing.T, server *ecstest.Server, wait rule) error {
	t.Helper()
	transport := server.HTTPClient().Transport.(*http.Transport)
	defer transport.CloseIdleConnections()
	service, err := typed.NewService(call.Config{Endpoint: server.URL, Transport: transport})
	require.NoError(t, err)
	require.NoError(t, service.Restart(t.Context(), instanceID))
	return wait(t.Context(), func() (string, error) { return service.Status(t.Context(), instanceID) })
}

// measureWaits measures all ways, with this many restarts in each band and in each doubt.
func measureWaits(t *testing.T, bandSeeds [4]int, doubtSeeds [3]int) *Waits {
	t.Helper()
	waits := new(Waits)
	t.Run("ways", func(t *testing.T) {
		for i, b := range bands {
			waits.Bands = append(waits.Bands, Band{
				Shortest: b.shortest, Longest: b.longest, Seeds: bandSeeds[i],
				Ways: measureWays(t, rivals, bandSeeds[i], b.longest, func(random *rand.Rand) waitCase { return drawWait(random, b.shortest, b.longest) }),
			})
		}
		for i, d := range doubts {
			waits.Doubts = append(waits.Doubts, Doubt{
				Name: d.name, Seeds: doubtSeeds[i],
				Ways: measureWays(t, carefulRivals, doubtSeeds[i], time.Minute, d.draw),
			})
		}
	})
	return waits
}

// measureWays measures RebootAndWait and rivals in parallel. The results are complete at the
// end of t.
func measureWays(t *testing.T, rivals []way, seeds int, longest time.Duration, draw func(*rand.Rand) waitCase) []Way {
	t.Helper()
	all := append([]way{{name: ourWay}}, rivals...)
	results := make([]Way, len(all))
	for i, way := range all {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				waitOnce(t, way.wait, draw(rand.New(rand.NewPCG(uint64(seed), uint64(longest)))), &results[i])
			}
			results[i].Name = way.name
			results[i].average(seeds)
		})
	}
	return results
}

// drawWait draws a restart as internal/acceptance/time_to_know_test.go does.
func drawWait(random *rand.Rand, shortest, longest time.Duration) waitCase {
	restart := shortest + time.Duration(random.Int64N(int64(longest-shortest)))
	return waitCase{restart: restart, begin: time.Duration(random.Int64N(int64(time.Minute)))}
}

// doubts are the cases in which Running is no sign of a restart.
var doubts = []struct {
	name string
	draw func(random *rand.Rand) waitCase
}{
	{"the status is current", func(random *rand.Rand) waitCase { return drawWait(random, 20*time.Second, time.Minute) }},
	{"the status is up to 5 s old", func(random *rand.Rand) waitCase {
		c := drawWait(random, 20*time.Second, time.Minute)
		c.stale = time.Duration(random.Int64N(int64(5 * time.Second)))
		return c
	}},
	{"nothing restarts", func(random *rand.Rand) waitCase {
		c := drawWait(random, 20*time.Second, time.Minute)
		c.ignored = true
		return c
	}},
}

// average turns the sums of a way into means. The lag is that of the right answers.
func (w *Way) average(seeds int) {
	if right := seeds - w.Wrong - w.GaveUp; right > 0 {
		w.MeanLag /= time.Duration(right)
		w.MeanShare /= float64(right)
	}
	w.MeanRequests /= float64(seeds)
}

func TestWriteWaits(t *testing.T) {
	if *waitsFile == "" {
		t.Skip("nothing asked for it")
	}
	share := func(n int) int { return max(1, *waitSeeds/n) }
	// The long restarts take most requests.
	waits := measureWaits(t, [...]int{share(1), share(1), share(4), share(10)}, [...]int{share(5), share(5), share(50)})
	text, err := json.Marshal(waits)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(*waitsFile, text, 0o600))
}

// RebootAndWait is never wrong. For restarts of up to a minute, no rival that takes as few
// requests returns sooner, and no rival does better in its worst band. Time is virtual, so each
// run measures the same.
func TestWaitsAgainstRivals(t *testing.T) {
	if *waitsFile != "" {
		t.Skip("the seeds may be others")
	}
	waits := measureWaits(t, [...]int{60, 60, 12, 3}, [...]int{15, 15, 1})
	for i, band := range waits.Bands {
		t.Logf("%s: %+v", &band, band.Ways)
		// RebootAndWait polls less often as time goes on, so loops with a fixed interval return
		// sooner after long restarts.
		assert.Subset(t, knownAhead[i], band.ahead(), &band)
		assert.Zero(t, band.ours().GaveUp)
		for _, w := range band.Ways {
			assert.Zero(t, w.Wrong, w.Name)
		}
	}
	// One rule serves all restarts.
	assert.Empty(t, waits.aheadOverall())
	current, stale, nothing := waits.Doubts[0], waits.Doubts[1], waits.Doubts[2]
	for i, w := range current.Ways {
		careful := i == 0 || i == len(current.Ways)-1
		assert.Zero(t, w.Wrong, w.Name)
		if careful {
			assert.Zero(t, stale.Ways[i].Wrong, w.Name)
			assert.Zero(t, nothing.Ways[i].Wrong, w.Name)
			assert.Equal(t, nothing.Seeds, nothing.Ways[i].GaveUp, w.Name)
		} else {
			assert.Equal(t, nothing.Seeds, nothing.Ways[i].Wrong, w.Name)
		}
	}
}

// knownAhead are the rivals that return sooner in each band, although they take no more
// requests.
var knownAhead = [...][]string{
	{},
	{},
	{"a poll every 5 s", "CLI `--waiter`, timeout=600"},
	{"a poll every 10 s"},
}
