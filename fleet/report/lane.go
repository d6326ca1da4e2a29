package report

import (
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// phase is what an instance goes through.
type phase int

// The phases, in the order in which they are stacked.
const (
	phaseFailed phase = iota
	phaseUnknown
	phaseDown
	phaseDoubt
	phaseAccepted
	phaseAsking
	phaseSettling
	phases
	phaseNone phase = -1
)

// span is a phase from a time to another.
type span struct {
	interval
	phase phase
}

// lane is the spans of an instance.
type lane struct {
	spans []span
	phase phase // that is open since the time; of no meaning while it is zero
	since time.Time
}

// add takes in an event of the instance.
func (l *lane) add(e fleet.Event, at time.Time) {
	next := phaseNone
	switch e.Kind {
	case fleet.EventHook, fleet.EventHooked, fleet.EventAwaiting, fleet.EventConsole:
		return // what the instance goes through stays the same
	case fleet.EventIntent:
		next = phaseAsking
	case fleet.EventAccepted:
		next = phaseAccepted
	case fleet.EventDoubt:
		next = phaseDoubt
	case fleet.EventDown:
		next = phaseDown
	case fleet.EventUp:
		next = phaseSettling
	case fleet.EventFailed:
		next = phaseFailed
	case fleet.EventUnknown:
		next = phaseUnknown
	default: // it is over, or has never begun
	}
	broken := !l.since.IsZero() && (l.phase == phaseFailed || l.phase == phaseUnknown)
	if broken && (next == phaseDown || next == phaseSettling) {
		return // it counts as broken until it is healthy
	}
	l.close(at)
	if next != phaseNone {
		l.phase, l.since = next, at
	}
}

// close ends the open phase.
func (l *lane) close(at time.Time) {
	if l.since.IsZero() {
		return
	}
	l.spans = append(l.spans, span{interval{l.since, at}, l.phase})
	l.since = time.Time{}
}
