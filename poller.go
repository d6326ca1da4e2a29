package ecsreboot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// poller gathers the polls of all waits of a client, so that one request serves up to a
// hundred of them. poller_queue.go decides when which polls leave, and which
// fail when a request fails.
//
// The poller has no goroutines except those of its calls, and a timer only while a poll
// waits to leave.
//
// The lock rules:
//
//   - mu guards the queues, the timer and the counters of the poller, every pollCall,
//     and of a poll all that changes after it was made.
//   - A method whose name ends in Locked is called with mu held. All others lock it
//     themselves.
//   - mu is held across no wait, no request and no code of the caller's. While it is
//     held, inVainLocked and hasLeft take the lock of the client's own pacer, which
//     never takes mu.
//   - A poll is in one place: in one of the two queues, or in the call that took it
//     along. It leaves that place for good when it is answered.
//   - A poll's answer is written once, before done is closed. Who has seen done closed
//     reads the answer without mu.
type poller struct {
	client *Client

	mu       sync.Mutex
	early    pollHeap // by when they may leave, which is not yet
	ready    pollHeap // by when they must leave
	timer    *time.Timer
	wakes    time.Time // when the timer fires; zero if it does not
	lastLeft time.Time // when the last request left
	resumes  time.Time // when the next one may leave, unless it is for a baseline
	calls    int       // under way …
	held     int       // … and of these, waiting for the pacer
}

// poll asks for the state of one instance on behalf of one wait.
type poll struct {
	ctx      context.Context //nolint:containedctx // a call that takes the poll along has its values
	id       string
	baseline bool // worth several attempts, as no other poll follows

	earliest, due time.Time // when it may and when it must leave
	since         time.Time // when the wait for the service began
	at            time.Time // what orders the heap that it is in
	index         int       // in that heap
	call          *pollCall // that took it along; nil while it waits
	gone          bool      // nobody waits for it any more

	done     chan struct{} // closed once there is an answer:
	observed observed
	err      error
	panicked any // the value of a panic in the call
}

// observed is the result of a poll: an instance at a time.
type observed struct {
	instance Instance  // without a status if the service does not list it
	left     time.Time // when the request was let go
	sentAt   time.Time // when it left, after all retries, by our clock
	clock    time.Time // the service's, zero if the answer did not tell
}

// clockThen is what the service's clock showed when the request was let go: the response
// has the time of the last attempt. It is zero if the response did not have it.
func (o observed) clockThen() time.Time {
	if o.clock.IsZero() {
		return time.Time{}
	}
	return o.clock.Add(o.left.Sub(o.sentAt).Truncate(time.Second)) // which is what a Date tells
}

// now is the time of the answer by the service's clock, or else by ours.
func (o observed) now() time.Time { return instancePage{clock: o.clock}.now() }

// pollCall is one call that takes polls along. It lives while somebody waits for one of
// them.
type pollCall struct {
	cancel  context.CancelCauseFunc
	waiting int  // polls without an answer that somebody waits for
	held    bool // its next request waits for the pacer
	read    bool // one of its requests was answered with a list
	left    time.Time
}

// pollWithin starts a poll that leaves after wait at the latest, and after half of it at
// the earliest: so whatever the phases of two waits, they fall into step.
func (p *poller) pollWithin(ctx context.Context, id string, wait time.Duration) *poll {
	now := time.Now()
	q := &poll{ctx: ctx, id: id, earliest: now.Add(wait / 2), due: now.Add(wait), done: make(chan struct{})}
	q.since = q.due
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enqueueLocked(q)
	return q
}

// pollSoon starts a poll that leaves at once, or within gatherTime if a request has just
// left.
func (p *poller) pollSoon(ctx context.Context, id string, baseline bool) *poll {
	q := &poll{ctx: ctx, id: id, baseline: baseline, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	q.earliest, q.since, q.due = now, now, p.lastLeft.Add(gatherTime)
	if q.due.Before(now) { // polls that are overdue go first
		q.due = now
	}
	if p.held > 0 && p.inVainLocked(q) { // behind a call that waits for the pacer, it would not find out
		return q
	}
	p.enqueueLocked(q)
	return q
}

// recall takes a poll back. It reports false if a call has taken the poll along or the
// poll is answered.
func (p *poller) recall(q *poll) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.call != nil || q.answered() {
		return false
	}
	p.dequeueLocked(q)
	return true
}

// await returns the answer to a poll. A panic in the call becomes a panic in each
// goroutine that waits for the call.
func (p *poller) await(ctx context.Context, q *poll) (observed, error) {
	select {
	case <-q.done:
	case <-ctx.Done():
		why := contextEnd(ctx)
		if !p.leave(q, why) {
			return observed{}, q.failed(why)
		}
		<-q.done
	}
	if q.panicked != nil {
		panic(q.panicked)
	}
	return q.observed, q.err
}

// leave gives a poll up. It reports whether an answer comes nevertheless, and soon: it
// is there, or nobody else waited for the call, which ends now for that reason.
func (p *poller) leave(q *poll, why error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case q.answered():
		return true
	case q.call == nil:
		p.dequeueLocked(q)
		return false
	}
	q.gone = true
	q.call.waiting--
	if q.call.waiting > 0 {
		return false
	}
	q.call.cancel(&waitEndError{why})
	return true
}

// carry makes one call and answers its polls.
func (p *poller) carry(ctx context.Context, call *pollCall, batch []*poll) {
	var panicked any
	defer func() { p.end(call, batch, panicked) }() // also if the goroutine is ended
	apart.Catch(func() {
		slices.SortStableFunc(batch, func(a, b *poll) int { return strings.Compare(a.id, b.id) })
		switch err := p.request(ctx, call, batch); {
		case err == nil:
		case mayBlameID(err) && !isSingle(batch):
			p.narrow(ctx, call, batch, err)
		default:
			p.settle(call, batch, err)
		}
	}, func(value any) { panicked = value }) // of a RoundTripper or credential of the caller's
}

// end ends a call. The polls that it left without an answer have met a panic in it.
func (p *poller) end(call *pollCall, batch []*poll, panicked any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range call.unansweredLocked(batch) {
		q.panicked = panicked
		q.answerLocked(observed{}, q.failed(errors.New("the poll was broken off")))
	}
	if call.held {
		call.held = false
		p.held--
	}
	p.calls--
	p.departLocked()
}

// request answers the polls of a batch page by page, until there is none left or an
// error. The polls for what no page lists are answered by the last page.
func (p *poller) request(ctx context.Context, call *pollCall, batch []*poll) error {
	q, attempts := p.queryFor(call, batch)
	var list pager
	for {
		page, err := describePage[wireReading](ctx, p.client, q, attempts)
		if err != nil {
			return err
		}
		if wanted := p.handOut(call, batch, page); !wanted && ctx.Err() == nil {
			return nil
		}
		more, err := list.follow(&q, page)
		if err != nil {
			return err
		}
		if !more {
			p.handOutRest(call, batch, page)
			return nil
		}
	}
}

// queryFor returns the query that serves a batch, and its attempts: a failed request is
// worth a retry only if all polls are for baselines. For all others, the next poll is the
// retry.
func (p *poller) queryFor(call *pollCall, batch []*poll) (q query, attempts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q, attempts = query{ids: idsOf(batch), onLeave: func(string) { p.hasLeft(call) }}, p.client.retry.MaxAttempts
	for _, each := range batch {
		q.waited = max(q.waited, each.waited())
		if !each.baseline {
			attempts = 1
		}
	}
	return q, attempts
}

// idsOf returns the ids of a batch, which is sorted by them, each once.
func idsOf(batch []*poll) []string {
	ids := make([]string, len(batch))
	for i, q := range batch {
		ids[i] = q.id
	}
	return slices.Compact(ids)
}

// handOut answers the polls for what a page lists, and reports whether somebody waits
// for others. The batch is sorted by id.
func (p *poller) handOut(call *pollCall, batch []*poll, page instancePage) (wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	call.read = true
	for _, instance := range page.instances {
		i, _ := slices.BinarySearchFunc(batch, instance.ID, func(q *poll, id string) int { return cmp.Compare(q.id, id) })
		for ; i < len(batch) && batch[i].id == instance.ID; i++ {
			batch[i].answerLocked(call.observed(instance, page), nil)
		}
	}
	return call.waiting > 0
}

// handOutRest answers the polls for what no page lists.
func (p *poller) handOutRest(call *pollCall, batch []*poll, page instancePage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range call.unansweredLocked(batch) {
		q.answerLocked(call.observed(Instance{ID: q.id}, page), nil)
	}
}

func (call *pollCall) observed(i Instance, page instancePage) observed {
	return observed{instance: i, left: call.left, sentAt: page.sentAt, clock: page.clock}
}

// unansweredLocked returns the polls of a batch that are still the call's and have no
// answer.
func (call *pollCall) unansweredLocked(batch []*poll) []*poll {
	return slices.DeleteFunc(slices.Clone(batch), func(q *poll) bool { return q.call != call || q.answered() })
}

// waited is for how long the service has kept the poll waiting.
func (q *poll) waited() time.Duration { return max(0, time.Since(q.since)) }

func (q *poll) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// answerLocked answers a poll, unless it has an answer.
func (q *poll) answerLocked(o observed, err error) {
	if q.answered() {
		return
	}
	q.observed, q.err = o, err
	if q.call != nil && !q.gone {
		q.call.waiting--
	}
	close(q.done)
}

// failed is the error of the poll.
func (q *poll) failed(err error) error {
	return &OperationError{Operation: "DescribeInstances", InstanceID: q.id, Err: err}
}
