package fleet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// Window is a maintenance window: on the given days, from Start until End by the clock of
// Location. If End is not after Start, the window ends on the next day.
type Window struct {
	Days       []time.Weekday // the days on which the window begins; empty means every day
	Start, End time.Duration  // since midnight, by the wall clock
	Location   *time.Location // nil means UTC

	unknown string // the name of the location, if this machine cannot look it up
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
	case w.unknown != "":
		return input("Window", fmt.Sprintf("has the location %q, which this machine cannot look up", w.unknown))
	}
	if _, err := w.place(); err != nil {
		return input("Window", "has a location that cannot be recorded: "+err.Error())
	}
	for _, d := range w.Days {
		if d < time.Sunday || d > time.Saturday {
			return input("Window", fmt.Sprintf("has %d as a day of the week", int(d)))
		}
	}
	return nil
}

// At reports whether the window is open at t, and when that next changes. A window
// whose location this machine cannot look up is closed.
func (w Window) At(t time.Time) (open bool, until time.Time) {
	if w.unknown != "" {
		return false, t.Add(time.Minute)
	}
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

// jsonWindow has the JSON of a Window.
type jsonWindow struct {
	Days     []time.Weekday   `json:"days,omitempty"` // 0 is Sunday
	Start    seconds.Duration `json:"startSeconds"`
	End      seconds.Duration `json:"endSeconds"`
	Location string           `json:"location"`               // its name
	Fixed    bool             `json:"fixed,omitempty"`        // the name is in no database, and Offset applies
	Offset   seconds.Duration `json:"offsetSeconds,omitzero"` // east of UTC
}

// place returns the window with the name of its location, or with a fixed offset.
func (w Window) place() (jsonWindow, error) {
	j := jsonWindow{Days: w.Days, Start: seconds.Duration(w.Start), End: seconds.Duration(w.End), Location: "UTC"}
	switch {
	case w.unknown != "":
		j.Location = w.unknown
	case w.Location != nil:
		j.Location = w.Location.String()
	}
	if w.unknown != "" {
		return j, nil
	}
	if _, err := time.LoadLocation(j.Location); err != nil {
		now := time.Now().In(w.Location)
		if begin, end := now.ZoneBounds(); !begin.IsZero() || !end.IsZero() {
			return jsonWindow{}, err
		}
		_, offset := now.Zone()
		j.Fixed, j.Offset = true, seconds.Duration(offset)*seconds.Duration(time.Second)
	}
	return j, nil
}

// MarshalJSON writes the name of the location, and Start and End as numbers of seconds.
func (w Window) MarshalJSON() ([]byte, error) {
	j, err := w.place()
	if err != nil {
		return nil, err
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes. If this machine cannot look up the
// location, the window is closed, and a run refuses it.
func (w *Window) UnmarshalJSON(text []byte) error {
	var j jsonWindow
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*w = Window{Days: j.Days, Start: time.Duration(j.Start), End: time.Duration(j.End)}
	if j.Fixed {
		w.Location = time.FixedZone(j.Location, int(time.Duration(j.Offset)/time.Second))
		return nil
	}
	if location, err := time.LoadLocation(j.Location); err == nil {
		w.Location = location
	} else {
		w.unknown = j.Location
	}
	return nil
}

// String describes the window, such as "Sat Sun 22:00-04:00 Asia/Shanghai".
func (w Window) String() string {
	var days strings.Builder
	for _, d := range w.Days {
		days.WriteString(d.String()[:3] + " ")
	}
	location := w.unknown
	if location == "" {
		location = w.Location.String()
	}
	clock := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return days.String() + clock(w.Start) + "-" + clock(w.End) + " " + location
}

// LogValue gives slog the window under stable keys.
func (w Window) LogValue() slog.Value {
	j, err := w.place()
	if err != nil {
		return slog.StringValue(err.Error())
	}
	return logvalue.Of(j)
}
