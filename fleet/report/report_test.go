package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

func write(tb testing.TB, history *fleet.History, options report.Options) string {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, report.HTML(&b, history, options))
	return b.String()
}

func data(tb testing.TB, history *fleet.History) report.Data {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, report.JSON(&b, history))
	decoder := json.NewDecoder(&b)
	decoder.DisallowUnknownFields()
	var d report.Data
	require.NoError(tb, decoder.Decode(&d))
	return d
}

var (
	stateCount = regexp.MustCompile(`data-state="(\w+)" data-count="(\d+)"`)
	tableRows  = regexp.MustCompile(`data-table="(\w+)" data-rows="(\d+)"`)
	rowID      = regexp.MustCompile(`<tr data-id="([^"]*)"`)
)

var allStates = []fleet.State{
	fleet.StateWaiting, fleet.StateRestarting, fleet.StateHealthy, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
}

func counts(found [][]string) map[fleet.State]int {
	byState := make(map[fleet.State]int)
	for _, f := range found {
		byState[fleet.State(f[1])], _ = strconv.Atoi(f[2])
	}
	return byState
}

// requireAgrees compares a page with the report of the history.
func requireAgrees(tb testing.TB, text string, history *fleet.History) {
	tb.Helper()
	known := history.Report()
	shown, listed := counts(stateCount.FindAllStringSubmatch(text, -1)), counts(tableRows.FindAllStringSubmatch(text, -1))
	named := make(map[string]bool)
	for _, f := range rowID.FindAllStringSubmatch(text, -1) {
		named[html.UnescapeString(f[1])] = true
	}
	for _, state := range allStates {
		require.Contains(tb, shown, state)
		require.Equal(tb, known.Count(state), shown[state], state)
		require.Equal(tb, known.Count(state), listed[state], state)
	}
	for _, r := range known.Records {
		if (r.State != fleet.StateHealthy) != named[r.ID] { // of 10,000, require.Equal would take long
			require.Equal(tb, r.State != fleet.StateHealthy, named[r.ID], r.ID)
		}
	}
}

func TestCountsAgree(t *testing.T) {
	for name, c := range samples {
		t.Run(name, func(t *testing.T) {
			if c.instances > 1000 && testing.Short() {
				t.Skip("a large fleet")
			}
			history := simulate(t, c)
			text := write(t, history, options)
			requireAgrees(t, text, history)
			require.Less(t, len(text), 3<<20, "it is sent by mail, and opened")

			d, known := data(t, history), history.Report()
			require.Equal(t, len(history.Plan.Targets), d.Summary.Instances)
			for _, state := range allStates {
				require.Equal(t, known.Count(state), d.Summary.States[state], state)
			}
			require.Zero(t, d.Summary.Ignored)
			for _, level := range d.Series.Unavailable {
				require.LessOrEqual(t, level.Unavailable, level.Max, level.At)
			}
			require.Equal(t, d.Summary.Peak, d.Summary.MaxUnavailable, "it would have used all of it")
			accepted, throttled := 0, 0
			for _, minute := range d.Series.Calls {
				accepted += minute.Accepted
				throttled += minute.Throttled
				require.Zero(t, minute.Minute.Second())
			}
			require.Equal(t, d.Summary.Accepted, accepted)
			require.Equal(t, d.Summary.Throttled, throttled)
			require.Equal(t, known.Bounds, d.Summary.Bounds)
			require.Equal(t, d.Summary.Ended.IsZero(), d.Summary.Bounds.Width == 0)
			require.LessOrEqual(t, d.Summary.Bounds.Width, d.Summary.Last.Sub(d.Summary.Begun))
			require.Equal(t, c.perMinute > 0 && !d.Summary.Ended.IsZero(), d.Summary.Bounds.Requests > 0)
			require.Equal(t, d.Summary.Bounds.Width > 0, strings.Contains(text, "<dt>Least time</dt>") && strings.Contains(text, "<small>width "))
			require.Contains(t, text, fmt.Sprintf(`data-accepted="%d" data-throttled="%d"`, accepted, throttled))
		})
	}
}

func TestJSONHoldsTheRecords(t *testing.T) {
	history := simulate(t, samples["three hundred"])
	d := data(t, history)
	require.Equal(t, history.Report().Records, d.Records)
	require.Equal(t, history.Plan.Digest(), d.Summary.Digest)
	require.Equal(t, history.Report().Settings, d.Summary.Settings)
	again, err := json.Marshal(d)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, report.JSON(&b, history))
	require.JSONEq(t, b.String(), string(again))
}

func TestEndings(t *testing.T) {
	plan := fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}}}
	for _, c := range []struct {
		events []fleet.Event
		ending report.Ending
		says   string
	}{
		{nil, report.EndingOpen, "No end is recorded"},
		{[]fleet.Event{{Kind: fleet.EventHalt, Reason: fleet.ReasonBudget}}, report.EndingOpen, "send nothing more: failure budget"},
		{[]fleet.Event{{Kind: fleet.EventEnd, Reason: fleet.ReasonDone}}, report.EndingDone, "Done: 0 restarted with proof, 2 waiting"},
		{[]fleet.Event{{Kind: fleet.EventStop, Reason: fleet.ReasonUser}, {Kind: fleet.EventEnd, Reason: fleet.ReasonUser}}, report.EndingStopped, "Stopped, as requested"},
		{[]fleet.Event{{Kind: fleet.EventEnd, Reason: fleet.ReasonInterrupted}}, report.EndingInterrupted, "Interrupted"},
		{[]fleet.Event{{Kind: fleet.EventHalt, Reason: fleet.ReasonAccess, Error: "no such key"}, {Kind: fleet.EventEnd, Reason: fleet.ReasonAccess}}, report.EndingHalted, "Halted: access"},
	} {
		history := script(plan, c.events...)
		require.Equal(t, c.ending, data(t, history).Summary.Ending)
		text := write(t, history, options)
		require.Contains(t, text, c.says)
		requireAgrees(t, text, history)
	}
}

// script is a history of the given events, a second apart.
func script(plan fleet.Plan, events ...fleet.Event) *fleet.History {
	rules := fleet.Rules{MaxFailed: fleet.Count(1), Canary: []int{}}
	history := &fleet.History{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventRun, At: begun, Plan: &plan, Settings: &fleet.Settings{Rules: rules}}}}
	for i, e := range events {
		if e.At.IsZero() {
			e.At = begun.Add(time.Duration(i+1) * time.Second)
		}
		if e.Kind == fleet.EventResume {
			e.Settings = &fleet.Settings{Rules: rules}
		}
		history.Events = append(history.Events, e)
	}
	return history
}

func TestFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.journal")
	history := simulate(t, samples["crashed"])
	j, err := journal.Create(path, history.Events[0], journal.Options{})
	require.NoError(t, err)
	for _, e := range history.Events[1:] {
		require.NoError(t, j.Write(e))
	}
	require.NoError(t, j.Close())
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"kind":"acce`)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	loaded, err := fleet.Load(path)
	require.NoError(t, err)
	require.Positive(t, loaded.Torn)
	text := write(t, loaded, options)
	requireAgrees(t, text, history)
	require.Contains(t, text, fmt.Sprintf("The last %d bytes of the journal cannot be read", loaded.Torn))
	require.Contains(t, text, "rolling resolve web.journal")
	require.Contains(t, text, "rolling resume web.journal")
	require.Equal(t, loaded.Torn, data(t, loaded).Summary.TornBytes)
}

func TestSessions(t *testing.T) {
	history := simulate(t, samples["three hundred"])
	text := write(t, history, options)
	require.Contains(t, text, `data-sessions="2"`)
	require.Contains(t, text, "it had crashed")
	require.Contains(t, text, "drawn short", "47 minutes of nothing")
	d := data(t, history)
	require.Less(t, d.Summary.ActiveSeconds, d.Summary.Last.Sub(d.Summary.Begun).Seconds()-45*60)
	crashes := 0
	for _, m := range d.Series.Marks {
		if m.Crashed {
			crashes++
			require.Equal(t, fleet.EventResume, m.Kind)
		}
	}
	require.Equal(t, 1, crashes)
	require.Less(t, d.Summary.Settle.Measured, d.Summary.States[fleet.StateHealthy], "some became healthy across the crash")
}

func TestTimesToHealthy(t *testing.T) {
	plan := fleet.Plan{Targets: []fleet.Target{{ID: "a1", Group: "a"}, {ID: "a2", Group: "a"}, {ID: "b1", Group: "b"}, {ID: "b2", Group: "b"}}}
	at := func(seconds int, kind fleet.EventKind, id string) fleet.Event {
		return fleet.Event{Kind: kind, InstanceID: id, At: begun.Add(time.Duration(seconds) * time.Second), Attempt: 1}
	}
	d := data(t, script(
		plan,
		at(1, fleet.EventIntent, "a1"), at(2, fleet.EventAccepted, "a1"), at(62, fleet.EventHealthy, "a1"),
		at(70, fleet.EventIntent, "a2"), at(71, fleet.EventDoubt, "a2"), at(90, fleet.EventHealthy, "a2"),
		at(100, fleet.EventIntent, "b1"), at(101, fleet.EventAccepted, "b1"),
		fleet.Event{Kind: fleet.EventResume, At: begun.Add(500 * time.Second)},
		at(510, fleet.EventHealthy, "b1"),
		at(520, fleet.EventIntent, "b2"), at(521, fleet.EventFailed, "b2"),
	))
	require.Equal(t, report.Settle{Instances: 4, Healthy: 3, Failures: 1, Measured: 2, P50: 20, P95: 60, Max: 60}, d.Summary.Settle)
	require.Equal(t, []report.Settle{
		{Group: "a", Instances: 2, Healthy: 2, Measured: 2, P50: 20, P95: 60, Max: 60},
		{Group: "b", Instances: 2, Healthy: 1, Failures: 1},
	}, d.Summary.Groups)
}

func TestThrottledCountsBySession(t *testing.T) {
	plan := fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}}
	pace := func(seconds, total int) fleet.Event {
		return fleet.Event{Kind: fleet.EventPace, Throttled: total, At: begun.Add(time.Duration(seconds) * time.Second)}
	}
	d := data(t, script(
		plan, pace(10, 2), pace(20, 5), pace(60, 5), pace(70, 9),
		fleet.Event{Kind: fleet.EventResume, At: begun.Add(100 * time.Second)}, pace(130, 1),
	))
	require.Equal(t, 10, d.Summary.Throttled)
	minute := begun.Truncate(time.Minute)
	require.Equal(t, []report.Calls{
		{Minute: minute, Throttled: 5},
		{Minute: minute.Add(time.Minute), Throttled: 4},
		{Minute: minute.Add(2 * time.Minute), Throttled: 1},
	}, d.Series.Calls)
}

func TestOneInstance(t *testing.T) {
	plan := fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}}
	history := script(
		plan,
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
		fleet.Event{Kind: fleet.EventAccepted, InstanceID: "i-1"},
		fleet.Event{Kind: fleet.EventHealthy, InstanceID: "i-1"},
		fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonDone},
	)
	text := write(t, history, options)
	requireAgrees(t, text, history)
	require.Contains(t, text, "Done: the instance has restarted, with proof")
}

func TestLocation(t *testing.T) {
	history := script(fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}})
	require.Contains(t, write(t, history, report.Options{}), "2026-03-14 01:58:12 UTC")
	require.Contains(t, write(t, history, report.Options{Location: time.FixedZone("CST", 8*60*60)}), "2026-03-14 09:58:12 CST")
}

func TestSenselessEventsAreCounted(t *testing.T) {
	history := script(
		fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}},
		fleet.Event{Kind: fleet.EventHealthy, InstanceID: "i-1"},
		fleet.Event{Kind: fleet.EventHealthy, InstanceID: "i-other"},
		fleet.Event{Kind: "of a later version"},
	)
	require.Equal(t, 3, data(t, history).Summary.Ignored)
	require.Contains(t, write(t, history, options), "3 events make no sense")
}

func TestRefusesNoRun(t *testing.T) {
	plan := fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}}
	for _, history := range []*fleet.History{
		nil,
		{},
		{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventEnd}}},
		{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventRun}}},
		{Plan: plan, Events: []fleet.Event{{Kind: fleet.EventRun, InstanceID: "i-1", Settings: &fleet.Settings{}}}},
		{Events: []fleet.Event{{Kind: fleet.EventRun, Settings: &fleet.Settings{}}}},
	} {
		var bad *ecsreboot.InputError
		require.ErrorAs(t, report.HTML(&bytes.Buffer{}, history, options), &bad)
		require.ErrorAs(t, report.JSON(&bytes.Buffer{}, history), &bad)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestTellsThatItCannotWrite(t *testing.T) {
	history := simulate(t, samples["three"])
	require.ErrorIs(t, report.HTML(fullDisk{}, history, options), errFull)
	require.ErrorIs(t, report.JSON(fullDisk{}, history), errFull)
}

func TestCommandsTellOfHooks(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}}}
	history := script(plan, fleet.Event{Kind: fleet.EventStop, Reason: fleet.ReasonUser}, fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonUser})
	history.Events[0].Hooks = []fleet.Hook{fleet.HookHealth, fleet.HookDrain}
	require.Contains(t, write(t, history, options), "<code>rolling resume web.journal --health-cmd AS-BEFORE --drain-cmd AS-BEFORE</code>")
}

func TestCommandsSayWhere(t *testing.T) {
	plan := fleet.Plan{
		Region: "cn-hangzhou", Endpoint: "https://a", FurtherRegions: []fleet.PlanRegion{{Region: "cn-beijing", Endpoint: "https://b"}},
		Targets:   []fleet.Target{{ID: "i-1", Region: "cn-hangzhou"}, {ID: "i-2", Region: "cn-beijing"}, {ID: "i-3", Region: "cn-hangzhou"}},
		ForceStop: true, Labels: map[string]string{"profile": "ops team", "rate-hint": "60"},
	}
	history := script(
		plan,
		fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-1", Reason: fleet.ReasonSelf},
		fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-2", Reason: fleet.ReasonSelf},
		fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-3", Reason: fleet.ReasonSelf},
		fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonDone},
	)
	require.Contains(t, html.UnescapeString(write(t, history, options)),
		"<code>rolling restart --region cn-hangzhou --endpoint https://a --profile 'ops team' --force i-1 i-3\n"+
			"rolling restart --region cn-beijing --endpoint https://b --profile 'ops team' --force i-2</code>")
}

// TestRunningAndCrashed are told apart by who has the journal.
func TestRunningAndCrashed(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}, {ID: "i-3"}}}
	history := script(
		plan,
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
		fleet.Event{Kind: fleet.EventFailed, InstanceID: "i-1", Reason: fleet.ReasonRefused, Running: true},
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-2", Attempt: 1},
	)
	history.Holder, history.HolderKnown = "process 7 on web-1", true
	require.Equal(t, report.EndingRunning, data(t, history).Summary.Ending)
	text := write(t, history, options)
	require.Contains(t, text, "Running: 0 restarted with proof, 1 failed, 1 restarting, 1 waiting")
	require.Contains(t, text, "Wait: the run is in progress, driven by process 7 on web-1.")
	require.NotContains(t, text, "<pre>", "a command would be refused now")
	require.NotContains(t, text, "crashed")

	history.Holder = ""
	require.Equal(t, report.EndingCrashed, data(t, history).Summary.Ending)
	text = write(t, history, options)
	require.Contains(t, text, "Crashed: 0 restarted with proof, 1 failed, 1 restarting, 1 waiting")
	require.Contains(t, text, "<code>rolling resume web.journal</code>")
}

// TestWhatToDoNow stands under the headline, with each command once.
func TestWhatToDoNow(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}, {ID: "i-3"}, {ID: "i-4"}}}
	history := script(
		plan,
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
		fleet.Event{Kind: fleet.EventFailed, InstanceID: "i-1", Reason: fleet.ReasonRefused, Running: true},
		fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-2", Reason: fleet.ReasonLocked},
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-3", Attempt: 1},
		fleet.Event{Kind: fleet.EventFailed, InstanceID: "i-3", Reason: fleet.ReasonGone},
		fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-4", Reason: fleet.ReasonSelf},
		fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonDone},
	)
	text := write(t, history, options)
	_, text, found := strings.Cut(text, "</h1>\n<div class=\"now\"><h2>What to do now</h2>")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "</div>")
	require.Equal(t, 1, strings.Count(text, "<code>rolling resume web.journal</code>"))
	require.Contains(t, text, "<b>1 failed (refused), 1 skipped (locked)</b>")
	require.Contains(t, text, "<code>rolling mark web.journal --gone i-3 --reason released</code>")
	require.Contains(t, text, "<code>rolling restart --region cn-hangzhou i-4</code>")
	require.NotContains(t, text, "Nothing.")

	marked := script(fleet.Plan{Targets: plan.Targets[:1]}, fleet.Event{Kind: fleet.EventMarked, InstanceID: "i-1", Mark: fleet.MarkGone, Reason: fleet.ReasonGone, Note: "OPS-<12>"})
	require.Contains(t, write(t, marked, options), "OPS-&lt;12&gt;", "the operator's reason")

	done := script(fleet.Plan{Targets: plan.Targets[:1]}, fleet.Event{Kind: fleet.EventSkipped, InstanceID: "i-1", Reason: fleet.ReasonUptime},
		fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonDone})
	require.Contains(t, write(t, done, options), "Nothing.")
}

// TestInFlightWhenExceeded: failures beyond the limit were in flight already.
func TestInFlightWhenExceeded(t *testing.T) {
	var plan fleet.Plan
	var events []fleet.Event
	for i := range 6 {
		id := fmt.Sprintf("i-%d", i)
		plan.Targets = append(plan.Targets, fleet.Target{ID: id})
		if i < 5 {
			events = append(events, fleet.Event{Kind: fleet.EventIntent, InstanceID: id, Attempt: 1})
		}
	}
	for i := range 3 {
		events = append(events, fleet.Event{Kind: fleet.EventFailed, InstanceID: plan.Targets[i].ID, Reason: fleet.ReasonNotBack})
	}
	events = append(events, fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonBudget}, fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonBudget})
	history := script(plan, events...)
	require.Equal(t, 3, data(t, history).Summary.InFlight)
	require.Contains(t, write(t, history, options), "When the failures exceeded the limit of 1, 3 restarts were in flight already")
	history.Events = append(history.Events, fleet.Event{Kind: fleet.EventResume, At: history.Events[len(history.Events)-1].At})
	require.Zero(t, data(t, history).Summary.InFlight, "in the last session")
}
