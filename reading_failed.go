package ecsreboot

import (
	"context"
	"errors"
	"slices"
	"time"
)

// settle says what becomes of the readings that a failed request left without an
// answer. They fail, except for those that have more patience than the one for which the
// request gave up, and for baselines that shared it with polls, which are worth one
// attempt only: those are asked for again.
func (c *Client) settle(call *readCall, batch []*reading, err error) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	rest := call.unanswered(batch)
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

// unanswered returns the readings of a batch that are still the call's and have no
// answer. The reader's mutex is held.
func (call *readCall) unanswered(batch []*reading) []*reading {
	return slices.DeleteFunc(slices.Clone(batch), func(q *reading) bool { return q.call != call || q.answered() })
}

// mayBlameID reports a refusal that may be due to one of the ids: to its form, or to a
// missing permission to read it.
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
	return !isServiceFailure(refusal.Code)
}

// enoughDenied is how many ids in a row must be refused by themselves until the service
// is taken to refuse all.
const enoughDenied = 3

// isSingle reports a batch for one id. Batches are sorted by id.
func isSingle(batch []*reading) bool { return batch[0].id == batch[len(batch)-1].id }

// halve parts a batch by its ids, of which there are several.
func halve(batch []*reading) (left, right []*reading) {
	ids := idsOf(batch)
	middle := ids[(len(ids)+1)/2]
	i := slices.IndexFunc(batch, func(q *reading) bool { return q.id == middle })
	return batch[:i], batch[i:]
}

// narrow finds the ids to blame for a refused request, so that only their readings fail.
// It asks for both halves of what was refused, and goes on with a half that is refused
// again, until each of these ids stands alone.
//
// Each of k such ids among n makes at most ⌈log2 n⌉ requests fail that ask for several,
// and each of them is followed by two: 1 + 2·k·⌈log2 n⌉ requests in all.
//
// An identity without any permission would cost two requests an id. So once three ids
// have been refused by themselves, and nothing was read, all are taken to be. Both halves
// are asked for before one is parted, and one is parted to the end before the other: so
// the three come after 3 + 2·⌈log2 n⌉ requests at most, and not because of three ids
// alone. To get there without anything read, each half that was passed by on the way down
// must have been refused as well, and so hold another id to blame: that takes more than
// ⌊log2 n⌋ of them.
func (c *Client) narrow(ctx context.Context, call *readCall, batch []*reading, refusal error) {
	c.discount(call, batch)
	refused := [][]*reading{batch}
	for alone := 0; len(refused) > 0; {
		last := len(refused) - 1
		left, right := halve(refused[last])
		refused = refused[:last]
		for _, half := range [...][]*reading{left, right} {
			if half = c.hold(call, half); len(half) == 0 {
				continue
			}
			err := c.readPages(ctx, call, half)
			c.discount(call, batch)
			switch {
			case err == nil:
			case ctx.Err() != nil: // nobody waits any more
				c.fail(call, batch, err)
				return
			case !mayBlameID(err):
				c.settle(call, half, err)
			case !isSingle(half):
				refused = append(refused, half)
			default:
				c.fail(call, half, err)
				if alone++; alone >= enoughDenied && !call.read {
					c.fail(call, batch, refusal)
					return
				}
			}
		}
	}
}

// hold returns the readings of a part that somebody waits for, which are asked for next:
// until the gate lets them go, others gather. Of those that nobody waits for, the last
// one needs an answer if it ended the call.
func (c *Client) hold(call *readCall, part []*reading) []*reading {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	part = call.unanswered(part)
	if call.waiting > 0 {
		part = slices.DeleteFunc(part, func(q *reading) bool { return q.gone })
	}
	if len(part) > 0 && !call.held {
		call.held = true
		c.reader.held++
	}
	return part
}

// discount takes the time since the last request left off what the readings have waited
// for the service to stop throttling.
func (c *Client) discount(call *readCall, batch []*reading) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	if call.held { // it did not leave
		return
	}
	for _, q := range call.unanswered(batch) {
		q.since = q.since.Add(time.Since(call.left))
	}
}

// fail answers the readings of a batch that have no answer.
func (c *Client) fail(call *readCall, batch []*reading, err error) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	for _, q := range call.unanswered(batch) {
		q.answer(shown{}, err)
	}
}
