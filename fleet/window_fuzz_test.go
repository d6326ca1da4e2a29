package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// showsOpen is what somebody says who looks at a clock on the wall and at a
// calendar, and knows nothing of zones.
func (w Window) showsOpen(wall time.Time) bool {
	year, month, date := wall.Date()
	hour, minute, second := wall.Clock()
	now := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + time.Duration(wall.Nanosecond())
	begun := func(date int) bool { // the window of a day, counted from its midnight
		weekday := time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Weekday()
		return len(w.Days) == 0 || slices.Contains(w.Days, weekday)
	}
	end := w.End
	if end <= w.Start {
		end += day
	}
	today := begun(date) && w.Start <= now && now < end
	yesterday := begun(date-1) && w.Start <= now+day && now+day < end
	return today || yesterday
}

// FuzzWindow holds what a window says of any moment against clock and calendar:
// whether it is open, and that this is so until the moment that it names, and no
// longer.
func FuzzWindow(f *testing.F) {
	var places []*time.Location
	for _, name := range []string{
		"UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
	} {
		place, err := time.LoadLocation(name)
		require.NoError(f, err)
		places = append(places, place)
	}
	f.Add(uint8(0), int64(2*time.Hour), int64(5*time.Hour), uint8(0), int64(1_741_140_000), int64(0))
	f.Add(uint8(1), int64(90*time.Minute), int64(150*time.Minute), uint8(1), int64(1_743_296_400), int64(1))
	f.Add(uint8(1), int64(22*time.Hour), int64(2*time.Hour), uint8(0b1000001), int64(1_761_440_400), int64(999_999_999))
	f.Add(uint8(1), int64(150*time.Minute), int64(5*time.Hour), uint8(0), int64(1_743_294_600), int64(0))
	f.Add(uint8(1), int64(135*time.Minute), int64(165*time.Minute), uint8(0), int64(1_761_439_500), int64(0))
	f.Add(uint8(0), int64(22*time.Hour), int64(2*time.Hour), uint8(1<<time.Saturday), int64(1_742_085_000), int64(0))
	f.Add(uint8(4), int64(0), int64(24*time.Hour), uint8(1), int64(1_541_300_400), int64(0))
	f.Add(uint8(5), int64(130*time.Minute), int64(100*time.Minute), uint8(0b0101010), int64(1_743_865_200), int64(7))
	f.Add(uint8(6), int64(1), int64(24*time.Hour), uint8(0b0100000), int64(1_325_203_200), int64(0))
	f.Fuzz(func(t *testing.T, place uint8, start, end int64, days uint8, second, nanosecond int64) {
		w := Window{Start: time.Duration(start), End: time.Duration(end), Location: places[int(place)%len(places)]}
		for d := time.Sunday; d <= time.Saturday; d++ {
			if days&(1<<d) != 0 {
				w.Days = append(w.Days, d)
			}
		}
		if w.check() != nil {
			return
		}
		const from, span = 631_152_000, 110 * 365 * 24 * 3600 // 1990 to 2100
		now := time.Unix(from+int64(uint64(second-from)%span), int64(uint64(nanosecond)%1e9))
		open, until := w.At(now)
		require.Equal(t, w.showsOpen(now.In(w.Location)), open, "%v at %v", w, now.In(w.Location))
		require.True(t, until.After(now), "until %v", until)
		lasts := until.Sub(now)
		for i := range 32 {
			then := now.Add(lasts / 32 * time.Duration(i))
			require.Equal(t, open, w.showsOpen(then.In(w.Location)), "%v at %v: it changes at %v, before %v", w, now, then, until)
		}
		require.Equal(t, open, w.showsOpen(until.Add(-1).In(w.Location)), "%v at %v: it changes before %v", w, now, until)
		if lasts < 7*day { // for ever, else, or until a moment that is looked for anew
			require.NotEqual(t, open, w.showsOpen(until.In(w.Location)), "%v at %v: it does not change at %v", w, now, until)
		}
	})
}
