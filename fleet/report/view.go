package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// view is what the page shows.
type view struct {
	Summary
	Title     string
	Regions   string // all of them, separated by commas, as Endpoints
	Endpoints string
	Verdict   string // the ending in a sentence
	Tone      string // "good", "bad" or "open"
	Steps     []step
	Notices   []string
	Facts     []fact
	Shares    []bar
	Ticks     []tickView
	Shades    []shade
	Flags     []flag
	Moments   []moment
	Course    chart
	Down      chart
	Calls     chart
	CallsPer  string
	Settled   chart
	SetTicks  []tickView
	SetLines  []bar
	Bands     []bandView
	Lanes     []lanesView
	Tables    []tableView
	Due       []dueView // the maintenance events, in the order of the plan
	Healthy   []healthyView
	Measures  []measure
	Folded    bool // the list of the healthy is a long one
}

// step is something to do now.
type step struct{ Who, Text, Command string }

// fact is a number of the summary.
type fact struct{ Name, Value, More string }

// stateView is how many are in a state.
type stateView struct {
	State fleet.State
	Count int
	Name  string
}

// shade is a time in which the run did not go on.
type shade struct{ Class, X, Width, Title string }

// flag is where a moment is, in the charts.
type flag struct {
	Number   int
	X        string
	Row      int
	Y, TextY int
	Kind     string
}

// moment is something that happened to the run, in words.
type moment struct {
	Number int
	At     string
	Text   string
}

// measure is a row of the settle times.
type measure struct {
	Settle
	Name          string
	P50, P95, Max string
}

// healthyView is a row of the list of those that are healthy.
type healthyView struct {
	*fleet.Record
	At, Settle string
}

func newView(s *story, options Options) *view {
	a := newAxis(s, options.Location)
	v := &view{Summary: s.summary(), Ticks: a.ticks()}
	v.Regions, v.Endpoints = v.Region, v.Endpoint
	for _, r := range v.FurtherRegions {
		v.Regions += ", " + r.Region
		v.Endpoints += ", " + r.Endpoint
	}
	v.Title = cmp.Or(v.Regions, "Fleet") + ", " + s.begun.In(a.zone).Format("2006-01-02 15:04")
	v.judge()
	v.notice()
	v.state(a.zone)
	v.mark(s, a)
	v.Course, v.Down = s.course(a), s.unavailable(a)
	calls, per := s.callBars(a)
	v.Calls, v.CallsPer = calls, "minute"
	if per > time.Minute {
		v.CallsPer = seconds(per.Seconds())
	}
	v.Settled, v.SetTicks, v.SetLines = s.histogram(v.Settle)
	v.Bands, v.Lanes = s.bands(a), s.chosenLanes(a)
	v.measure()
	adviser := adviser{options: options, sendID: sendIDBeginning(s.report.Records), plan: s.report.Plan, regions: s.regionsOf, ending: v.Ending, reason: v.Reason, hooks: s.hooks}
	v.Tables = s.tables(adviser, a.zone)
	v.listHealthy(s, a.zone)
	v.listDue(s, a.zone)
	v.advise(adviser, s.history.Holder)
	return v
}

// advise says what to do now: each command once, for all whom it serves.
func (v *view) advise(a adviser, holder string) {
	switch v.Ending {
	case EndingRunning:
		v.Steps = []step{{Text: "Wait: the run is in progress, driven by " + holder + "."}}
		return
	case EndingCrashed:
		v.Steps = []step{{Text: "Resume the run. It polls the instances whose restart may have been sent, and restarts none of them a second time.", Command: a.command("resume")}}
		return
	default:
	}
	byCommand := make(map[string]int)
	for _, table := range v.Tables {
		for _, part := range table.Parts {
			if part.Idle {
				continue
			}
			who := number(part.Count) + " " + table.Name
			if part.Reason != "" {
				who += " (" + string(part.Reason) + ")"
			}
			if i, ok := byCommand[part.Command]; ok && part.Command != "" {
				v.Steps[i].Who += ", " + who
				continue
			}
			byCommand[part.Command] = len(v.Steps)
			v.Steps = append(v.Steps, step{who, part.Text, part.Command})
		}
	}
	if len(v.Steps) == 0 {
		v.Steps = []step{{Text: "Nothing."}}
	}
}

// tally says how many instances are in each state.
func (v *view) tally() string {
	var counts []string
	for _, state := range []struct {
		state fleet.State
		words string
	}{
		{fleet.StateHealthy, "restarted with proof"},
		{fleet.StateSkipped, "left alone"},
		{fleet.StateFailed, "failed"},
		{fleet.StateUnknown, "unknown"},
		{fleet.StateRestarting, "restarting"},
		{fleet.StateWaiting, "waiting"},
	} {
		if n := v.States[state.state]; n > 0 || state.state == fleet.StateHealthy {
			counts = append(counts, number(n)+" "+state.words)
		}
	}
	return strings.Join(counts, ", ")
}

// judge says how it ended.
func (v *view) judge() {
	healthy, total := v.States[fleet.StateHealthy], v.Instances
	switch {
	case v.Ending == EndingRunning:
		v.Tone, v.Verdict = "open", "Running: "+v.tally()
	case v.Ending == EndingCrashed:
		v.Tone, v.Verdict = "bad", "Crashed: "+v.tally()
	case v.Ending == EndingOpen:
		v.Tone, v.Verdict = "open", "No end is recorded: the run is in progress, or it has crashed"
	case v.Ending == EndingDone && healthy == total:
		v.Tone, v.Verdict = "good", "Done: "+map[bool]string{true: "the instance has", false: fmt.Sprintf("all %s instances have", number(total))}[total == 1]+" restarted, with proof"
	case v.Ending == EndingDone && v.Failures == 0:
		v.Tone, v.Verdict = "good", "Done: "+v.tally()
	case v.Ending == EndingDone:
		v.Tone, v.Verdict = "bad", "Done: "+v.tally()
	case v.Ending == EndingStopped:
		v.Tone, v.Verdict = "open", "Stopped, as requested: "+v.tally()
	case v.Ending == EndingInterrupted:
		v.Tone, v.Verdict = "open", "Interrupted: "+v.tally()
	default:
		v.Tone, v.Verdict = "bad", "Halted: "+string(v.Reason)+". "+v.tally()
	}
	if v.Ended.IsZero() && v.Reason != "" {
		v.Verdict += ". It was to send nothing more: " + string(v.Reason)
	}
}

// notice adds a notice for each reason why the report is incomplete.
func (v *view) notice() {
	if v.TornBytes > 0 {
		v.Notices = append(v.Notices, fmt.Sprintf("The last %s of the journal cannot be read: it was cut off by a crash, or is being written just now.", count(v.TornBytes, "byte", "bytes")))
	}
	if v.InFlight > 0 {
		v.Notices = append(v.Notices, fmt.Sprintf("When the failures exceeded the limit of %s, %s in flight already; the failures beyond the limit are among these.",
			number(v.MaxFailed), count(v.InFlight, "restart was", "restarts were")))
	}
	if v.Ignored > 0 {
		v.Notices = append(v.Notices, count(v.Ignored, "event makes", "events make")+" no sense in its place; the figures leave it out where they can.")
	}
	if m := v.Maintenance; m != nil && len(m.AtRisk) > 0 {
		v.Notices = append(v.Notices, fmt.Sprintf("%s at risk: the instance has not restarted, and the deadline has passed or is less than %s away.",
			count(len(m.AtRisk), "deadline is", "deadlines are"), seconds(fleet.DeadlineMargin.Seconds())))
	}
	if m := v.Maintenance; m != nil && m.Error != "" {
		v.Notices = append(v.Notices, "The status of the maintenance events could not be read: "+m.Error)
	}
	if n := v.States[fleet.StateHealthy] - v.Settle.Measured; n > 0 {
		v.Notices = append(v.Notices, fmt.Sprintf("How long %s took is not known: no session saw both the restart and its end.", count(n, "instance", "instances")))
	}
}

// state fills in the numbers.
func (v *view) state(zone *time.Location) {
	x := 0.0
	for _, state := range states {
		n := v.States[state]
		share := float64(n) / float64(v.Instances)
		if n > 0 {
			v.Shares = append(v.Shares, bar{Class: "s-" + string(state), X: percent(x), Width: percent(share), Title: fmt.Sprintf("%s: %s", state, number(n))})
		}
		x += share
	}
	rules := v.Settings.Rules
	canary := "none"
	if len(rules.Canary) > 0 {
		canary = strings.ReplaceAll(strings.Trim(fmt.Sprint(rules.Canary), "[]"), " ", ", then ")
	}
	ended, last := "not recorded", "last event "+clock(v.Last.In(zone))
	if !v.Ended.IsZero() {
		ended, last = clock(v.Ended.In(zone)), ""
	}
	limit := func(l fleet.Limit) string { return cmp.Or(l.String(), "default") }
	v.Facts = []fact{
		{"Failures", number(v.Failures), fmt.Sprintf("of %s allowed", number(v.MaxFailed))},
		{"Unavailable at most", number(v.Peak), fmt.Sprintf("of %s allowed", number(v.MaxUnavailable))},
		{"Time taken", seconds(v.ActiveSeconds), count(v.Sessions, "session", "sessions")},
		{"Least time", orUnknown(v.Bounds.Largest()), bounds(v.Bounds)},
		{"Restarts a minute", fmt.Sprintf("%.3g", v.PerMinute), "that became healthy"},
		{"Calls accepted", number(v.Accepted), fmt.Sprintf("%s throttled", number(v.Throttled))},
		{"Time to healthy", map[bool]string{true: seconds(v.Settle.P50), false: "–"}[v.Settle.Measured > 0], "median"},
		{map[bool]string{true: "Regions", false: "Region"}[len(v.FurtherRegions) > 0], cmp.Or(v.Regions, "–"), v.Endpoints},
		{"Begun", clock(v.Begun.In(zone)), ""},
		{"Ended", ended, last},
		{"Max. unavailable", limit(rules.MaxUnavailable), "per group " + limit(rules.MaxUnavailablePerGroup)},
		{"Max. failed", limit(rules.MaxFailed), "canaries " + canary},
		{"Ready after", orNone(v.Settings.MinReady), "within " + orNone(v.Settings.ReadyTimeout)},
		{"Plan", v.Digest[:12], map[bool]string{true: "by force stop", false: "regular restarts"}[v.ForceStop] + version(v.Version)},
	}
}

// orUnknown is a lower bound in words.
func orUnknown(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return seconds(d.Seconds())
}

// bounds are the lower bounds that are known, one after the other.
func bounds(b fleet.Bounds) string {
	var parts []string
	for _, part := range []struct {
		name string
		time time.Duration
	}{{"width", b.Width}, {"restart requests", b.Requests}, {"polls", b.Polls}} {
		if part.time > 0 {
			parts = append(parts, part.name+" "+seconds(part.time.Seconds()))
		}
	}
	return strings.Join(parts, ", ")
}

// orNone is a duration of the settings in words.
func orNone(d time.Duration) string {
	switch {
	case d == 0:
		return "default"
	case d < 0:
		return "none"
	}
	return seconds(d.Seconds())
}

func version(v string) string {
	if v == "" {
		return ""
	}
	return ", version " + v
}

// StateViews are the states with their numbers.
func (v *view) StateViews() []stateView {
	all := make([]stateView, 0, len(states))
	for _, state := range states {
		all = append(all, stateView{State: state, Count: v.States[state], Name: string(state)})
	}
	return all
}

// measure fills in the settle times.
func (v *view) measure() {
	row := func(one Settle, name string) measure {
		m := measure{Settle: one, Name: name, P50: "–", P95: "–", Max: "–"}
		if one.Measured > 0 {
			m.P50, m.P95, m.Max = seconds(one.P50), seconds(one.P95), seconds(one.Max)
		}
		return m
	}
	v.Measures = append(v.Measures, row(v.Settle, "all"))
	for _, one := range v.Groups {
		v.Measures = append(v.Measures, row(one, cmp.Or(one.Group, "(none)")))
	}
}

// listHealthy lists the healthy, the slowest first.
func (v *view) listHealthy(s *story, zone *time.Location) {
	const fold = 30
	took := make(map[string]time.Duration)
	for i := range s.report.Records {
		r := &s.report.Records[i]
		if r.State != fleet.StateHealthy {
			continue
		}
		row := healthyView{Record: r, At: r.EndedAt.In(zone).Format("15:04:05"), Settle: "–"}
		if d, ok := s.timeToHealthy(r); ok {
			row.Settle, took[r.ID] = seconds(d.Seconds()), d
		}
		v.Healthy = append(v.Healthy, row)
	}
	slices.SortStableFunc(v.Healthy, func(a, b healthyView) int { return cmp.Compare(took[b.ID], took[a.ID]) })
	v.Folded = len(v.Healthy) > fold
}

// dueView is a row of the list of maintenance events.
type dueView struct {
	*fleet.Record
	Event              fleet.MaintenanceEvent
	AtRisk             bool
	Deadline, Finished string
}

// listDue lists the maintenance events.
func (v *view) listDue(s *story, zone *time.Location) {
	if v.Maintenance == nil {
		return
	}
	atRisk := make(map[string]bool)
	for _, d := range v.Maintenance.AtRisk {
		atRisk[d.InstanceID+" "+d.ID] = true
	}
	when := func(at time.Time) string {
		if at.IsZero() {
			return "not known"
		}
		return at.In(zone).Format("2006-01-02 15:04:05")
	}
	for i := range s.report.Records {
		r := &s.report.Records[i]
		for _, e := range r.Maintenance {
			row := dueView{Record: r, Event: e, AtRisk: atRisk[r.ID+" "+e.ID], Deadline: when(e.NotBefore)}
			if !e.FinishTime.IsZero() {
				row.Finished = when(e.FinishTime)
			}
			v.Due = append(v.Due, row)
		}
	}
}
