package pace_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/pace"
)

// closedPacer returns a pacer that the service has closed for a minute.
func closedPacer(t *testing.T) *pace.Adaptive {
	t.Helper()
	pacer := new(pace.Adaptive)
	for range 5 {
		reservation, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour})
		require.NoError(t, err)
		reservation.Report(pace.Result{Response: pace.Answered})
	}
	reservation, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour})
	require.NoError(t, err)
	reservation.Report(pace.Result{Response: pace.Throttled, RetryAfter: time.Minute})
	return pacer
}

// endedContext has ended although its channel does not say so yet, as it may be when a
// context ends at the moment in which the gate opens.
type endedContext struct {
	context.Context

	ended atomic.Bool
}

func (c *endedContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}

// A call whose context has ended takes no turn at the gate: it leaves it to the next.
func TestEndedCallTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := closedPacer(t)
		begin := time.Now()
		ctx := &endedContext{Context: t.Context()}
		ended := make(chan error)
		go func() {
			reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Hour})
			assert.Nil(t, reservation)
			ended <- err
		}()
		synctest.Wait()
		next := make(chan struct{})
		go func() {
			reservation, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour})
			assert.NoError(t, err)
			assert.Equal(t, time.Minute, time.Since(begin), "at once, as nobody probes")
			reservation.Report(pace.Result{Response: pace.Answered})
			close(next)
		}()
		time.Sleep(time.Minute / 2)
		ctx.ended.Store(true)
		require.ErrorIs(t, <-ended, context.Canceled)
		<-next
	})
}

// stuckContext keeps a call that waits from looking up.
type stuckContext struct {
	context.Context

	until chan struct{}
}

func (c stuckContext) Done() <-chan struct{} {
	<-c.until
	return c.Context.Done()
}

// A call that comes when the gate is open does not overtake one that waited and is about
// to go.
func TestNobodyOvertakesAtAnOpenGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := closedPacer(t)
		until := make(chan struct{})
		var order []string
		done := make(chan struct{}, 2)
		acquire := func(ctx context.Context, name string) {
			reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Hour})
			assert.NoError(t, err)
			order = append(order, name)
			reservation.Report(pace.Result{Response: pace.Answered})
			done <- struct{}{}
		}
		go acquire(stuckContext{t.Context(), until}, "first")
		synctest.Wait()
		time.Sleep(10 * time.Minute) // what was learned is forgotten
		state := pacer.State()
		require.False(t, state.Closed)
		require.Zero(t, state.RatePerMinute, "any number may go")
		require.Equal(t, 1, state.Waiting)
		go acquire(t.Context(), "second")
		synctest.Wait()
		require.Empty(t, order)
		close(until)
		<-done
		<-done
		assert.Equal(t, []string{"first", "second"}, order)
	})
}

// A call that has not been throttled waits for one that has, even if it looks up first
// when the gate opens.
func TestFreshCallsWaitForTheThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := closedPacer(t)
		until := make(chan struct{})
		var order []string
		done := make(chan struct{}, 2)
		acquire := func(ctx context.Context, name string, throttled int) {
			reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Hour, Throttled: throttled})
			assert.NoError(t, err)
			order = append(order, name)
			reservation.Report(pace.Result{Response: pace.Answered})
			done <- struct{}{}
		}
		go acquire(stuckContext{t.Context(), until}, "throttled", 1)
		synctest.Wait()
		go acquire(t.Context(), "fresh", 0)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		require.Equal(t, 2, pacer.State().Waiting)
		require.Empty(t, order)
		close(until)
		<-done
		<-done
		assert.Equal(t, []string{"throttled", "fresh"}, order)
	})
}

// A call that has been throttled goes before one that came earlier and has not.
func TestThrottledCallsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := closedPacer(t)
		var order []int
		done := make(chan struct{}, 3)
		for _, throttled := range []int{0, 1, 2} {
			go func() {
				reservation, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour, Throttled: throttled})
				assert.NoError(t, err)
				order = append(order, throttled)
				reservation.Report(pace.Result{Response: pace.Answered})
				done <- struct{}{}
			}()
			synctest.Wait()
		}
		for range 3 {
			<-done
		}
		assert.Equal(t, []int{1, 2, 0}, order)
	})
}
