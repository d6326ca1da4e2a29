package ecsreboot

import (
	"context"
	"errors"
	"slices"
	"time"
)

// What becomes of the polls when a request fails.
//
// If the service refused the request and an id in it may be why, narrow finds the ids to
// blame. Otherwise settle fails the polls, or starts a call for those that are worth one
// more.

// settle fails the polls that a failed request left without an answer, except two kinds,
// for which it starts another call: polls that have more patience than the one for which
// the request gave up, and baselines that shared the request with other polls, and so
// had one attempt.
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
	case call.waiting == 0: // nobody is left but the one who ended it
	case isHeldBack(err) && slices.ContainsFunc(rest, hasPatience):
		again, rest = split(rest, hasPatience)
	case slices.ContainsFunc(rest, isBaseline) && slices.ContainsFunc(rest, isOther):
		again, rest = split(rest, isBaseline)
	}
	p.startLocked(again)
	for _, q := range rest {
		q.answerLocked(observed{}, err)
	}
}

// split parts polls by whether they are chosen.
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
	return rowOf(refusal.Code, "").effect != effectFailed
}

// enoughDenied is how many ids must be refused by themselves until the service is taken
// to refuse all.
const enoughDenied = 3

// isSingle reports a batch for one id. Batches are sorted by id.
func isSingle(batch []*poll) bool { return batch[0].id == batch[len(batch)-1].id }

// halve parts a batch by its ids, of which there are several.
func halve(batch []*poll) (left, right []*poll) {
	ids := idsOf(batch)
	middle := ids[(len(ids)+1)/2]
	i := slices.IndexFunc(batch, func(q *poll) bool { return q.id == middle })
	return batch[:i], batch[i:]
}

// narrow finds the ids to blame for a refused request, so that only their polls fail.
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
			case ctx.Err() != nil: // nobody waits any more
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

// hold returns the polls of a part that somebody waits for, which the next request
// serves: until the pacer lets it go, other polls gather. Once nobody waits for the call,
// it returns all, as the poll whose end ended the call needs an answer.
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

// discount takes the time since the last request left off what the polls have waited for
// the service to stop throttling.
func (p *poller) discount(call *pollCall, batch []*poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if call.held { // it did not leave
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
		q.answerLocked(observed{}, err)
	}
}
