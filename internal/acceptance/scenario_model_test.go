package acceptance_test

import (
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The model says how a wait must end, from what is arranged alone: it knows the
// truth about the instance, which the client has to find out. It is written
// after the documentation and shares no code with what it judges.
//
// The waits between readings have jitter, so a reading falls into an interval. If
// the instance changes within one, the model follows both ways, and the verdict
// is one of several.

// verdict is one way for a wait to end, some time between from and to.
type verdict struct {
	what     string
	outcome  ecsreboot.Outcome
	sends    int
	from, to time.Duration
}

// What a wait comes to.
const (
	provenByStatus    = "proven by status"
	provenByStartTime = "proven by start time"
	provenByRefusal   = "proven by refusal"
	notSettled        = "not proven: the send did not show"
	notInTime         = "not proven: the time is over"
	locked            = "locked"
	gone              = "not listed"
	notRunning        = "not running"
	denied            = "denied"
	faulty            = "too many readings failed"
	refused           = "refused"
)

// view is what there is to see of the instance from a moment on.
type view struct {
	from   time.Duration
	status ecsreboot.Status
	minute int // of its last start
	locked bool
	gone   bool
}

// course is all there will be to see.
type course struct {
	truth, shown []view
	minuteOf     func(time.Duration) int
}

func at(views []view, t time.Duration) view {
	i := len(views) - 1
	for i > 0 && views[i].from > t {
		i--
	}
	return views[i]
}

// since replaces all from t on.
func since(views []view, t time.Duration, next ...view) []view {
	views = slices.DeleteFunc(views, func(v view) bool { return v.from >= t })
	return append(views, next...)
}

// restart is false if the instance is in no state for it.
func (c *course) restart(t time.Duration, p ecstest.RebootProfile) bool {
	v, shown := at(c.truth, t), at(c.shown, t)
	if v.gone || v.locked || v.status != ecsreboot.StatusRunning {
		return false
	}
	took := max(p.Graceful, 0)
	share := took / time.Duration(len(p.Path))
	var next []view
	if took > 0 || p.Hang {
		for i, status := range p.Path {
			next = append(next, view{from: t + share*time.Duration(i), status: status, minute: v.minute})
		}
	}
	if !p.Hang {
		up := view{from: t + took, status: ecsreboot.StatusRunning, minute: v.minute}
		if !p.KeepStartTime {
			up.minute = c.minuteOf(up.from)
		}
		next = append(next, up)
	}
	c.truth = since(c.truth, t, next...)
	visible := t + p.Stale
	shown.from = t
	c.shown = since(c.shown, t, shown)
	for _, n := range next {
		n.from = max(n.from, visible)
		c.shown = since(c.shown, n.from, n)
	}
	return true
}

// happen is what others do to the instance.
func (c *course) happen(h happening, p ecstest.RebootProfile) {
	now := at(c.truth, h.at)
	now.from = h.at
	switch h.what {
	case anotherRestart:
		c.restart(h.at, p)
		return
	case locking:
		for _, views := range []*[]view{&c.truth, &c.shown} {
			v := at(*views, h.at)
			v.from = h.at
			*views = append(*views, v)
			slices.SortStableFunc(*views, func(a, b view) int { return int(a.from - b.from) })
			for i := range *views {
				(*views)[i].locked = (*views)[i].from >= h.at
			}
		}
		return
	case stopping:
		now.status = ecsreboot.StatusStopped
	case starting:
		now.status, now.minute = ecsreboot.StatusRunning, c.minuteOf(h.at)
	case vanishing:
		now.gone = true
	}
	c.truth, c.shown = since(c.truth, h.at, now), since(c.shown, h.at, now)
}

// model follows one send.
type model struct {
	scenario
	course
	base              int           // the minute of the baseline's StartTime
	sent              int           // the minute of the send, by the service's clock
	known, knownHi    time.Duration // when the outcome of the send is known
	inTheWay          bool
	outcome           ecsreboot.Outcome
	sends             int
	shiftLo, shiftHi  time.Duration // of this send's zero from the call's
	verdicts          []verdict
	earlier, deadline time.Duration // the deadline lies between
}

// reading is the next one, and what the ones before came to.
type reading struct {
	lo, hi       time.Duration
	nth          int  // of all
	down         bool // not Running, when the waits began anew
	passed       bool // in a status of a restart
	moved        bool
	absent, bad  int
	vain         int           // in a row that did not show the instance
	begun        time.Duration // since when the waits grow, at least …
	begunHi      time.Duration // … and at most
	heldUntilAdd time.Duration // the gate is shut for so long after the last one
}

// expect returns all ways for the scenario to end.
func (x scenario) expect() []verdict {
	m := &model{scenario: x, sends: 1, outcome: x.send.outcome, known: x.send.held + x.send.answered, knownHi: x.send.held + x.send.answered, earlier: x.timeout(), deadline: x.timeout()}
	m.minuteOf = func(t time.Duration) int { return int((x.offset+t+time.Hour)/time.Minute) - 60 }
	m.base = -60
	m.sent = m.sendMinute()
	if x.young {
		m.base = m.minuteOf(-x.life.earlier)
	}
	begin := view{status: ecsreboot.StatusRunning, minute: m.base, from: -time.Hour}
	m.truth, m.shown = []view{begin}, []view{begin}
	if x.life.earlier > 0 {
		m.restart(-x.life.earlier, x.life.profile)
	}

	acts := x.send.held + x.send.at
	acted, possible := !x.send.acts, true
	for _, h := range x.life.others {
		if !acted && h.at > acts {
			acted = true
			possible = m.restart(acts, x.life.profile)
		}
		m.happen(h, x.life.profile)
	}
	if !acted {
		possible = m.restart(acts, x.life.profile)
	}
	if what, after := m.early(); what != "" {
		m.end(what, notSent, 0, x.send.held+after, x.send.held+after)
		return m.verdicts
	}
	if m.outcome == rejected || m.outcome == accepted && !possible {
		m.end(refused, rejected, 0, m.known, m.known)
		return m.verdicts
	}
	first := m.known + time.Second
	m.read(reading{lo: first, hi: first, begun: m.known, begunHi: m.known})
	return m.verdicts
}

// sendMinute is the minute of the send as the client must take it: the Date of the
// baseline, which is cut to the second, the time from there to the send, and what the
// Date may have been cut by.
func (m *model) sendMinute() int {
	baseline := time.Duration(0)
	if m.send.held > 5*time.Second {
		baseline = m.send.held // read again
	}
	date := (m.offset + baseline).Truncate(time.Second)
	return int((date + m.send.held - baseline + time.Second - 1) / time.Minute)
}

// early is why nothing is sent: what the baseline shows, or its second reading if
// the send was held for long.
func (m *model) early() (what string, after time.Duration) {
	for _, t := range []time.Duration{0, m.send.held} {
		if t > 0 && t <= 5*time.Second {
			continue
		}
		switch v := at(m.shown, t-1); { // what is shown just before we act
		case v.gone:
			return gone, time.Second // asked for again
		case v.locked:
			return locked, 0
		case v.status != ecsreboot.StatusRunning:
			return notRunning, 0
		}
	}
	return "", 0
}

func (m *model) end(what string, outcome ecsreboot.Outcome, sends int, lo, hi time.Duration) {
	v := verdict{what, outcome, sends, m.shiftLo + lo, min(m.shiftHi+hi, m.timeout())}
	for i, w := range m.verdicts {
		if w.what == v.what && w.outcome == v.outcome && w.sends == v.sends {
			m.verdicts[i].from, m.verdicts[i].to = min(w.from, v.from), max(w.to, v.to)
			return
		}
	}
	m.verdicts = append(m.verdicts, v)
}

func (m *model) timeOver() {
	m.end(notInTime, m.outcome, m.sends, m.timeout()-m.shiftLo, m.timeout())
}

// read parts an interval where something changes.
func (m *model) read(r reading) {
	cuts := []time.Duration{r.lo}
	for _, v := range m.shown {
		cuts = append(cuts, v.from)
	}
	cuts = append(cuts, m.known+m.settle(), r.hi+1)
	slices.Sort(cuts)
	for i, from := range cuts[:len(cuts)-1] {
		if next := cuts[i+1]; from >= r.lo && from <= r.hi && next > from {
			part := r
			part.lo, part.hi = from, next-1
			m.one(part)
		}
	}
}

// one takes a reading during which nothing changes.
func (m *model) one(r reading) {
	takes := time.Duration(0)
	if m.poll.hits(r.nth) && m.poll.does == hangs {
		takes = 30 * time.Second
	}
	if r.hi+takes >= m.earlier {
		m.timeOver()
	}
	if r.lo+takes >= m.deadline {
		return
	}
	r.heldUntilAdd = 0
	r.vain++
	seen := at(m.shown, r.lo)
	if m.poll.hits(r.nth) {
		switch m.poll.does {
		case throttled:
			if m.poll.last < 0 {
				m.timeOver()
				return
			}
			r.heldUntilAdd = m.poll.fault.Hint
			m.next(r)
			return
		case denies:
			m.end(denied, m.outcome, m.sends, r.lo, r.hi)
			return
		case fails, hangs:
			r.lo, r.hi = r.lo+takes, r.hi+takes
			if r.bad++; r.bad > 5 {
				m.end(faulty, m.outcome, m.sends, r.lo, r.hi)
				return
			}
			m.next(r)
			return
		case listsNothing:
			seen.gone = true
		}
	}
	r.bad = 0
	if seen.gone {
		if r.absent++; r.absent > 1 {
			m.end(gone, m.outcome, m.sends, r.lo, r.hi)
			return
		}
		m.next(r)
		return
	}
	r.absent, r.vain = 0, 0
	if !r.down && seen.status != ecsreboot.StatusRunning {
		r.down, r.begun, r.begunHi = true, r.lo, r.hi
	}
	r.passed = r.passed || slices.Contains([]ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStopped, ecsreboot.StatusStarting}, seen.status)
	r.moved = r.moved || seen.minute > m.base && seen.minute >= m.sent
	sign := r.passed || r.moved
	switch {
	case seen.status == ecsreboot.StatusRunning && r.passed:
		m.end(provenByStatus, m.outcome, m.sends, r.lo, r.hi)
	case seen.status == ecsreboot.StatusRunning && r.moved:
		m.end(provenByStartTime, m.outcome, m.sends, r.lo, r.hi)
	case seen.locked:
		m.end(locked, m.outcome, m.sends, r.lo, r.hi)
	case m.outcome == unknown && !sign && seen.status == ecsreboot.StatusRunning && r.hi >= m.known+m.settle():
		switch {
		case m.inTheWay:
			m.end(provenByRefusal, unknown, 2, r.lo, r.hi)
		case m.resend && m.sends == 1:
			m.again(r)
		default:
			m.end(notSettled, unknown, m.sends, r.lo, r.hi)
		}
		if r.lo < m.knownHi+m.settle() {
			m.next(r)
		}
	case (m.outcome == accepted || sign) && m.poll.over(r.nth) && m.shown[len(m.shown)-1].from <= r.lo:
		m.timeOver() // nothing will change any more
	default:
		m.next(r)
	}
}

// pause is how long the client waits for its next reading, at least and at most.
func (r reading) pause(elapsed time.Duration) (shortest, longest time.Duration) {
	elapsed = max(elapsed, 0)
	wait := max(min(time.Second+elapsed/15, 13*time.Second/5), elapsed/28)
	if !r.down {
		wait = min(wait, 5*time.Second)
	}
	wait = min(wait, 20*time.Second)
	backoff := wait
	for range r.vain {
		backoff = min(2*backoff, 10*time.Second)
	}
	wait = max(wait, backoff)
	return wait, wait + min(wait, elapsed)/10
}

// next takes the reading after this one.
func (m *model) next(r reading) {
	elapsed, elapsedHi := r.lo-r.begunHi, r.hi-r.begun
	if r.begun == r.lo { // at this reading
		elapsedHi = 0
	}
	lo, _ := r.pause(elapsed)
	_, hi := r.pause(elapsedHi)
	r.lo += max(lo, r.heldUntilAdd)
	r.hi += max(hi, r.heldUntilAdd)
	r.nth++
	m.read(r)
}

// again follows the second send, made right at a reading that showed nothing.
func (m *model) again(r reading) {
	n := *m
	n.sends = 2
	if at(m.truth, r.lo).status != ecsreboot.StatusRunning {
		// Refused for its status: the first send is what stands in the way.
		// What readings show may be old, so it is back once they have shown it
		// Running for as long as a restart may take to show.
		// Unless that answer is lost too.
		if n.inTheWay = m.lost < 2; !n.inTheWay {
			r.lo, r.hi = r.lo+m.send.answered, r.hi+m.send.answered
		}
		n.known, n.knownHi = r.lo, r.hi
		r.lo, r.hi = r.lo+time.Second, r.hi+time.Second
		r.begun, r.begunHi, r.vain, r.down = n.known, n.knownHi, 0, false
		r.nth++
		n.read(r)
		m.verdicts = n.verdicts
		return
	}
	n.shiftLo, n.shiftHi = m.shiftLo+r.lo, m.shiftHi+r.hi
	n.earlier, n.deadline = m.timeout()-n.shiftHi, m.timeout()-n.shiftLo
	now := at(m.truth, r.lo)
	now.from = -1
	n.truth, n.shown = []view{now}, []view{now}
	n.minuteOf = func(time.Duration) int { return m.sent + 1 } // a minute has passed since
	acts := m.send.acts
	n.known = m.send.answered
	if m.lost < 2 {
		acts, n.known, n.outcome = true, 0, accepted
	}
	n.knownHi = n.known
	if acts {
		n.restart(0, m.life.profile)
	}
	if n.known >= n.deadline {
		n.timeOver()
	} else {
		n.read(reading{lo: n.known + time.Second, hi: n.known + time.Second, begun: n.known, begunHi: n.known, nth: r.nth + 1})
	}
	m.verdicts = n.verdicts
}
