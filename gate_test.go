package ecsreboot

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patient = time.Hour

func enter(ctx context.Context, g *gate, budget time.Duration) (pass, error) {
	return g.enter(ctx, &budget)
}

// closedGate returns a gate that a first caller's throttle closed for a minute.
func closedGate(t *testing.T) *gate {
	t.Helper()
	g := new(gate)
	p, err := enter(t.Context(), g, patient)
	require.NoError(t, err)
	p.throttled(time.Minute)
	return g
}

func TestGateIsOpenAtFirst(t *testing.T) {
	g := new(gate)
	for range 3 {
		p, err := enter(t.Context(), g, 0)
		require.NoError(t, err)
		p.answered()
	}
}

// The gate closes for all, one caller probes when its time is over, and its
// answer lets the others through.
func TestGateProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		var mu sync.Mutex
		var entered []time.Duration
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				p, err := enter(t.Context(), g, patient)
				assert.NoError(t, err)
				mu.Lock()
				entered = append(entered, time.Since(start))
				mu.Unlock()
				time.Sleep(time.Second) // the service takes its time
				p.answered()
			})
		}
		group.Wait()
		assert.Equal(t, time.Minute, entered[0])
		for _, at := range entered[1:] {
			assert.Equal(t, time.Minute+time.Second, at)
		}
	})
}

// A probe that is throttled again keeps the others waiting.
func TestGateProbeThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p.throttled(30 * time.Second)
		_, err = enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, 90*time.Second, time.Since(start))
	})
}

// A probe without an answer passes to the next waiter: nobody leaves the gate shut.
func TestGateProbeAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		first, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		done := make(chan pass)
		for range 2 {
			go func() {
				p, err := enter(t.Context(), g, patient)
				assert.NoError(t, err)
				done <- p
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("two probes at once")
		default:
		}
		first.abandoned()
		second := <-done
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
		second.answered()
		(<-done).answered()
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

// The answers of calls that were on their way before the gate closed do not open
// it, and a late throttle keeps it closed for longer.
func TestGateStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(gate)
		straggler, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		late, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p.throttled(time.Minute)
		straggler.answered()
		straggler.abandoned()
		start := time.Now()
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
		late.throttled(time.Minute)
		probe.answered()
		_, err = enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, 2*time.Minute, time.Since(start), "the late throttle counts")
	})
}

func TestGateShorterHintDoesNotShorten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(gate)
		a, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		b, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		start := time.Now()
		a.throttled(time.Minute)
		b.throttled(time.Second)
		_, err = enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

func TestGateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()

		_, err := enter(t.Context(), g, 59*time.Second)
		require.ErrorIs(t, err, errGateLimit)
		assert.ErrorContains(t, err, "wait 1m0s, beyond MaxThrottleWait")

		short, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		_, err = enter(short, g, patient)
		require.ErrorIs(t, err, errGateLimit)
		assert.ErrorContains(t, err, "beyond the context's deadline")
		assert.Zero(t, time.Since(start), "both at once")

		cause := errors.New("changed my mind")
		canceled, cancelCause := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancelCause(cause) })
		_, err = enter(canceled, g, patient)
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, errGateLimit)
		assert.Equal(t, time.Second, time.Since(start))

		_, err = enter(canceled, g, patient)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// What a call waited is taken off its budget; a probe of another's that takes too
// long uses it up.
func TestGateBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		budget := 90 * time.Second
		probe, err := g.enter(t.Context(), &budget)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, budget)
		start := time.Now()
		_, err = g.enter(t.Context(), &budget)
		require.ErrorIs(t, err, errGateLimit)
		assert.ErrorContains(t, err, "MaxThrottleWait is over")
		assert.Equal(t, 30*time.Second, time.Since(start))
		assert.Zero(t, budget)
		probe.answered()
		_, err = g.enter(t.Context(), &budget)
		require.NoError(t, err)
	})
}

// A straggler's answer does not take a probe for ended that is still out.
func TestGateStragglerDoesNotEndAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(gate)
		straggler, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p.throttled(time.Minute)
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		straggler.answered()
		straggler.abandoned()
		_, err = enter(t.Context(), g, time.Second)
		require.ErrorIs(t, err, errGateLimit, "one probe at a time")
		probe.answered()
	})
}
