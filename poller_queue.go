package ecsreboot

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"time"
)

// The first part of this file decides when polls leave.
//
// As with the timer slack of a kernel, a poll has an earliest and a latest time to leave. A
// call leaves at the latest time of any poll, and takes along the polls that may leave, the
// most urgent first. So the polls of several waits soon share their requests, and a single
// wait is not delayed.
//
// While a call waits for the pacer, no other call starts. Polls gather for the next call,
// which starts once the request of the first call has left.

const (
	// gatherTime is how long after the last request a poll that should leave at once waits
	// for other polls.
	gatherTime = 500 * time.Millisecond
	// maxPollCalls is how many calls may be in progress before further calls leave only
	// every hangingPause. So many calls are in progress only if the service hangs, and a new
	// call would probably hang too, so due polls gather.
	maxPollCalls = 8
	// hangingPause is the time between calls while the service hangs.
	hangingPause = time.Second
	// minPollPause is the least mean time between calls. With more than a few hundred waits,
	// polls wait for this pause, and so more of them share a call.
	minPollPause = 350 * time.Millisecond
	// maxPollPause limits how long polls and baselines wait because of earlier calls.
	maxPollPause = 30 * time.Second
	// maxAhead is by how much calls for baselines may be ahead of their mean time, so that a
	// baseline does not wait for polls. In any minute, that adds a tenth to pollShare.
	maxAhead = 6 * time.Second
	// pollShare is the share of a known rate limit that all calls of the poller take. The
	// rest is for other programs. The share is less than half, because the pacer may
	// estimate the limit somewhat too high.
	pollShare = 0.45
	// limitMemory is how long the poller remembers a learned rate limit. The pacer forgets a
	// limit that has delayed no call for three minutes, and a poller that takes less than half
	// of the limit is never delayed. Without a memory, the polls would exceed the limit every
	// few minutes.
	limitMemory = time.Hour
	// manyPolls is how many polls must wait to leave so that they may take their share of a
	// known rate limit, even if calls then leave more often than every minPollPause.
	manyPolls = 1000
)

func (p *poller) enqueueLocked(q *poll) {
	p.early.add(q, q.earliest)
	p.departLocked()
}

// dequeueLocked removes a poll from the queue in which it waits.
func (p *poller) dequeueLocked(q *poll) {
	for _, queue := range [...]*pollHeap{&p.ready, &p.urgent, &p.early} {
		if q.index < len(*queue) && (*queue)[q.index] == q {
			heap.Remove(queue, q.index)
			break
		}
	}
	p.departLocked()
}

// departLocked ends the list in progress if no poll needs it, starts the calls that must
// leave now, and sets the timer for the next call.
func (p *poller) departLocked() {
	now := time.Now()
	for len(p.early) > 0 && !p.early[0].at.After(now) {
		q := p.early.first()
		if q.baseline {
			p.urgent.add(q, q.due)
		} else {
			p.ready.add(q, q.due)
		}
	}
	next := p.nextLocked()
	for ; !next.IsZero() && !next.After(now); next = p.nextLocked() {
		if p.listsLocked(now) {
			p.startPageLocked()
		} else {
			p.startLocked(p.batchLocked())
		}
	}
	if len(p.early) > 0 && (next.IsZero() || p.early[0].at.Before(next)) {
		next = p.early[0].at
	}
	p.wakeLocked(next)
	p.lists.abandonLocked(p)
}

// batchLocked takes the polls of the next call out of their queues. While other polls may
// leave, baselines take no more than three quarters of a call, so that restarts also end.
func (p *poller) batchLocked() []*poll {
	baselines := min(len(p.urgent), maxInstanceIDs-min(len(p.ready), maxInstanceIDs/4))
	batch := make([]*poll, 0, min(baselines+len(p.ready), maxInstanceIDs))
	for len(batch) < baselines {
		batch = append(batch, p.urgent.first())
	}
	for len(batch) < cap(batch) {
		batch = append(batch, p.ready.first())
	}
	return batch
}

// nextLocked returns when the next call leaves, or zero if no poll may leave.
func (p *poller) nextLocked() (next time.Time) {
	if p.held > 0 {
		return time.Time{}
	}
	if len(p.urgent) > 0 {
		due := p.urgent[0].at
		next = latest(due, earliest(p.resumes.Add(-maxAhead), due.Add(maxPollPause)))
	}
	if len(p.ready) > 0 {
		polls := latest(p.ready[0].at, p.resumes)
		if next.IsZero() {
			next = polls
		}
		next = earliest(next, polls)
	}
	if p.calls >= maxPollCalls && !next.IsZero() {
		next = latest(next, p.lastLeft.Add(hangingPause))
	}
	return next
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// wakeLocked sets the timer to a time, or stops the timer if the time is zero.
func (p *poller) wakeLocked(at time.Time) {
	if at.Equal(p.wakes) {
		return
	}
	p.wakes = at
	switch {
	case at.IsZero():
		p.timer.Stop()
		p.timer = nil
	case p.timer == nil:
		p.timer = time.AfterFunc(time.Until(at), p.onTime)
	default:
		p.timer.Reset(time.Until(at))
	}
}

func (p *poller) onTime() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakes = time.Time{}
	p.departLocked()
}

// startLocked starts a call for the polls that a caller waits for. It answers a poll at
// once if the service is known to throttle for longer than the poll may wait.
func (p *poller) startLocked(batch []*poll) {
	batch = slices.DeleteFunc(batch, func(q *poll) bool { return q.gone || p.inVainLocked(q) })
	if len(batch) == 0 {
		return
	}
	call := &pollCall{waiting: len(batch), held: true, left: time.Now()}
	p.held++
	limit, limited := time.Time{}, true
	for _, q := range batch {
		if q.call != nil { // the earlier call failed and left the poll to this one
			q.call.waiting--
		}
		q.call = call
		deadline, ok := q.ctx.Deadline()
		limited = limited && ok
		if deadline.After(limit) {
			limit = deadline
		}
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(batch[0].ctx))
	call.cancel = cancel
	release := context.CancelFunc(func() {})
	if limited { // otherwise it could wait for a throttled service longer than any caller can
		ctx, release = context.WithDeadline(ctx, limit)
	}
	p.calls++
	p.lists.owed--
	go func() {
		defer cancel(nil)
		defer release()
		p.carry(ctx, call, batch)
	}()
}

// inVainLocked answers a poll with an error if the service is known to throttle for longer
// than the poll may wait. It reports whether it has answered the poll.
func (p *poller) inVainLocked(q *poll) bool {
	err := p.client.describeGate.inVain(q.ctx, max(0, p.client.retry.MaxThrottleWait-q.waited()))
	if err != nil {
		q.answerLocked(nil, q.failed(err))
	}
	return err != nil
}

// hasLeft records that the pacer has let a request of the call go.
func (p *poller) hasLeft(call *pollCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !call.held {
		return
	}
	call.held = false
	p.held--
	call.left = time.Now()
	p.lastLeft = call.left
	ahead := min(max(0, p.resumes.Sub(call.left)), maxPollPause)
	p.resumes = call.left.Add(ahead + p.pauseLocked(call.left))
	p.departLocked()
}

// pauseLocked returns the mean time between two calls.
func (p *poller) pauseLocked(now time.Time) time.Duration {
	if state := p.client.describeGate.state(); state.RatePerMinute > 0 && !state.Seeking {
		p.limit, p.limitAt = state.RatePerMinute, now
	}
	if p.limit == 0 || now.Sub(p.limitAt) > limitMemory {
		return minPollPause
	}
	pause := time.Duration(float64(time.Minute) / pollShare / p.limit)
	if len(p.ready) < manyPolls {
		return max(pause, minPollPause)
	}
	return pause
}

// pollHeap is a heap of polls by their time.
type pollHeap []*poll

func (h *pollHeap) add(q *poll, at time.Time) {
	q.at = at
	heap.Push(h, q)
}

func (h *pollHeap) first() *poll { return heap.Pop(h).(*poll) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (h *pollHeap) Len() int { return len(*h) }

func (h *pollHeap) Less(i, j int) bool {
	return (*h)[i].at.Before((*h)[j].at)
}

func (h *pollHeap) Swap(i, j int) {
	q := *h
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (h *pollHeap) Push(q any) {
	added := q.(*poll)
	added.index = len(*h)
	*h = append(*h, added)
}

func (h *pollHeap) Pop() any {
	last := len(*h) - 1
	q := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return q
}

// The rest of this file decides which polls fail when a request fails.
//
// If the service refused the request, possibly because of an id in it, narrow finds the ids
// to blame. Otherwise settle fails the polls, or starts another call for some of them.

// settle fails the polls that a failed request left without an answer. It starts another
// call for two kinds of polls instead:
//
//   - polls that may still wait for a throttled service, if the request ended because the
//     poll that had waited longest may not;
//   - baselines that shared the request with other polls, and so had only one attempt.
func (p *poller) settle(call *pollCall, batch []*poll, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := call.unansweredLocked(batch)
	longest := time.Duration(0)
	for _, q := range rest {
		if longest = max(longest, q.waited()); !errors.Is(err, ErrThrottled) {
			q.since = time.Now()
		}
	}
	isBaseline := func(q *poll) bool { return q.baseline }
	isOther := func(q *poll) bool { return !q.baseline }
	hasPatience := func(q *poll) bool { return q.waited() < longest-gatherTime }
	var again []*poll
	switch {
	case call.waiting == 0: // only the poll whose end ended the call is left
	case isHeldBack(err) && slices.ContainsFunc(rest, hasPatience):
		again, rest = split(rest, hasPatience)
	case slices.ContainsFunc(rest, isBaseline) && slices.ContainsFunc(rest, isOther):
		again, rest = split(rest, isBaseline)
	}
	p.startLocked(again)
	for _, q := range rest {
		q.answerLocked(nil, err)
	}
}

// split divides polls by whether chosen returns true.
func split(batch []*poll, chosen func(*poll) bool) (yes, no []*poll) {
	for _, q := range batch {
		if chosen(q) {
			yes = append(yes, q)
		} else {
			no = append(no, q)
		}
	}
	return yes, no
}

// mayBlameID reports whether the cause of a refusal may be one of the ids: a bad form, or a
// missing permission to read that instance.
func mayBlameID(err error) bool {
	refusal, ok := errors.AsType[*APIError](err)
	if !ok || refusal.StatusCode/100 != 4 || errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnauthenticated) {
		return false
	}
	switch refusal.Code { //nolint:exhaustive // every other code may be due to an id
	case "", ErrInvalidTimeStampExpired, ErrIllegalTimestamp, ErrInvalidTimeStampFormat, ErrSignatureNonceUsed,
		ErrMissingParameter, ErrInvalidRegionIDNotFound, ErrInvalidActionNotFound, ErrInvalidProductNotFound,
		ErrInvalidAccountStatusNotEnoughBalance:
		return false
	}
	return rowOf(refusal.Code, "").effect != effectFailed
}

// enoughDenied is how many ids must be refused alone until all ids are treated as refused.
const enoughDenied = 3

// isSingle reports whether a batch is for one id. Batches are sorted by id.
func isSingle(batch []*poll) bool { return batch[0].id == batch[len(batch)-1].id }

// halve divides a batch with several ids into two halves by id.
func halve(batch []*poll) (left, right []*poll) {
	ids := idsOf(batch)
	middle := ids[(len(ids)+1)/2]
	i := slices.IndexFunc(batch, func(q *poll) bool { return q.id == middle })
	return batch[:i], batch[i:]
}

// narrow finds the ids that are the cause of a refused request, so that only their polls
// fail. It requests both halves of a refused batch, and halves a refused half again, until
// each refused id is alone.
//
// Each of k such ids among n makes at most ⌈log2 n⌉ requests for several ids fail, and two
// requests follow each of these: 1 + 2·k·⌈log2 n⌉ requests in total.
//
// An identity without any permission would cost two requests for each id. So once three ids
// have been refused alone, and no instance was read, all ids are treated as refused. narrow
// requests both halves before it divides one of them, and divides one half to the end before
// the other. So the third id is refused alone after 3 + 2·⌈log2 n⌉ requests at most. Three
// bad ids do not suffice for this: as long as nothing was read, each half that narrow left
// for later was refused too and so has a bad id, which makes more than ⌊log2 n⌋ bad ids.
func (p *poller) narrow(ctx context.Context, call *pollCall, batch []*poll, refusal error) {
	p.discount(call, batch)
	refused := [][]*poll{batch}
	for alone := 0; len(refused) > 0; {
		last := len(refused) - 1
		left, right := halve(refused[last])
		refused = refused[:last]
		for _, half := range [...][]*poll{left, right} {
			if half = p.hold(call, half); len(half) == 0 {
				continue
			}
			err := p.request(ctx, call, half)
			p.discount(call, batch)
			switch {
			case err == nil:
			case ctx.Err() != nil: // no caller waits any more
				p.fail(call, batch, err)
				return
			case !mayBlameID(err):
				p.settle(call, half, err)
			case !isSingle(half):
				refused = append(refused, half)
			default:
				p.fail(call, half, err)
				if alone++; alone >= enoughDenied && !call.read {
					p.fail(call, batch, refusal)
					return
				}
			}
		}
	}
}

// hold returns the polls of a part that a caller waits for. The next request serves them;
// until the pacer lets this request go, other polls gather. If no caller waits for the call
// any more, hold returns all unanswered polls of the part, because the poll whose end ended
// the call needs an answer.
func (p *poller) hold(call *pollCall, part []*poll) []*poll {
	p.mu.Lock()
	defer p.mu.Unlock()
	part = call.unansweredLocked(part)
	if call.waiting > 0 {
		part = slices.DeleteFunc(part, func(q *poll) bool { return q.gone })
	}
	if len(part) > 0 && !call.held {
		call.held = true
		p.held++
	}
	return part
}

// discount subtracts the time since the last request left from the time for which the polls
// have waited for a throttled service.
func (p *poller) discount(call *pollCall, batch []*poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if call.held { // the request did not leave
		return
	}
	for _, q := range call.unansweredLocked(batch) {
		q.since = q.since.Add(time.Since(call.left))
	}
}

// fail fails the polls of a batch that have no answer.
func (p *poller) fail(call *pollCall, batch []*poll, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range call.unansweredLocked(batch) {
		q.answerLocked(nil, err)
	}
}
