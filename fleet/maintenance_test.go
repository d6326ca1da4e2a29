package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// hoursLeft gives instances an event each, so many hours from now. Those with none have no
// event.
func hoursLeft(hours map[string]int) func(*ecstest.Instance) {
	return func(i *ecstest.Instance) {
		if left, ok := hours[i.ID]; ok {
			i.Events = append(i.Events, ecstest.ScheduledEvent{NotBefore: time.Now().Add(time.Duration(left) * time.Hour)})
		}
	}
}

func TestMaintenanceSelection(t *testing.T) {
	other := func(i *ecstest.Instance) {
		if i.ID == "i-00006" {
			i.Events = []ecstest.ScheduledEvent{{ID: "e-disk", Type: "SystemMaintenance.StopAndRepair"}, {ID: "e-6", NotBefore: time.Now().Add(9 * time.Hour)}}
		}
		i.Name = "web-" + i.ID[6:]
	}
	hours := map[string]int{"i-00001": 50, "i-00002": 2, "i-00003": 50, "i-00005": -1}
	inBubble(t, 9, ecstest.Options{MaxPage: 4}, func(t *testing.T, s *service) {
		now := time.Now()
		for name, c := range map[string]struct {
			selection fleet.Selection
			want      []string
		}{
			"alone":          {fleet.Selection{Maintenance: &fleet.Maintenance{}}, []string{"i-00005", "i-00002", "i-00006", "i-00001", "i-00003"}},
			"before":         {fleet.Selection{Maintenance: &fleet.Maintenance{Before: now.Add(9 * time.Hour)}}, []string{"i-00005", "i-00002"}},
			"other types":    {fleet.Selection{Maintenance: &fleet.Maintenance{Types: []string{"SystemMaintenance.StopAndRepair", "None"}}}, []string{"i-00006"}},
			"ids":            {fleet.Selection{Maintenance: &fleet.Maintenance{}, InstanceIDs: []string{"i-00004", "i-00003", "i-00001", "i-00002"}}, []string{"i-00002", "i-00003", "i-00001"}},
			"a query":        {fleet.Selection{Maintenance: &fleet.Maintenance{}, Names: []string{"web-[1]", "web-3", "web-6"}}, []string{"i-00006", "i-00003"}},
			"zone":           {fleet.Selection{Maintenance: &fleet.Maintenance{}, Zone: "cn-hangzhou-i"}, []string{"i-00005", "i-00002"}},
			"but some":       {fleet.Selection{Maintenance: &fleet.Maintenance{}, Exclude: []string{"i-00005"}, ExcludeNames: []string{"web-6"}}, []string{"i-00002", "i-00001", "i-00003"}},
			"groups in turn": {fleet.Selection{Maintenance: &fleet.Maintenance{}, GroupBy: fleet.ByZone}, []string{"i-00005", "i-00002", "i-00006", "i-00003", "i-00001"}},
		} {
			plan, err := fleet.NewPlan(t.Context(), s.client, c.selection)
			require.NoError(t, err, name)
			require.Equal(t, c.want, ids(plan), name)
		}
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
		require.NoError(t, err)
		require.Equal(t, []fleet.MaintenanceEvent{{ID: "e-6", Type: ecsreboot.EventMaintenanceReboot, NotBefore: now.Add(9 * time.Hour).UTC().Truncate(time.Second)}}, plan.Targets[2].Maintenance)
		require.Equal(t, now.Add(9*time.Hour).UTC().Truncate(time.Second), plan.Targets[2].Deadline())

		// The events do not make it another plan, and the settings of both are those of a plan.
		without := plan
		without.Targets = append([]fleet.Target{}, plan.Targets...)
		for i := range without.Targets {
			without.Targets[i].Maintenance = nil
		}
		require.Equal(t, plan.Digest(), without.Digest())
	}, hoursLeft(hours), other)
}

func TestMaintenanceSelectionInput(t *testing.T) {
	s := newService(t, 2, ecstest.Options{}, hoursLeft(map[string]int{"i-00001": 2}))
	for problem, bad := range map[string]fleet.Selection{
		`InstanceIDs holds "i-9", which the service does not list, so its events are not known`: {Maintenance: &fleet.Maintenance{}, InstanceIDs: []string{"i-9", "i-00001"}},
		"Maintenance has Types that are empty but not nil":                                      {Maintenance: &fleet.Maintenance{Types: []string{}}},
		`Types holds "a b"`: {Maintenance: &fleet.Maintenance{Types: []string{"a b"}}},
		"Selection finds no instance with a scheduled event of type SystemMaintenance.Reboot before 2001": {Maintenance: &fleet.Maintenance{Before: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"Selection finds no instance with a scheduled event of type A or B":                               {Maintenance: &fleet.Maintenance{Types: []string{"A", "B"}}},
	} {
		_, err := fleet.NewPlan(t.Context(), s.client, bad)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, problem)
		require.ErrorContains(t, err, problem)
	}
}

// Without the permission to read events, no plan omits an instance that must restart.
func TestMaintenanceSelectionDenied(t *testing.T) {
	s := newService(t, 2, ecstest.Options{Allow: func(action, _ string) bool { return action != "DescribeInstancesFullStatus" }}, hoursLeft(map[string]int{"i-00001": 2}))
	_, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
	require.ErrorContains(t, err, "the service does not list the events of i-00001")
	require.ErrorContains(t, err, "ecs:DescribeInstancesFullStatus")
	s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstancesFullStatus"})
	_, err = fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
	require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
}

// Plans of several regions have the earliest deadlines first, wherever they are.
func TestMaintenanceOfRegions(t *testing.T) {
	regions(t, 3, 4, func(t *testing.T, home, away *service) {
		for i, s := range []*service{home, away} {
			for n := range 2 {
				require.NoError(t, s.AddInstance(ecstest.Instance{
					ID: fmt.Sprintf("i-due-%d%d", i, n), Events: []ecstest.ScheduledEvent{{NotBefore: time.Now().Add(time.Duration(9-2*n-i) * time.Hour)}},
				}))
			}
		}
		plan := home.planWith(away, fleet.Selection{Maintenance: &fleet.Maintenance{}, GroupBy: fleet.ByRegion})
		require.Equal(t, []string{"i-due-11", "i-due-01", "i-due-10", "i-due-00"}, ids(plan))
		one, err := fleet.NewPlan(t.Context(), home.client, fleet.Selection{Maintenance: &fleet.Maintenance{}, GroupBy: fleet.ByRegion})
		require.NoError(t, err)
		two, err := fleet.NewPlan(t.Context(), away.client, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
		require.NoError(t, err)
		joined, err := fleet.JoinPlans(one, two)
		require.NoError(t, err)
		require.Equal(t, []string{"i-due-01", "i-due-00"}, ids(joined)[:2])

		report, err := fleet.Run(context.Background(), home.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Avoided": 4}, report.Maintenance(time.Now(), fleet.DeadlineMargin).Statuses)
	})
}

// The report of a run proves which events were avoided, and so does the journal.
func TestMaintenanceIsAvoided(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationDenied", Status: 403, Action: "RebootInstance", InstanceID: "i-00003", Times: -1})
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
		require.NoError(t, err)
		require.Equal(t, []string{"i-00004", "i-00001", "i-00003", "i-00005", "i-00002"}, ids(plan))
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), Canary: []int{}, MaxFailed: fleet.Count(3), AllowWide: true}}, Journal: filepath.Join(t.TempDir(), "journal")}
		var seen trace
		options.OnEvent = collect(&seen)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstanceHistoryEvents"})
		report, err := fleet.Run(context.Background(), s.client, plan, options)
		require.NoError(t, err, "the events are an addition")
		require.Equal(t, []string{"i-00004", "i-00001", "i-00005", "i-00002"}, seen.of(fleet.EventHealthy).ids(), "the earliest deadline first")
		require.Contains(t, report.MaintenanceError, "Forbidden.RAM")
		m := report.Maintenance(time.Now(), fleet.DeadlineMargin)
		require.Equal(t, 5, m.Events)
		require.Empty(t, m.Statuses)
		require.Contains(t, m.Error, "DescribeInstanceHistoryEvents")
		require.Equal(t, fleet.EventMaintenance, seen[len(seen)-2].Kind)

		// The next session reads them.
		s.ForgetCalls()
		seen = nil
		report, err = fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.Empty(t, report.MaintenanceError)
		record, _ := report.Record("i-00004")
		require.Equal(t, ecsreboot.CycleAvoided, record.Maintenance[0].Status)
		require.False(t, record.Maintenance[0].FinishTime.IsZero())
		m = report.Maintenance(time.Now(), 0)
		require.Equal(t, map[string]int{"Avoided": 4, "Scheduled": 1}, m.Statuses)
		require.Empty(t, m.AtRisk)
		m = report.Maintenance(time.Now(), 72*time.Hour)
		require.Len(t, m.AtRisk, 1)
		require.Equal(t, "i-00003", m.AtRisk[0].InstanceID)
		require.Regexp(t, `^5 maintenance events: 4 Avoided, 1 Scheduled; 1 deadline at risk$`, m.String())
		require.Regexp(t, `^i-00003: e-00003-1 \(SystemMaintenance.Reboot\): Scheduled, deadline 2000-`, m.AtRisk[0].String())
		require.Len(t, report.Maintenance(record.Maintenance[0].NotBefore.Add(1000*time.Hour), 0).AtRisk, 1, "its time has passed")

		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		require.Equal(t, report.Maintenance(time.Now(), 72*time.Hour), history.Report().Maintenance(time.Now(), 72*time.Hour))
		require.JSONEq(t, mustJSON(t, report), mustJSON(t, history.Report()))
		s.restartedOnce("i-00001", "i-00002", "i-00004", "i-00005")

		// Hooks have the target of the plan, without what the journal knows of the events.
		record, _ = report.Record("i-00003")
		require.Equal(t, ecsreboot.CycleScheduled, record.Maintenance[0].Status)
		var asked []fleet.Target
		options.Blocker = func(_ context.Context, target fleet.Target) error {
			asked = append(asked, target)
			return nil
		}
		_, err = fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, []fleet.Target{plan.Targets[2]}, asked)
	}, hoursLeft(map[string]int{"i-00001": 24, "i-00002": 100, "i-00003": 50, "i-00004": 5, "i-00005": 50}))
}

// A run of a plan without events does not ask about any, nor does one whose caller has left.
func TestMaintenanceIsNotAsked(t *testing.T) {
	asked := func(s *service) (n int) {
		for _, call := range s.Calls() {
			n += map[string]int{"DescribeInstanceHistoryEvents": 1}[call.Action]
		}
		return n
	}
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		require.Nil(t, report.Maintenance(time.Now(), fleet.DeadlineMargin))
		require.Zero(t, asked(s))

		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(context.Background())
		gone := errors.New("gone")
		report, err = fleet.Run(ctx, s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}, OnEvent: func(e fleet.Event) {
			if e.Kind == fleet.EventAccepted {
				cancel(gone)
			}
		}})
		require.ErrorIs(t, err, gone)
		require.Equal(t, fleet.ReasonInterrupted, report.Reason)
		require.Zero(t, asked(s))
	}, func(i *ecstest.Instance) {
		i.Events = []ecstest.ScheduledEvent{{ID: "e-late-" + i.ID, NotBefore: time.Now().Add(-time.Minute)}}
	})
}

// A service that hangs holds up the end of a run for a minute at most.
func TestMaintenanceReadHasALimit(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
		require.NoError(t, err)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstanceHistoryEvents", Times: -1})
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: atOnce}})
		require.NoError(t, err)
		record := report.Records[0]
		require.Equal(t, fleet.StateHealthy, record.State)
		require.NotEmpty(t, report.MaintenanceError)
		require.Equal(t, time.Minute, report.Ended.Sub(record.EndedAt))
		s.Close()
	}, hoursLeft(map[string]int{"i-00001": 24}))
}

// A deadline is not at risk if the instance has restarted or is gone, whatever is known of the
// event, nor if the event has ended.
func TestDeadlinesAtRisk(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	due := func(id string, left time.Duration) fleet.Target {
		return fleet.Target{ID: id, Maintenance: []fleet.MaintenanceEvent{{ID: "e-" + id, Type: "T", NotBefore: now.Add(left)}}}
	}
	history := fleet.History{Plan: fleet.Plan{Targets: []fleet.Target{
		due("i-restarted", time.Hour), due("i-left", time.Hour), due("i-gone", time.Hour), due("i-executed", -time.Hour), due("i-far", 25*time.Hour), due("i-late", -time.Hour),
		{ID: "i-when", Maintenance: []fleet.MaintenanceEvent{{ID: "e", Type: "T"}}},
	}}, Events: []fleet.Event{
		{Kind: fleet.EventHealthy, InstanceID: "i-restarted"},
		{Kind: fleet.EventMarked, InstanceID: "i-gone", Mark: fleet.MarkGone, Reason: fleet.ReasonGone},
		{Kind: fleet.EventMaintenance, InstanceID: "i-executed", Maintenance: []fleet.MaintenanceEvent{{ID: "e-i-executed", Type: "T", NotBefore: now.Add(-time.Hour), Status: ecsreboot.CycleExecuted}}},
	}}
	summary := history.Report().Maintenance(now, fleet.DeadlineMargin)
	var at []string
	for _, d := range summary.AtRisk {
		at = append(at, d.InstanceID)
	}
	require.Equal(t, []string{"i-late", "i-left"}, at)
	require.Equal(t, 7, summary.Events)
	require.Equal(t, "7 maintenance events: 1 Executed, 6 not known; 2 deadlines at risk", summary.String())
}

// An event that waits for a decision of the user is not one that a restart is known to avoid.
func TestInquiringEventsAreNotSelected(t *testing.T) {
	s := newService(t, 1, ecstest.Options{})
	s.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "DescribeInstancesFullStatus", Status: 200, Body: `{"RequestId":"R","TotalCount":1,"InstanceFullStatusSet":{"InstanceFullStatusType":[
		{"InstanceId":"i-00001","ScheduledSystemEventSet":{"ScheduledSystemEventType":[{"EventId":"e-1","EventType":{"Name":"SystemMaintenance.Reboot"},"EventCycleStatus":{"Name":"Inquiring"}}]}}]}}`})
	_, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
	require.ErrorContains(t, err, "finds no instance with a scheduled event")
}
