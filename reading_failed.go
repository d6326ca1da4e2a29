package ecsreboot

import (
	"context"
	"errors"
	"slices"
	"time"
)

// settle says what becomes of the readings that a failed call left without an
// answer. One id must not fail the others: if the refusal may be due to an id, and
// not all are denied, they are asked for again in parts. Readings that are worth one
// attempt fail; baselines that shared it with them are asked for by themselves.
func (c *Client) settle(call *readCall, batch []*reading, err error, allDenied bool) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(batch), func(q *reading) bool { return q.answered() })
	isBaseline := func(q *reading) bool { return q.baseline }
	isPoll := func(q *reading) bool { return !q.baseline }
	longest := time.Duration(0)
	for _, q := range rest {
		if longest = max(longest, q.waited()); !errors.Is(err, ErrThrottled) {
			q.since = time.Now()
		}
	}
	hasPatience := func(q *reading) bool { return q.waited() < longest-gatherTime }
	switch {
	case call.waiting == 0: // nobody is left but the one who ended it
	case !allDenied && rest[0].id != rest[len(rest)-1].id && mayBlameID(err):
		c.part(rest, err)
		return
	case isHeldBack(err) && slices.ContainsFunc(rest, hasPatience):
		// It gave up for the one that waited longest.
		c.startCall(slices.DeleteFunc(slices.Clone(rest), func(q *reading) bool { return !hasPatience(q) }))
		rest = slices.DeleteFunc(rest, hasPatience)
	case slices.ContainsFunc(rest, isBaseline) && slices.ContainsFunc(rest, isPoll):
		c.startCall(slices.DeleteFunc(slices.Clone(rest), isPoll))
		rest = slices.DeleteFunc(rest, isBaseline)
	}
	for _, q := range rest {
		q.answer(shown{}, err)
	}
}

func isHeldBack(err error) bool {
	_, ok := errors.AsType[*throttleError](err)
	return ok
}

// mayBlameID reports a refusal that may be due to one of the ids: its form, or
// that the caller may not read it.
func mayBlameID(err error) bool {
	return refusedWith(err) != "" && !errors.Is(err, ErrThrottled) && !errors.Is(err, ErrUnauthenticated)
}

// refusedWith returns the code of a refusal, empty for any other failure.
func refusedWith(err error) ErrorCode {
	if refusal, ok := errors.AsType[*APIError](err); ok && refusal.StatusCode/100 == 4 {
		return refusal.Code
	}
	return ""
}

// parting is a refused call that is made again in parts: both halves, and one id by
// itself. If the same refusal is the answer to each, it is taken for that of all ids,
// as by a missing permission, and they are parted no further. The reader's mutex
// guards it.
type parting struct {
	code    ErrorCode     // of the refusal
	open    int           // parts that have not told
	differs bool          // a part came to something else
	known   chan struct{} // closed once one differs, or all have told
}

// part makes a refused call again in parts. The reader's mutex is held.
func (c *Client) part(rest []*reading, err error) {
	half := len(rest) / 2
	parts := [][]*reading{slices.Clone(rest[:half]), slices.Clone(rest[half : half+1]), slices.Clone(rest[half+1:])}
	p := &parting{code: refusedWith(err), known: make(chan struct{})}
	for _, batch := range parts {
		if call := c.startCall(batch); call != nil {
			call.parted = p
			p.open++
		}
	}
}

// tell notes the code that a part was refused with, empty if it was not. The first
// time counts.
func (p *parting) tell(call *readCall, code ErrorCode) {
	if p == nil {
		return
	}
	call.parted = nil
	p.open--
	if done := p.differs; !done {
		p.differs = code != p.code
		if p.differs || p.open == 0 {
			close(p.known)
		}
	}
}

// allDenied tells of a failed call that is a part of another, and reports whether
// all parts were refused like that one. It waits until that is known, if this part
// could be parted further.
func (c *Client) allDenied(ctx context.Context, call *readCall, batch []*reading, err error) bool {
	c.reader.mu.Lock()
	p := call.parted
	p.tell(call, refusedWith(err))
	c.reader.mu.Unlock()
	if p == nil || batch[0].id == batch[len(batch)-1].id {
		return false
	}
	select {
	case <-p.known:
	case <-ctx.Done():
		return true // nobody can wait for more
	}
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	return p.open == 0 && !p.differs
}
