package ecsreboot

import (
	"context"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// follower is one wait's view of a watch: which facts it has taken in, and what
// they amount to by its own options.
type follower struct {
	watch   *watch
	options WaitOptions
	account account
	begin   time.Time
	next    int // the first fact not taken in yet
}

// wait follows the watch until the restart is proven or the wait is in vain, and
// leaves it.
func (w *watch) wait(ctx context.Context, operation string, options WaitOptions) (*RestartResult, error) {
	f := follower{watch: w, options: options.withDefaults(), account: w.begin, begin: time.Now()}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if f.options.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, f.options.Timeout)
	}
	defer cancel()
	left := false
	defer func() {
		if !left { // also if a hook of the caller's panics
			w.leave(nil)
		}
	}()

	result, proof, err := f.follow(limited)
	if result == pending {
		// The context ended. Where nobody else shares the work it ends now, and a
		// send in flight with it: what came of that counts.
		left = true
		others := w.leave(f.cutOff(ctx))
		_, _, result, proof, err = f.takeIn()
		if result != proven && result != failed {
			err = f.contextEnd(ctx)
			if others && f.account.outcome == OutcomeNotSent {
				// Nothing was sent yet, and will be: others wait for the same restart.
				f.account.outcome = OutcomeUnknown
			}
		}
	}
	if result == proven {
		return f.result(proof), nil
	}
	return nil, f.failure(operation, err)
}

// follow returns pending if the context ended first.
func (f *follower) follow(ctx context.Context) (verdict, Proof, error) {
	probed := f.unprobed()
	for {
		changed, reading, result, proof, err := f.takeIn()
		if f.options.Probe != nil {
			if reading {
				probed = f.probe(ctx) // before what it shows is judged: the probe may settle it
			}
			result, proof, err = f.account.judge(f.options, probed)
		}
		switch result {
		case proven, failed:
			return result, proof, err
		case resend:
			if newer, _ := f.watch.since(f.next); len(newer) > 0 && ctx.Err() == nil {
				continue // OnEvent took its time, and they may settle it
			}
			select {
			case f.watch.resend <- struct{}{}:
			default: // asked for already
			}
		case pending:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return pending, "", nil
		}
	}
}

// takeIn takes new facts in, one after the other until the wait is over, and
// reports whether one of them is a reading. What a probe would say is left open.
func (f *follower) takeIn() (changed <-chan struct{}, reading bool, result verdict, proof Proof, err error) {
	facts, changed := f.watch.since(f.next)
	for _, fact := range facts {
		f.next++
		f.account.apply(fact)
		reading = reading || fact.Kind == EventStatus
		f.tell(fact.Event)
		if fact.panicked != nil {
			panic(fact.panicked) // in the goroutine that it belongs to
		}
		if f.options.Probe != nil {
			continue
		}
		if result, proof, err = f.account.judge(f.options, f.unprobed()); result == proven || result == failed {
			break
		}
	}
	if f.options.Probe != nil || len(facts) == 0 {
		result, proof, err = f.account.judge(f.options, f.unprobed())
	}
	return changed, reading, result, proof, err
}

func (f *follower) tell(event Event) {
	if f.options.OnEvent != nil && event.Kind != "" {
		f.options.OnEvent(event)
	}
}

// unprobed is what counts as the probe's result while it was not asked.
func (f *follower) unprobed() ProbeResult {
	if f.options.Probe != nil {
		return ProbePending
	}
	return ProbeHealthy
}

// probeAnswer is what a probe returned.
type probeAnswer struct {
	result ProbeResult
	err    error
}

// probe asks the caller's probe. One that does not heed the end of the wait is left alone
// with it: no other one follows, so that the probes of a wait never overlap.
func (f *follower) probe(ctx context.Context) ProbeResult {
	if f.account.last.Status != StatusRunning || f.account.absent > 0 || ctx.Err() != nil {
		return ProbePending
	}
	seen := f.account.last
	found, ok := apart.Do(ctx, func() probeAnswer {
		result, err := f.options.Probe(ctx, seen)
		return probeAnswer{result, err}
	})
	if !ok {
		return ProbePending // the wait is over
	}
	result, err := found.result, found.err
	if err != nil {
		f.tell(Event{Kind: EventProbeFailed, At: time.Now(), Err: foreign("Probe", err, scrubForeign)})
		return ProbePending
	}
	return result
}

// cutOff is why the work ends with its last waiter, if it was not done.
func (f *follower) cutOff(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextEnd(ctx)
	}
	return fmt.Errorf("the wait's Timeout of %v is over: %w", f.options.Timeout, context.DeadlineExceeded)
}

// contextEnd is why a wait ended that was neither proven nor in vain.
func (f *follower) contextEnd(ctx context.Context) error {
	sent := f.account.sends > 0 || f.account.sending || !f.watch.send
	switch {
	case ctx.Err() != nil && sent:
		return fmt.Errorf("%w: %w", ErrNotProven, contextEnd(ctx))
	case ctx.Err() != nil:
		return contextEnd(ctx)
	}
	return fmt.Errorf("%w within %v (%w)", ErrNotProven, f.options.Timeout, context.DeadlineExceeded)
}

func (f *follower) result(proof Proof) *RestartResult {
	a := &f.account
	since := a.sentAt
	if since.IsZero() {
		since = f.begin
	}
	return &RestartResult{
		InstanceID:     f.watch.request.InstanceID,
		Proof:          proof,
		RequestID:      a.requestID,
		Sends:          a.sends,
		Before:         a.before,
		StartTimeAfter: a.last.StartTime,
		Observations:   a.seen,
		SentAt:         a.sentAt,
		Took:           a.last.At.Sub(since),
	}
}

func (f *follower) failure(operation string, err error) error {
	a := &f.account
	failed := &OperationError{
		Operation:  operation,
		InstanceID: f.watch.request.InstanceID,
		Outcome:    a.outcome,
		Attempts:   a.attempts,
		SentAt:     a.sentAt,
		Err:        err,
	}
	sends := a.sends
	if a.sending {
		sends++
		failed.Attempts++
	}
	if f.watch.send && sends == 0 {
		failed.Err = withLocks(err, a.before.Locks)
		return failed // there was nothing to wait for
	}
	locks := a.locks
	if a.last.Status == "" {
		locks = a.before.Locks
	}
	failed.Err = &WaitError{
		LastStatus:   a.last.Status,
		LastSeen:     a.last.At,
		Sends:        sends,
		at:           time.Now(),
		RequestID:    a.requestID,
		Before:       a.before,
		Observations: a.seen,
		Locks:        locks,
		Err:          err,
	}
	return failed
}
