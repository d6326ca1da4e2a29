package pace

import (
	"math"
	"time"
)

// The service counts in windows of a minute, as documented.
const paceWindow = time.Minute

const (
	// maxClosed bounds how long one answer closes the gate for everybody. The
	// service counts in minutes; what it claims beyond that a probe finds out.
	maxClosed = 5 * time.Minute
	// paceMemory is how long a limit is remembered that holds nobody up.
	paceMemory = 3 * time.Minute
	// firstProbe is when a closed gate is first tried before its time; each
	// further try waits twice as long as the one before.
	firstProbe = 2 * time.Second
	// seekTime is how long the pace takes to double while it looks for the limit.
	seekTime = 10 * time.Second
	// raiseTime is how often a pace without known windows is raised.
	raiseTime = 20 * time.Second
	// pressing is for how long the demand of calls that wait for the pace counts.
	pressing = 5 * time.Second
	// preparation is how long a probe may take before it is sent.
	preparation = 2 * time.Second
)

const (
	seekFrom    = 2.0      // calls a second, where the search begins if there is no better guess
	paceFloor   = 1.0 / 60 // calls a second, the slowest pace
	paceCeil    = 1e6      // calls a second, above which there is no limit
	burst       = 2.0      // seconds' worth of calls that may be caught up with …
	hintedBurst = 0.05     // … and under a hint
	raiseCalls  = 2.0 / 60 // what a raise adds at least, for small limits
	maxRaise    = 1.0      // what it adds at most, relative to the pace
	handful     = 10       // accepted calls from which on a throttled minute shows the limit
	slots       = 12       // of which the last minute is made
	slotTime    = paceWindow / slots
)

// pace learns the limit of a service from its responses, and determines when the next
// call may be sent. It has neither a clock nor a lock.
//
// There are two kinds of services:
//
//   - The documented kind counts calls in the minutes of its clock. When it throttles,
//     the number of calls that it accepted since the minute began is the limit, or the
//     share of the limit that other clients leave. It accepts calls again when the next
//     minute begins.
//   - The other kind, like a token bucket, accepts calls again at any time.
//
// pace assumes the documented kind until the service accepts or throttles a call
// against that assumption; then the pace is free of the minutes.
//
// After a throttle the pace is set a little below the limit found. While it holds
// calls up and nothing is throttled, it is raised, slowly up to that limit and
// faster and faster beyond it.
type pace struct {
	hint float64 // calls a second that are never exceeded; 0: none
	rate float64 // calls a second; 0: no limit is known
	// credit is how many calls may be sent at once.
	credit   float64
	creditAt time.Time

	// Closed if until is set, and at least until then. A call that was not yet
	// throttled may be the probe from early on.
	until, early time.Time
	wait         time.Duration // before the next early probe
	byHint       bool          // until is what the service asked for
	probing      bool
	probes       uint64    // counts them
	lapses       time.Time // when another call may be the probe, as this one is not sent yet
	epoch        uint64    // counts the closings

	// The minute that the service counts in.
	offset     time.Duration // the service's clock less ours
	minute     time.Time
	raisedAt   time.Time // at the beginning of a minute
	counted    float64   // accepted in it …
	countedOld float64   // … and in the one before
	throttled  bool      // in this minute
	pressed    bool      // in this minute somebody had to wait for the pace
	pressedAt  time.Time // when somebody last had to
	busyAt     time.Time // when somebody last had to wait, for the gate as well

	// The limit.
	limit, limitOld float64   // calls a second; 0: none found yet
	foundBy         float64   // accepted in the minute that was throttled
	little          bool      // which was too little to tell of the limit
	seeking         bool      // nothing near the limit is known
	first, guessed  bool      // limitOld is none, or was never reached
	step            float64   // what the next raise adds, relative to the pace
	free            bool      // free of the minutes
	slow            bool      // free, but a closing lasted for long
	byMinute        int       // closings in a row that nothing but the minute ended
	raiseAt         time.Time // free: when to raise next
	since           time.Time // free: of the count that follows
	slot            int64
	recent          [slots]float64
}

// pass is one call that the pace let go.
type pass struct {
	epoch uint64
	probe uint64 // its number; 0: none
}

// open reports that nothing at all holds calls back.
func (p *pace) open() bool { return p.rate == 0 && p.until.IsZero() }

const never = time.Duration(math.MaxInt64)

// ready returns how long it takes until a call may be sent: 0 is now, never is
// when something changes. throttled reports that this call was throttled before.
func (p *pace) ready(now time.Time, throttled bool) time.Duration {
	p.turn(now)
	if p.probing {
		if p.lapses.IsZero() {
			return never
		} else if wait := p.lapses.Sub(now); wait > 0 {
			return wait
		}
	}
	switch {
	case !p.until.IsZero():
		at := p.until
		if !throttled && p.tryable(now) && p.early.Before(at) {
			at = p.early
		}
		return max(0, at.Sub(now))
	case p.rate == 0:
		return 0
	}
	p.refill(now)
	if p.credit >= 1-1e-9 || p.rate == 0 {
		return 0
	}
	p.pressed, p.pressedAt, p.busyAt = true, now, now
	// The pace may be raised meanwhile.
	return min(time.Second, p.timeOf(1-p.credit)+1)
}

// tryable reports that a call may be tried before the time at which the gate opens.
func (p *pace) tryable(now time.Time) bool { return !p.early.IsZero() && now.Before(p.until) }

// take lets a call go that is ready.
func (p *pace) take() pass {
	if !p.until.IsZero() {
		p.probes++
		p.probing, p.lapses = true, time.Time{}
		return pass{epoch: p.epoch, probe: p.probes}
	}
	if p.rate > 0 {
		p.credit--
	}
	return pass{epoch: p.epoch}
}

// isProbe reports that the others wait for what comes of this call. A probe that
// another call took over is like any other.
func (p *pace) isProbe(from pass) bool { return p.probing && from.probe == p.probes }

// prepare is called when the caller delays a call that it may send.
func (p *pace) prepare(now time.Time, from pass) {
	if !p.isProbe(from) {
		return
	}
	limit := preparation
	if p.hint > 0 { // which each that takes over would exceed
		limit = max(limit, p.timeOf(1))
	}
	p.lapses = now.Add(limit)
}

// prepared is called when that call is sent.
func (p *pace) prepared(from pass) {
	if p.isProbe(from) {
		p.lapses = time.Time{}
	}
}

// refill gives the credit of the time that went by, and raises the pace by it.
func (p *pace) refill(now time.Time) {
	passed := now.Sub(p.creditAt)
	if passed <= 0 {
		return
	}
	switch {
	case p.seeking && p.pressed:
		p.setRate(p.rate * (1 + math.Ln2*min(passed, firstProbe).Seconds()/seekTime.Seconds()))
	case p.free && p.pressed && !now.Before(p.raiseAt):
		p.raise()
		p.raiseAt = now.Add(p.untilRaise())
	}
	p.creditAt = now
	p.credit = min(p.maxCredit(), p.credit+p.rate*passed.Seconds())
}

// maxCredit is how many calls may go at once. A hint is a promise, so that there is
// little to catch up with under it.
func (p *pace) maxCredit() float64 {
	if p.hint > 0 {
		return max(1, p.rate*hintedBurst)
	}
	return max(1, p.rate*burst)
}

func (p *pace) setRate(rate float64) {
	p.rate = max(rate, paceFloor)
	if p.hint > 0 {
		p.rate = min(p.rate, p.hint)
	}
	if p.rate > paceCeil {
		p.forget()
	}
}

// raise raises the pace, in steps that quadruple once it is beyond the known limit.
func (p *pace) raise() {
	if p.seeking || p.limit == 0 {
		return
	}
	p.setRate(p.rate*(1+p.step) + raiseCalls)
	if p.rate >= p.limit {
		p.step = min(4*p.step, maxRaise)
	}
}

func (p *pace) untilRaise() time.Duration {
	if p.slow { // there are windows, although not the clock's minutes
		return paceWindow
	}
	return raiseTime
}

// forget gives up what was learned.
func (p *pace) forget() {
	p.rate, p.limit, p.seeking = p.hint, 0, false
	p.until, p.early = time.Time{}, time.Time{}
}

// turn does what is due when a minute of the service has begun.
func (p *pace) turn(now time.Time) {
	if p.limit > 0 && !p.probing && now.Sub(p.busyAt) >= paceMemory && now.Sub(p.until) >= paceMemory {
		p.forget()
	}
	if into := now.Add(p.offset).Sub(p.minute); into >= 0 && into < paceWindow {
		return
	}
	minute := p.minuteOf(now)
	// Where several clocks answer, a minute may begin more than once.
	if p.pressed && !p.throttled && !p.free && p.until.IsZero() && now.Sub(p.raisedAt) > paceWindow/2 {
		p.raise()
		p.raisedAt = now
	}
	p.countedOld = 0
	if minute.Equal(p.minute.Add(paceWindow)) {
		p.countedOld = p.counted
	}
	p.minute, p.counted, p.throttled, p.pressed = minute, 0, false, false
}

func (p *pace) minuteOf(now time.Time) time.Time { return now.Add(p.offset).Truncate(paceWindow) }

// nextMinute is when the service's next minute begins, on our clock that nobody
// sets.
func (p *pace) nextMinute(now time.Time) time.Time {
	left := paceWindow - now.Add(p.offset).Sub(p.minuteOf(now))
	return now.Add(min(max(left, 1), paceWindow))
}
