package ecstemporal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// A workflow carries out a plan of maintenance in its order, and its report has the events:
// those whose deadline is at risk, too.
func TestPlanOfMaintenance(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		client, err := s.NewClient()
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		s.plan, err = fleet.NewPlan(t.Context(), client, fleet.Selection{Maintenance: &fleet.Maintenance{}})
		require.NoError(t, err)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationDenied", Status: 403, Action: "RebootInstance", InstanceID: "i-00002", Times: -1})
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), AllowWide: true, MaxFailed: fleet.Count(1), Canary: []int{}}}})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, []string{"i-00003", "i-00001"}, seen.of(fleet.EventHealthy).ids())
		require.Equal(t, s.plan.Targets, []fleet.Target{report.Records[0].Target, report.Records[1].Target, report.Records[2].Target})
		summary := report.Maintenance(time.Now(), 100*time.Hour)
		require.Equal(t, 3, summary.Events)
		require.Len(t, summary.AtRisk, 1)
		require.Equal(t, "i-00002", summary.AtRisk[0].InstanceID)
		require.Equal(t, ecsreboot.EventMaintenanceReboot, summary.AtRisk[0].Type)
	}, func(i *ecstest.Instance) {
		hours := map[string]time.Duration{"i-00001": 50, "i-00002": 70, "i-00003": 30}[i.ID]
		i.Events = []ecstest.ScheduledEvent{{NotBefore: time.Now().Add(hours * time.Hour)}}
	})
}
