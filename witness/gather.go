package witness

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxIDs is how many instances one call asks about at most.
	maxIDs = 100
	// gatherTime is how long a question waits for other questions.
	gatherTime = 500 * time.Millisecond
	// gatherRate and gatherBurst limit the calls to gatherRate+gatherBurst in any minute.
	gatherRate  = 100
	gatherBurst = 8
)

// gatherer gathers questions about instances, so that one call answers up to maxIDs
// questions. The questions about a region are answered in order. A gatherer has a timer for
// each region in which questions wait, and a goroutine only during a call.
type gatherer[T any] struct {
	limiter *rate.Limiter
	// fetch asks about instances of a region. No ID occurs twice. fetch must return soon.
	fetch func(ctx context.Context, region string, ids []string) (map[string]T, error)
	// splits reports whether one of several instances may be the cause of an error.
	splits func(error) bool

	mu     sync.Mutex
	queues map[string]*queue[T]
}

// queue has the questions of a region.
type queue[T any] struct {
	waiting   []*question[T] // in order; no ID occurs twice
	byID      map[string]*question[T]
	scheduled bool // there is a timer for the next call
}

// question is a question about an instance. The fields after done are written before done
// is closed.
type question[T any] struct {
	id     string
	askers int // how many callers still wait
	done   chan struct{}
	answer T
	found  bool
	err    error
}

func newGatherer[T any](fetch func(context.Context, string, []string) (map[string]T, error), splits func(error) bool) *gatherer[T] {
	return &gatherer[T]{
		limiter: rate.NewLimiter(rate.Limit(gatherRate)/60, gatherBurst), fetch: fetch, splits: splits, queues: map[string]*queue[T]{},
	}
}

// ask returns the answer about an instance from a call that has not begun yet. found is
// false if the response does not list the instance.
func (g *gatherer[T]) ask(ctx context.Context, region, id string) (answer T, found bool, err error) {
	q := g.join(region, id)
	select {
	case <-q.done:
		return q.answer, q.found, q.err
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		q.askers-- // take drops a question without askers
		return answer, false, ctx.Err()
	}
}

func (g *gatherer[T]) join(region, id string) *question[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.queues[region]
	if line == nil {
		line = &queue[T]{byID: map[string]*question[T]{}}
		g.queues[region] = line
	}
	q := line.byID[id]
	if q == nil {
		q = &question[T]{id: id, done: make(chan struct{})}
		line.byID[id] = q
		line.waiting = append(line.waiting, q)
	}
	q.askers++
	g.scheduleLocked(region, line)
	return q
}

// scheduleLocked sets the timer for the next call of a region, if questions wait and no
// timer is set. The caller holds mu.
func (g *gatherer[T]) scheduleLocked(region string, line *queue[T]) {
	if line.scheduled || len(line.waiting) == 0 {
		return
	}
	line.scheduled = true
	time.AfterFunc(max(gatherTime, g.limiter.Reserve().Delay()), func() { g.answer(region, g.take(region, line)) })
}

// take removes the questions for the next call.
func (g *gatherer[T]) take(region string, line *queue[T]) (batch []*question[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(line.waiting) > 0 && len(batch) < maxIDs {
		q := line.waiting[0]
		line.waiting = line.waiting[1:]
		delete(line.byID, q.id)
		if q.askers > 0 {
			batch = append(batch, q)
		}
	}
	line.scheduled = false
	g.scheduleLocked(region, line)
	return batch
}

// answer makes a call and answers the questions. If one instance may be the cause of an
// error, answer makes a call for each half of the instances.
func (g *gatherer[T]) answer(region string, batch []*question[T]) {
	if len(batch) == 0 {
		return
	}
	ids := make([]string, len(batch))
	for i, q := range batch {
		ids[i] = q.id
	}
	answers, err := g.fetch(context.Background(), region, slices.Clone(ids))
	if err != nil && len(batch) > 1 && g.splits(err) {
		for _, half := range [][]*question[T]{batch[:len(batch)/2], batch[len(batch)/2:]} {
			_ = g.limiter.Wait(context.Background()) // fails only with a context that ends
			g.answer(region, half)
		}
		return
	}
	for _, q := range batch {
		q.answer, q.found = answers[q.id]
		q.err = err
		close(q.done)
	}
}
