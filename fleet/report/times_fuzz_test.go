package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// FuzzTimes writes reports of histories at any times, also such as no run takes.
func FuzzTimes(f *testing.F) {
	f.Add(int64(1_773_453_492), int64(1), int64(60), int64(3600), int64(1<<30), uint8(0))
	f.Add(int64(-62_135_596_800), int64(1<<30), int64(1), int64(-1<<30), int64(1<<20), uint8(1))
	f.Add(int64(253_402_300_799), int64(0), int64(0), int64(0), int64(0), uint8(2))
	f.Fuzz(func(t *testing.T, begin, step1, step2, step3, step4 int64, zone uint8) {
		const year0, span = -62_167_219_200 + 86_400, 9999*31_556_952 - 2*86_400
		wrap := func(second int64) time.Time { return time.Unix(year0+int64(uint64(second-year0)%span), 0) }
		plan := fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}}}
		at := begin
		events := []fleet.Event{
			{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
			{Kind: fleet.EventHealthy, InstanceID: "i-1"},
			{Kind: fleet.EventResume},
			{Kind: fleet.EventPace, Accepted: 3, Throttled: int(step1)},
			{Kind: fleet.EventIntent, InstanceID: "i-2", Attempt: 1},
			{Kind: fleet.EventAccepted, InstanceID: "i-2"},
			{Kind: fleet.EventPace, Throttled: int(step2)},
			{Kind: fleet.EventHealthy, InstanceID: "i-2"},
			{Kind: fleet.EventEnd, Reason: fleet.ReasonDone},
		}
		steps := []int64{step1, step2, step3, step4}
		for i := range events {
			at += steps[i%len(steps)]
			events[i].At = wrap(at).UTC()
		}
		history := script(plan, events...)
		history.Events[0].At = wrap(begin).UTC()
		place := []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600)}[int(zone)%3]
		var page bytes.Buffer
		require.NoError(t, report.HTML(&page, history, report.Options{Location: place}))
		requireAgrees(t, page.String(), history)
		require.NotContains(t, page.String(), "NaN")
		require.NotContains(t, page.String(), "Inf")
		for _, negative := range []string{`width="-`, `height="-`, ` x="-`, `="-1`} {
			require.NotContains(t, page.String(), negative)
		}
		require.NoError(t, (&tokens{rest: page.String(), names: make(map[string]bool)}).run())
		d := data(t, history)
		require.GreaterOrEqual(t, d.Summary.ActiveSeconds, 0.0)
		require.GreaterOrEqual(t, d.Summary.Throttled, 0)
		require.GreaterOrEqual(t, d.Summary.PerMinute, 0.0)
	})
}
