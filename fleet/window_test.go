package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	require.NoError(t, err)
	return l
}

func TestWindow(t *testing.T) {
	berlin := location(t, "Europe/Berlin")
	shanghai := location(t, "Asia/Shanghai")
	weekend := []time.Weekday{time.Saturday, time.Sunday}
	for name, test := range map[string]struct {
		window Window
		at     string
		open   bool
		until  string
	}{
		"before":                  {Window{Start: 2 * time.Hour, End: 5 * time.Hour}, "2025-03-05T01:59:59Z", false, "2025-03-05T02:00:00Z"},
		"at its start":            {Window{Start: 2 * time.Hour, End: 5 * time.Hour}, "2025-03-05T02:00:00Z", true, "2025-03-05T05:00:00Z"},
		"at its end":              {Window{Start: 2 * time.Hour, End: 5 * time.Hour}, "2025-03-05T05:00:00Z", false, "2025-03-06T02:00:00Z"},
		"a nanosecond before":     {Window{Start: 2 * time.Hour, End: 5 * time.Hour}, "2025-03-05T04:59:59.999999999Z", true, "2025-03-05T05:00:00Z"},
		"elsewhere":               {Window{Start: 2 * time.Hour, End: 5 * time.Hour, Location: shanghai}, "2025-03-05T19:00:00Z", true, "2025-03-05T21:00:00Z"},
		"over midnight, before":   {Window{Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-05T23:00:00Z", true, "2025-03-06T02:00:00Z"},
		"over midnight, after":    {Window{Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-05T01:00:00Z", true, "2025-03-05T02:00:00Z"},
		"over midnight, between":  {Window{Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-05T02:00:00Z", false, "2025-03-05T22:00:00Z"},
		"until midnight":          {Window{Start: 22 * time.Hour, End: 24 * time.Hour}, "2025-03-05T23:00:00Z", true, "2025-03-06T00:00:00Z"},
		"until midnight, as 0":    {Window{Start: 22 * time.Hour}, "2025-03-05T23:00:00Z", true, "2025-03-06T00:00:00Z"},
		"after midnight":          {Window{Start: 22 * time.Hour, End: 24 * time.Hour}, "2025-03-05T00:00:00Z", false, "2025-03-05T22:00:00Z"},
		"weekend, on Friday":      {Window{Days: weekend, Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-07T23:00:00Z", false, "2025-03-08T22:00:00Z"},
		"weekend, Saturday early": {Window{Days: weekend, Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-08T01:00:00Z", false, "2025-03-08T22:00:00Z"},
		"weekend, Monday early":   {Window{Days: weekend, Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-10T01:00:00Z", true, "2025-03-10T02:00:00Z"},
		"weekend, Monday":         {Window{Days: weekend, Start: 22 * time.Hour, End: 2 * time.Hour}, "2025-03-10T02:00:00Z", false, "2025-03-15T22:00:00Z"},
		"days that touch":         {Window{Days: weekend, End: 24 * time.Hour}, "2025-03-08T01:00:00Z", true, "2025-03-10T00:00:00Z"},
		"short day": {
			Window{Start: time.Hour, End: 4 * time.Hour, Location: berlin}, "2025-03-30T01:30:00+01:00", true, "2025-03-30T04:00:00+02:00",
		},
		"long day": {
			Window{Start: time.Hour, End: 4 * time.Hour, Location: berlin}, "2025-10-26T01:30:00+02:00", true, "2025-10-26T04:00:00+01:00",
		},
		"in an hour that is left out": {
			Window{Start: 2*time.Hour + 15*time.Minute, End: 2*time.Hour + 45*time.Minute, Location: berlin},
			"2025-03-29T12:00:00+01:00", false, "2025-03-31T02:15:00+02:00",
		},
		"begins in an hour that is left out": {
			Window{Start: 2*time.Hour + 30*time.Minute, End: 5 * time.Hour, Location: berlin}, "2025-03-30T01:30:00+01:00", false, "2025-03-30T03:00:00+02:00",
		},
		"in an hour that comes twice": {
			Window{Start: 2*time.Hour + 15*time.Minute, End: 2*time.Hour + 45*time.Minute, Location: berlin},
			"2025-10-26T02:45:00+02:00", false, "2025-10-26T02:15:00+01:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, test.window.check())
			at, err := time.Parse(time.RFC3339Nano, test.at)
			require.NoError(t, err)
			open, until := test.window.At(at)
			want, err := time.Parse(time.RFC3339, test.until)
			require.NoError(t, err)
			assert.Equal(t, test.open, open)
			assert.True(t, until.Equal(want), "until %v, not %v", until, want)
		})
	}
}

// TestWindowByTheClock compares windows with a clock that is read every five minutes, over
// five days in which clocks are changed.
func TestWindowByTheClock(t *testing.T) {
	for _, change := range []struct {
		zone string
		at   time.Time
	}{
		{"UTC", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2025, 3, 30, 1, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2025, 10, 26, 1, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2025, 3, 9, 7, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2025, 11, 2, 6, 0, 0, 0, time.UTC)},
		{"America/Sao_Paulo", time.Date(2018, 11, 4, 3, 0, 0, 0, time.UTC)},   // at midnight, which is left out
		{"America/Sao_Paulo", time.Date(2018, 2, 18, 2, 0, 0, 0, time.UTC)},   // at midnight, back to the day before
		{"Australia/Lord_Howe", time.Date(2025, 4, 5, 15, 0, 0, 0, time.UTC)}, // by half an hour
		{"Pacific/Apia", time.Date(2011, 12, 30, 10, 0, 0, 0, time.UTC)},      // by a day
	} {
		place := location(t, change.zone)
		for _, window := range []Window{
			{Start: time.Hour, End: 5 * time.Hour},
			{Start: 90 * time.Minute, End: 150 * time.Minute},
			{Start: 130 * time.Minute, End: 160 * time.Minute},
			{Start: 22 * time.Hour, End: 30 * time.Minute},
			{Start: 23*time.Hour + 10*time.Minute, End: 23 * time.Hour},
			{Start: 0, End: 24 * time.Hour},
			{Start: 10 * time.Minute, End: 40 * time.Minute, Days: []time.Weekday{time.Sunday}},
			{Start: 130 * time.Minute, End: 160 * time.Minute, Days: []time.Weekday{time.Sunday}},
			{Start: 20 * time.Hour, End: 3 * time.Hour, Days: []time.Weekday{time.Saturday, time.Monday}},
			{Start: 0, End: 24 * time.Hour, Days: []time.Weekday{time.Friday, time.Saturday}},
		} {
			window.Location = place
			compareWithClock(t, window, change.at.AddDate(0, 0, -2), change.at.AddDate(0, 0, 3))
		}
	}
}

// compareWithClock looks at the clock every five minutes, as somebody would who knows
// nothing of zones, and compares what the window says with that. All windows begin and
// end at multiples of five minutes, and clocks change at such times.
func compareWithClock(t *testing.T, w Window, from, to time.Time) {
	t.Helper()
	var said time.Time // until when nothing changes
	var was bool
	for now := from; now.Before(to); now = now.Add(5 * time.Minute) {
		wall := now.In(w.Location)
		minutes := time.Duration(wall.Hour()*60+wall.Minute()) * time.Minute
		begins := wall.Weekday()
		open := minutes >= w.Start && minutes < w.End
		if w.End <= w.Start {
			open = minutes >= w.Start || minutes < w.End
			if minutes < w.End {
				begins = [...]time.Weekday{6, 0, 1, 2, 3, 4, 5}[begins]
			}
		}
		if len(w.Days) > 0 {
			on := false
			for _, d := range w.Days {
				on = on || d == begins
			}
			open = open && on
		}
		got, until := w.At(now)
		switch {
		case got != open:
			t.Fatalf("%v at %v: open %v", w, wall, got)
		case !until.After(now), !until.Equal(until.Truncate(5 * time.Minute)):
			t.Fatalf("%v at %v: until %v", w, wall, until)
		case now.Before(said) && got != was:
			t.Fatalf("%v changes at %v, before %v", w, wall, said)
		case now.Equal(said) && got == was:
			t.Fatalf("%v does not change at %v", w, wall)
		}
		said, was = until, got
	}
}

func TestWindowInput(t *testing.T) {
	for name, w := range map[string]Window{
		"starts before midnight":     {Start: -time.Second, End: time.Hour},
		"starts after a day":         {Start: day, End: time.Hour},
		"ends before midnight":       {Start: time.Hour, End: -time.Second},
		"ends after more than a day": {Start: time.Hour, End: day + time.Second},
		"ends when it starts":        {Start: time.Hour, End: time.Hour},
		"nothing":                    {},
		"a day before Sunday":        {End: time.Hour, Days: []time.Weekday{-1}},
		"a day that no week has":     {End: time.Hour, Days: []time.Weekday{time.Monday, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			var bad *ecsreboot.InputError
			require.ErrorAs(t, w.check(), &bad)
			assert.Equal(t, "Window", bad.Field)
		})
	}
}
