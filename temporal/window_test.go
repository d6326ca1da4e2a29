package ecstemporal

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// shanghai is a window that is open for an hour a day, from the beginning of a world.
func shanghai(tb testing.TB) *fleet.Window {
	tb.Helper()
	location, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(tb, err)
	return &fleet.Window{Start: 9 * time.Hour, End: 10 * time.Hour, Location: location}
}

// TestWindow sends nothing while the window is closed, and revokes at its end what no
// worker has begun to send.
func TestWindow(t *testing.T) {
	settings := Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}, Window: shanghai(t)}}
	w := newWorld(t, 20, settings)
	w.waitTakes = func() time.Duration { return 8 * time.Minute }
	var atNight Progress
	w.at(5*time.Hour, func() { atNight = w.progress() })
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	for _, r := range report.Records {
		require.Equal(t, 9, r.SentAt.In(settings.Window.Location).Hour(), "%s was sent at %v", r.ID, r.SentAt)
	}
	require.Greater(t, report.Ended.Sub(report.Begun), 48*time.Hour, "8 a day")
	require.Equal(t, worldBegin.Add(24*time.Hour), atNight.WindowOpens)
	require.Zero(t, atNight.Counts[fleet.StateRestarting])
	require.Equal(t, settings.Window.String(), report.Settings.Window.String(), "the report has the window")
	require.False(t, atNight.Paused)
}

func TestWindowRevokes(t *testing.T) {
	w := newWorld(t, 3, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}, Window: shanghai(t)}})
	w.sendTakes = func() time.Duration { return 9 * time.Minute } // in the queue
	w.waitTakes = func() time.Duration { return 46 * time.Minute }
	total := -1
	w.at(20*time.Hour, func() { total = w.total() })
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.Equal(t, 1, total, "the second was in the queue when the window closed")
}

// A closed window at the beginning, and one without end.
func TestWindowClosedAtFirst(t *testing.T) {
	window := shanghai(t)
	window.Start, window.End = 10*time.Hour, 9*time.Hour
	w := newWorld(t, 3, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}}, Window: window}})
	total := -1
	w.at(59*time.Minute, func() { total = w.total() })
	report := w.run()
	require.NoError(t, report.Err())
	require.Zero(t, total)
}

// A worker that does not know the time zone sends nothing, and says why.
func TestWindowOfUnknownPlace(t *testing.T) {
	var unknown fleet.Window
	require.NoError(t, json.Unmarshal([]byte(`{"startSeconds":0,"endSeconds":3600,"location":"Mars/Olympus"}`), &unknown))
	state := windowAt(unknown, worldBegin)
	require.False(t, state.Open)
	require.Contains(t, state.Error, "Mars/Olympus")
	require.Equal(t, worldBegin.Add(windowRetry), state.Until)
	for _, location := range []*time.Location{time.Local, time.FixedZone("UTC+8", 8*3600)} {
		_, err := Settings{Settings: fleet.Settings{Window: &fleet.Window{End: time.Hour, Location: location}}}.forPlan(smallPlan())
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.ErrorContains(t, err, "Window")
	}
	_, err := Settings{Settings: fleet.Settings{Window: &fleet.Window{}}}.forPlan(smallPlan())
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
}

// A window that ends while the activity is on its way holds the restart back.
func TestSendAfterWindow(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		in := b.input()
		in.SendBefore = time.Now()
		result := b.mustSend(in)
		require.NotNil(t, result.Refusal)
		require.Equal(t, fleet.ReasonWindow, result.Refusal.Retry)
		require.Equal(t, fleet.EventUnsent, result.Refusal.Event.Kind)
		in.SendBefore = time.Now().Add(time.Minute)
		require.True(t, b.mustSend(in).Accepted)
		require.Equal(t, 1, b.Reboots(id))
	})
}
