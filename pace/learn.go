package pace

import "time"

// setClock learns the service's clock. A Date is cut to the second and has
// travelled, so that the largest difference is nearest to the truth.
func (p *pace) setClock(now, clock time.Time) {
	if clock.IsZero() {
		return
	}
	if d := clock.Sub(now); d > p.offset || d < p.offset-1500*time.Millisecond {
		p.offset = d
	}
}

// accepted records a call that the service processed, whatever the result. Only a
// probe opens the gate: other calls may have left before the gate closed.
func (p *pace) accepted(now time.Time, from pass, clock time.Time) {
	p.setClock(now, clock)
	p.turn(now)
	p.counted++
	switch {
	case p.isProbe(from):
		p.probing = false
		if p.byHint && now.Before(p.until) {
			return // it was closed anew meanwhile
		}
		p.reopen(now)
	case from.epoch == p.epoch:
		p.roll(now)
		p.recent[p.slot%slots]++
	case !p.until.IsZero() && !p.free && p.limit > 0:
		// Sent before the gate closed, it belongs to what was accepted until then.
		p.foundBy++
		p.learn(now)
	}
}

// reopen opens the gate after an accepted probe, and learns from when that was.
func (p *pace) reopen(now time.Time) {
	switch {
	case p.byHint:
	case now.Before(p.until):
		p.free, p.byMinute = true, 0
	case p.wait > firstProbe: // early probes were throttled
		if p.byMinute++; p.byMinute >= 3 {
			p.free = false
		}
	default:
		p.byMinute = 0
	}
	p.credit = 1
	if p.free {
		p.credit = 0 // the probe may have had all that there was
		p.slow = p.wait > firstProbe || p.byHint
		p.raiseAt = now.Add(p.untilRaise())
	}
	p.until, p.early = time.Time{}, time.Time{}
	p.creditAt, p.busyAt = now, now
}

// refused records a throttled call. A hint is how long the service asks to wait.
func (p *pace) refused(now time.Time, from pass, clock time.Time, hint time.Duration) {
	p.setClock(now, clock)
	p.turn(now)
	end, found := p.nextMinute(now), p.counted
	if !clock.IsZero() && p.minuteOf(now).After(clock) { // it was in the minute before
		end, found = now, p.countedOld
	}
	if hint > 0 {
		end = now.Add(min(hint, maxClosed))
	}
	switch {
	case p.isProbe(from):
		p.refusedProbe(now, end, hint)
	case from.epoch != p.epoch, !p.until.IsZero(): // sent before the gate closed, or taken over
		if hint > 0 && end.After(p.until) {
			p.until, p.early, p.byHint = end, time.Time{}, true
		}
	default:
		p.epoch++
		p.throttled, p.foundBy = true, found
		p.little = now.Sub(p.pressedAt) > pressing && found < handful
		p.limitOld, p.first, p.guessed = p.limit, p.limit == 0, p.seeking
		p.learn(now)
		p.since = now
		clear(p.recent[:])
		p.wait, p.early = firstProbe, now.Add(firstProbe)
		if p.free && hint == 0 {
			end = now.Add(firstProbe)
		}
		p.close(now, end, hint)
	}
}

func (p *pace) refusedProbe(now, end time.Time, hint time.Duration) {
	p.probing = false
	p.wait = min(2*p.wait, paceWindow)
	p.early = now.Add(p.wait)
	if hint == 0 && !p.byHint {
		if now.Before(p.until) {
			return
		}
		p.free = true // the minute did not help
	}
	p.close(now, end, hint)
}

func (p *pace) close(now, end time.Time, hint time.Duration) {
	p.busyAt = now
	if p.byHint && p.until.After(end) {
		p.early = time.Time{} // the service named the time
		return
	}
	if p.until, p.byHint = end, hint > 0; p.byHint {
		p.early = time.Time{}
	}
	if away := end.Sub(p.minuteOf(end)); hint > 0 && away > 2*time.Second && away < paceWindow-2*time.Second {
		p.free = true // the service asks for another time than the next minute
	}
}

// learn sets the limit to the number of accepted calls, and the pace below the limit.
// After several throttled minutes the limit is their mean, because the share of other
// clients changes from minute to minute; a minute with a much lower number sets the
// limit alone. A minute in which this client sent few calls is ignored.
func (p *pace) learn(now time.Time) {
	limit, margin := p.foundBy/paceWindow.Seconds(), 0.99
	if p.free {
		limit, margin = p.lately(now), 0.95
	}
	p.step, p.seeking = 0.01, false
	little := p.little && p.foundBy < handful
	switch {
	case p.first:
		// It may have been a minute in which others were first.
		p.seeking = true
		if little || p.foundBy < 3 {
			limit = seekFrom
		}
	case little: // others used it up: the limit may be whatever it was
		p.seeking, limit = true, p.limitOld
	case p.free && now.Sub(p.since) < 2*slotTime:
		limit = 0.9 * p.limitOld // too little was accepted since to judge by
	case p.guessed:
	case limit < p.limitOld/2:
		p.seeking = true
	case limit > 0.7*p.limitOld && limit < p.limitOld:
		limit = 0.4*limit + 0.6*p.limitOld
	}
	p.limit = max(limit, paceFloor)
	p.setRate(p.limit * margin)
}

// timeOf is how long the pace takes for so many calls.
func (p *pace) timeOf(calls float64) time.Duration {
	return time.Duration(calls / p.rate * float64(time.Second))
}

// lately is how many calls a second were accepted in the last minute, or since the
// gate opened.
func (p *pace) lately(now time.Time) float64 {
	p.roll(now)
	sum := 0.0
	for _, n := range p.recent {
		sum += n
	}
	covered := paceWindow - slotTime + time.Duration(now.UnixNano()%int64(slotTime))
	return sum / max(slotTime, min(now.Sub(p.since), covered)).Seconds()
}

// roll empties the slots of the time that nothing was accepted in.
func (p *pace) roll(now time.Time) {
	slot := now.UnixNano() / int64(slotTime)
	for p.slot = max(p.slot, slot-slots); p.slot < slot; {
		p.slot++
		p.recent[p.slot%slots] = 0
	}
}
