package ecsreboot

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// When polls leave.
//
// Like the timer slack of a kernel, a poll has a time from which on it may leave and one
// at which it must. A call leaves when the first poll must, and takes along those that
// may, the most urgent first. So waits fall into step, while a lone wait is polled when
// it would be without the others.
//
// While a call waits for the pacer, no other one departs: polls gather for the next
// call, which departs once that one has left.

const (
	// gatherTime is how long a poll that should leave at once waits for others after a
	// request that could not take it along.
	gatherTime = 500 * time.Millisecond
	// maxPollCalls is how many calls may be under way before further ones leave only
	// every hangingPause: it takes a service that hangs to have so many. The polls that
	// are due gather then, as a new call is as likely to hang.
	maxPollCalls = 8
	// hangingPause is the time between calls then.
	hangingPause = time.Second
)

func (p *poller) enqueueLocked(q *poll) {
	p.early.add(q, q.earliest)
	p.departLocked()
}

// dequeueLocked takes a poll out of the queue in which it waits.
func (p *poller) dequeueLocked(q *poll) {
	if q.index < len(p.ready) && p.ready[q.index] == q {
		heap.Remove(&p.ready, q.index)
	} else {
		heap.Remove(&p.early, q.index)
	}
	p.departLocked()
}

// departLocked starts the calls that must leave now, and sets the timer for the next.
func (p *poller) departLocked() {
	now := time.Now()
	for len(p.early) > 0 && !p.early[0].at.After(now) {
		q := p.early.first()
		p.ready.add(q, q.due)
	}
	var next time.Time
	if p.calls >= maxPollCalls {
		next = p.lastLeft.Add(hangingPause)
	}
	for len(p.ready) > 0 && !p.ready[0].at.After(now) && !next.After(now) && p.held == 0 {
		batch := make([]*poll, 0, min(len(p.ready), maxInstanceIDs))
		for len(batch) < cap(batch) {
			batch = append(batch, p.ready.first())
		}
		p.startLocked(batch)
	}
	switch {
	case len(p.ready) == 0, p.held > 0:
		next = time.Time{}
	case p.ready[0].at.After(next):
		next = p.ready[0].at
	}
	if len(p.early) > 0 && (next.IsZero() || p.early[0].at.Before(next)) {
		next = p.early[0].at
	}
	p.wakeLocked(next)
}

// wakeLocked sets the timer to a time, or stops it for the zero time.
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

// startLocked starts a call for those of the polls that somebody waits for, and not in
// vain.
func (p *poller) startLocked(batch []*poll) {
	batch = slices.DeleteFunc(batch, func(q *poll) bool { return q.gone || p.inVainLocked(q) })
	if len(batch) == 0 {
		return
	}
	call := &pollCall{waiting: len(batch), held: true, left: time.Now()}
	p.held++
	limit, limited := time.Time{}, true
	for _, q := range batch {
		if q.call != nil { // one that failed for other polls
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
	if limited { // or else it would wait for a throttled service that nobody can wait for
		ctx, release = context.WithDeadline(ctx, limit)
	}
	p.calls++
	go func() {
		defer cancel(nil)
		defer release()
		p.carry(ctx, call, batch)
	}()
}

// inVainLocked answers a poll that the service is known to throttle for longer than the
// poll may wait. It reports whether it did.
func (p *poller) inVainLocked(q *poll) bool {
	err := p.source.pollInVain(q.ctx, q.waited())
	if err != nil {
		q.answerLocked(observed{}, q.failed(err))
	}
	return err != nil
}

// hasLeft is called when the pacer has let a request of the call go.
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
	p.departLocked()
}

// pollHeap is a heap of polls by their time.
type pollHeap []*poll

func (h *pollHeap) add(q *poll, at time.Time) {
	q.at = at
	heap.Push(h, q)
}

func (h *pollHeap) first() *poll { return heap.Pop(h).(*poll) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (h *pollHeap) Len() int           { return len(*h) }
func (h *pollHeap) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }

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
