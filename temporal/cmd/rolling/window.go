package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// windowFlag is a maintenance window; nil if it is not given.
type windowFlag struct {
	*fleet.Window

	text string
}

func (w *windowFlag) String() string { return w.text }

var (
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

	errWindow = errors.New("it is 22:00-05:00, or with a time zone and days 22:00-05:00@Asia/Shanghai,mon,tue")
)

func (w *windowFlag) Set(text string) error {
	rest, days, _ := strings.Cut(text, ",")
	times, zone, _ := strings.Cut(rest, "@")
	start, end, _ := strings.Cut(times, "-")
	var window fleet.Window
	var err error
	if window.Start, err = clock(start); err != nil {
		return err
	}
	if window.End, err = clock(end); err != nil {
		return err
	}
	if window.Location, err = time.LoadLocation(zone); err != nil {
		return err
	}
	for day := range strings.SplitSeq(days, ",") {
		i := slices.Index(weekdays, strings.ToLower(day))
		if i >= 0 {
			window.Days = append(window.Days, time.Weekday(i))
		} else if days != "" {
			return errWindow
		}
	}
	w.Window, w.text = &window, text
	return nil
}

func clock(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, errWindow
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}
