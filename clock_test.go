package ecsreboot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onDay is a time of the day of the tests: "12:01:59.999".
func onDay(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	parsed, err := time.Parse("2006-01-02 15:04:05", "2026-01-02 "+text)
	require.NoError(t, err)
	return parsed
}

// The service reports a start to the minute, and a minute is a range. Each row must
// give the same result for an instant at either end of its minutes.
func TestStartProves(t *testing.T) {
	for _, c := range []struct {
		what          string
		before        string // when the instance was started, by the baseline
		none          bool   // there is no baseline
		send, started string // by the service's clock
		want          bool
	}{
		{what: "long after", before: "11:00:00", send: "12:00:30", started: "12:05:00", want: true},
		{what: "at the send's minute's first instant", before: "11:00:00", send: "12:00:30", started: "12:00:00", want: true},
		{what: "at the send's minute's last instant", before: "11:00:00", send: "12:00:30", started: "12:00:59.999", want: true},
		{what: "right before the send's minute", before: "11:00:00", send: "12:00:30", started: "11:59:59.999"},
		{what: "the same, the send at the end of its minute", before: "11:00:00", send: "12:00:59.999", started: "11:59:59.999"},
		{what: "the same, the send at the beginning", before: "11:00:00", send: "12:00:00", started: "11:59:59.999"},
		{what: "in the send's minute, at its beginning", before: "11:00:00", send: "12:00:00", started: "12:00:00", want: true},
		{what: "in the send's minute, at its end", before: "11:00:00", send: "12:00:59.999", started: "12:00:59.999", want: true},
		{what: "after the baseline, before the send", before: "11:00:00", send: "12:00:30", started: "11:30:00"},

		{what: "the baseline's own start", before: "12:00:10", send: "12:00:30", started: "12:00:10"},
		{what: "in the baseline's minute, as late as can be", before: "12:00:00", send: "12:00:30", started: "12:00:59.999"},
		{what: "in the minute after the baseline's", before: "12:00:59.999", send: "12:00:59.999", started: "12:01:00", want: true},
		{what: "earlier than the baseline's", before: "12:02:00", send: "12:00:30", started: "12:01:00"},

		{what: "no baseline, long after", none: true, send: "12:00:30", started: "12:05:00", want: true},
		{what: "no baseline, in the next minute at once", none: true, send: "12:00:59.999", started: "12:01:00", want: true},
		{what: "no baseline, in the next minute at the latest", none: true, send: "12:00:00", started: "12:01:59.999", want: true},
		{what: "no baseline, in the send's minute", none: true, send: "12:00:00", started: "12:00:59.999"},
		{what: "no baseline, before the send", none: true, send: "12:00:30", started: "11:59:59.999"},

		{what: "no service clock", before: "11:00:00", started: "12:05:00"},
		{what: "no service clock, no baseline", none: true, started: "12:05:00"},
		{what: "no StartTime", before: "11:00:00", send: "12:00:30"},
		{what: "no StartTime, no baseline", none: true, send: "12:00:30"},
		{what: "no StartTime in the baseline", send: "12:00:30", started: "12:05:00"},
	} {
		before := Baseline{TakenAt: noon, StartTime: onDay(t, c.before).Truncate(time.Minute)}
		if c.none {
			before = Baseline{}
		}
		assert.Equal(t, c.want, startProves(onDay(t, c.started).Truncate(time.Minute), before, onDay(t, c.send)), c.what)
	}
}

// The time of the send by the service's clock, at whatever our clock stands. It is late
// by a second at most, and never early.
func TestServiceTimeOfSend(t *testing.T) {
	for _, c := range []struct {
		what    string
		before  Baseline
		sent    string        // by our clock
		away    time.Duration // the reading's clock, less ours
		noClock bool          // the reading has none
		want    string
	}{
		{what: "by the baseline's clock", before: Baseline{TakenAt: noon, ServiceTime: onDay(t, "13:00:00")}, sent: "12:00:03", noClock: true, want: "13:00:03.999999999"},
		{what: "which goes before the reading's", before: Baseline{TakenAt: noon, ServiceTime: onDay(t, "13:00:00")}, sent: "12:00:03", away: -time.Hour, want: "13:00:03.999999999"},
		{what: "our clock was set back", before: Baseline{TakenAt: noon, ServiceTime: onDay(t, "13:00:00")}, sent: "11:00:00", want: "13:00:00.999999999"},
		{what: "by the reading's clock", before: Baseline{TakenAt: noon}, sent: "12:00:03", away: time.Hour, want: "13:00:03.999999999"},
		{what: "no baseline", sent: "12:00:03", away: -time.Hour, want: "11:00:03.999999999"},
		{what: "no clock", before: Baseline{TakenAt: noon}, sent: "12:00:03", noClock: true},
		{what: "others sent", before: Baseline{TakenAt: noon, ServiceTime: onDay(t, "13:00:59")}, away: time.Minute, want: "13:00:59"},
		{what: "others sent, no service clock in the baseline", before: Baseline{TakenAt: noon}, away: time.Minute},
	} {
		a := evidence{before: c.before, firstSentAt: onDay(t, c.sent)}
		f := fact{clockAway: c.away}
		if !c.noClock {
			f.clock = noon
		}
		assert.Equal(t, onDay(t, c.want), a.serviceTimeOfSend(&f), c.what)
	}
}

// A second send does not move the time from which on a start is looked for: the first
// one may be what restarted the instance.
func TestFirstSendCounts(t *testing.T) {
	var a evidence
	for _, f := range begun(unknownAt(2), running(60), sendsIt(61), refusedAgainAt(61)) {
		a.apply(&f)
	}
	assert.Equal(t, atSecond(3).Add(-1), a.serviceTimeOfSend(new(fact)))
	assert.Equal(t, atSecond(61), a.sentAt)
}

// A Date may be 15 minutes from our corrected clock, and no more.
func TestServiceClock(t *testing.T) {
	for _, c := range []struct {
		what, date, left, arrived string
		want                      bool
	}{
		{"the same time", "12:00:00", "12:00:00", "12:00:00", true},
		{"15 minutes behind", "11:45:00", "12:00:00", "12:00:00", true},
		{"15 minutes behind, our time has a fraction", "11:45:00", "12:00:00.999", "12:00:01", true},
		{"15 minutes and a second behind", "11:44:59", "12:00:00", "12:00:30", false},
		{"15 minutes ahead", "12:15:00", "12:00:00", "12:00:00", true},
		{"15 minutes and a second ahead", "12:15:01", "12:00:00", "12:00:00.999", false},
		{"15 minutes ahead when the answer came", "12:15:20", "12:00:00", "12:00:20", true},
		{"20 minutes behind", "11:40:00", "12:00:00", "12:00:00", false},
		{"20 minutes ahead", "12:20:00", "12:00:00", "12:00:00", false},
		{"none", "", "12:00:00", "12:00:00", false},
	} {
		date, want := onDay(t, c.date), time.Time{}
		if c.want {
			want = date
		}
		assert.Equal(t, want, serviceClock(date, onDay(t, c.left), onDay(t, c.arrived)), c.what)
	}
	ago := noon.AddDate(-10, 0, 0)
	assert.Zero(t, serviceClock(ago, noon, noon))
	assert.Zero(t, serviceClock(noon.AddDate(10, 0, 0), noon, noon))
}
