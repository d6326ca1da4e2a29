package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// A rate holds over all workers together.
func TestRate(t *testing.T) {
	t.Parallel()
	const size, perSecond = 20, 2
	server := temporalServer(t)
	c := dial(t, server)
	s := newService(t, ecstest.Options{})
	plan := s.add(t, "rate", size, quick(shortest))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "rate", TaskQueue: "rate", Settings: settings(size)})
	require.NoError(t, err)
	newCrew(crewSize, func() *process { return startWorker(t, server, "rate", s.URL, "--rate", "120") })
	report := finish(t, c, run)
	require.NoError(t, report.Err(), "%+v", report.NotRestarted())
	require.Equal(t, size, judge(t, s, report).once)
	var sent []time.Time
	for _, call := range s.Calls() {
		if call.Action == "RebootInstance" {
			sent = append(sent, call.Time)
		}
	}
	took := sent[len(sent)-1].Sub(sent[0])
	t.Logf("%d restarts in %v", len(sent), took)
	require.Greater(t, took, size/perSecond*time.Second*7/10, "a few may leave at once")
}

// What the service throttles comes later, and nothing of it is lost or sent twice.
func TestThrottled(t *testing.T) {
	t.Parallel()
	const size, limit = 60, 40
	server := temporalServer(t)
	c := dial(t, server)
	s := newService(t, ecstest.Options{LimitPerMinute: limit, ThrottleHint: ecstest.HintRetryAfter})
	plan := s.add(t, "throttle", size, quick(shortest))
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: "throttle", TaskQueue: "throttle", Settings: settings(size)})
	require.NoError(t, err)
	newCrew(crewSize, func() *process { return startWorker(t, server, "throttle", s.URL) })
	report := finish(t, c, run)
	require.NoError(t, report.Err(), "%+v", report.NotRestarted())
	require.Equal(t, size, judge(t, s, report).once)
	throttled := 0
	for _, call := range s.Calls() {
		if call.Action == "RebootInstance" && !call.Acted {
			throttled++
		}
	}
	t.Logf("%d restarts were throttled of %d, in %v", throttled, size, report.Ended.Sub(report.Begun))
	require.Less(t, throttled, size)
}
