package ecsreboot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// readCall is one call that takes readings along. It lives while one of those who
// asked waits for it.
type readCall struct {
	cancel  context.CancelCauseFunc
	waiting int  // readings without an answer that somebody waits for
	held    bool // it waits to be let go
	read    bool // there was an answer with instances, or without
	left    time.Time
}

// await returns the answer to a reading. A panic in the call is one in each of the
// goroutines that wait for it.
func (c *Client) await(ctx context.Context, q *reading) (shown, error) {
	select {
	case <-q.done:
	case <-ctx.Done():
		why := contextEnd(ctx)
		if !c.leave(q, why) {
			return shown{}, &OperationError{Operation: "DescribeInstances", InstanceID: q.id, Err: why}
		}
		<-q.done
	}
	if q.panicked != nil {
		panic(q.panicked)
	}
	return q.shown, q.err
}

// inVain answers a reading that the service is known to throttle for longer than it
// may wait. The reader's mutex is held.
func (c *Client) inVain(q *reading) bool {
	err := c.describeGate.inVain(q.ctx, max(0, c.retry.MaxThrottleWait-q.waited()))
	if err != nil {
		q.answer(shown{}, &OperationError{Operation: "DescribeInstances", InstanceID: q.id, Err: err})
	}
	return err != nil
}

// startCall sends a call off for those of the readings that somebody waits for, and
// not in vain. The reader's mutex is held.
func (c *Client) startCall(batch []*reading) {
	batch = slices.DeleteFunc(batch, func(q *reading) bool { return q.gone || c.inVain(q) })
	if len(batch) == 0 {
		return
	}
	call := &readCall{waiting: len(batch), held: true, left: time.Now()}
	c.reader.held++
	limit, limited := time.Time{}, true
	for _, q := range batch {
		if q.call != nil {
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
	c.reader.calls++
	go func() {
		defer cancel(nil)
		defer release()
		c.carry(ctx, call, batch)
	}()
}

// carry makes one call and hands out its answers.
func (c *Client) carry(ctx context.Context, call *readCall, batch []*reading) {
	returned := false
	defer func() {
		var panicked any
		if !returned { // a RoundTripper of the caller's panicked, or ended the goroutine
			panicked = recover()
		}
		c.reader.mu.Lock()
		defer c.reader.mu.Unlock()
		for _, q := range batch {
			if q.call == call && !q.answered() {
				q.panicked = panicked
				q.answer(shown{}, &OperationError{Operation: "DescribeInstances", InstanceID: q.id, Err: errors.New("the reading was broken off")})
			}
		}
		if call.held {
			call.held = false
			c.reader.held--
		}
		c.reader.calls--
		c.depart()
	}()
	slices.SortStableFunc(batch, func(a, b *reading) int { return strings.Compare(a.id, b.id) })
	switch err := c.readPages(ctx, call, batch); {
	case err == nil:
	case mayBlameID(err) && !isSingle(batch):
		c.narrow(ctx, call, batch, err)
	default:
		c.settle(call, batch, err)
	}
	returned = true
}

// idsOf returns the ids of a batch, which is sorted by them, each once.
func idsOf(batch []*reading) []string {
	ids := make([]string, len(batch))
	for i, q := range batch {
		ids[i] = q.id
	}
	return slices.Compact(ids)
}

// readPages answers the readings page by page, until there is none left or an
// error. Those that no page lists are answered by the last one.
func (c *Client) readPages(ctx context.Context, call *readCall, batch []*reading) error {
	attempts := c.retry.MaxAttempts
	q := query{ids: idsOf(batch), onLeave: func() { c.hasLeft(call) }}
	for _, r := range batch {
		q.waited = max(q.waited, r.waited())
		if !r.baseline {
			attempts = 1 // the next reading is the retry
		}
	}
	var list pager
	for {
		page, err := describePage[wireReading](ctx, c, q, attempts)
		if err != nil {
			return err
		}
		if wanted := c.handOut(call, batch, page); !wanted && ctx.Err() == nil {
			return nil
		}
		more, err := list.follow(&q, page)
		if err != nil {
			return err
		}
		if !more {
			c.handOutRest(call, batch, page)
			return nil
		}
	}
}

// handOut answers the readings that a page answers, and reports whether somebody
// waits for others. The batch is sorted by id.
func (c *Client) handOut(call *readCall, batch []*reading, page instancePage) (wanted bool) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	call.read = true
	for _, instance := range page.instances {
		i, _ := slices.BinarySearchFunc(batch, instance.ID, func(q *reading, id string) int { return cmp.Compare(q.id, id) })
		for ; i < len(batch) && batch[i].id == instance.ID; i++ {
			batch[i].answer(shown{instance: instance, left: call.left, sentAt: page.sentAt, clock: page.clock}, nil)
		}
	}
	return call.waiting > 0
}

// handOutRest answers the readings of what no page lists.
func (c *Client) handOutRest(call *readCall, batch []*reading, page instancePage) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	for _, q := range call.unanswered(batch) {
		q.answer(shown{instance: Instance{ID: q.id}, left: call.left, sentAt: page.sentAt, clock: page.clock}, nil)
	}
}

// waited is for how long the service keeps the reading waiting already.
func (q *reading) waited() time.Duration { return max(0, time.Since(q.since)) }

func (q *reading) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// answer is called with the reader's mutex held. The first answer counts.
func (q *reading) answer(s shown, err error) {
	if q.answered() {
		return
	}
	q.shown, q.err = s, err
	if q.call != nil && !q.gone {
		q.call.waiting--
	}
	close(q.done)
}
