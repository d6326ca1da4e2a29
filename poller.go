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
// hundred polls. The code in poller_queue.go decides when each poll leaves, and which polls
// fail when a request fails.
//
// The poller has one goroutine for each call in progress, and a timer only while a poll
// waits to leave.
//
// The lock rules:
//
//   - mu guards the queues, the timer and the counters of the poller, every pollCall, and
//     the fields of a poll that change after the poll was made.
//   - A method whose name ends in Locked is called with mu held. All others lock it
//     themselves.
//   - No wait, no request and no function of the caller runs while mu is held. With mu
//     held, inVainLocked and hasLeft take the lock of the client's internal pacer, which
//     never takes mu.
//   - A poll is in one place: in one of the three queues, or in the call that took it along.
//     An answered poll is in no queue.
//   - The answer of a poll is written once, before done is closed. A goroutine that has
//     seen done closed reads the answer without mu.
type poller struct {
	client *Client

	mu       sync.Mutex
	early    pollHeap // the polls that may not leave yet, by when they may
	ready    pollHeap // the polls that may leave, by when they must
	urgent   pollHeap // the polls for baselines, likewise
	timer    *time.Timer
	wakes    time.Time // when the timer fires; zero if it does not
	lastLeft time.Time // when the last request left
	resumes  time.Time // when the next request may leave; one for a baseline may leave sooner
	calls    int       // calls in progress
	held     int       // calls in progress that wait for the pacer
	limit    float64   // the last known rate limit, in requests a minute; 0 if none is known
	limitAt  time.Time // when the pacer knew it
	lists    lists
}

// poll asks for the state of one instance on behalf of one wait.
type poll struct {
	ctx      context.Context //nolint:containedctx // a call that takes the poll along has its values
	id       string
	baseline bool // for a baseline, so it is retried: no other poll follows
	down     bool // an earlier poll showed the instance down

	earliest, due time.Time // when the poll may and when it must leave
	since         time.Time // when the wait for the service began
	at            time.Time // the key in the heap that the poll is in
	index         int       // in that heap
	call          *pollCall // the call that took the poll along; nil while the poll waits
	gone          bool      // no caller waits for the poll any more

	done     chan struct{} // closed once the answer is in the fields below
	observed *observed     // nil until then, which saves memory: most polls of a large fleet have no answer yet
	err      error
	panicked any // the value of a panic in the call
}

// observed is the result of a poll.
type observed struct {
	instance Instance  // without a status if the service does not list it
	left     time.Time // when the pacer let the first attempt go
	sentAt   time.Time // when the last attempt was sent, by the local clock
	clock    time.Time // the service's clock in the response; zero if the response has none
}

// clockThen returns the time of left by the service's clock, or zero if the response has no
// time. The time in the response is that of the last attempt.
func (o *observed) clockThen() time.Time {
	if o.clock.IsZero() {
		return time.Time{}
	}
	return o.clock.Add(o.left.Sub(o.sentAt).Truncate(time.Second)) // a Date has whole seconds
}

// now returns the time of the response by the service's clock, or the local time if the
// response has no time.
func (o *observed) now() time.Time { return instancePage{clock: o.clock}.now() }

// pollCall is one call that answers a batch of polls. It is canceled once no caller waits
// for any of its polls.
type pollCall struct {
	cancel  context.CancelCauseFunc
	waiting int  // unanswered polls that a caller waits for
	held    bool // the next request of the call waits for the pacer
	read    bool // a request of the call was answered with a list
	left    time.Time
}

// pollWithin starts a poll that leaves after wait at the latest, and after half of wait at
// the earliest, so that the polls of several waits soon share their requests. down says that
// an earlier poll showed the instance down.
func (p *poller) pollWithin(ctx context.Context, id string, wait time.Duration, down bool) *poll {
	now := time.Now()
	q := &poll{ctx: ctx, id: id, down: down, earliest: now.Add(wait / 2), due: now.Add(wait), done: make(chan struct{})}
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
	if q.due.Before(now) { // so that overdue polls are more urgent
		q.due = now
	}
	if p.held > 0 && p.inVainLocked(q) { // enqueued behind a call that waits for the pacer, q would not be refused
		return q
	}
	p.enqueueLocked(q)
	return q
}

// recall removes a poll from its queue. It returns false if a call has taken the poll
// along, or if the poll is answered.
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
func (p *poller) await(ctx context.Context, q *poll) (*observed, error) {
	select {
	case <-q.done:
	case <-ctx.Done():
		why := contextEnd(ctx)
		if !p.leave(q, why) {
			return nil, q.failed(why)
		}
		<-q.done
	}
	if q.panicked != nil {
		panic(q.panicked)
	}
	return q.observed, q.err
}

// leave abandons a poll. It returns true if an answer is there or comes at once, because no
// other caller waits for the call, and leave has canceled it.
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

// carry makes the requests of one call and answers its polls.
func (p *poller) carry(ctx context.Context, call *pollCall, batch []*poll) {
	var panicked any
	defer func() { p.end(call, batch, panicked) }() // also after runtime.Goexit
	apart.Catch(func() {
		slices.SortStableFunc(batch, func(a, b *poll) int { return strings.Compare(a.id, b.id) })
		switch err := p.request(ctx, call, batch); {
		case err == nil:
		case mayBlameID(err) && !isSingle(batch):
			p.narrow(ctx, call, batch, err)
		default:
			p.settle(call, batch, err)
		}
	}, func(value any) { panicked = value }) // from a RoundTripper or a credential provider of the caller
}

// end ends a call. A panic or runtime.Goexit in the call leaves polls without an answer; end
// answers them.
func (p *poller) end(call *pollCall, batch []*poll, panicked any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range call.unansweredLocked(batch) {
		q.panicked = panicked
		q.answerLocked(nil, q.failed(errors.New("the poll was broken off")))
	}
	if call.held {
		call.held = false
		p.held--
	}
	p.calls--
	p.departLocked()
}

// request answers the polls of a batch page by page, until no poll is left or a page
// fails. The last page answers the polls for instances that no page lists.
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

// queryFor returns the query for a batch, and its number of attempts. A failed request is
// retried only if all polls are for baselines. For every other poll, the next poll is the
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

// idsOf returns the distinct ids of a batch. The batch is sorted by id.
func idsOf(batch []*poll) []string {
	ids := make([]string, len(batch))
	for i, q := range batch {
		ids[i] = q.id
	}
	return slices.Compact(ids)
}

// handOut answers the polls for the instances that a page lists, and reports whether a
// caller waits for other polls of the call. The batch is sorted by id.
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

// handOutRest answers the polls for the instances that no page lists.
func (p *poller) handOutRest(call *pollCall, batch []*poll, page instancePage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range call.unansweredLocked(batch) {
		q.answerLocked(call.observed(Instance{ID: q.id}, page), nil)
	}
}

func (call *pollCall) observed(i Instance, page instancePage) *observed {
	return &observed{instance: i, left: call.left, sentAt: page.sentAt, clock: page.clock}
}

// unansweredLocked returns the polls of a batch that still belong to the call and have no
// answer.
func (call *pollCall) unansweredLocked(batch []*poll) []*poll {
	return slices.DeleteFunc(slices.Clone(batch), func(q *poll) bool { return q.call != call || q.answered() })
}

// waited returns how long the service has kept the poll waiting.
func (q *poll) waited() time.Duration { return max(0, time.Since(q.since)) }

func (q *poll) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// answerLocked answers a poll that has no answer yet.
func (q *poll) answerLocked(o *observed, err error) {
	if q.answered() {
		return
	}
	q.observed, q.err = o, err
	if q.call != nil && !q.gone {
		q.call.waiting--
	}
	close(q.done)
}

// failed returns the error of the poll with the cause err.
func (q *poll) failed(err error) error {
	return &OperationError{Operation: "DescribeInstances", InstanceID: q.id, Err: err}
}
