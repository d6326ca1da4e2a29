package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// paceScript drives a pace by hand. Its clock begins ten seconds into a minute, and
// the service's Date is exact.
type paceScript struct {
	*pace
	t   *testing.T
	now time.Time
}

func newPaceScript(t *testing.T) *paceScript {
	t.Helper()
	return &paceScript{pace: new(pace), t: t, now: time.Date(2026, 1, 2, 3, 4, 10, 0, time.UTC)}
}

// send waits until a call may be sent, and sends it.
func (s *paceScript) send() pass {
	s.t.Helper()
	for range 1000 {
		wait := s.ready(s.now, true)
		if wait == 0 {
			return s.take()
		}
		require.NotEqual(s.t, never, wait)
		s.now = s.now.Add(wait)
	}
	require.Fail(s.t, "never ready")
	return pass{}
}

func (s *paceScript) accept(calls int) {
	s.t.Helper()
	for range calls {
		s.accepted(s.now, s.send(), s.date())
	}
}

func (s *paceScript) refuse() {
	s.t.Helper()
	s.refused(s.now, s.send(), s.date(), 0)
}

func (s *paceScript) date() time.Time { return s.now.Truncate(time.Second) }

func (s *paceScript) perMinute() float64 { return s.rate * 60 }

// learned returns a pace that has learned a limit of 300 by two throttled minutes.
func learned(t *testing.T) *paceScript {
	t.Helper()
	s := newPaceScript(t)
	s.accept(300)
	s.refuse()
	require.True(t, s.seeking, "what others took of the first minute is not known")
	s.accept(300)
	s.refuse()
	require.False(t, s.seeking)
	return s
}

func TestPaceLearnsTheMinute(t *testing.T) {
	s := learned(t)
	assert.InDelta(t, 300, s.limit*60, 1e-9)
	assert.InDelta(t, 297, s.perMinute(), 1e-9)
	assert.Equal(t, "03:06:00", s.until.Format(time.TimeOnly))

	// The next minute is spread out: after its first half some half has gone.
	s.accept(150)
	assert.WithinDuration(t, time.Date(2026, 1, 2, 3, 6, 30, 0, time.UTC), s.now, 2*time.Second)
}

// The mean of two throttled minutes counts if they differ by little.
func TestPaceTakesTheMean(t *testing.T) {
	s := learned(t)
	s.accept(250)
	s.refuse()
	assert.InDelta(t, 0.4*250+0.6*300, s.limit*60, 1e-9)

	s = learned(t)
	s.accept(200)
	s.refuse()
	assert.InDelta(t, 200, s.limit*60, 1e-9, "one that is much lower counts as it is")
	assert.False(t, s.seeking)
	s.accept(50)
	s.refuse()
	assert.InDelta(t, 50, s.limit*60, 1e-9)
	assert.True(t, s.seeking, "the search goes on from an implausible limit")
}

// While it holds calls up it is raised every minute, faster beyond the limit; if it
// holds up nobody it is not.
func TestPaceIsRaised(t *testing.T) {
	s := learned(t)
	var rates []float64
	for range 7 {
		for minute := s.minuteOf(s.now); s.minuteOf(s.now).Equal(minute); {
			s.accept(1)
		}
		rates = append(rates, s.perMinute())
	}
	require.InDelta(t, 297, rates[0], 1e-9, "the minute in which it was throttled is none")
	assert.InDelta(t, 297*1.01+2, rates[1], 1e-9)
	for i := range rates[2:5] {
		assert.Greater(t, rates[i+2]/rates[i+1], rates[i+1]/rates[i])
	}
	assert.Greater(t, rates[6], 1000.0)

	s = learned(t)
	s.accept(1)
	for range 2 {
		s.now = s.now.Add(time.Minute)
		s.accept(1)
	}
	assert.InDelta(t, 297, s.perMinute(), 1e-9)
}

// Minutes that begin again and again, as several clocks answer, raise it once.
func TestPaceOfSeveralClocks(t *testing.T) {
	s := learned(t)
	s.accept(200)
	before := s.rate
	for i := range 100 {
		s.now = s.now.Add(100 * time.Millisecond)
		s.accepted(s.now, s.send(), s.date().Add(time.Duration(i%2)*time.Hour))
	}
	assert.LessOrEqual(t, s.rate, before*1.01+raiseCalls)
}

// Calls that left before the gate closed add to the limit if they are accepted, and
// change nothing if they are throttled.
func TestPaceOfStragglers(t *testing.T) {
	s := learned(t)
	s.accept(100)
	var stragglers []pass
	for range 20 {
		stragglers = append(stragglers, s.send())
	}
	s.accept(100)
	s.refuse()
	assert.InDelta(t, 200, s.limit*60, 1e-9)
	for _, straggler := range stragglers[:5] {
		s.accepted(s.now, straggler, s.date())
	}
	assert.InDelta(t, 205, s.limit*60, 1e-9)
	for _, straggler := range stragglers[5:] {
		s.refused(s.now, straggler, s.date(), 0)
	}
	assert.InDelta(t, 205, s.limit*60, 1e-9)
	assert.False(t, s.until.IsZero(), "nor do they open it")
}

// A response that arrives after the end of its minute applies to that minute, and the
// gate need not stay closed.
func TestPaceOfTheMinuteBefore(t *testing.T) {
	s := learned(t)
	s.accept(290)
	p := s.send()
	s.now = time.Date(2026, 1, 2, 3, 7, 0, 2e8, time.UTC)
	s.accept(3)
	s.refused(s.now, p, s.now.Add(-time.Second).Truncate(time.Second), 0)
	assert.InDelta(t, 0.4*290+0.6*300, s.limit*60, 1e-9)
	assert.Equal(t, s.now, s.until)
}

// A minute in which nothing was accepted follows no minute before it: what an earlier one
// accepted says nothing of the one that is throttled.
func TestPaceOfAnIdleMinuteBefore(t *testing.T) {
	s := newPaceScript(t)
	s.accept(300)
	s.now = time.Date(2026, 1, 2, 3, 5, 10, 0, time.UTC)
	s.accept(5)
	p := s.send()
	s.now = time.Date(2026, 1, 2, 3, 7, 0, 2e8, time.UTC) // a whole minute has gone by
	s.refused(s.now, p, s.now.Add(-time.Second).Truncate(time.Second), 0)
	assert.Zero(t, s.foundBy)
	assert.Equal(t, s.now, s.until)
	assert.InDelta(t, 60*seekFrom, s.limit*60, 1e-9, "nothing is known yet")
}

// A call that is accepted before the next minute shows that the service does not
// count by minutes; closings that only the next minute ends show that it does.
func TestPaceLeavesTheMinutes(t *testing.T) {
	s := learned(t)
	s.accept(100)
	s.refuse()
	probeEarly := func() pass {
		wait := s.ready(s.now, false)
		require.Less(t, wait, 20*time.Second)
		s.now = s.now.Add(wait)
		return s.take()
	}
	require.False(t, s.free)
	s.accepted(s.now, probeEarly(), s.date())
	assert.True(t, s.free)
	assert.True(t, s.until.IsZero())

	// Now closings are short.
	s.accept(20)
	s.refuse()
	assert.Equal(t, s.now.Add(firstProbe), s.until)
	s.accept(1)
	assert.True(t, s.free)

	for range 3 {
		require.True(t, s.free)
		s.accept(100)
		s.refuse()
		s.refuse()
		assert.Greater(t, s.ready(s.now, true), firstProbe, "who was throttled waits for the minute")
		s.refused(s.now, probeEarly(), s.date(), 0)
		s.accept(1)
	}
	assert.False(t, s.free)
}

// A probe in the next minute that is throttled shows it as well.
func TestPaceOfOtherMinutes(t *testing.T) {
	s := learned(t)
	s.accept(100)
	s.refuse()
	s.refuse()
	assert.True(t, s.free)

	s = learned(t)
	s.accept(100)
	s.refused(s.now, s.send(), s.date(), 7*time.Second)
	assert.True(t, s.free, "and so does a hint")
}

// Free of the minutes, the limit is what was accepted in the last one, and two
// throttles in a row only slow it down.
func TestPaceFreeOfTheMinutes(t *testing.T) {
	s := learned(t)
	s.free = true
	s.accept(1)
	begin := s.now
	s.accept(500)
	accepted := 500 / s.now.Sub(begin).Minutes()
	s.refuse()
	assert.InEpsilon(t, accepted, s.limit*60, 0.25)
	assert.InEpsilon(t, 0.95, s.rate/s.limit, 1e-9)
	limit := s.limit
	s.accept(2)
	s.refuse()
	assert.InEpsilon(t, 0.9*limit, s.limit, 1e-9)
	assert.False(t, s.seeking)

	// It is raised every 20 s, and every minute after a closing that lasted.
	for _, every := range []time.Duration{raiseTime, paceWindow} {
		s.accept(1)
		rate, opened := s.rate, s.now
		for s.rate == rate {
			s.accept(1)
		}
		assert.InEpsilon(t, rate*1.01+raiseCalls, s.rate, 1e-9)
		assert.WithinDuration(t, opened.Add(every), s.now, time.Second)
		s.refuse()
		s.refuse()
	}
}

// What it learned is forgotten when it held up nobody for a while.
func TestPaceIsForgotten(t *testing.T) {
	s := learned(t)
	s.accept(200)
	s.now = s.now.Add(paceMemory - time.Second)
	assert.Zero(t, s.ready(s.now, false))
	assert.Positive(t, s.rate)
	s.now = s.now.Add(time.Second)
	assert.Zero(t, s.ready(s.now, false))
	assert.True(t, s.open())

	s = learned(t) // and closed
	s.now = s.until.Add(paceMemory)
	assert.Zero(t, s.ready(s.now, false))
	assert.True(t, s.open())
}

// The service's clock is known by its Date, although that is cut to the second and
// was on its way for a while.
func TestPaceKnowsTheMinute(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, -20 * time.Second, 0, 25 * time.Second, time.Hour} {
		s := newPaceScript(t)
		for i := range 40 {
			at := s.now.Add(time.Duration(i) * 333 * time.Millisecond)
			s.setClock(at.Add(50*time.Millisecond), at.Add(offset).Truncate(time.Second))
		}
		assert.InDelta(t, offset.Seconds(), s.offset.Seconds(), 0.06)
		s.setClock(s.now, s.now.Add(-2*time.Hour))
		assert.Equal(t, -2*time.Hour, s.offset, "and it may be set")
	}
}

// A minute with a throttle in it is no reason to go faster.
func TestPaceIsNotRaisedAfterAThrottle(t *testing.T) {
	s := learned(t)
	s.accept(200)
	s.refuse()
	rate := s.rate
	s.until = s.now // as by the hint of a service that knows no minutes
	s.accept(5)
	require.True(t, s.pressed)
	s.now = s.now.Add(time.Minute)
	s.accept(1)
	assert.InDelta(t, rate, s.rate, 1e-9)
}

// A probe that is accepted does not open what was closed meanwhile for longer.
func TestPaceIsClosedAnewWhileItProbes(t *testing.T) {
	s := learned(t)
	s.accept(1)
	straggler := s.send()
	s.refuse()
	probe := s.send()
	s.refused(s.now, straggler, s.date(), 30*time.Second)
	s.accepted(s.now, probe, s.date())
	assert.Equal(t, s.now.Add(30*time.Second), s.until)
	assert.False(t, s.probing)
	assert.False(t, s.free)
}

// A shorter hint for the probe does not shorten what was closed meanwhile.
func TestPaceKeepsTheLongerHint(t *testing.T) {
	s := learned(t)
	s.accept(1)
	straggler := s.send()
	s.refuse()
	probe := s.send()
	s.refused(s.now, straggler, s.date(), 3*time.Minute)
	s.refused(s.now, probe, s.date(), 30*time.Second)
	assert.Equal(t, s.now.Add(3*time.Minute), s.until)
	assert.Equal(t, 3*time.Minute, s.ready(s.now, false), "nobody tries earlier")
}

// Nor is one forgotten because the service counts by no minutes.
func TestPaceHeedsTheHintWhenFree(t *testing.T) {
	s := learned(t)
	s.free = true
	s.accept(20)
	s.refused(s.now, s.send(), s.date(), time.Minute)
	assert.Equal(t, s.now.Add(time.Minute), s.until)
}

// The gate opens by the clock that nobody sets, within a minute, whatever the
// service says of its own.
func TestPaceClosesByOurClock(t *testing.T) {
	for _, clock := range []time.Time{{}, time.Now().Add(40 * time.Second), time.Unix(1, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		p := new(pace)
		now := time.Now()
		p.refused(now, p.take(), clock, 0)
		assert.NotEqual(t, p.until.Round(0), p.until, "it has a monotonic reading")
		assert.False(t, p.until.Before(now), clock)
		assert.False(t, p.until.After(now.Add(time.Minute)), clock)
	}
}

// A throttled minute in which this client sent few calls says nothing about the limit:
// the search starts from the known limit again.
func TestPaceOfLittleDemand(t *testing.T) {
	s := newPaceScript(t)
	s.accept(5)
	s.refuse()
	assert.InDelta(t, seekFrom, s.limit, 1e-9)
	for range 3 {
		s.accept(1)
		s.now = s.now.Add(10 * time.Second) // nobody waits
		s.refuse()
		assert.InDelta(t, seekFrom, s.limit, 1e-9)
		assert.True(t, s.seeking)
	}

	s = learned(t)
	s.accept(3)
	s.now = s.now.Add(10 * time.Second)
	s.refuse()
	assert.InDelta(t, 300, s.limit*60, 1e-9)
	assert.True(t, s.seeking)

	s = learned(t) // a handful counts, and so does little that is held up
	s.accept(10)
	s.now = s.now.Add(10 * time.Second)
	s.refuse()
	assert.InDelta(t, 10, s.limit*60, 1e-9)
	s.accept(3)
	require.Positive(t, s.ready(s.now, true))
	s.refused(s.now, s.take(), s.date(), 0)
	assert.InDelta(t, 3, s.limit*60, 1e-9)

	s = learned(t) // the same where no minute counts
	s.free = true
	s.accept(1)
	s.now = s.now.Add(2 * time.Minute)
	s.accept(3)
	s.now = s.now.Add(10 * time.Second)
	s.refuse()
	assert.InDelta(t, 300, s.limit*60, 1e-9)
	assert.True(t, s.seeking)
}

// A probe that another call took over is reported like any other call.
func TestPaceOfAProbeTakenOver(t *testing.T) {
	for _, open := range []bool{false, true} {
		s := learned(t)
		late := s.send()
		s.prepare(s.now, late)
		assert.Equal(t, preparation, s.ready(s.now, true))
		begin := s.now
		second := s.send()
		assert.Equal(t, begin.Add(preparation), s.now)
		assert.Equal(t, never, s.ready(s.now, true))
		s.prepared(late)
		if open {
			s.accepted(s.now, second, s.date())
		}
		limit, epoch := s.limit, s.epoch
		s.now = s.now.Add(time.Second)
		s.refused(s.now, late, s.date(), 0)
		assert.False(t, s.until.IsZero())
		assert.Equal(t, !open, s.probing, "the second one is out")
		if !open {
			assert.InDelta(t, limit, s.limit, 1e-9)
			assert.Equal(t, epoch, s.epoch)
			s.accepted(s.now, late, s.date())
			assert.False(t, s.until.IsZero(), "nor does it open the gate")
		}
	}

	s := learned(t) // each that takes over is one more than a hint allows
	s.hint = 0.1
	s.setRate(s.rate)
	probe := s.send()
	s.prepare(s.now, probe)
	assert.Equal(t, 10*time.Second, s.ready(s.now, true))
}

// What the first minute seemed to allow is not held against the second.
func TestPaceOfTheSecondMinute(t *testing.T) {
	s := newPaceScript(t)
	s.accept(300)
	s.refuse()
	s.accept(100)
	s.refuse()
	assert.InDelta(t, 100, s.limit*60, 1e-9)
	assert.False(t, s.seeking)
}

// How long a service closes by its own hints does not show whether it counts by
// minutes.
func TestPaceOfHintedClosings(t *testing.T) {
	s := learned(t)
	s.free = true
	s.accept(1)
	for range 4 {
		for range 2 {
			s.refused(s.now, s.send(), s.date(), 10*time.Second)
		}
		s.accept(1)
		assert.True(t, s.free)
	}
	assert.True(t, s.slow)
}

// A hint is never exceeded in any minute, whatever was learned.
func TestPaceHint(t *testing.T) {
	s := newPaceScript(t)
	s.hint, s.rate = 5, 5
	var sent []time.Time
	for range 2000 {
		s.accept(1)
		sent = append(sent, s.now)
	}
	for i := range sent[301:] {
		assert.GreaterOrEqual(t, sent[i+301].Sub(sent[i]), time.Minute)
	}
	assert.InDelta(t, 2000/5, sent[len(sent)-1].Sub(sent[0]).Seconds(), 1, "nor is it missed")
	s.refuse()
	s.accept(1000)
	assert.LessOrEqual(t, s.rate, 5.0)
}

// A pace that is raised beyond all measure is none.
func TestPaceWithoutLimit(t *testing.T) {
	s := learned(t)
	s.setRate(2e6)
	assert.True(t, s.ready(s.now, true) == 0 && s.rate == 0)

	s = learned(t)
	s.accept(1)
	s.seeking, s.pressed, s.rate, s.credit = true, true, paceCeil, -1e9
	s.now = s.now.Add(firstProbe)
	assert.Zero(t, s.ready(s.now, true))
}

// A service that asks to wait until another time than the next minute does not count by
// minutes. Two seconds on either side of the minute are no other time.
func TestPaceOfHintsBesideTheMinute(t *testing.T) {
	for away, other := range map[time.Duration]bool{
		0: false, 1900 * time.Millisecond: false, 2 * time.Second: false, 2100 * time.Millisecond: true, 30 * time.Second: true,
		57900 * time.Millisecond: true, 58 * time.Second: false, 58100 * time.Millisecond: false,
	} {
		s := newPaceScript(t)
		s.accept(20)
		next := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
		s.refused(s.now, s.send(), s.date(), next.Add(away).Sub(s.now))
		assert.Equal(t, next.Add(away), s.until)
		assert.Equal(t, other, s.free, away)
	}
}

// What an earlier call is answered after the gate has opened again says nothing of the
// limit.
func TestPaceOfAStragglerAfterTheGateOpened(t *testing.T) {
	s := learned(t)
	s.accept(1)
	straggler := s.send()
	s.refuse()
	s.accept(1) // the probe
	require.True(t, s.until.IsZero())
	limit, rate := s.limit, s.rate
	s.accepted(s.now, straggler, s.date())
	assert.InDelta(t, limit, s.limit, 1e-12)
	assert.InDelta(t, rate, s.rate, 1e-12)
}

// The first throttled minute shows the limit if at least three calls were accepted while
// others waited. With fewer, the search begins.
func TestPaceOfTheFirstMinute(t *testing.T) {
	for accepted, limit := range map[int]float64{1: 60 * seekFrom, 2: 60 * seekFrom, 3: 3, 4: 4} {
		s := newPaceScript(t)
		s.hint, s.rate = 1, 1
		s.accept(accepted)
		s.refuse()
		assert.InDelta(t, limit, s.limit*60, 1e-9, accepted)
		assert.True(t, s.seeking)
	}
}

// A minute with less than half of the limit sets the limit alone, and the search for
// more begins.
func TestPaceOfAMuchLowerLimit(t *testing.T) {
	for accepted, seeking := range map[int]bool{120: true, 145: true, 155: false} {
		s := learned(t)
		s.accept(accepted)
		s.refuse()
		assert.InDelta(t, accepted, s.limit*60, 1e-9)
		assert.Equal(t, seeking, s.seeking, accepted)
	}
}

// After a pause, two seconds' worth of calls may go at once.
func TestPaceOfABurst(t *testing.T) {
	s := learned(t)
	s.accept(1)
	s.now = s.now.Add(20 * time.Second)
	burst := 0
	for s.ready(s.now, true) == 0 {
		s.accepted(s.now, s.take(), s.date())
		burst++
	}
	assert.Equal(t, 9, burst, "297 a minute")
}

// The slowest pace is a call a minute.
func TestPaceOfTheSlowest(t *testing.T) {
	s := learned(t)
	for _, rate := range []float64{0, 1e-9, 1. / 61} {
		s.setRate(rate)
		assert.InDelta(t, 1, s.perMinute(), 1e-9)
	}
	s.setRate(1. / 59)
	assert.InDelta(t, 60./59, s.perMinute(), 1e-9)
}

// While the limit is sought, the pace grows by the time alone: no minute raises it.
func TestPaceOfASearchIsNotRaised(t *testing.T) {
	s := newPaceScript(t)
	s.accept(300)
	s.refuse()
	require.True(t, s.seeking)
	rate := s.rate
	s.raise()
	assert.InDelta(t, rate, s.rate, 1e-12)
}
