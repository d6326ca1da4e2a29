package app

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// addDue adds instances whose maintenance is so many hours away.
func addDue(t *testing.T, server *ecstest.Server, hours map[string]int) {
	t.Helper()
	for id, left := range hours {
		require.NoError(t, server.AddInstance(ecstest.Instance{
			ID: id, Name: "due-" + id, Reboot: ecstest.RebootProfile{Graceful: leastReboot},
			Events: []ecstest.ScheduledEvent{{ID: "e-" + id, NotBefore: time.Now().Add(time.Duration(left) * time.Hour)}},
		}))
	}
}

// An operator plans what must restart, runs the plan, and the report proves that the events
// were avoided.
func TestPlanOfMaintenance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 3, leastReboot, ecstest.Options{})
	addDue(t, server, map[string]int{"i-soon": 5, "i-later": 80, "i-far": 500})
	plan, journal, html := s.path("due.plan"), s.path("due.journal"), s.path("due.html")
	before := time.Now().Add(100 * time.Hour).Format(time.RFC3339)
	text := s.run(exitcode.Done, append([]string{
		"plan", "--region", "cn-hangzhou", "--endpoint", server.URL, "--maintenance", "--before", before, "-o", plan, "--max-unavailable", "1",
	}, quick[:len(quick)-1]...)...)
	require.Contains(t, text, "restart 2 of 2 instances")
	require.Regexp(t, `must restart before:\n    \S+Z  i-soon  SystemMaintenance.Reboot \(e-i-soon\)\n    \S+Z  i-later  SystemMaintenance.Reboot \(e-i-later\)\n`, text)

	text = s.run(exitcode.Done, "run", "--plan", plan, "--journal", journal, "--yes", "--report", html)
	require.Contains(t, text, "2 of 2 instances restarted with proof")
	require.Contains(t, text, "\n  2 maintenance events: 2 Avoided\n")
	s.once(server, []string{"i-soon", "i-later"})
	for _, id := range append(ids, "i-far") {
		require.Zero(t, server.Reboots(id), id)
	}
	page, err := os.ReadFile(html)
	require.NoError(t, err)
	require.Contains(t, string(page), `data-event="e-i-soon"`)
	require.Contains(t, string(page), "2 maintenance events: 2 Avoided")
	require.NotContains(t, string(page), "at risk")

	var status summary
	require.NoError(t, json.Unmarshal([]byte(s.run(exitcode.Done, "status", journal, "--json")), &status))
	require.Equal(t, &fleet.MaintenanceSummary{Events: 2, Statuses: map[string]int{"Avoided": 2}}, status.Maintenance)
	var forecast struct {
		Forecast struct {
			Plan fleet.Plan `json:"plan"`
		} `json:"forecast"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.run(exitcode.Done, append([]string{
		"plan", "--region", "cn-hangzhou", "--endpoint", server.URL, "--maintenance=SystemMaintenance.Reboot,Other", "--json",
	}, quick[:len(quick)-1]...)...)), &forecast))
	require.Contains(t, s.run(exitcode.Done, append([]string{
		"plan", "--region", "cn-hangzhou", "--endpoint", server.URL, "--maintenance", ids[0], "i-far",
	}, quick[:len(quick)-1]...)...), "restart 1 of 1 instances", "it combines with a list")
	require.Equal(t, "e-i-far", forecast.Forecast.Plan.Targets[0].Maintenance[0].ID)
	require.False(t, forecast.Forecast.Plan.Targets[0].Deadline().IsZero())
}

// A deadline that a restart misses is shown in every report.
func TestDeadlineAtRisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, _ := s.serve("cn-hangzhou", 1, leastReboot, ecstest.Options{})
	addDue(t, server, map[string]int{"i-soon": 5, "i-later": 80})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationDenied", Status: 403, Action: "RebootInstance", InstanceID: "i-soon", Times: -1, Skip: 1})
	journal, html := s.path("due.journal"), s.path("due.html")
	text := s.run(exitcode.Failed, append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--maintenance", "--journal", journal, "--report", html, "--max-unavailable", "1", "--allow-wide",
	}, quick...)...)
	require.Contains(t, text, "\n  2 maintenance events: 1 Avoided, 1 Scheduled; 1 deadline at risk\n")
	require.Regexp(t, `\n    DEADLINE AT RISK: i-soon: e-i-soon \(SystemMaintenance.Reboot\): Scheduled, deadline 20\S+Z\n`, text)
	page, err := os.ReadFile(html)
	require.NoError(t, err)
	require.Contains(t, string(page), "1 deadline is at risk")
	require.Contains(t, string(page), `data-event="e-i-soon" data-at-risk`)
	var status summary
	require.NoError(t, json.Unmarshal([]byte(s.run(exitcode.Failed, "status", journal, "--json")), &status))
	require.Len(t, status.Maintenance.AtRisk, 1)
	require.Equal(t, "i-soon", status.Maintenance.AtRisk[0].InstanceID)
	require.Equal(t, "Scheduled", status.Maintenance.AtRisk[0].Status)
}

func TestCheckShowsEvents(t *testing.T) {
	denied := false
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 1, leastReboot, ecstest.Options{Allow: func(action, _ string) bool { return !denied || action != "DescribeInstancesFullStatus" }})
	addDue(t, server, map[string]int{"i-soon": 5})
	args := []string{"check", "--region", "cn-hangzhou", "--endpoint", server.URL, "i-soon"}
	text := s.run(exitcode.Done, append(args, ids[0])...)
	require.Regexp(t, `i-soon: Running.*; scheduled: SystemMaintenance.Reboot \(e-i-soon\) not before 20[-0-9: ]+ UTC; a restart would be accepted\n`, text)
	require.Regexp(t, ids[0]+`: Running[^;]*; no locks; [^;]*; a restart would be accepted\n`, text)
	require.Regexp(t, `"events":\[\{"id":"e-i-soon","instanceId":"i-soon","type":"SystemMaintenance.Reboot","status":"Scheduled","notBefore":"20`, s.run(exitcode.Done, append(args, "--json")...))
	denied = true
	require.Contains(t, s.run(exitcode.Done, args...), "scheduled events are not known: the service does not list the status of i-soon; the permission ecs:DescribeInstancesFullStatus may be missing")
	require.Contains(t, s.run(exitcode.Done, append(args, "--json")...), `"eventsError":"the service does not list`)
}

func TestMaintenanceFlags(t *testing.T) {
	for problem, args := range map[string][]string{
		"--before 2026-12-01T02:00:00Z needs --maintenance":                    {"--all", "--before", "2026-12-01T02:00:00Z"},
		`invalid argument "soon" for "--before" flag: want a time such as`:     {"--maintenance", "--before", "soon"},
		`invalid argument "a,,b" for "--maintenance" flag: want types such as`: {"--maintenance=a,,b"},
	} {
		p, _, stderr := newTestProgram(t)
		require.Equal(t, exitcode.Usage, p.run(t.Context(), append([]string{"plan", "--region", "cn-hangzhou"}, args...)), args)
		require.Contains(t, stderr.String(), problem)
	}
	site := newSite(t)
	server, _ := site.serve("cn-hangzhou", 1, leastReboot, ecstest.Options{})
	d := site.start("plan", "--region", "cn-hangzhou", "--endpoint", server.URL, "--maintenance")
	require.Equal(t, exitcode.Usage, d.code(t))
	require.Contains(t, d.stderr.String(), "--maintenance in region cn-hangzhou finds no instance with a scheduled event of type SystemMaintenance.Reboot")
	s := parse(t, func(s *settings) { s.addSelection() }, "--maintenance", "--before", "2026-12-01", "i-1")
	require.Equal(t, typesFlag{"SystemMaintenance.Reboot"}, s.maintenance)
	require.Equal(t, []string{"i-1"}, s.args)
	require.Equal(t, time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local), s.before.at)
}

// run --emulate practises it.
func TestEmulatedMaintenance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	text := s.run(exitcode.Done, "run", "--emulate", "6", "--maintenance", "--yes")
	require.Contains(t, text, "2 of 2 instances restarted with proof")
	require.Contains(t, text, "2 maintenance events: 2 Avoided")
}
