package fleet

import (
	"fmt"
	"slices"
	"time"
)

// Window is when restarts may be sent: on the given days, from Start until End of
// the local clock. One whose End is not after its Start ends on the next day.
type Window struct {
	Days       []time.Weekday // on which it begins; none means every day
	Start, End time.Duration  // since midnight, by the clock on the wall
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

// at says whether the window is open at t, and until when that is so.
func (w Window) at(t time.Time) (open bool, until time.Time) {
	location := w.Location
	if location == nil {
		location = time.UTC
	}
	t = t.In(location)
	// One that opened yesterday may reach into today; within a week and a day
	// there is a next one.
	for ahead := -1; ahead <= 8; ahead++ {
		start, end, ok := w.on(t.AddDate(0, 0, ahead))
		switch {
		case !ok, !end.After(t):
		case start.After(t):
			return false, start
		default:
			return true, end
		}
	}
	return false, t.AddDate(0, 0, 1) // a day without such hours, for its clocks are put forward
}

// on returns the window that opens on the day of t, if there is one.
func (w Window) on(t time.Time) (start, end time.Time, ok bool) {
	if len(w.Days) > 0 && !slices.Contains(w.Days, t.Weekday()) {
		return time.Time{}, time.Time{}, false
	}
	end0 := w.End
	if w.End <= w.Start {
		end0 += day
	}
	return clock(t, w.Start), clock(t, end0), true
}

// clock is the moment when the clock on the wall, on the day of t, shows d; where
// clocks are changed, that is not d after midnight.
func clock(t time.Time, d time.Duration) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, int(d), t.Location())
}
