package fleet

import (
	"fmt"
	"slices"
	"time"
)

// Window is a maintenance window: on the given days, from Start until End by the clock of
// Location. If End is not after Start, the window ends on the next day.
type Window struct {
	Days       []time.Weekday // the days on which the window begins; empty means every day
	Start, End time.Duration  // since midnight, by the wall clock
	Location   *time.Location // nil means UTC
}

const day = 24 * time.Hour

func (w Window) check() error {
	switch {
	case w.Start < 0 || w.Start >= day:
		return input("Window", fmt.Sprintf("starts at %v; it must start between 0 and 24 h after midnight", w.Start))
	case w.End < 0 || w.End > day:
		return input("Window", fmt.Sprintf("ends at %v; it must end between 0 and 24 h after midnight", w.End))
	case w.Start == w.End:
		return input("Window", "ends when it starts")
	}
	for _, d := range w.Days {
		if d < time.Sunday || d > time.Saturday {
			return input("Window", fmt.Sprintf("has %d as a day of the week", int(d)))
		}
	}
	return nil
}

// At reports whether the window is open at t, and when that next changes.
func (w Window) At(t time.Time) (open bool, until time.Time) {
	location := w.Location
	if location == nil {
		location = time.UTC
	}
	until = t.In(location)
	open = w.shows(until)
	for range maxTurns {
		if until = w.turn(until); w.shows(until) != open {
			break
		}
	}
	return open, until
}

// maxTurns is enough for a week with any changes of the clock in it. A window that
// is always open, or never, is said to be so until then.
const maxTurns = 24

// shows reports whether the clock on the wall is within the window. Where clocks
// are changed, an hour that is left out is not, and one that comes twice is twice.
func (w Window) shows(t time.Time) bool {
	begins, now := t.Weekday(), clock(t)
	switch {
	case w.Start < w.End && (now < w.Start || now >= w.End):
		return false
	case w.Start > w.End && now < w.End: // since yesterday
		begins = (begins + 6) % 7
	case w.Start > w.End && now < w.Start:
		return false
	}
	return len(w.Days) == 0 || slices.Contains(w.Days, begins)
}

// turn returns the next moment after t at which the clock shows Start or End, or is
// changed.
func (w Window) turn(t time.Time) time.Time {
	next := day
	for _, d := range []time.Duration{w.Start, w.End} {
		if ahead := (d - clock(t) + day) % day; ahead > 0 {
			next = min(next, ahead)
		}
	}
	turn := t.Add(next)
	if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(turn) {
		return change
	}
	return turn
}

// clock is what the clock on the wall shows, since midnight.
func clock(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}
