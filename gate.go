package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// gate holds a client's goroutines back while the service throttles an
// operation.
//
// ECS counts calls by account, region and operation in windows of one minute, and
// a throttled call was not processed. Without a gate, every goroutine finds out
// for itself, again and again, at the cost of everybody else in the account. So
// the first throttle closes the gate for all; when it may open again, one waiting
// caller goes ahead with its own request as a probe, and its answer decides for
// the others.
type gate struct {
	mu      sync.Mutex
	until   time.Time     // closed at least until then; zero: open
	probing bool          // a caller is past until and has no answer yet
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// pass lets one attempt through the gate. Each must be returned by leave.
type pass struct {
	gate  *gate
	probe bool
}

// errGateLimit is why enter gives up on a gate that stays closed for too long.
var errGateLimit = errors.New("the gate stays closed for too long")

// enter waits until an attempt may be sent, for as long as the budget lasts, and
// takes what it waited off it. It returns at once where the gate certainly stays
// closed beyond the budget or the context's deadline. The error wraps
// errGateLimit then, and is the context's otherwise.
func (g *gate) enter(ctx context.Context, budget *time.Duration) (pass, error) {
	var giveUp time.Time
	defer func() {
		if !giveUp.IsZero() {
			*budget = max(0, time.Until(giveUp))
		}
	}()
	for {
		g.mu.Lock()
		if g.until.IsZero() {
			g.mu.Unlock()
			return pass{gate: g}, nil
		}
		now := time.Now()
		if giveUp.IsZero() {
			giveUp = now.Add(*budget)
		}
		closedFor := g.until.Sub(now)
		if closedFor <= 0 && !g.probing && ctx.Err() == nil {
			g.probing = true
			g.mu.Unlock()
			return pass{gate: g, probe: true}, nil
		}
		if err := g.outlasts(ctx, now, giveUp); err != nil {
			g.mu.Unlock()
			return pass{}, err
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()

		wake := closedFor
		if wake <= 0 { // another caller probes
			wake = giveUp.Sub(now)
		}
		timer := time.NewTimer(wake)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return pass{}, contextEnd(ctx)
		}
	}
}

// outlasts reports that waiting is in vain.
func (g *gate) outlasts(ctx context.Context, now, giveUp time.Time) error {
	if ctx.Err() != nil {
		return contextEnd(ctx)
	}
	if err := tooLong(ctx, g.until.Sub(now), giveUp.Sub(now)); err != nil {
		return err
	}
	if !now.Before(giveUp) {
		return fmt.Errorf("%w: MaxThrottleWait is over", errGateLimit)
	}
	return nil
}

// tooLong reports that the service asks to wait for longer than a call may.
func tooLong(ctx context.Context, wait, budget time.Duration) error {
	deadline, ok := ctx.Deadline()
	switch {
	case ok && wait > time.Until(deadline):
		return fmt.Errorf("%w: the service asks to wait %v, beyond the context's deadline", errGateLimit, roundUp(wait))
	case wait > budget:
		return fmt.Errorf("%w: the service asks to wait %v, beyond MaxThrottleWait", errGateLimit, roundUp(wait))
	}
	return nil
}

// maxClosed bounds how long one answer closes the gate for everybody. The
// service counts in minutes; what it claims beyond that a probe finds out.
const maxClosed = 5 * time.Minute

// throttled tells the gate that the attempt was throttled, for the given time.
func (p pass) throttled(wait time.Duration) {
	wait = min(wait, maxClosed)
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if until := time.Now().Add(wait); until.After(p.gate.until) {
		p.gate.until = until
	}
	p.gate.change(p.probe)
}

// answered tells the gate that the service processed the attempt. Only the answer
// to a probe opens it: others may have been on their way before it closed.
func (p pass) answered() {
	if !p.probe {
		return
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if !p.gate.until.After(time.Now()) {
		p.gate.until = time.Time{}
	}
	p.gate.change(true)
}

// abandoned tells the gate that the attempt got no answer of the service. The
// next waiter takes a probe over.
func (p pass) abandoned() {
	if !p.probe {
		return
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.gate.change(true)
}

// change wakes all waiters; the caller holds the mutex.
func (g *gate) change(probeEnded bool) {
	if probeEnded {
		g.probing = false
	}
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// throttleError is what a call returns that the gate held back before it was
// sent: another call of the client was throttled.
type throttleError struct{ cause error }

func (e *throttleError) Error() string {
	return "held back, as the service throttles this client: " + e.cause.Error()
}

func (e *throttleError) Unwrap() error { return e.cause }

func (e *throttleError) Is(target error) bool { return target == ErrThrottled }

// roundUp makes a wait readable without making it shorter.
func roundUp(d time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return (d + step - 1).Truncate(step)
}
