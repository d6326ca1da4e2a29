package pace

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Adaptive is the [Pacer] that a client uses by default. It learns the rate limit of
// the service from the responses. The zero value is ready for use. One Adaptive stands
// for one operation in one region of one account. Clients of a process that share an
// Adaptive share what it learns.
//
// Without a limit from [NewAdaptive], an Adaptive delays no call until the service
// throttles one. The Adaptive is then closed:
//
//   - If the service names a time, no request is sent until then, or for five minutes at
//     most.
//   - Otherwise the Adaptive is closed until the service's next minute begins. Before
//     that, only single calls that have not been throttled yet are sent, as probes. If
//     such a probe is answered, the service does not count by minutes. The Adaptive then
//     opens at once. When the service throttles again without naming a time, the Adaptive
//     closes for two seconds, and for twice as long after each probe that is throttled, up
//     to a minute.
//
// When that time is over, one waiting call is sent as a probe. Once the service answers
// it, the other calls follow at a rate below what the service was seen to accept. A probe
// that is delayed for two seconds before it is sent loses its place to the next call; see
// the method Delay of [Reservation].
//
// The learned rate is raised slowly while nothing is throttled, and dropped once it has
// delayed no call for three minutes. The limit given to NewAdaptive always stays.
//
// Calls that have been throttled go first; apart from that, calls go in the order of
// their arrival. An Adaptive starts no goroutines.
type Adaptive struct {
	mu                  sync.Mutex // never held across a wait
	pace                pace
	again, fresh        list.List // of *waiter: throttled before, and not
	answered, throttled uint64
}

// waiter is a call that waits for its turn.
type waiter struct {
	wake    chan struct{} // for one signal
	latest  time.Time     // when it gives up
	element *list.Element
}

// NewAdaptive returns an Adaptive that lets at most callsPerMinute calls go each minute;
// 0 sets no limit. The error is a [FieldError].
func NewAdaptive(callsPerMinute float64) (*Adaptive, error) {
	if callsPerMinute != 0 && !(callsPerMinute >= 1 && callsPerMinute <= 1e6) { // NaN is refused as well
		return nil, &FieldError{"callsPerMinute", fmt.Sprintf("is %v calls a minute; it must be between 1 and 1,000,000", callsPerMinute)}
	}
	rate := callsPerMinute / paceWindow.Seconds()
	return &Adaptive{pace: pace{hint: rate, rate: rate}}, nil
}

// Acquire implements [Pacer]. It returns [ErrThrottled] as soon as it expects the call
// to wait longer than allowed, and a [FieldError] if ctx is nil.
func (g *Adaptive) Acquire(ctx context.Context, request Request) (Reservation, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if ctx.Err() != nil {
		return nil, contextEnd(ctx)
	}
	p, err := g.enter(ctx, max(0, request.MaxWait), request.Throttled > 0)
	if err != nil {
		return nil, err
	}
	return &reservation{pacer: g, pass: p}, nil
}

// reservation is a pass in the hands of a client.
type reservation struct {
	pacer    *Adaptive
	pass     pass
	reported atomic.Bool
}

func (r *reservation) Report(result Result) {
	if !r.reported.Swap(true) {
		r.pacer.leave(r.pass, result)
	}
}

// Delay and Proceed matter for a probe only.
func (r *reservation) Delay() {
	if r.pass.probe != 0 {
		r.pacer.prepare(r.pass)
	}
}

func (r *reservation) Proceed() {
	if r.pass.probe != 0 {
		r.pacer.prepared(r.pass)
	}
}

// enter waits until a request may be sent, for at most maxWait. Throttled says that the
// call was throttled before. It returns [ErrThrottled] at once if the pacer is known to
// stay closed beyond maxWait or the context's deadline, or is expected to because the
// service named no time. Each pass must be returned by leave.
func (g *Adaptive) enter(ctx context.Context, maxWait time.Duration, throttled bool) (p pass, err error) {
	g.mu.Lock()
	if g.pace.open() && g.again.Len()+g.fresh.Len() == 0 {
		p = g.pace.take()
		g.mu.Unlock()
		return p, nil
	}
	now := time.Now()
	giveUp := now.Add(maxWait)
	var w waiter
	line := &g.fresh
	if throttled {
		line = &g.again
	}
	for {
		wake := never
		if g.isFirst(line, w.element, now) {
			wake = g.pace.ready(now, throttled)
		}
		if wake <= 0 && ctx.Err() == nil {
			p = g.pace.take()
			break
		}
		if err = g.outlasts(ctx, now, giveUp); err != nil {
			break
		}
		if w.element == nil {
			w.wake, w.latest = make(chan struct{}, 1), giveUp
			if deadline, ok := ctx.Deadline(); ok && deadline.Before(giveUp) {
				w.latest = deadline
			}
			w.element = line.PushBack(&w)
		}
		g.mu.Unlock()
		await(ctx, w.wake, min(wake, giveUp.Sub(now)))
		g.mu.Lock()
		now = time.Now()
	}
	g.leaveLine(line, &w)
	g.mu.Unlock()
	return p, err
}

// await waits for a signal, a time or the context's end.
func await(ctx context.Context, wake <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// isFirst reports whether the pace may be asked for a call. The first fresh one may
// be a probe before those that the service has throttled.
func (g *Adaptive) isFirst(line *list.List, element *list.Element, now time.Time) bool {
	if line.Front() != element {
		return false
	}
	return line == &g.again || g.again.Len() == 0 || g.pace.tryable(now)
}

// leaveLine takes a call out of its line and wakes who is first then.
func (g *Adaptive) leaveLine(line *list.List, w *waiter) {
	if w.element != nil {
		line.Remove(w.element)
	}
	g.wakeFirst()
}

func (g *Adaptive) wakeFirst() {
	for _, line := range [...]*list.List{&g.again, &g.fresh} {
		if first := line.Front(); first != nil {
			first.Value.(*waiter).signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it has one already
	}
}

// outlasts reports that waiting is in vain.
func (g *Adaptive) outlasts(ctx context.Context, now, giveUp time.Time) error {
	if ctx.Err() != nil {
		return contextEnd(ctx)
	}
	if err := g.state().Refusal(ctx, giveUp.Sub(now)); err != nil {
		return err
	}
	if now.Before(giveUp) {
		return nil
	}
	if !g.pace.until.IsZero() {
		return &throttleError{why: "MaxThrottleWait is over, and the service still throttles"}
	}
	return &throttleError{why: fmt.Sprintf("MaxThrottleWait is over, at a pace of %.4g per minute", g.pace.rate*paceWindow.Seconds())}
}

// prepare is called when the caller delays a call that it may send. If the call is the
// probe and the delay lasts, the next waiter becomes the probe.
func (g *Adaptive) prepare(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.prepare(time.Now(), p)
	g.wakeFirst()
}

// prepared is called when that call is sent.
func (g *Adaptive) prepared(p pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.prepared(p)
}

// leave says what came of a request.
func (g *Adaptive) leave(p pass, result Result) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	probe := g.pace.isProbe(p)
	switch result.Response {
	case Answered:
		g.answered++
		g.pace.accepted(now, p, result.ServiceTime)
	case Throttled:
		g.throttled++
		g.pace.refused(now, p, result.ServiceTime, result.RetryAfter)
		g.wakeLosers()
		g.wakeFirst()
	case Unanswered:
		fallthrough
	default: // nor does an outcome that does not exist answer anything
		if probe {
			g.pace.probing = false // the next waiter takes it over
		}
	}
	if probe {
		g.wakeFirst()
	}
}

// wakeLosers wakes those for whom the gate stays closed for too long.
func (g *Adaptive) wakeLosers() {
	for _, line := range [...]*list.List{&g.again, &g.fresh} {
		for e := line.Front(); e != nil; e = e.Next() {
			if w := e.Value.(*waiter); w.latest.Before(g.pace.until) {
				w.signal()
			}
		}
	}
}

// State returns what the pacer does right now.
func (g *Adaptive) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.turn(time.Now())
	return g.state()
}

func (g *Adaptive) state() State {
	return State{
		RatePerMinute: g.pace.rate * paceWindow.Seconds(),
		Seeking:       g.pace.seeking,
		Closed:        !g.pace.until.IsZero(),
		Until:         g.pace.until,
		Asked:         g.pace.byHint && !g.pace.until.IsZero(),
		Waiting:       g.again.Len() + g.fresh.Len(),
		Answered:      g.answered,
		Throttled:     g.throttled,
	}
}
