package ecsreboot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// watch is the work that waits for the same restart share: it sends, it polls, and it
// collects the evidence. Each wait is a follower, which judges the evidence for itself.
type watch struct {
	client  *Client
	request RebootInstanceRequest
	id      string                                             // WaitOptions.OperationID
	ask     func(ctx context.Context, intent SendIntent) error // BeforeSend, or nil
	asked   int                                                // how often; belongs to the goroutine that sends
	cancel  context.CancelCauseFunc
	resends chan *resendRequest
	done    chan struct{} // closed when the work has ended
	begin   *evidence     // what was known of a restart that others sent; nil if the watch sends the restart
	begun   time.Time

	mu       sync.Mutex    // never held across a wait
	facts    []*fact       // those that a follower may not have taken in yet
	forgot   int           // how many facts came before
	changed  chan struct{} // closed at the next fact
	waiters  int
	evidence evidence // from begin and all facts
	over     bool     // proven, to a follower or by the default options, or ended: nobody may join any more
}

// watchKey identifies the calls that share a watch.
type watchKey struct {
	instanceID string
	forceStop  bool
}

// newWatch starts to follow a restart that others sent. It lives no longer than
// its one waiter.
func (c *Client) newWatch(ctx context.Context, instanceID string, begin evidence) *watch {
	return c.startWatch(ctx, &watch{request: RebootInstanceRequest{InstanceID: instanceID}, begin: &begin})
}

// sendingWatch joins the restart of the same instance that is under way, or starts
// one. Who wants to be asked before it is sent gets one that nobody joins.
func (c *Client) sendingWatch(ctx context.Context, request RebootInstanceRequest, options WaitOptions) *watch {
	begin := &watch{request: request, id: options.OperationID, ask: options.BeforeSend}
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
	w.client, w.waiters, w.begun, w.evidence = c, 1, time.Now(), w.beginning()
	w.resends, w.done, w.changed = make(chan *resendRequest, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.done)
		apart.Catch(func() { w.run(ctx) }, w.broken)
	}()
	return w
}

// broken ends the work after a panic in it, of a RoundTripper or credential of the
// caller's: the followers panic in the goroutines of their callers. A nil value means
// that the goroutine was ended.
func (w *watch) broken(value any) {
	w.mu.Lock()
	outcome := w.evidence.outcome
	w.mu.Unlock()
	w.add(&fact{ended: errors.New("the work was broken off by a panic"), outcome: outcome, panicked: value})
}

// sends reports whether the watch sends the restart.
func (w *watch) sends() bool { return w.begin == nil }

// beginning returns the evidence before the first fact.
func (w *watch) beginning() evidence {
	if w.sends() {
		return evidence{outcome: OutcomeNotSent}
	}
	return *w.begin
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
	if ended && w.sends() {
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

func (w *watch) add(f *fact) {
	if f.At.IsZero() {
		f.At = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts = append(w.facts, f)
	if result, _, _ := w.evidence.take(f, WaitOptions{}.withDefaults(), ProbeHealthy); result == proven || w.evidence.ended != nil {
		w.over = true // who calls from now on wants another restart
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// since returns the facts from the n-th on, and a channel that is closed when there are
// more.
func (w *watch) since(n int) ([]*fact, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clip(w.facts[n-w.forgot:]), w.changed
}

// forget drops the facts before the n-th, which a follower has taken in, if nobody else can
// join the watch: with thousands of waits, these facts would take much of the memory.
func (w *watch) forget(n int) {
	if w.sends() && w.ask == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// slices.Clone would keep the array of an empty slice, and with it the facts.
	w.facts, w.forgot = append([]*fact(nil), w.facts[n-w.forgot:]...), n
}

// resendRequest is what a follower asks for that wants the one resend.
type resendRequest struct {
	options WaitOptions
	stands  func() bool // the follower still waits
}

// askForResend asks for the one resend. If another follower has asked already, that
// serves both.
func (w *watch) askForResend(ctx context.Context, options *WaitOptions) {
	select {
	case w.resends <- &resendRequest{*options, func() bool { return ctx.Err() == nil }}:
	default:
	}
}

// resendIsDue reports whether a resend that a follower asked for is still wanted, and
// called for by the evidence, which may be newer than what the follower had judged.
func (w *watch) resendIsDue(asked *resendRequest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	options := asked.options
	options.Witness = nil // the follower has already asked it
	result, _, _ := w.evidence.judge(options, options.unprobed())
	return result == resend && asked.stands()
}

// closeToOthers keeps calls from joining: to one that has joined, the restart is proven.
func (w *watch) closeToOthers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

// run does the work until ctx ends or there is nothing left to do.
func (w *watch) run(ctx context.Context) {
	id, polls := w.request.InstanceID, &w.client.poller
	plan := schedule{begun: time.Now()}
	var next *poll
	if w.sends() {
		if !w.first(ctx) {
			return
		}
		plan.begun = time.Now()
		next = polls.pollWithin(ctx, id, plan.delay(), plan.down)
	} else { // it was sent some time ago
		next = polls.pollSoon(ctx, id, false)
	}
	resends := w.resends
	for {
		select {
		case <-next.done:
		case asked := <-resends:
			if !w.resendIsDue(asked) {
				continue
			}
			// A poll that has left may prove the restart: then a follower that still
			// wants the resend asks again.
			if polls.recall(next) {
				resends = nil // never more than one, whoever asks
				if !w.second(ctx) {
					return
				}
				plan = schedule{begun: time.Now()}
				next = polls.pollWithin(ctx, id, plan.delay(), plan.down)
			}
		case <-ctx.Done():
		}
		status, over := w.take(ctx, next)
		if over {
			return
		}
		plan.observe(status)
		next = polls.pollWithin(ctx, id, plan.delay(), plan.down)
	}
}

// first takes the baseline and sends the restart. It reports whether there is
// something to follow.
func (w *watch) first(ctx context.Context) bool {
	id := w.request.InstanceID
	end := func(outcome Outcome, err error) bool {
		w.add(&fact{ended: err, outcome: outcome})
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
		w.add(&fact{Event: Event{Kind: EventBaseline, Status: baseline.Status, StartTime: baseline.StartTime}, before: baseline})
		return baseline, nil
	}
	baseline, err := takeBaseline(ctx)
	if err != nil {
		return end(OutcomeNotSent, err)
	}
	// The send may wait for the pacer. Then the baseline is taken again.
	fresh := func(ctx context.Context) error {
		if time.Since(baseline.TakenAt) <= baselineLifetime {
			return nil
		}
		baseline, err = takeBaseline(ctx)
		return err
	}
	return w.sendOnce(ctx, fresh, false)
}

// second sends the restart again, although the first request may be on its way still.
func (w *watch) second(ctx context.Context) bool {
	return w.sendOnce(ctx, func(context.Context) error { return nil }, true)
}

// errSettled is why a resend is not sent.
var errSettled = errors.New("the outcome of the first request is known by now")

// isSettled reports whether a witness has settled the first request, or has recorded signs
// of a restart. This may happen while the resend waits for the pacer.
func (w *watch) isSettled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &w.evidence
	return e.outcome != OutcomeUnknown || e.ended != nil || e.refusal != nil || e.recorded
}

// sendOnce sends the restart with fresh as the first part of its consent, and reports
// whether there is something to follow.
func (w *watch) sendOnce(ctx context.Context, fresh func(context.Context) error, resend bool) bool {
	op := w.client.rebootOperation(w.request)
	op.id = cmp.Or(w.id, op.id)
	dropped := false
	res, err := w.client.do(ctx, op, hooks{
		consent: func(ctx context.Context, sendID string) error {
			if err := fresh(ctx); err != nil {
				return err
			}
			if dropped = resend && w.isSettled(); dropped {
				return errSettled
			}
			return w.askFirst(ctx, sendID)
		},
		leaving: func(sendID string) { w.add(&fact{Event: Event{Kind: EventSending, SendID: sendID}}) },
	})
	failed, ok := errors.AsType[*OperationError](err)
	if !ok {
		failed = new(OperationError)
	}
	switch outcome := OutcomeOf(err); {
	case dropped:
		w.add(&fact{dropped: true, attempts: failed.Attempts})
	case err == nil:
		w.add(&fact{Event: Event{Kind: EventAccepted, RequestID: res.requestID, SendID: res.sendID}, sentAt: res.sentAt, attempts: res.attempts})
	case outcome == OutcomeUnknown:
		w.add(&fact{Event: Event{Kind: EventOutcomeUnknown, Err: err, SendID: failed.SendID}, sentAt: failed.SentAt, attempts: failed.Attempts})
	case resend && outcome == OutcomeRejected && errors.Is(err, ErrIncorrectInstanceStatus):
		w.add(&fact{Event: Event{Kind: EventResendRefused, Err: err, SendID: failed.SendID}, sentAt: failed.SentAt, attempts: failed.Attempts})
	default:
		w.add(&fact{Event: Event{SendID: failed.SendID}, ended: causeOf(err), outcome: outcome, sentAt: failed.SentAt, attempts: failed.Attempts})
		return false
	}
	return true
}

// askFirst asks the caller's BeforeSend whether to send.
func (w *watch) askFirst(ctx context.Context, sendID string) error {
	if w.ask == nil {
		return nil
	}
	w.mu.Lock()
	before := w.evidence.before
	w.mu.Unlock()
	w.asked++
	err := w.ask(ctx, SendIntent{Baseline: before, Request: w.asked, SendID: sendID})
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return contextEnd(ctx) // nobody waits any more
	case err != nil:
		return fmt.Errorf("called off by BeforeSend: %w", foreign("BeforeSend", err, scrubForeign))
	}
	return nil
}

// take adds what a poll showed, and returns the status, unless ctx has ended.
func (w *watch) take(ctx context.Context, next *poll) (status Status, over bool) {
	f := w.observe(ctx, next)
	if ctx.Err() != nil {
		return "", true
	}
	w.add(f)
	return f.Status, false
}

// observe returns what a poll showed, as a fact. The next poll is the retry of one that
// failed.
func (w *watch) observe(ctx context.Context, next *poll) *fact {
	seen, err := w.client.poller.await(ctx, next)
	if err != nil {
		return &fact{
			Event:     Event{Kind: EventPollFailed, Err: causeOf(err)},
			denied:    errors.Is(err, ErrAccessDenied) || errors.Is(err, ErrUnauthenticated), // the latter if renewed credentials, or none, did not help
			throttled: errors.Is(err, ErrThrottled),
		}
	}
	f := &fact{
		Event:  Event{Kind: EventStatus, At: seen.left, Status: seen.instance.Status, StartTime: seen.instance.StartTime},
		locked: lockCode(seen.instance.Locks, seen.instance.ExpiredTime, seen.now()),
		locks:  seen.instance.Locks,
	}
	if !seen.clock.IsZero() {
		// Of the time that the call took, none counts as the clocks' difference:
		// a slow answer must not make a start look later than it was.
		f.clock, f.clockAway = seen.clock, seen.clock.Sub(seen.sentAt)
	}
	return f
}
