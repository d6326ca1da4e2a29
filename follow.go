package ecsreboot

import (
	"context"
	"fmt"
	"time"
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
	over := true // also if a hook of the caller's panics
	left := false
	defer func() {
		if !left {
			w.leave(over, nil)
		}
	}()

	result, proof, err := f.follow(limited)
	if result == pending {
		// The context ended. Where nobody else shares the work it ends now, and a
		// send in flight with it: what came of that counts.
		left = true
		w.leave(false, f.cutOff(ctx))
		f.takeIn()
		if result, proof, err = f.account.judge(f.options, f.unprobed()); result != proven && result != failed {
			err = f.contextEnd(ctx)
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
		changed, reading := f.takeIn()
		if reading && f.options.Probe != nil {
			probed = f.probe(ctx)
		}
		result, proof, err := f.account.judge(f.options, probed)
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

// takeIn takes all new facts in, and reports whether one of them is a reading.
func (f *follower) takeIn() (changed <-chan struct{}, reading bool) {
	facts, changed := f.watch.since(f.next)
	f.next += len(facts)
	for _, fact := range facts {
		f.account.apply(fact)
		reading = reading || fact.Kind == EventStatus
		f.tell(fact.Event)
	}
	return changed, reading
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

func (f *follower) probe(ctx context.Context) ProbeResult {
	if f.account.last.Status != StatusRunning || f.account.absent > 0 {
		return ProbePending
	}
	result, err := f.options.Probe(ctx, f.account.last)
	if err != nil {
		f.tell(Event{Kind: EventProbeFailed, At: time.Now(), Err: err})
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
	if ctx.Err() != nil {
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
		Attempts:   a.sends,
		SentAt:     a.sentAt,
		Err:        err,
	}
	if a.sending {
		failed.Attempts++
	}
	if f.watch.send && failed.Attempts == 0 {
		return failed // there was nothing to wait for
	}
	failed.Err = &WaitError{
		LastStatus:   a.last.Status,
		LastSeen:     a.last.At,
		Sends:        failed.Attempts,
		RequestID:    a.requestID,
		Before:       a.before,
		Observations: a.seen,
		Err:          err,
	}
	return failed
}
