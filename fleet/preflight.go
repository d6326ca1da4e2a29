package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Forecast is the result of [Preflight]: what a run would do, and what would prevent the
// run.
type Forecast struct {
	Plan   Plan            `json:"plan"`
	Digest string          `json:"digest"`
	Rules  Rules           `json:"rules"`            // defaults filled in
	Width  int             `json:"width"`            // the number of instances that may be unavailable at once
	Groups []GroupForecast `json:"groups,omitempty"` // in the order of their names; none if the plan has no groups
	// Findings are the instances that a run would skip, or whose restart would fail, in
	// the order of the plan.
	Findings []Finding `json:"findings,omitempty"`
	// Problems are the reasons why the run would halt, such as missing permissions, or
	// a width that is used up before the run begins. Empty if preflight found none.
	Problems []string `json:"problems,omitempty"`
	DryRuns  int      `json:"dryRuns"` // the number of dry runs that passed
	Asked    int      `json:"asked"`   // the number of instances that a dry run was sent for
	// OpensAt is when the maintenance window opens; zero if the window is open, or if
	// there is no window.
	OpensAt time.Time `json:"opensAt,omitzero"`
	// Rounds is how many restarts follow one another: in each round, as many instances restart
	// at a time as the width, the groups and the canaries allow. A run takes Rounds times as
	// long as a restart, and MinReady, if all restarts take equally long.
	Rounds int `json:"rounds,omitempty"`
	// Bounds are the bounds of the run if restarts took no time. For the rate limits, Bounds
	// uses what the clients know now, by a hint or because the service throttled.
	Bounds Bounds `json:"bounds"`
	// AtLeast is the largest of the Bounds: how long the run would take at least if restarts
	// took no time.
	AtLeast time.Duration `json:"-"`
}

// GroupForecast is the part of a [Forecast] that applies to one group of the plan.
type GroupForecast struct {
	Name  string `json:"name"`
	Size  int    `json:"size"`
	Width int    `json:"width"`
}

// Finding is an instance that a run would skip, or whose restart would fail.
type Finding struct {
	Target

	State  State               `json:"state"` // StateSkipped or StateFailed
	Reason Reason              `json:"reason"`
	Status ecsreboot.Status    `json:"status,omitempty"`
	Code   ecsreboot.ErrorCode `json:"code,omitempty"`
	Error  string              `json:"error,omitempty"`
}

// Preflight checks what a run of the plan would meet. It polls every instance once,
// sends as many dry runs as Options.DryRuns, or more if some are denied, and restarts
// nothing. The forecast lists what would prevent the run. Preflight returns an error
// only if the input is invalid, a poll fails, a dry run gets no response, or ctx ends.
func Preflight(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Forecast, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	options, err := options.forRun(client, plan)
	if err != nil {
		return nil, err
	}
	planner, err := NewPlanner(plan, options.Rules)
	if err != nil {
		return nil, err
	}
	clients, err := newClients(client, plan, options.Clients)
	if err != nil {
		return nil, err
	}
	f := &Forecast{Plan: plan, Digest: plan.Digest(), Rules: planner.Rules(), Width: planner.Width()}
	if options.Window != nil {
		if open, until := options.Window.At(time.Now()); !open {
			f.OpensAt = until
		}
	}
	found, err := clients.poll(ctx, plan)
	if err != nil {
		return nil, err
	}
	sound := f.sort(found, options)
	if err := f.dryRun(ctx, clients, sound, options.DryRuns); err != nil {
		return nil, err
	}
	f.sum()
	f.forecastTime(clients, options.MinReady)
	return f, nil
}

// poll polls all targets of a plan, each in its region.
func (c clients) poll(ctx context.Context, plan Plan) (map[string]ecsreboot.Instance, error) {
	ids := make(map[*ecsreboot.Client][]string, len(c.all))
	for _, t := range plan.Targets {
		ids[c.client(t)] = append(ids[c.client(t)], t.ID)
	}
	found := make(map[string]ecsreboot.Instance, len(plan.Targets))
	for _, client := range c.all {
		if len(ids[client]) == 0 { // which would mean all instances
			continue
		}
		here, err := describe(ctx, client, ecsreboot.DescribeInstancesRequest{InstanceIDs: ids[client]})
		if err != nil {
			return nil, err
		}
		maps.Copy(found, here)
	}
	return found, nil
}

// sort finds those that would not be restarted, and returns the others.
func (f *Forecast) sort(found map[string]ecsreboot.Instance, options Options) (sound []Target) {
	for _, t := range f.Plan.Targets {
		instance := found[t.ID]
		finding := Finding{Target: t, State: StateSkipped, Status: instance.Status}
		err := instance.Refusal(time.Now())
		apiErr, refused := errors.AsType[*ecsreboot.APIError](err)
		switch {
		case t.ID == options.SelfID:
			finding.Reason = ReasonSelf
		case slices.Contains(options.Exclude, t.ID):
			finding.Reason = ReasonExcluded
		case refused && apiErr.Code == ecsreboot.ErrIncorrectInstanceStatus:
			finding.Reason = ReasonNotRunning
		case refused && !instance.Listed():
			finding.State, finding.Reason, finding.Code, finding.Error = StateFailed, ReasonNotListed, apiErr.Code, apiErr.Message
		case refused:
			finding.Reason, finding.Code, finding.Error = ReasonLocked, apiErr.Code, apiErr.Message
		case options.MinUptime > 0 && time.Since(instance.StartTime) < options.MinUptime:
			finding.Reason = ReasonUptime
		default:
			sound = append(sound, t)
			continue
		}
		f.Findings = append(f.Findings, finding)
	}
	return sound
}

// sum says what the findings amount to.
func (f *Forecast) sum() {
	place := make(map[string]int, len(f.Plan.Targets))
	groups := make(map[string]*GroupForecast)
	for i, t := range f.Plan.Targets {
		place[t.ID] = i
		g := groups[t.Group]
		if g == nil {
			g = &GroupForecast{Name: t.Group}
			groups[t.Group] = g
		}
		g.Size++
	}
	slices.SortFunc(f.Findings, func(a, b Finding) int { return place[a.ID] - place[b.ID] })
	if len(groups) > 1 || f.Plan.Targets[0].Group != "" {
		for _, g := range groups {
			g.Width = f.Rules.groupWidth(g.Size)
			f.Groups = append(f.Groups, *g)
		}
		slices.SortFunc(f.Groups, func(a, b GroupForecast) int { return strings.Compare(a.Name, b.Name) })
	}
	down, failed, downIn := 0, 0, make(map[string]int)
	for _, finding := range f.Findings {
		// One that is not listed, or refused and Running, takes nothing from the width.
		if finding.Status != "" && finding.Status != ecsreboot.StatusRunning {
			down++
			downIn[finding.Group]++
		}
		failed += b2i(finding.State == StateFailed)
	}
	restarts := len(f.Plan.Targets) - len(f.Findings)
	if restarts > 0 && down >= f.Width {
		f.problem("unavailable already: %d of the instances, and MaxUnavailable is %d: the run would halt before its end; leave them out, such as by Status, or allow for more", down, f.Width)
	}
	for _, g := range f.Groups {
		if down < f.Width && downIn[g.Name] >= g.Width && downIn[g.Name] < g.Size {
			f.problem("unavailable already: %d of the instances of group %q, and %d may be: the rest of it would never be restarted", downIn[g.Name], g.Name, g.Width)
		}
	}
	if limit := f.Rules.MaxFailed.Of(len(f.Plan.Targets)); failed > limit {
		f.problem("bound to fail: %d of the instances, and MaxFailed is %d: the run would halt", failed, limit)
	}
	if restarts == 0 {
		f.problem("no instance would be restarted")
	}
}

func (f *Forecast) problem(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// String returns the forecast as text of several lines.
func (f *Forecast) String() string {
	var b strings.Builder
	how, restarts := "in order", len(f.Plan.Targets)-len(f.Findings)
	if f.Plan.ForceStop {
		how = "by force, as a power cut"
	}
	fmt.Fprintf(&b, "restart %d of %d instances of %s, %s (plan %s)\n",
		restarts, len(f.Plan.Targets), f.Plan.regions(), how, f.Digest[:shortDigest])
	fmt.Fprintf(&b, "  at most %d unavailable at once; halt when more than %d failed or are unknown\n", f.Width, f.Rules.MaxFailed.Of(len(f.Plan.Targets)))
	if len(f.Rules.Canary) > 0 {
		fmt.Fprintf(&b, "  canaries first, in stages of %s; halt if one fails\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Rules.Canary), " ", ", "), "[]"))
	}
	for i, g := range f.Groups {
		if i == shownAtMost {
			fmt.Fprintf(&b, "  … and %d more groups\n", len(f.Groups)-i)
			break
		}
		fmt.Fprintf(&b, "  group %q: at most %d of %d unavailable\n", g.Name, g.Width, g.Size)
	}
	for i, finding := range f.Findings {
		if i == shownAtMost {
			fmt.Fprintf(&b, "  … and %d more, skipped or bound to fail\n", len(f.Findings)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", finding)
	}
	f.writeDeadlines(&b)
	fmt.Fprintf(&b, "  dry runs passed: %d of %d\n", f.DryRuns, f.Asked)
	if denied := f.denied(); len(denied) > 0 {
		fmt.Fprintf(&b, "  denied: %s; %d of %d instances can be restarted", strings.Join(denied, ", "), restarts, len(f.Plan.Targets))
		if left := restarts - f.DryRuns; left > 0 {
			fmt.Fprintf(&b, ", of which %d had no dry run", left)
		}
		b.WriteString("\n")
	}
	if !f.OpensAt.IsZero() {
		fmt.Fprintf(&b, "  the maintenance window opens at %s\n", f.OpensAt.Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "  %d at a time, in %s", f.Width, counted(f.Rounds, "round", "rounds"))
	if f.AtLeast > 0 {
		fmt.Fprintf(&b, "; takes at least %v, besides the restarts themselves", f.AtLeast.Round(time.Second))
	}
	if f.Bounds.Requests > 0 || f.Bounds.Polls > 0 {
		fmt.Fprintf(&b, "\n  least time by each limit: %v", f.Bounds)
	}
	b.WriteString("\n")
	for _, problem := range f.Problems {
		fmt.Fprintf(&b, "PROBLEM: %s\n", problem)
	}
	return b.String()
}

// writeDeadlines lists the maintenance events of the plan, in the order of the plan.
func (f *Forecast) writeDeadlines(b *strings.Builder) {
	n := 0
	for _, t := range f.Plan.Targets {
		for _, e := range t.Maintenance {
			switch n++; {
			case n == 1:
				b.WriteString("  must restart before:\n")
				fallthrough
			case n <= shownAtMost:
				fmt.Fprintf(b, "    %s  %s  %s (%s)\n", e.deadline(), t.ID, e.Type, e.ID)
			}
		}
	}
	if n > shownAtMost {
		fmt.Fprintf(b, "    … and %d more events\n", n-shownAtMost)
	}
}

// denied returns the IDs of the instances whose dry runs were denied; of many, the
// first.
func (f *Forecast) denied() (ids []string) {
	for _, finding := range f.Findings {
		switch {
		case finding.Reason != ReasonDenied:
		case len(ids) == shownAtMost:
			return append(ids, "…")
		default:
			ids = append(ids, finding.ID)
		}
	}
	return ids
}

// shownAtMost is how many lines of one sort there are in a forecast's text.
const shownAtMost = 20

// String returns the finding as one line of text.
func (f Finding) String() string {
	how := "is skipped"
	if f.State == StateFailed {
		how = "will fail"
	}
	s := fmt.Sprintf("%s %s: %s", f.ID, how, f.Reason)
	if f.Status != "" && f.Status != ecsreboot.StatusRunning {
		s += ", it is " + string(f.Status)
	}
	if f.Error != "" {
		s += " (" + f.Error + ")"
	}
	return s
}
