package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAxisDrawsIdleTimesShort(t *testing.T) {
	begun := time.Date(2026, 3, 14, 1, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return begun.Add(time.Duration(minutes) * time.Minute) }
	s := &story{begun: begun, last: at(700), idle: []interval{{at(10), at(11)}, {at(20), at(680)}}}
	a := newAxis(s, time.UTC)
	require.Zero(t, a.x(begun))
	require.InDelta(t, 1, a.x(at(700)), 1e-9)
	require.InDelta(t, shortShare, a.x(at(680))-a.x(at(20)), 1e-9)
	require.InDelta(t, (1-shortShare)/2, a.x(at(20)), 1e-9, "half of what is left is before it")
	last := -1.0
	for minute := range 701 {
		require.Greater(t, a.x(at(minute)), last)
		last = a.x(at(minute))
	}
	ticks := a.ticks()
	require.GreaterOrEqual(t, len(ticks), 3)
	require.LessOrEqual(t, len(ticks), 11)
	require.Equal(t, "01:00", ticks[0].Label)
}

func TestAxisOfNoTime(t *testing.T) {
	begun := time.Date(2026, 3, 14, 1, 0, 0, 0, time.UTC)
	a := newAxis(&story{begun: begun, last: begun}, time.UTC)
	require.Zero(t, a.x(begun))
	require.NotEmpty(t, a.ticks())
}

func TestTicksAreOnTheWallClock(t *testing.T) {
	zone := time.FixedZone("", 5*60*60+30*60)
	begun := time.Date(2026, 3, 14, 1, 7, 0, 0, zone)
	for _, tick := range newAxis(&story{begun: begun, last: begun.Add(6 * time.Hour)}, zone).ticks() {
		require.True(t, strings.HasSuffix(tick.Label, ":00"), tick.Label)
	}
}

func TestQuantile(t *testing.T) {
	require.Zero(t, quantile(nil, 0.5))
	require.InDelta(t, 7, quantile([]float64{7}, 0.95), 0)
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	require.InDelta(t, 50, quantile(hundred, 0.5), 0)
	require.InDelta(t, 95, quantile(hundred, 0.95), 0)
	require.InDelta(t, 100, quantile(hundred, 1), 0)
}

func TestStepPathKeepsPeaks(t *testing.T) {
	begun := time.Date(2026, 3, 14, 1, 0, 0, 0, time.UTC)
	a := newAxis(&story{begun: begun, last: begun.Add(time.Hour)}, time.UTC)
	levels := []Level{{begun, 1, 0}, {begun.Add(30 * time.Minute), 2, 0}, {begun.Add(30*time.Minute + 1), 9, 0}, {begun.Add(30*time.Minute + 2), 3, 0}}
	y := scale{height: 107, most: 10}
	path := stepPath(y, a, len(levels), func(i int) (time.Time, float64) { return levels[i].At, float64(levels[i].Unavailable) })
	require.Equal(t, "M0 96V96H500V16V76H1000", path)
}

func TestNiceNumbers(t *testing.T) {
	for most, numbers := range map[int][]int{0: {0}, 1: {0, 1}, 3: {0, 1, 2, 3}, 7: {0, 2, 4, 6}, 24: {0, 10, 20}, 10_000: {0, 5000, 10000}} {
		require.Equal(t, numbers, niceNumbers(most))
	}
}

func TestText(t *testing.T) {
	for want, s := range map[string]float64{
		"0 s": 0, "430 ms": 0.43, "2.5 s": 2.5, "3 s": 3, "92 s": 92, "2 min": 120, "3 min 5 s": 185, "5 h": 5 * 3600, "2 d 1 h": 49 * 3600,
	} {
		require.Equal(t, want, seconds(s))
	}
	require.Equal(t, []string{"0", "999", "1,000", "1,234,567"}, []string{number(0), number(999), number(1000), number(1234567)})
	require.Equal(t, []string{"a-b.c", "''", "'a b'", `'it'\''s'`}, []string{shell("a-b.c"), shell(""), shell("a b"), shell("it's")})
}

func TestStack(t *testing.T) {
	layer := make([]int, columns)
	for c := range columns / 2 {
		layer[c] = 2
	}
	curves := stack(scale{height: 17, most: 5}, [][]int{make([]int, columns), layer, layer}, func(i int) string { return string(rune('a' + i)) })
	require.Equal(t, []curve{{"b", "M0 12H500V16H1000V16H0Z"}, {"c", "M0 8H500V16H1000V16H500V12H0Z"}}, curves)
}
