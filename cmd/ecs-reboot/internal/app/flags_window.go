package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// windowFlag is a maintenance window: days, hours and a time zone, of which the
// first and the last may be left out.
type windowFlag struct {
	text   string
	window *fleet.Window
}

func (w *windowFlag) String() string { return w.text }
func (w *windowFlag) Type() string   { return "window" }

var errWindow = errors.New(`want a window such as "02:00-05:00", "Mon-Fri 02:00-05:00" or "Sat,Sun 22:00-06:00 Asia/Shanghai"; the default time zone is UTC`)

// Set parses a window such as "Mon-Fri 02:00-05:00 Asia/Shanghai".
func (w *windowFlag) Set(text string) error {
	fields := strings.Fields(text)
	window := fleet.Window{Location: time.UTC}
	if len(fields) > 0 && !strings.Contains(fields[0], ":") {
		days, err := parseDays(fields[0])
		if err != nil {
			return err
		}
		window.Days, fields = days, fields[1:]
	}
	if len(fields) == 0 || len(fields) > 2 {
		return errWindow
	}
	from, to, ok := strings.Cut(fields[0], "-")
	var errFrom, errTo error
	window.Start, errFrom = parseClock(from)
	window.End, errTo = parseClock(to)
	if !ok || errFrom != nil || errTo != nil {
		return errWindow
	}
	if len(fields) == 2 {
		location, err := time.LoadLocation(fields[1])
		if err != nil {
			return fmt.Errorf("time zone: %w", err)
		}
		window.Location = location
	}
	w.text, w.window = text, &window
	return nil
}

// parseClock parses 00:00 to 24:00.
func parseClock(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseDays parses days such as "Mon-Fri" or "Sat,Sun"; a range may wrap around the
// end of the week.
func parseDays(text string) ([]time.Weekday, error) {
	var days []time.Weekday
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return nil, errWindow
		}
		for day := from; ; day = (day + 1) % len(weekdays) {
			days = append(days, time.Weekday(day))
			if day == to {
				break
			}
		}
	}
	return days, nil
}
