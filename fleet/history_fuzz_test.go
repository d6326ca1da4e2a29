package fleet_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// journalOf is a journal with the records, each durable by itself.
func journalOf(records ...string) []byte {
	var text strings.Builder
	for i, record := range append([]string{`{"format":"journal","version":1}`}, records...) {
		body := fmt.Sprintf(`{"seq":%d,"group":%d,"record":%s`, i, i, record)
		fmt.Fprintf(&text, "%s,\"crc\":\"%08x\"}\n", body, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
	}
	return []byte(text.String())
}

// requireSound holds the report of a history against the history itself and, of the
// events that can be, against a planner.
func requireSound(t *testing.T, h *fleet.History) {
	t.Helper()
	requireCoherent(t, h.Report(), h.Plan)
	require.Positive(t, h.Report().Sessions)
	require.True(t, h.Report().Begun.Equal(h.Events[0].At))

	planner, err := fleet.NewPlanner(h.Plan, h.Events[0].Settings.Rules)
	if err != nil {
		return
	}
	possible := &fleet.History{Plan: h.Plan}
	for _, e := range h.Events {
		before := planner.Count(fleet.StateWaiting)
		if err := planner.Replay(e); err != nil {
			require.Equal(t, before, planner.Count(fleet.StateWaiting), "an event that cannot be changes nothing")
			continue
		}
		possible.Events = append(possible.Events, e)
	}
	report := possible.Report()
	failed := 0
	for i := range report.Records {
		r := &report.Records[i]
		require.Equal(t, planner.StateOf(r.ID), r.State, r.ID)
		require.Equal(t, planner.Attempts(r.ID), r.Attempts, r.ID)
		if r.Failed || r.State == fleet.StateUnknown {
			failed++
		}
	}
	require.Equal(t, planner.Failed(), failed)
	for _, s := range allStates {
		require.Equal(t, planner.Count(s), report.Count(s), s)
	}
}

var allStates = []fleet.State{
	fleet.StateWaiting, fleet.StateRestarting, fleet.StateHealthy, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
}

// requireCoherent holds what a report says in one place against what it says in
// another, and against its JSON.
func requireCoherent(t *testing.T, report *fleet.Report, plan fleet.Plan) {
	t.Helper()
	require.Len(t, report.Records, len(plan.Targets))
	require.Equal(t, plan.Digest(), report.Digest)
	all := 0
	for _, s := range allStates {
		all += report.Count(s)
	}
	require.Equal(t, len(plan.Targets), all)
	restarted, gone := 0, 0
	for i, target := range plan.Targets {
		r, ok := report.Record(target.ID)
		require.True(t, ok)
		require.Equal(t, report.Records[i], r)
		require.Equal(t, target, r.Target)
		if r.State == fleet.StateSkipped && r.Reason == fleet.ReasonGone {
			gone++
			require.False(t, r.Restarted())
		}
		if r.Restarted() {
			restarted++
			require.Contains(t, []fleet.State{fleet.StateHealthy, fleet.StateSkipped}, r.State)
		}
	}
	left := len(plan.Targets) - restarted - gone
	require.Len(t, report.NotRestarted(), left)
	err := report.Err()
	if left == 0 {
		require.NoError(t, err)
	} else {
		require.ErrorContains(t, err, fmt.Sprintf("fleet: %d of %d instances have no proof of a restart", left, len(plan.Targets)))
	}

	text, jsonErr := json.Marshal(report)
	require.NoError(t, jsonErr)
	var again fleet.Report
	require.NoError(t, json.Unmarshal(text, &again))
	rewritten, jsonErr := json.Marshal(&again)
	require.NoError(t, jsonErr)
	require.Equal(t, string(text), string(rewritten))
	require.Equal(t, err, again.Err())
	for _, target := range plan.Targets {
		one, ok := again.Record(target.ID)
		require.True(t, ok)
		require.Equal(t, target, one.Target)
	}
}

// FuzzLoad loads journals with any records: it refuses them, or makes a report of
// them that is sound.
func FuzzLoad(f *testing.F) {
	const run = `{"kind":"run","at":"2026-03-14T01:58:12Z","plan":{"targets":[{"id":"i-1","group":"a"},{"id":"i-2","group":"b"}]},"rules":{"maxUnavailable":"2","allowWide":true,"canary":[]}}`
	f.Add(strings.Join(eventSeeds, "\n"))
	f.Add(run)
	f.Add(run + "\n" + strings.Join(eventSeeds[2:12], "\n"))
	f.Add(run + `
{"kind":"intent","at":"2026-03-14T01:59:00Z","id":"i-1","attempt":1}
{"kind":"failed","at":"2026-03-14T01:59:01Z","id":"i-1","reason":"not sent"}
{"kind":"unsent","at":"2026-03-14T01:59:02Z","id":"i-1","reason":"blocked"}
{"kind":"resume","at":"2026-03-14T03:00:00Z","rules":{"canary":null}}
{"kind":"held","at":"2026-03-14T03:00:01Z","id":"i-2","reason":"throttled"}
{"kind":"skipped","at":"2026-03-14T03:00:02Z","id":"i-2","reason":"locked","code":"InstanceLockedForSecurity"}
{"kind":"unsent","at":"2026-03-14T03:00:03Z","id":"i-2","reason":"resumed"}
{"kind":"halt","at":"2026-03-14T03:00:04Z","reason":"failure budget"}
{"kind":"end","at":"2026-03-14T03:00:05Z","reason":"failure budget"}`)
	f.Add(`{"kind":"run","plan":{"targets":[{"id":"i-1"},{"id":"i-1"}]},"rules":{"canary":[-1]}}`)
	f.Add("{\n\n[]\nnull")
	f.Fuzz(func(t *testing.T, records string) {
		d := newDisk()
		d.files["run.journal"] = &content{written: journalOf(strings.Split(records, "\n")...)}
		history, err := fleet.LoadFrom(d, "run.journal")
		if err != nil {
			require.ErrorIs(t, err, fleet.ErrJournal)
			return
		}
		require.NotEmpty(t, history.Events)
		require.NotEmpty(t, history.Plan.Targets)
		requireSound(t, history)
	})
}

// FuzzReport is FuzzLoad with events of a real plan, so that more of them can be.
func FuzzReport(f *testing.F) {
	kinds := []fleet.EventKind{
		fleet.EventIntent, fleet.EventAccepted, fleet.EventDoubt, fleet.EventAwaiting, fleet.EventHeld, fleet.EventUnsent, fleet.EventDown, fleet.EventUp,
		fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventResume, fleet.EventStage, fleet.EventPause,
		fleet.EventContinue, fleet.EventStop, fleet.EventHalt, fleet.EventPace, fleet.EventEnd, fleet.EventRun, fleet.EventMarked, fleet.EventHook, fleet.EventHooked, fleet.EventMaintenance, fleet.EventConsole, "of a later version",
	}
	reasons := []fleet.Reason{
		"", fleet.ReasonNotRunning, fleet.ReasonLocked, fleet.ReasonUptime, fleet.ReasonOthers, fleet.ReasonNotSent, fleet.ReasonRefused,
		fleet.ReasonNotBack, fleet.ReasonGone, fleet.ReasonNotListed,
		fleet.ReasonNotUndrained, fleet.ReasonDenied, fleet.ReasonBlocked, fleet.ReasonUser, fleet.ReasonDone, fleet.ReasonInterrupted, "of a later version",
	}
	f.Add([]byte{})
	f.Add([]byte{3, 1, 0, 0, 0, 0, 1, 0, 0, 7, 0, 0, 0, 1, 0, 8, 1, 5, 11, 0, 0, 4, 1, 0, 18, 9, 9})
	f.Add([]byte{7, 0, 10, 0, 1, 11, 0, 0, 4, 0, 0, 0, 0, 0, 9, 0, 6, 5, 0, 0, 7, 0, 0, 10, 1, 3})
	random := rand.New(rand.NewPCG(3, 2))
	for range 100 {
		text := make([]byte, 20+random.IntN(250))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		c := &choices{script[:min(len(script), 300)]}
		plan := c.plan()
		rules := c.rules(len(plan.Targets))
		now := time.Date(2026, 3, 14, 1, 58, 12, 0, time.UTC)
		history := &fleet.History{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventRun, At: now, Plan: &plan, Settings: &fleet.Settings{Rules: rules}}}}
		for len(c.rest) > 0 {
			now = now.Add(time.Second)
			e := fleet.Event{Kind: kinds[c.upTo(len(kinds))], At: now}
			if about := c.upTo(len(plan.Targets) + 2); about < len(plan.Targets) {
				e.InstanceID = plan.Targets[about].ID
			}
			e.Reason = reasons[c.upTo(len(reasons))]
			switch e.Kind {
			case fleet.EventIntent:
				e.Attempt = 1 + c.upTo(3)
			case fleet.EventAccepted, fleet.EventFailed:
				e.RequestID, e.Code, e.Running = "R", ecsreboot.ErrDiskError, e.Kind == fleet.EventFailed && c.upTo(2) == 1
			case fleet.EventHook, fleet.EventHooked:
				e.Hook = []fleet.Hook{fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed}[c.upTo(3)]
			case fleet.EventMarked:
				e.Mark = []fleet.Mark{fleet.MarkGone, fleet.MarkRestarted, fleet.MarkNotRestarted}[c.upTo(3)]
			case fleet.EventSkipped:
				e.Unavailable = c.upTo(2) == 1
			case fleet.EventStage:
				e.Stage = c.upTo(4)
			case fleet.EventResume:
				e.Settings = &fleet.Settings{Rules: rules}
			default: // no more is of interest here
			}
			history.Events = append(history.Events, e)
		}
		requireSound(t, history)
	})
}
