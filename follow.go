package ecsreboot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// follower is what one wait makes of a watch: it takes in the facts at its own time, and
// judges them by its own options.
type follower struct {
	watch    *watch
	options  WaitOptions
	evidence evidence
	probed   ProbeResult // of the last poll
	begin    time.Time
	taken    int  // the first fact not taken in yet
	left     bool // the watch
	inquiry  inquiry
	awaiting bool // EventAwaitsWitness was emitted
	others   bool // go on with the restart after this wait has ended, and may send it
}

func (w *watch) follower(options WaitOptions) *follower {
	return &follower{watch: w, options: options.withDefaults(), evidence: w.beginning(), probed: options.unprobed(), begin: time.Now()}
}

// wait follows the watch until the restart is proven or the wait is in vain, and leaves
// the watch.
func (w *watch) wait(ctx context.Context, operation string, options WaitOptions) (*RestartResult, error) {
	f := w.follower(options)
	limited, cancel := ctx, context.CancelFunc(func() {})
	if f.options.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, f.options.Timeout)
	}
	defer cancel()
	defer f.leave(nil) // also if a hook of the caller's panics
	defer f.inquiry.end()

	result, proof, err := f.follow(limited)
	if result == pending {
		// The context ended. Where nobody else shares the work it ends now, and a send in
		// flight with it: its result applies.
		f.others = f.leave(f.cutOff(ctx))
		_, result, proof, err = f.takeIn(limited)
		if result != proven && result != failed {
			err = f.contextEnd(ctx)
			if f.others && f.evidence.outcome == OutcomeNotSent {
				// Nothing was sent yet, and will be: others wait for the same restart.
				f.evidence.outcome, f.evidence.sentAt = OutcomeUnknown, time.Now()
			}
		}
	}
	if result == proven {
		f.watch.closeToOthers()
		return f.result(proof), nil
	}
	f.others = f.leave(nil) || f.others
	return nil, f.failure(operation, err)
}

// leave leaves the watch, at its first call. It reports whether others go on.
func (f *follower) leave(why error) (others bool) {
	if f.left {
		return false
	}
	f.left = true
	return f.watch.leave(why)
}

// follow returns pending if the context ended first.
func (f *follower) follow(ctx context.Context) (verdict, Proof, error) {
	for {
		changed, result, proof, err := f.takeIn(ctx)
		switch result {
		case proven, failed:
			return result, proof, err
		case resend:
			if ctx.Err() != nil {
				return pending, "", nil //nolint:nilerr // the caller finds out why the context ended
			}
			if newer, _ := f.watch.since(f.taken); len(newer) > 0 {
				continue // OnEvent or the Probe took its time, and they may prove the restart
			}
			f.watch.askForResend(ctx, &f.options)
		case pending:
			f.tellAwaiting()
		}
		select {
		case <-changed:
		case made := <-f.inquire(ctx):
			f.hear(made)
		case <-ctx.Done():
			return pending, "", nil
		}
	}
}

// takeIn takes in the facts that are new, and returns what the evidence amounts to then,
// and a channel that is closed at the next fact. Without a Probe, it stops at the fact
// that ends the wait. With one, it takes in all and then asks the Probe, before it
// judges: what the Probe finds may prove what the facts do not.
func (f *follower) takeIn(ctx context.Context) (changed <-chan struct{}, result verdict, proof Proof, err error) {
	facts, changed := f.watch.since(f.taken)
	polled := false
	for _, fact := range facts {
		f.taken++
		result, proof, err = f.evidence.take(fact, f.options, f.probed)
		f.tell(fact.Event)
		if fact.panicked != nil {
			panic(fact.panicked) // in the goroutine that it belongs to
		}
		if f.options.Probe == nil && (result == proven || result == failed) {
			return changed, result, proof, err
		}
		polled = polled || fact.Kind == EventStatus
	}
	f.watch.forget(f.taken)
	if polled && f.options.Probe != nil {
		f.probed = f.probe(ctx)
	}
	result, proof, err = f.evidence.judge(f.options, f.probed)
	return changed, result, proof, err
}

func (f *follower) tell(event Event) {
	if f.options.OnEvent != nil && event.Kind != "" {
		f.options.OnEvent(event)
	}
}

// probeAnswer is what a probe returned.
type probeAnswer struct {
	result ProbeResult
	err    error
}

// probe asks the caller's probe. One that does not heed the end of the wait is left alone
// with it: no other one follows, so that the probes of a wait never overlap.
func (f *follower) probe(ctx context.Context) ProbeResult {
	if f.evidence.last.Status != StatusRunning || f.evidence.absent > 0 || ctx.Err() != nil {
		return ProbePending
	}
	seen := f.evidence.last
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
	sent := f.evidence.sends > 0 || f.evidence.sending || !f.watch.sends()
	switch {
	case ctx.Err() != nil && sent:
		return fmt.Errorf("%w: %w", ErrNotProven, contextEnd(ctx))
	case ctx.Err() != nil:
		return contextEnd(ctx)
	}
	return fmt.Errorf("%w within %v (%w)", ErrNotProven, f.options.Timeout, context.DeadlineExceeded)
}

func (f *follower) result(proof Proof) *RestartResult {
	e := &f.evidence
	since := e.sentAt
	if since.IsZero() {
		since = f.begin
	}
	return &RestartResult{
		InstanceID:     f.watch.request.InstanceID,
		Proof:          proof,
		RequestID:      e.requestID,
		Requests:       e.sends,
		Before:         e.before,
		StartTimeAfter: e.last.StartTime,
		Observations:   e.seen,
		SentAt:         e.sentAt,
		Sent:           f.requests(e.sent),
		Testimony:      e.testimony,
		Elapsed:        e.last.At.Sub(since),
	}
}

func (f *follower) failure(operation string, err error) error {
	e := &f.evidence
	failed := &OperationError{
		Operation:  operation,
		InstanceID: f.watch.request.InstanceID,
		Outcome:    e.outcome,
		Attempts:   e.attempts,
		SentAt:     e.sentAt,
		Err:        err,
	}
	sends, sent := e.sends, e.sent
	if e.sending {
		sends++
		failed.Attempts++
		failed.SentAt = e.sendingSince
		sent = append(slices.Clip(sent), SentRequest{SendID: e.sendingID, SentAt: e.sendingSince})
	}
	if len(sent) > 0 {
		failed.SendID = sent[len(sent)-1].SendID
	}
	if f.others && e.outcome == OutcomeUnknown { // what they send is unknown too, even its id
		sent = append(slices.Clip(sent), SentRequest{SentAt: time.Now()})
	}
	if f.watch.sends() && sends == 0 {
		failed.Err = withLocks(err, e.before.Locks)
		return failed // there was nothing to wait for
	}
	locks := e.locks
	if e.last.Status == "" {
		locks = e.before.Locks
	}
	failed.Err = &WaitError{
		LastStatus:   e.last.Status,
		LastSeen:     e.last.At,
		Requests:     sends,
		at:           time.Now(),
		RequestID:    e.requestID,
		Before:       e.before,
		Observations: e.seen,
		Locks:        locks,
		Sent:         f.requests(sent),
		Testimony:    e.testimony,
		Err:          err,
	}
	return failed
}
