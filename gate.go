package ecsreboot

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// AdaptivePacer is the [Pacer] that clients have by themselves. Give one to several
// clients of a process, by [WithPacer], and they share what it learns: it stands
// for one operation, in one region of one account. The zero value is ready for use.
//
// It holds nobody up until the service throttles. Then nothing is sent until the
// time that the service names, or else its next minute; one waiting call goes ahead
// as a probe, and the others follow at a pace below what the service was seen to
// accept. A probe that [WaitOptions].BeforeSend or a reading holds up for two seconds
// gives its place to the next call. The pace is raised slowly while nothing is
// throttled, and forgotten after three minutes in which it held nobody up. If the
// service names no time, single calls that were not throttled before try it earlier:
// where they are accepted, it does not count by minutes.
//
// Calls go in the order of their arrival, those that were throttled before first.
// It has no goroutine of its own.
type AdaptivePacer struct {
	mu                  sync.Mutex // never held across a wait
	pace                pace
	again, fresh        list.List // of *waiter: throttled before, and not
	accepted, throttled uint64
}

// waiter is a call that waits for its turn.
type waiter struct {
	wake    chan struct{} // for one signal
	latest  time.Time     // when it gives up
	element *list.Element
}

// NewAdaptivePacer returns one that never lets more calls go than the given number a
// minute; 0 sets no limit.
func NewAdaptivePacer(callsPerMinute float64) (*AdaptivePacer, error) {
	if callsPerMinute != 0 {
		if err := checkRate("callsPerMinute", callsPerMinute); err != nil {
			return nil, err
		}
	}
	return newAdaptivePacer(callsPerMinute), nil
}

func newAdaptivePacer(callsPerMinute float64) *AdaptivePacer {
	rate := callsPerMinute / paceWindow.Seconds()
	return &AdaptivePacer{pace: pace{hint: rate, rate: rate}}
}

// checkRate refuses what is no number of calls a minute.
func checkRate(field string, perMinute float64) error {
	if !(perMinute >= 1 && perMinute <= 1e6) { // nor NaN
		return &InputError{Field: field, Problem: fmt.Sprintf("is %v calls a minute; it must be between 1 and 1,000,000", perMinute)}
	}
	return nil
}

// enter waits until an attempt may be sent, for as long as the budget lasts, and
// takes what it waited off it. Throttled tells that the call was throttled before.
// It returns at once where the gate is known to stay closed beyond the budget or the
// context's deadline, or expected to, as the service named no time. The error is
// ErrThrottled then, and the context's otherwise. Each pass must be returned by
// leave.
func (g *AdaptivePacer) enter(ctx context.Context, budget *time.Duration, throttled bool) (p pass, err error) {
	g.mu.Lock()
	if g.pace.open() && g.again.Len()+g.fresh.Len() == 0 {
		p = g.pace.take()
		g.mu.Unlock()
		return p, nil
	}
	now := time.Now()
	giveUp := now.Add(*budget)
	var w waiter
	line := &g.fresh
	if throttled {
		line = &g.again
	}
	for {
		wake := never
		if g.isFirst(line, w.element, now) {
			wake = g.pace.ready(now, throttled)
		}
		if wake <= 0 && ctx.Err() == nil {
			p = g.pace.take()
			break
		}
		if err = g.outlasts(ctx, now, giveUp); err != nil {
			break
		}
		if w.element == nil {
			w.wake, w.latest = make(chan struct{}, 1), giveUp
			if deadline, ok := ctx.Deadline(); ok && deadline.Before(giveUp) {
				w.latest = deadline
			}
			w.element = line.PushBack(&w)
		}
		g.mu.Unlock()
		await(ctx, w.wake, min(wake, giveUp.Sub(now)))
		g.mu.Lock()
		now = time.Now()
	}
	g.leaveLine(line, &w)
	g.mu.Unlock()
	*budget = max(0, giveUp.Sub(now))
	return p, err
}

// await waits for a signal, a time or the context's end.
func await(ctx context.Context, wake <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// isFirst reports whether the pace may be asked for a call. The first fresh one may
// be a probe before those that the service has throttled.
func (g *AdaptivePacer) isFirst(line *list.List, element *list.Element, now time.Time) bool {
	if line.Front() != element {
		return false
	}
	return line == &g.again || g.again.Len() == 0 || g.pace.tryable(now)
}

// leaveLine takes a call out of its line and wakes who is first then.
func (g *AdaptivePacer) leaveLine(line *list.List, w *waiter) {
	if w.element != nil {
		line.Remove(w.element)
	}
	g.wakeFirst()
}

func (g *AdaptivePacer) wakeFirst() {
	for _, line := range [...]*list.List{&g.again, &g.fresh} {
		if first := line.Front(); first != nil {
			first.Value.(*waiter).signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it has one already
	}
}

// outlasts reports that waiting is in vain.
func (g *AdaptivePacer) outlasts(ctx context.Context, now, giveUp time.Time) error {
	if ctx.Err() != nil {
		return contextEnd(ctx)
	}
	if err := tooLong(ctx, g.closing(now), giveUp.Sub(now)); err != nil {
		return err
	}
	if now.Before(giveUp) {
		return nil
	}
	if !g.pace.until.IsZero() {
		return &throttleError{why: "MaxThrottleWait is over, and the service still throttles"}
	}
	return &throttleError{why: fmt.Sprintf("MaxThrottleWait is over, at a pace of %.4g per minute", g.pace.rate*paceWindow.Seconds())}
}

// closing says for how long the gate is still closed.
func (g *AdaptivePacer) closing(now time.Time) closing {
	return closing{wait: max(0, g.pace.until.Sub(now)), asked: g.pace.byHint}
}

// inVain is why a call with such a budget need not wait at the gate as it is now.
func (g *AdaptivePacer) inVain(ctx context.Context, budget time.Duration) error {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	return tooLong(ctx, g.closing(now), budget)
}

// prepare tells that the call is not sent yet, for reasons of its own. If that lasts
// and it is the probe, the next waiter takes its place.
func (g *AdaptivePacer) prepare(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.prepare(time.Now(), p)
	g.wakeFirst()
}

// prepared tells that it is sent now.
func (g *AdaptivePacer) prepared(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.prepared(p)
}

// leave tells what came of an attempt, and returns for how long the gate is closed.
func (g *AdaptivePacer) leave(p pass, result PaceResult) closing {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	probe := g.pace.isProbe(p)
	switch result.Outcome {
	case PaceAccepted:
		g.accepted++
		g.pace.accepted(now, p, result.ServiceTime)
	case PaceThrottled:
		g.throttled++
		g.pace.refused(now, p, result.ServiceTime, result.RetryAfter)
		g.wakeLosers()
		g.wakeFirst()
	case PaceUnanswered:
		fallthrough
	default: // nor does an outcome that does not exist answer anything
		if probe {
			g.pace.probing = false // the next waiter takes it over
		}
	}
	if probe {
		g.wakeFirst()
	}
	return g.closing(now)
}

// wakeLosers wakes those for whom the gate stays closed for too long.
func (g *AdaptivePacer) wakeLosers() {
	for _, line := range [...]*list.List{&g.again, &g.fresh} {
		for e := line.Front(); e != nil; e = e.Next() {
			if w := e.Value.(*waiter); w.latest.Before(g.pace.until) {
				w.signal()
			}
		}
	}
}

// Acquire is the [Pacer]'s. It gives up with [ErrThrottled] once it has to expect
// that the call waits for longer than it may.
func (g *AdaptivePacer) Acquire(ctx context.Context, call PaceCall) (report func(PaceResult), err error) {
	if ctx.Err() != nil {
		return nil, contextEnd(ctx)
	}
	budget := max(0, call.MaxWait)
	p, err := g.enter(ctx, &budget, call.Throttled > 0)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	return func(result PaceResult) { once.Do(func() { g.leave(p, result) }) }, nil
}

// State returns what the pacer does right now.
func (g *AdaptivePacer) State() PaceState {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.turn(now)
	return PaceState{
		RatePerMinute: g.pace.rate * paceWindow.Seconds(),
		Closed:        !g.pace.until.IsZero(),
		Until:         g.pace.until,
		Waiting:       g.again.Len() + g.fresh.Len(),
		Accepted:      g.accepted,
		Throttled:     g.throttled,
	}
}
