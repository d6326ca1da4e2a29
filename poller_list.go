package ecsreboot

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// This file lists instances by status, which saves requests for very many waits.
//
// A page lists up to 100 instances, and a request by ids polls as many. So if most of the
// polled instances are down, as in a run that nothing but its width limits, a list takes as
// many requests as their ids. A list saves requests while very many waits look for instances
// that go down and few of these are down, such as waits for restarts that others send: the
// few pages with the instances that are down take the place of requests for all ids. The
// lists are read if that takes a tenth of the requests, by the number of pages of the last
// lists. As many requests by ids follow as the lists took, so that no poll waits for lists
// alone, and four times as many if the lists answered no poll.
//
// The rules for the evidence:
//
//   - A listed instance had the status that was listed. The service may have taken the whole
//     list when the first page was requested, so a list is as old as its first request, and
//     answers only polls that were allowed to leave by then.
//   - An instance that is not listed may have any status: it may have changed its status
//     between two pages, or the caller may not list it. So its poll stays in the queue and is
//     read by id. A poll of an instance that was down goes first, because the instance is
//     probably Running again.
//   - Running and Stopped are not listed. If a page has an instance in another status than
//     the one listed, the page says nothing of the instance. Lists answer no baseline.

// listedStatuses are the statuses that are listed, in the order in which a restarting
// instance passes through them, so that one that moves on is not missed.
var listedStatuses = [...]Status{StatusStopping, StatusStarting}

const (
	// listSaves is how many times fewer requests lists must take than ids.
	listSaves = 10
	// uselessLists is by how much fewer the lists are while they answer no poll.
	uselessLists = 4
	// listPause is how long no list follows one that failed or was too long.
	listPause = time.Minute
)

// lists is what the poller knows of the lists by status, guarded by its mu.
type lists struct {
	current *statusList // the one in progress, or nil
	pages   int         // of the last complete lists
	owed    int         // requests by ids that come before the next list
	resume  time.Time   // when the next list may begin
	denied  bool        // the caller may not list instances
}

// statusList is one turn of lists, of each of listedStatuses.
type statusList struct {
	begun    time.Time // when the first request of the turn left
	listed   time.Time // when the first request of the current list left
	statuses []Status  // not listed yet, the current one first
	query    query
	pager    pager
	pages    int // so far
	most     int // how many pages save requests
	answered int // polls
	busy     bool
	cancel   context.CancelFunc
}

// listsLocked reports whether the next request is one for a page of a list.
func (p *poller) listsLocked(now time.Time) bool {
	l := &p.lists
	switch {
	case len(p.ready) == 0, p.resumes.After(now), p.ready[0].at.After(now), l.denied:
		return false // the next request is for baselines
	case l.current != nil:
		return !l.current.busy
	case l.owed > 0, now.Before(l.resume), p.client.describeGate.state().Closed:
		return false
	}
	up := 0
	for _, q := range p.ready {
		if !q.down {
			up++
		}
	}
	most := up / maxInstanceIDs / listSaves
	if most < max(l.pages, len(listedStatuses)) {
		return false
	}
	l.current = &statusList{statuses: listedStatuses[:], most: most}
	l.current.next()
	return true
}

// next makes the query of the current status.
func (t *statusList) next() {
	t.listed, t.pager = time.Time{}, pager{}
	t.query = query{filter: []field{{"Status", string(t.statuses[0])}}}
}

// startPageLocked requests the next page.
func (p *poller) startPageLocked() {
	turn := p.lists.current
	call := &pollCall{held: true}
	p.held++
	p.calls++
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ready[0].ctx))
	turn.busy, turn.cancel = true, cancel
	turn.query.onLeave = func(string) { p.hasLeft(call) }
	go func() {
		defer cancel()
		page, err := instancePage{}, errors.New("the list was broken off")
		defer func() { p.endPage(call, turn, page, err) }() // also after runtime.Goexit
		// The polls by ids show a panic to the callers.
		apart.Catch(func() { page, err = describePage[wireReading](ctx, p.client, turn.query, 1) }, func(any) {})
	}()
}

// endPage takes in a page. If it could not be read, the polls are read by ids.
func (p *poller) endPage(call *pollCall, turn *statusList, page instancePage, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if call.held {
		call.held = false
		p.held--
	}
	p.calls--
	turn.busy = false
	if p.lists.current != turn { // abandoned
		p.departLocked()
		return
	}
	more := false
	if err == nil {
		if turn.listed.IsZero() {
			turn.listed = call.left
		}
		if turn.begun.IsZero() {
			turn.begun = call.left
		}
		turn.pages++
		turn.answered += p.answerListedLocked(turn, page)
		more, err = turn.pager.follow(&turn.query, page)
	}
	l, now := &p.lists, time.Now()
	switch {
	case err != nil:
		l.current, l.resume, l.denied = nil, now.Add(listPause), errors.Is(err, ErrAccessDenied)
	case !more && len(turn.statuses) == 1:
		l.current, l.pages, l.owed = nil, turn.pages, turn.pages
		if turn.answered == 0 {
			l.owed *= uselessLists
		}
		p.unlistedLocked(turn)
	case turn.pages >= turn.most:
		l.current, l.resume = nil, now.Add(listPause)
	case !more:
		turn.statuses = turn.statuses[1:]
		turn.next()
	}
	p.departLocked()
}

// answerListedLocked answers the polls of the instances that a page lists, and returns how
// many they were.
func (p *poller) answerListedLocked(turn *statusList, page instancePage) int {
	listed := make(map[string]Instance, len(page.instances))
	for _, instance := range page.instances {
		if instance.Status == turn.statuses[0] {
			listed[instance.ID] = instance
		}
	}
	answered := slices.DeleteFunc(slices.Clone(p.ready), func(q *poll) bool {
		_, ok := listed[q.id]
		return !ok || q.earliest.After(turn.listed)
	})
	for _, q := range answered {
		heap.Remove(&p.ready, q.index)
		q.answerLocked(&observed{instance: listed[q.id], left: turn.listed, sentAt: page.sentAt, clock: page.clock}, nil)
	}
	return len(answered)
}

// unlistedLocked makes the polls most urgent whose instances were down before complete lists
// and were in none of them.
func (p *poller) unlistedLocked(turn *statusList) {
	for _, q := range slices.Clone(p.ready) {
		if q.down && !q.earliest.After(turn.begun) {
			q.at = time.Time{}
			heap.Fix(&p.ready, q.index)
		}
	}
}

// abandonLocked ends the list in progress if no poll waits any more, neither in a queue nor
// for an answer by ids.
func (l *lists) abandonLocked(p *poller) {
	turn, calls := l.current, p.calls
	if turn != nil && turn.busy {
		calls-- // the call for the page
	}
	if turn == nil || calls+len(p.ready)+len(p.urgent)+len(p.early) > 0 {
		return
	}
	l.current = nil
	if turn.busy {
		turn.cancel()
	}
}
