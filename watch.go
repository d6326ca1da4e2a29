package ecsreboot

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// watch is the work that waits for the same restart share: it sends, it reads, and
// it collects the facts. What they amount to each wait judges for itself.
type watch struct {
	client  *Client
	request RebootInstanceRequest
	send    bool
	ask     func(ctx context.Context, before Baseline) error // nil, or asked before each send
	cancel  context.CancelCauseFunc
	resend  chan struct{} // asks for the one send more
	done    chan struct{} // closed when the work has ended
	begin   account
	begun   time.Time

	mu      sync.Mutex // never held across a wait
	facts   []fact
	changed chan struct{} // closed at the next fact
	waiters int
	known   account // by the default options
	over    bool    // proven or ended: nobody may join any more
}

// watchKey tells which calls share the work.
type watchKey struct {
	instanceID string
	forceStop  bool
}

// newWatch starts to follow a restart that others sent. It lives no longer than
// its one waiter.
func (c *Client) newWatch(ctx context.Context, instanceID string, begin account) *watch {
	return c.startWatch(ctx, &watch{request: RebootInstanceRequest{InstanceID: instanceID}, begin: begin})
}

// sendingWatch joins the restart of the same instance that is under way, or starts
// one. Who wants to be asked before it is sent gets one that nobody joins.
func (c *Client) sendingWatch(ctx context.Context, request RebootInstanceRequest, options WaitOptions) *watch {
	begin := &watch{request: request, send: true, ask: options.BeforeSend, begin: account{outcome: OutcomeNotSent}}
	if options.BeforeSend != nil {
		return c.startWatch(ctx, begin)
	}
	key := watchKey{request.InstanceID, request.ForceStop}
	c.watchesMu.Lock()
	defer c.watchesMu.Unlock()
	if w := c.watches[key]; w != nil && w.join() {
		return w
	}
	w := c.startWatch(ctx, begin)
	if c.watches == nil {
		c.watches = make(map[watchKey]*watch)
	}
	c.watches[key] = w
	return w
}

func (c *Client) startWatch(ctx context.Context, w *watch) *watch {
	// The work serves all its waiters: it has the values of the first's context
	// and ends with the last.
	ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	w.client, w.waiters, w.begun = c, 1, time.Now()
	w.resend, w.done, w.changed = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		returned := false
		defer close(w.done)
		defer func() {
			if !returned {
				w.broken(recover())
			}
		}()
		w.run(ctx)
		returned = true
	}()
	return w
}

// broken ends the work after a panic in it, of a RoundTripper or credential of the
// caller's: the waiters are told, and panic in the caller's own goroutines. A nil
// value means that the goroutine was ended.
func (w *watch) broken(value any) {
	w.mu.Lock()
	outcome := w.known.outcome
	w.mu.Unlock()
	if outcome == OutcomeNone && w.send {
		outcome = OutcomeNotSent
	}
	w.add(fact{ended: errors.New("the work was broken off by a panic"), outcome: outcome, panicked: value})
}

func (w *watch) join() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || time.Since(w.begun) > joinLimit {
		return false // it would be another restart that the caller gets
	}
	w.waiters++
	return true
}

// leave ends the work when the last waiter goes, for the reason why that one goes,
// and waits for the end: what a send in flight came to is known only then. It
// reports whether others go on.
func (w *watch) leave(why error) (others bool) {
	w.mu.Lock()
	w.waiters--
	last := w.waiters == 0
	w.over = w.over || last
	ended := w.over
	w.mu.Unlock()
	if ended && w.send {
		key := watchKey{w.request.InstanceID, w.request.ForceStop}
		w.client.watchesMu.Lock()
		if w.client.watches[key] == w {
			delete(w.client.watches, key)
		}
		w.client.watchesMu.Unlock()
	}
	if last {
		if why != nil {
			why = &waitEndError{why}
		}
		w.cancel(why)
		<-w.done
	}
	return !last
}

func (w *watch) add(f fact) {
	if f.At.IsZero() {
		f.At = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts = append(w.facts, f)
	w.known.apply(f)
	if result, _, _ := w.known.judge(WaitOptions{}.withDefaults(), ProbeHealthy); result == proven || f.ended != nil {
		w.over = true // who calls from now on wants another restart
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// since returns the facts from the n-th on, and a channel that tells of more.
func (w *watch) since(n int) ([]fact, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts[n:len(w.facts):len(w.facts)], w.changed
}

// run does the work until ctx ends or there is nothing left to do.
func (w *watch) run(ctx context.Context) {
	if w.send && !w.first(ctx) {
		return
	}
	resend := w.resend
	down := false
	for n := 0; ; n++ {
		var next *reading
		if n == 0 && !w.send && !down {
			next = w.client.askSoon(ctx, w.request.InstanceID, false) // it was sent some time ago
		} else {
			next = w.client.askWithin(ctx, w.request.InstanceID, pollWait(n, down))
		}
		select {
		case <-next.done:
		case <-resend:
			if !w.client.recall(next) {
				break // what the reading shows may settle it; who still wants it then asks again
			}
			resend = nil // never more than one, whoever asks
			if !w.second(ctx) {
				return
			}
			n = 0 // a reading at once, and then the short waits
			next = w.client.askWithin(ctx, w.request.InstanceID, 0)
		case <-ctx.Done():
		}
		f := w.poll(ctx, next)
		if ctx.Err() != nil {
			return
		}
		w.add(f)
		if !down && f.Status != "" && f.Status != StatusRunning {
			down, n = true, -1 // begin anew, with the waits for an instance that is down
		}
	}
}

// pollWait is the wait before the n-th reading: short until the instance has been
// seen down, for a forced restart is over in seconds, and longer until it is up.
func pollWait(n int, down bool) time.Duration {
	schedule := [...]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second}
	if down {
		schedule = [...]time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}
	}
	wait := schedule[min(n, len(schedule)-1)]
	if wait >= 5*time.Second { // many waits must not fall into step
		wait += rand.N(wait*2/5) - wait/5 //nolint:gosec // jitter needs no secrecy
	}
	return wait
}

// first reads the baseline and sends the restart. It reports whether there is
// something to follow.
func (w *watch) first(ctx context.Context) bool {
	id := w.request.InstanceID
	end := func(outcome Outcome, err error) bool {
		w.add(fact{ended: err, outcome: outcome})
		return false
	}
	takeBaseline := func(ctx context.Context) (Baseline, error) {
		baseline, refusal, err := w.client.readBaseline(ctx, id)
		if err == nil {
			err = refusal
		}
		if err != nil {
			return Baseline{}, causeOf(err)
		}
		w.add(fact{Event: Event{Kind: EventBaseline, Status: baseline.Status, StartTime: baseline.StartTime}, before: baseline})
		return baseline, nil
	}
	baseline, err := takeBaseline(ctx)
	if err != nil {
		return end(OutcomeNotSent, err)
	}
	// The send may wait for the throttle gate: then what was read before is read
	// again.
	fresh := func(ctx context.Context) error {
		if time.Since(baseline.TakenAt) <= baselineLifetime {
			return nil
		}
		baseline, err = takeBaseline(ctx)
		return err
	}
	return w.sendOnce(ctx, fresh)
}

// second sends once more what may be on its way still.
func (w *watch) second(ctx context.Context) bool { return w.sendOnce(ctx, nil) }

func (w *watch) sendOnce(ctx context.Context, before func(context.Context) error) bool {
	op := w.client.rebootOperation(w.request)
	sending := false
	op.before = func(ctx context.Context) error {
		if before != nil {
			if err := before(ctx); err != nil {
				return err
			}
		}
		return w.askFirst(ctx)
	}
	op.leaving = func() {
		if !sending {
			sending = true
			w.add(fact{Event: Event{Kind: EventSending}})
		}
	}
	res, err := w.client.call(ctx, op)
	failed, ok := errors.AsType[*OperationError](err)
	if !ok {
		failed = new(OperationError)
	}
	switch outcome := OutcomeOf(err); {
	case err == nil:
		w.add(fact{Event: Event{Kind: EventAccepted, RequestID: res.requestID}, sentAt: res.sentAt, attempts: res.attempts})
	case outcome == OutcomeUnknown:
		w.add(fact{Event: Event{Kind: EventOutcomeUnknown, Err: err}, sentAt: failed.SentAt, attempts: failed.Attempts})
	case before == nil && outcome == OutcomeRejected && errors.Is(err, ErrIncorrectInstanceStatus):
		w.add(fact{Event: Event{Kind: EventResendRefused, Err: err}, sentAt: failed.SentAt, attempts: failed.Attempts})
	default:
		w.add(fact{ended: causeOf(err), outcome: outcome, sentAt: failed.SentAt, attempts: failed.Attempts})
		return false
	}
	return true
}

// poll takes in what a reading shows. The next one is the retry.
func (w *watch) poll(ctx context.Context, next *reading) fact {
	seen, err := w.client.await(ctx, next)
	if err != nil {
		return fact{
			Event:     Event{Kind: EventPollFailed, Err: causeOf(err)},
			denied:    errors.Is(err, ErrAccessDenied) || errors.Is(err, ErrUnauthenticated), // the latter after a renewal
			throttled: errors.Is(err, ErrThrottled),
		}
	}
	f := fact{
		Event:  Event{Kind: EventStatus, At: seen.left, Status: seen.instance.Status, StartTime: seen.instance.StartTime},
		locked: seen.instance.locked(seen.now()),
		locks:  seen.instance.Locks,
	}
	if !seen.clock.IsZero() {
		// Of the time that the call took, none counts as the clocks' difference:
		// a slow answer must not make a start look later than it was.
		f.clockAway, f.hasClock = seen.clock.Sub(seen.sentAt), true
	}
	return f
}
