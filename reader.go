package ecsreboot

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// reader gathers the readings that a client's waits ask for, so that one call
// serves up to a hundred of them.
//
// Like the timer slack of a kernel, each reading has a time from which on it may
// be taken and one at which it must be. A call leaves when the first one must be
// taken, and takes along those that may be, the most urgent first. So waits fall
// into step, while a lone one is read when it would be without the others.
//
// It has no goroutine but those of its calls, and a timer only while somebody
// waits. The zero value is ready for use.
type reader struct {
	mu       sync.Mutex // never held across a wait
	early    readings   // by when they may be taken, which is not yet
	ready    readings   // by when they must be taken
	timer    *time.Timer
	wakes    time.Time // when the timer fires; zero if it does not
	lastLeft time.Time // when the last call did
	calls    int       // under way …
	held     int       // … and of these, not yet let go by the gate
}

const (
	// gatherTime is how long a reading that is wanted at once waits for others
	// after a call that could not take it along.
	gatherTime = 500 * time.Millisecond
	// maxReaderCalls is how many calls may be under way before further ones leave
	// only now and then: it takes a service that hangs to have so many. Then what
	// is due gathers, as a new call is as likely to hang.
	maxReaderCalls = 8
	// hangingPause is how often they leave then.
	hangingPause = time.Second
)

// reading is one look at one instance, asked for by one wait.
type reading struct {
	ctx           context.Context //nolint:containedctx // a call that takes it along has its values
	id            string
	earliest, due time.Time
	baseline      bool      // worth several attempts: nobody asks again
	since         time.Time // when the wait for the service began

	at    time.Time // what the heap goes by
	index int       // in the heap
	call  *readCall // that took it along; nil while it waits
	gone  bool      // nobody waits for it any more

	done     chan struct{} // closed once there is an answer:
	shown    shown
	err      error
	panicked any // the value of a panic in the call
}

// shown is what a reading showed, and of what time.
type shown struct {
	instance Instance  // without a status if it is not listed
	left     time.Time // when the call left the reader
	sentAt   time.Time // when the request with the answer left, by our clock
	clock    time.Time // the service's, zero if it did not tell
}

// now is the time of the answer by the service's clock, or else by ours.
func (s shown) now() time.Time { return instancePage{clock: s.clock}.now() }

// askWithin asks for a reading that must be taken after wait, and may be taken
// from three fifths of it on.
func (c *Client) askWithin(ctx context.Context, id string, wait time.Duration) *reading {
	now := time.Now()
	return c.ask(&reading{ctx: ctx, id: id, earliest: now.Add(wait * 3 / 5), due: now.Add(wait)})
}

// askSoon asks for a reading at once, or with those of a moment if a call has just
// left.
func (c *Client) askSoon(ctx context.Context, id string, baseline bool) *reading {
	return c.ask(&reading{ctx: ctx, id: id, baseline: baseline})
}

func (c *Client) ask(q *reading) *reading {
	q.done = make(chan struct{})
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.due.IsZero() {
		now := time.Now()
		q.earliest, q.since, q.due = now, now, r.lastLeft.Add(gatherTime)
		if q.due.Before(now) { // the others' turn comes first
			q.due = now
		}
		if r.held > 0 && c.inVain(q) { // it does not come to the gate by itself
			return q
		}
	} else {
		q.since = q.due
	}
	r.early.add(q, q.earliest)
	c.depart()
	return q
}

// recall takes a reading back, unless a call has taken it along or it is answered.
func (c *Client) recall(q *reading) bool {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	if q.call != nil || q.answered() {
		return false
	}
	c.reader.forget(q)
	c.depart()
	return true
}

// leave gives a reading up. It reports whether an answer comes nevertheless, and
// soon: it is there, or nobody else waited for the call, which ends now for that
// reason.
func (c *Client) leave(q *reading, why error) bool {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	switch {
	case q.answered():
		return true
	case q.call == nil:
		c.reader.forget(q)
		c.depart()
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

// depart sends the calls off that must leave now, and sets the timer for the next.
// The reader's mutex is held.
func (c *Client) depart() {
	r := &c.reader
	now := time.Now()
	for len(r.early) > 0 && !r.early[0].at.After(now) {
		q := r.early.first()
		r.ready.add(q, q.due)
	}
	var next time.Time
	if r.calls >= maxReaderCalls {
		next = r.lastLeft.Add(hangingPause)
	}
	// While a call waits at the gate, more readings gather for the next one. It
	// departs when that one has left.
	for len(r.ready) > 0 && !r.ready[0].at.After(now) && !next.After(now) && r.held == 0 {
		batch := make([]*reading, 0, min(len(r.ready), maxInstanceIDs))
		for len(batch) < cap(batch) {
			batch = append(batch, r.ready.first())
		}
		c.startCall(batch)
	}
	switch {
	case len(r.ready) == 0, r.held > 0:
		next = time.Time{}
	case r.ready[0].at.After(next):
		next = r.ready[0].at
	}
	if len(r.early) > 0 && (next.IsZero() || r.early[0].at.Before(next)) {
		next = r.early[0].at
	}
	r.wake(next, c.onTime)
}

// hasLeft tells that a call was let go by the gate.
func (c *Client) hasLeft(call *readCall) {
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if !call.held {
		return
	}
	call.held = false
	r.held--
	call.left = time.Now()
	r.lastLeft = call.left
	c.depart()
}

func (c *Client) onTime() {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	c.reader.wakes = time.Time{}
	c.depart()
}

// wake sets the timer to a time, or stops it for the zero one.
func (r *reader) wake(at time.Time, f func()) {
	if at.Equal(r.wakes) {
		return
	}
	r.wakes = at
	switch {
	case at.IsZero():
		r.timer.Stop()
		r.timer = nil
	case r.timer == nil:
		r.timer = time.AfterFunc(time.Until(at), f)
	default:
		r.timer.Reset(time.Until(at))
	}
}

// forget takes a reading out of the heap in which it waits.
func (r *reader) forget(q *reading) {
	if q.index < len(r.ready) && r.ready[q.index] == q {
		heap.Remove(&r.ready, q.index)
		return
	}
	heap.Remove(&r.early, q.index)
}

// readings are a heap by time.
type readings []*reading

func (h *readings) add(q *reading, at time.Time) {
	q.at = at
	heap.Push(h, q)
}

func (h *readings) first() *reading { return heap.Pop(h).(*reading) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (h *readings) Len() int           { return len(*h) }
func (h *readings) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }

func (h *readings) Swap(i, j int) {
	q := *h
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (h *readings) Push(q any) {
	r := q.(*reading)
	r.index = len(*h)
	*h = append(*h, r)
}

func (h *readings) Pop() any {
	last := len(*h) - 1
	q := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return q
}
