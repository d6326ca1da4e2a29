package witness_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness"
)

// If all responses of a run are lost at the same time, the run resolves the outcome of each
// request that arrived, and respects the rate limit of the audit log.
func TestFleet(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.RemoveInstance(id)
		var ids []string
		refused := map[string]bool{}
		instances := 150
		if testing.Short() {
			instances = 30
		}
		for n := range instances {
			each := fmt.Sprintf("i-%03d", n)
			ids = append(ids, each)
			require.NoError(t, s.AddInstance(ecstest.Instance{ID: each, Reboot: ecstest.RebootProfile{Graceful: 40 * time.Second}}))
			fault := ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: each, Act: true}
			if refused[each] = n%2 == 0; refused[each] {
				fault.Refuse = "DiskError"
			}
			s.Inject(fault)
		}
		time.Sleep(time.Hour)
		trail, err := witness.NewActionTrail(s.options(t))
		require.NoError(t, err)
		changes, err := witness.NewStateChanges(s.options(t))
		require.NoError(t, err)
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: ids})
		require.NoError(t, err)
		report, err := fleet.Run(t.Context(), s.client, plan, fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{AllowWide: true, Canary: []int{}, MaxUnavailable: fleet.Percent(100), MaxFailed: fleet.Percent(100)}},
			Witness:  witness.All(trail, changes),
		})
		require.NoError(t, err)
		for _, record := range report.Records {
			if refused[record.ID] {
				require.Equal(t, fleet.StateFailed, record.State, record.Error)
				require.Equal(t, ecsreboot.ErrDiskError, record.Code)
				require.Zero(t, s.Reboots(record.ID))
				continue
			}
			require.Equal(t, fleet.StateHealthy, record.State, record.Error)
			require.Equal(t, 1, s.Reboots(record.ID))
		}
		for _, call := range s.Calls() {
			require.NotEqual(t, "Throttling.User", call.Code, call.Action)
		}
		require.GreaterOrEqual(t, s.calls("LookupEvents"), instances/2)
		t.Logf("%d LookupEvents, %d DescribeSystemEventAttribute", s.calls("LookupEvents"), s.calls("DescribeSystemEventAttribute"))
	})
}

// In a fleet of 300, or of 60 with -short, the response to every tenth request is lost. With
// the records of the cloud, the outcome of each request that arrived is resolved, and that of
// the others stays unknown.
func TestFleetOfThreeHundred(t *testing.T) {
	lost := func(n int) bool { return n%10 == 0 }
	instances := 300
	if testing.Short() {
		instances = 60
	}
	for _, c := range []struct {
		name    string
		fault   func(n int) ecstest.Fault
		witness bool
		unknown int // of ten instances
	}{
		{"arrived, without a witness", arrived, false, 1},
		{"arrived", arrived, true, 0},
		{"never arrived, without a witness", neverArrived, false, 1},
		{"never arrived", neverArrived, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				s.RemoveInstance(id)
				var ids []string
				for n := range instances {
					each := ecstest.Instance{ID: fmt.Sprintf("i-%03d", n)}
					if lost(n) {
						fault := c.fault(n)
						if fault.Act {
							each.Reboot = unseen
						}
						fault.Kind, fault.Action, fault.InstanceID = ecstest.FaultDrop, "RebootInstance", each.ID
						s.Inject(fault)
					}
					ids = append(ids, each.ID)
					require.NoError(t, s.AddInstance(each))
				}
				time.Sleep(time.Hour)
				options := fleet.Options{
					Settings: fleet.Settings{Rules: fleet.Rules{AllowWide: true, Canary: []int{}, MaxUnavailable: fleet.Count(60), MaxFailed: fleet.Percent(100)}},
				}
				if c.witness {
					trail, err := witness.NewActionTrail(s.options(t))
					require.NoError(t, err)
					changes, err := witness.NewStateChanges(s.options(t))
					require.NoError(t, err)
					options.Witness = witness.All(trail, changes)
				}
				plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: ids})
				require.NoError(t, err)
				report, err := fleet.Run(t.Context(), s.client, plan, options)
				require.NoError(t, err)
				unknown := c.unknown * instances / 10
				require.Equal(t, unknown, report.Count(fleet.StateUnknown))
				require.Equal(t, instances-unknown, report.Count(fleet.StateHealthy))
				for n, record := range report.Records {
					if record.State == fleet.StateHealthy {
						require.Equal(t, 1, s.Reboots(record.ID), record.ID)
						continue
					}
					require.True(t, lost(n))
					require.LessOrEqual(t, s.Reboots(record.ID), 1)
				}
			})
		})
	}
}

// unseen is a restart that no poll shows.
var unseen = ecstest.RebootProfile{
	Path:     []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
	Graceful: 40 * time.Second, Stale: time.Minute, KeepStartTime: true,
}

// arrived is a request that the service carried out, or refused temporarily.
func arrived(n int) ecstest.Fault {
	if n%20 == 0 {
		return ecstest.Fault{Act: true}
	}
	return ecstest.Fault{Refuse: "OperationConflict"}
}

// neverArrived is a request that was lost on its way.
func neverArrived(int) ecstest.Fault { return ecstest.Fault{} }
