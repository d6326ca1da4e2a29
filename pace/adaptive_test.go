package pace

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patient = time.Hour

func enter(ctx context.Context, g *Adaptive, budget time.Duration) (pass, error) {
	return g.enter(ctx, budget, true)
}

// spend enters and takes what it waited off the budget, as a client does.
func spend(ctx context.Context, g *Adaptive, budget *time.Duration, throttled bool) (pass, error) {
	begin := time.Now()
	p, err := g.enter(ctx, *budget, throttled)
	*budget -= time.Since(begin)
	return p, err
}

// throttle, answer and abandon return a pass.
func throttle(g *Adaptive, p pass, hint time.Duration) {
	g.leave(p, Result{Response: Throttled, RetryAfter: hint})
}

func answer(g *Adaptive, p pass) { g.leave(p, Result{Response: Answered}) }

func abandon(g *Adaptive, p pass) { g.leave(p, Result{}) }

// closedGate returns a gate that a first caller's throttle closed for a minute.
func closedGate(t *testing.T) *Adaptive {
	t.Helper()
	g := new(Adaptive)
	p, err := enter(t.Context(), g, patient)
	require.NoError(t, err)
	throttle(g, p, time.Minute)
	return g
}

func TestGateIsOpenAtFirst(t *testing.T) {
	g := new(Adaptive)
	for range 3 {
		p, err := enter(t.Context(), g, 0)
		require.NoError(t, err)
		answer(g, p)
	}
}

// The gate closes for all, one caller probes when its time is over, and its answer
// lets the others through: one after the other, in the order in which they came.
func TestGateProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		var mu sync.Mutex
		var entered []time.Duration
		var order []int
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				p, err := enter(t.Context(), g, patient)
				assert.NoError(t, err)
				mu.Lock()
				entered = append(entered, time.Since(start))
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second) // the service takes its time
				answer(g, p)
			})
			synctest.Wait()
		}
		group.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		assert.Equal(t, time.Minute, entered[0])
		assert.Equal(t, time.Minute+time.Second, entered[1])
		for i := range entered[2:] {
			assert.Greater(t, entered[i+2], entered[i+1])
		}
		assert.Less(t, entered[9], time.Minute+6*time.Second)
	})
}

// A probe that is throttled again keeps the others waiting.
func TestGateProbeThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, 30*time.Second)
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
		abandon(g, first)
		second := <-done
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
		answer(g, second)
		answer(g, <-done)
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

// The answers of calls that were on their way before the gate closed do not open
// it, and a late throttle keeps it closed for longer.
func TestGateStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		straggler, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		late, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, time.Minute)
		answer(g, straggler)
		abandon(g, straggler)
		start := time.Now()
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
		throttle(g, late, time.Minute)
		answer(g, probe)
		_, err = enter(t.Context(), g, patient)
		require.NoError(t, err)
		assert.Equal(t, 2*time.Minute, time.Since(start), "the late throttle counts")
	})
}

func TestGateShorterHintDoesNotShorten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		a, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		b, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		start := time.Now()
		throttle(g, a, time.Minute)
		throttle(g, b, time.Second)
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
		require.ErrorIs(t, err, ErrThrottled)
		assert.EqualError(t, err, "held back: the service asks to wait 1m0s, beyond MaxThrottleWait")

		short, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		_, err = enter(short, g, patient)
		require.ErrorIs(t, err, ErrThrottled)
		assert.ErrorContains(t, err, "beyond the context's deadline")
		assert.Zero(t, time.Since(start), "both at once")

		cause := errors.New("changed my mind")
		canceled, cancelCause := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancelCause(cause) })
		_, err = enter(canceled, g, patient)
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, ErrThrottled)
		assert.Equal(t, time.Second, time.Since(start))

		_, err = enter(canceled, g, patient)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// The text does not say that the service asks for what this client makes of it.
func TestGateSaysWhoHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, 0)
		_, err = enter(t.Context(), g, 10*time.Second)
		require.EqualError(t, err, "held back: the service throttles, presumably for another 1m0s, beyond MaxThrottleWait")
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		_, err = enter(t.Context(), g, 10*time.Second)
		require.EqualError(t, err, "held back: MaxThrottleWait is over, and the service still throttles")
		abandon(g, probe)

		hinted, err := NewAdaptive(6)
		require.NoError(t, err)
		_, err = enter(t.Context(), hinted, 0)
		require.NoError(t, err)
		_, err = enter(t.Context(), hinted, time.Second)
		require.EqualError(t, err, "held back: MaxThrottleWait is over, at a pace of 6 per minute")
	})
}

// A service that throttles for hours is tried once a minute.
func TestGateProbesOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, 0)
		start := time.Now()
		var perMinute [120]int
		for {
			budget := patient
			p, err := spend(t.Context(), g, &budget, false)
			require.NoError(t, err)
			minute := int(time.Since(start) / time.Minute)
			if minute >= len(perMinute) {
				break
			}
			perMinute[minute]++
			time.Sleep(100 * time.Millisecond)
			throttle(g, p, 0)
		}
		assert.Equal(t, 4, perMinute[0])
		for minute, n := range perMinute[1:] {
			assert.Equal(t, 1, n, minute)
		}
	})
}

// A probe that is not sent for two seconds is taken over by the next waiter; one that
// is sent by then is waited for.
func TestGateProbeIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		first, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		start := time.Now()
		done := make(chan pass)
		for range 2 {
			go func() {
				p, err := enter(t.Context(), g, patient)
				assert.NoError(t, err)
				done <- p
			}()
		}
		synctest.Wait()
		g.prepare(first)
		time.Sleep(time.Second)
		g.prepared(first)
		synctest.Wait()
		time.Sleep(time.Minute)
		g.prepare(first)
		second := <-done
		assert.Equal(t, time.Minute+3*time.Second, time.Since(start))
		g.prepare(second)
		third := <-done
		assert.Equal(t, time.Minute+5*time.Second, time.Since(start))
		abandon(g, first)
		answer(g, second)
		assert.True(t, g.State().Closed, "the third is the probe")
		answer(g, third)
		assert.False(t, g.State().Closed)
	})
}

// An outcome that does not exist leaves nobody behind.
func TestGateOutcomeOutOfRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		g.leave(probe, Result{Response: 42})
		_, err = enter(t.Context(), g, 0)
		require.NoError(t, err)
	})
}

// What a call waited is taken off its budget; a probe of another's that takes too
// long uses it up.
func TestGateBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		budget := 90 * time.Second
		probe, err := spend(t.Context(), g, &budget, true)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, budget)
		start := time.Now()
		_, err = spend(t.Context(), g, &budget, true)
		require.ErrorIs(t, err, ErrThrottled)
		assert.ErrorContains(t, err, "MaxThrottleWait is over")
		assert.Equal(t, 30*time.Second, time.Since(start))
		assert.Zero(t, budget)
		answer(g, probe)
		_, err = spend(t.Context(), g, &budget, true)
		require.NoError(t, err)
	})
}

// A straggler's answer does not take a probe for ended that is still out.
func TestGateStragglerDoesNotEndAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		straggler, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, time.Minute)
		probe, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		answer(g, straggler)
		abandon(g, straggler)
		_, err = enter(t.Context(), g, time.Second)
		require.ErrorIs(t, err, ErrThrottled, "one probe at a time")
		answer(g, probe)
	})
}

// A call that was not throttled before may be the probe before the minute is over.
// One that was waits for it.
func TestGateEarlyProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, 0)
		start := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			p, err := enter(t.Context(), g, patient)
			assert.NoError(t, err)
			assert.Equal(t, time.Minute, time.Since(start), "throttled before")
			answer(g, p)
		})
		synctest.Wait()
		budget := patient
		for _, at := range []time.Duration{2, 6, 14, 30} { // twice as long each
			p, err := spend(t.Context(), g, &budget, false)
			require.NoError(t, err)
			assert.Equal(t, at*time.Second, time.Since(start))
			throttle(g, p, 0)
		}
		group.Wait()
	})
}

// Where the service says when, nobody tries earlier.
func TestGateNoEarlyProbeAgainstAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		start := time.Now()
		budget := patient
		_, err := spend(t.Context(), g, &budget, false)
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

// Calls that were throttled before go first.
func TestGateLetsTheThrottledGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		var order []bool
		var mu sync.Mutex
		var group sync.WaitGroup
		for _, throttled := range []bool{false, false, true, true} {
			group.Go(func() {
				budget := patient
				p, err := spend(t.Context(), g, &budget, throttled)
				assert.NoError(t, err)
				mu.Lock()
				order = append(order, throttled)
				mu.Unlock()
				answer(g, p)
			})
			synctest.Wait()
		}
		group.Wait()
		assert.Equal(t, []bool{true, true, false, false}, order)
	})
}

// Those who wait already learn at once that it is in vain, wherever in the line.
func TestGateTellsTheLosers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		straggler, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, time.Minute)
		start := time.Now()
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				budget := 2 * time.Minute
				if i%2 == 0 {
					budget = patient
				}
				ctx := t.Context()
				if i%4 == 0 {
					limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
					defer cancel()
					ctx = limited
				}
				p, err := enter(ctx, g, budget)
				if i%4 == 2 {
					assert.NoError(t, err)
					assert.GreaterOrEqual(t, time.Since(start), 3*time.Minute)
					answer(g, p)
					return
				}
				assert.ErrorIs(t, err, ErrThrottled)
				assert.Zero(t, time.Since(start))
			})
			synctest.Wait()
		}
		assert.Equal(t, 20, g.State().Waiting)
		throttle(g, straggler, 3*time.Minute)
		synctest.Wait()
		assert.Equal(t, 5, g.State().Waiting)
		group.Wait()
	})
}

// A thousand that wait are woken one at a time, and none is left behind, although
// some give up.
func TestGateManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := closedGate(t)
		var through, gone atomic.Int64
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%10 == 0 {
					time.AfterFunc(time.Duration(i)*100*time.Millisecond, cancel)
				}
				p, err := enter(ctx, g, patient)
				if err != nil {
					gone.Add(1)
					return
				}
				through.Add(1)
				answer(g, p)
			})
		}
		group.Wait()
		assert.Equal(t, int64(1000), through.Load()+gone.Load())
		assert.GreaterOrEqual(t, through.Load(), int64(900))
		assert.Positive(t, gone.Load())
		state := g.State()
		assert.Zero(t, state.Waiting)
		assert.False(t, state.Closed)
		assert.Equal(t, uint64(1), state.Throttled)
		assert.Equal(t, uint64(through.Load()), state.Answered)
	})
}

// Whatever comes of calls, in whatever order: one probe at a time, no budget is
// exceeded, and nobody is left behind.
func TestGateOfRandomCalls(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			var mu sync.Mutex
			draw := func(limit time.Duration) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(random.Float64() * float64(limit))
			}
			chance := func(percent int) bool { return draw(100) < time.Duration(percent) }
			g := new(Adaptive)
			var ended, probes atomic.Int64
			one := func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if chance(30) {
					time.AfterFunc(draw(90*time.Second), cancel)
				}
				budget := draw(20 * time.Minute)
				for throttled := false; ; throttled = true {
					begin, before := time.Now(), budget
					p, err := spend(ctx, g, &budget, throttled)
					assert.LessOrEqual(t, time.Since(begin), before)
					if err != nil {
						return
					}
					if p.probe > 0 && chance(50) {
						g.prepare(p)
						time.Sleep(draw(5 * time.Second))
						g.prepared(p)
					}
					g.mu.Lock()
					probe := g.pace.isProbe(p)
					g.mu.Unlock()
					if probe {
						assert.Equal(t, int64(1), probes.Add(1), "one probe at a time")
					}
					time.Sleep(draw(2 * time.Second))
					if probe {
						probes.Add(-1)
					}
					switch {
					case chance(15):
						abandon(g, p)
					case chance(4):
						throttle(g, p, max(0, draw(time.Minute)-30*time.Second)) // half of them without a hint
						continue
					default:
						g.leave(p, Result{Response: Answered, ServiceTime: time.Now().Truncate(time.Second)})
					}
					return
				}
			}
			var group sync.WaitGroup
			for range 3000 {
				group.Go(func() {
					time.Sleep(draw(5 * time.Minute))
					one()
					ended.Add(1)
				})
			}
			group.Wait()
			state := g.State()
			assert.Zero(t, state.Waiting)
			assert.Equal(t, int64(3000), ended.Load())
			assert.Greater(t, state.Throttled, uint64(5))
		})
	}
}

func TestGateState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		assert.Equal(t, State{}, g.State())
		p, err := enter(t.Context(), g, patient)
		require.NoError(t, err)
		throttle(g, p, time.Minute)
		state := g.State()
		assert.Equal(t, State{Closed: true, Until: time.Now().Add(time.Minute), Asked: true, Throttled: 1, RatePerMinute: state.RatePerMinute, Seeking: true}, state)
		assert.Positive(t, state.RatePerMinute)
		p, err = enter(t.Context(), g, patient)
		require.NoError(t, err)
		answer(g, p)
		state = g.State()
		assert.False(t, state.Closed)
		assert.Zero(t, state.Until)
		assert.Equal(t, uint64(1), state.Answered)
		time.Sleep(3 * time.Minute)
		assert.Zero(t, g.State().RatePerMinute, "it held nobody up")
	})
}

// Nothing that callers do may hold up the open gate, nor cost an allocation.
func TestOpenGateAllocatesNothing(t *testing.T) {
	g := new(Adaptive)
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		p, err := g.enter(ctx, patient, false)
		if err != nil {
			t.Fatal(err)
		}
		answer(g, p)
	}))
}

func TestNewAdaptivePacer(t *testing.T) {
	for _, bad := range []float64{-1, 0.5, 1e7, math.NaN(), math.Inf(1)} {
		_, err := NewAdaptive(bad)
		problem, ok := errors.AsType[*FieldError](err)
		require.True(t, ok, bad)
		assert.Equal(t, "callsPerMinute", problem.Field)
	}
	for _, good := range []float64{0, 1, 1e6} {
		_, err := NewAdaptive(good)
		require.NoError(t, err, good)
	}
}

// With a hint calls are held apart from the first one on, and the throttle budget
// is spent on it.
func TestGateHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := NewAdaptive(60)
		require.NoError(t, err)
		start := time.Now()
		for i := range 100 {
			p, err := enter(t.Context(), g, patient)
			require.NoError(t, err)
			assert.Equal(t, time.Duration(i)*time.Second, time.Since(start).Round(time.Millisecond))
			answer(g, p)
		}
		_, err = enter(t.Context(), g, 500*time.Millisecond)
		require.ErrorIs(t, err, ErrThrottled)
		time.Sleep(time.Hour)
		assert.InDelta(t, 60, g.State().RatePerMinute, 1e-9, "it is never forgotten")
	})
}

// A reservation takes one report, and the error of Acquire is ErrThrottled without
// wrapping.
func TestAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Adaptive)
		reservation, err := g.Acquire(t.Context(), Request{})
		require.NoError(t, err)
		reservation.Report(Result{Response: Throttled, RetryAfter: time.Minute})
		reservation.Report(Result{Response: Throttled, RetryAfter: time.Minute})
		assert.Equal(t, uint64(1), g.State().Throttled)
		_, err = g.Acquire(t.Context(), Request{MaxWait: time.Second})
		require.ErrorIs(t, err, ErrThrottled)
		_, err = g.Acquire(t.Context(), Request{MaxWait: -time.Second})
		require.ErrorIs(t, err, ErrThrottled)
		start := time.Now()
		reservation, err = g.Acquire(t.Context(), Request{MaxWait: time.Duration(math.MaxInt64)})
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
		reservation.Report(Result{Response: Answered})

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = g.Acquire(ctx, Request{})
		require.ErrorIs(t, err, context.Canceled)
	})
}
