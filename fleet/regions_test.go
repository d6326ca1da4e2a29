package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// newRegion is a service of n instances in another region, with ids of their own.
func newRegion(tb testing.TB, region string, n int, options ecstest.Options) *service {
	tb.Helper()
	options.Region = region
	short := strings.TrimPrefix(region, "cn-")
	return newService(tb, n, options, func(i *ecstest.Instance) {
		i.ZoneID = strings.Replace(i.ZoneID, "cn-hangzhou", region, 1)
		i.ID = strings.Replace(i.ID, "i-", "i-"+short+"-", 1)
	})
}

// regions runs a test with two services, of cn-hangzhou and cn-beijing.
func regions(t *testing.T, a, b int, test func(t *testing.T, home, away *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second)
		test(t, newService(t, a, ecstest.Options{}), newRegion(t, "cn-beijing", b, ecstest.Options{}))
	})
}

func (s *service) planWith(away *service, selection fleet.Selection) fleet.Plan {
	s.t.Helper()
	selection.Clients = []*ecsreboot.Client{away.client}
	plan, err := fleet.NewPlan(context.Background(), s.client, selection)
	require.NoError(s.t, err)
	return plan
}

func TestPlanOfRegions(t *testing.T) {
	regions(t, 3, 6, func(t *testing.T, home, away *service) {
		plan := home.planWith(away, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
		require.Equal(t, "cn-hangzhou", plan.Region)
		require.Equal(t, []fleet.PlanRegion{{"cn-beijing", away.client.Endpoint()}}, plan.FurtherRegions)
		require.Equal(t, []string{
			"i-beijing-00001", "i-00001", "i-beijing-00002", "i-beijing-00003", "i-00002", "i-beijing-00004", "i-beijing-00005", "i-00003", "i-beijing-00006",
		}, ids(plan))
		for _, target := range plan.Targets {
			require.Equal(t, target.Region, target.Group)
			require.Equal(t, target.Region, plan.RegionOf(target))
			require.True(t, strings.HasPrefix(target.Zone, target.Region))
		}
		// Plans that are made apart and joined are the same.
		one, err := fleet.NewPlan(t.Context(), home.client, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
		require.NoError(t, err)
		require.Empty(t, one.Targets[0].Region, "of one region")
		require.Equal(t, "cn-hangzhou", one.RegionOf(one.Targets[0]))
		two, err := fleet.NewPlan(t.Context(), away.client, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
		require.NoError(t, err)
		joined, err := fleet.JoinPlans(one, two)
		require.NoError(t, err)
		require.Equal(t, plan, joined)
		alone, err := fleet.JoinPlans(one)
		require.NoError(t, err)
		require.Equal(t, one, alone)

		// The digest covers the regions, and no endpoint.
		moved := joined
		moved.FurtherRegions = []fleet.PlanRegion{{"cn-beijing", "elsewhere"}}
		require.Equal(t, plan.Digest(), moved.Digest())
		moved.FurtherRegions = []fleet.PlanRegion{{"cn-shanghai", "elsewhere"}}
		require.NotEqual(t, plan.Digest(), moved.Digest())
		require.Equal(t, away.client.Endpoint(), plan.FurtherRegions[0].Endpoint, "the digest changes nothing")

		text, err := json.Marshal(plan)
		require.NoError(t, err)
		var read fleet.Plan
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, plan, read)
		text, err = json.Marshal(one)
		require.NoError(t, err)
		require.NotContains(t, strings.ReplaceAll(string(text), `{"region":"cn-hangzhou","endpoint"`, ""), `"region"`)
		require.NotContains(t, string(text), "furtherRegions")

		// Ids belong to the region that lists them, and keep their order.
		byID := home.planWith(away, fleet.Selection{InstanceIDs: []string{"i-beijing-00003", "i-00002", "i-9", "i-beijing-00001"}})
		require.Equal(t, []string{"i-beijing-00003", "i-00002", "i-9", "i-beijing-00001"}, ids(byID))
		for i, region := range []string{"cn-beijing", "cn-hangzhou", "cn-hangzhou", "cn-beijing"} {
			require.Equal(t, region, byID.Targets[i].Region)
		}
		// An excluded id may be of either region, and must be of one.
		some := home.planWith(away, fleet.Selection{Zone: "cn-hangzhou-h", Exclude: []string{"i-beijing-00001"}})
		require.Equal(t, []string{"i-00001"}, ids(some))
		_, err = fleet.NewPlan(t.Context(), home.client, fleet.Selection{All: true, Exclude: []string{"i-beijing-9"}, Clients: []*ecsreboot.Client{away.client}})
		require.ErrorContains(t, err, `Exclude holds "i-beijing-9"`)
	})
}

func TestGroupsOverRegions(t *testing.T) {
	regions(t, 4, 4, func(t *testing.T, home, away *service) {
		byTag := home.planWith(away, fleet.Selection{All: true, GroupBy: fleet.ByTag("role")})
		forecast, err := fleet.Preflight(t.Context(), home.client, byTag, fleet.Options{Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Equal(t, []fleet.GroupForecast{{"web", 8, 1}}, forecast.Groups, "one group in both regions")
		byZone := home.planWith(away, fleet.Selection{All: true, GroupBy: fleet.ByZone})
		forecast, err = fleet.Preflight(t.Context(), home.client, byZone, fleet.Options{Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Len(t, forecast.Groups, 6, "zones have the names of their regions")
	})
}

func TestJoinPlansRefuses(t *testing.T) {
	plan := func(region string, force bool, ids ...string) fleet.Plan {
		p := fleet.Plan{Region: region, ForceStop: force}
		for _, id := range ids {
			p.Targets = append(p.Targets, fleet.Target{ID: id})
		}
		return p
	}
	for problem, plans := range map[string][]fleet.Plan{
		"plans are missing":                    nil,
		"Plan has no targets":                  {plan("a", false, "i-1"), plan("b", false)},
		`Plan has the region "a" twice`:        {plan("a", false, "i-1"), plan("a", false, "i-2")},
		`Plan holds "i-1" twice`:               {plan("a", false, "i-1"), plan("b", false, "i-1")},
		"ForceStop of the plans of a and b di": {plan("a", false, "i-1"), plan("b", true, "i-2")},
		"Plan has a region without a name":     {plan("a", false, "i-1"), plan("", false, "i-2")},
	} {
		joined, err := fleet.JoinPlans(plans...)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, problem)
		require.ErrorContains(t, err, problem)
		require.Empty(t, joined)
	}
	three, err := fleet.JoinPlans(plan("a", true, "i-1", "i-2"), plan("b", true, "i-3"))
	require.NoError(t, err)
	three, err = fleet.JoinPlans(three, plan("c", true, "i-4"))
	require.NoError(t, err)
	require.True(t, three.ForceStop)
	require.Len(t, three.Regions(), 3)
	for id, region := range map[string]string{"i-1": "a", "i-2": "a", "i-3": "b", "i-4": "c"} {
		found := false
		for _, target := range three.Targets {
			if target.ID == id {
				require.Equal(t, region, target.Region)
				found = true
			}
		}
		require.True(t, found)
	}
}

func TestClientsOfRegions(t *testing.T) {
	regions(t, 2, 2, func(t *testing.T, home, away *service) {
		third := newRegion(t, "cn-shanghai", 1, ecstest.Options{})
		plan := home.planWith(away, fleet.Selection{All: true})
		bare, lost := plan, plan
		bare.Targets = []fleet.Target{{ID: "i-1"}}
		lost.Targets = []fleet.Target{{ID: "i-1", Region: "cn-shanghai"}}
		one := home.plan()
		type list = []*ecsreboot.Client
		for _, test := range []struct {
			client  *ecsreboot.Client
			clients list
			plan    fleet.Plan
			problem string
		}{
			{home.client, nil, plan, "Clients has no client of region cn-beijing"},
			{home.client, list{third.client}, plan, "Clients has no client of region cn-beijing"},
			{home.client, list{away.client, third.client}, plan, "Clients has a client of region cn-shanghai, which the plan does not have"},
			{home.client, list{away.client, nil}, plan, "Clients has a client that is nil"},
			{home.client, list{away.client, away.client}, plan, "Clients has a second client of region cn-beijing"},
			{away.client, list{home.client}, plan, "Plan is of region cn-hangzhou, the client of cn-beijing"},
			{home.client, list{away.client}, one, "Clients has a client of region cn-beijing, which the plan does not have"},
			{nil, nil, one, "client is nil"},
			{home.client, list{away.client}, bare, `Plan has several regions, and "i-1" names none of them`},
			{home.client, list{away.client}, lost, `Plan has "i-1" in the region "cn-shanghai", which is not one of its regions`},
		} {
			options := fleet.Options{Clients: test.clients}
			_, err := fleet.Preflight(t.Context(), test.client, test.plan, options)
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			require.ErrorContains(t, err, test.problem)
			_, err = fleet.Run(t.Context(), test.client, test.plan, options)
			require.ErrorContains(t, err, test.problem)
		}
		d, err := driver.New(home.client, fleet.Options{})
		require.NoError(t, err)
		for _, target := range plan.Targets {
			_, err := d.AwaitOthers(t.Context(), target, func(fleet.Event) {})
			if target.Region == "cn-hangzhou" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "is of region cn-beijing, the client of cn-hangzhou")
		}
		require.Zero(t, home.TotalReboots()+away.TotalReboots())
	})
}

// calledOnlyIn checks that each service was called only about its own instances.
func (s *service) calledOnlyIn() {
	s.t.Helper()
	own := make(map[string]bool, len(s.ids))
	for _, id := range s.ids {
		own[id] = true
	}
	for _, call := range s.Calls() {
		if call.InstanceID == "" {
			continue
		}
		for id := range strings.SplitSeq(call.InstanceID, ",") {
			require.True(s.t, own[id], "%s of %s", call.Action, id)
		}
	}
}

func TestRunOverRegions(t *testing.T) {
	regions(t, 8, 12, func(t *testing.T, home, away *service) {
		plan := home.planWith(away, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
		require.NoError(t, away.SetStatus(away.ids[3], ecsreboot.StatusStopped))
		before := len(home.Calls()) + len(away.Calls())
		var seen trace
		options := fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(5), MaxUnavailablePerGroup: fleet.Percent(25)}, MinReady: -1}, Clients: []*ecsreboot.Client{away.client}, OnEvent: collect(&seen),
		}
		forecast, err := fleet.Preflight(t.Context(), home.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, []fleet.GroupForecast{{"cn-beijing", 12, 3}, {"cn-hangzhou", 8, 2}}, forecast.Groups)
		require.Contains(t, forecast.String(), "of 20 instances of cn-hangzhou, cn-beijing, in order")
		require.Equal(t, away.ids[3], forecast.Findings[0].ID)
		require.Greater(t, len(home.Calls())+len(away.Calls()), before)

		report, err := fleet.Run(context.Background(), home.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, 19, report.Count(fleet.StateHealthy))
		require.Equal(t, 8, home.TotalReboots())
		require.Equal(t, 11, away.TotalReboots())
		home.calledOnlyIn()
		away.calledOnlyIn()
		record, _ := report.Record(away.ids[0])
		require.Equal(t, "cn-beijing", record.Region)

		// The width of each region holds.
		down, most := map[string]int{}, map[string]int{}
		for _, e := range seen {
			record, ok := report.Record(e.InstanceID)
			switch {
			case !ok:
			case e.Kind == fleet.EventIntent:
				down[record.Region]++
				most[record.Region] = max(most[record.Region], down[record.Region])
			case e.Kind == fleet.EventHealthy:
				down[record.Region]--
			}
		}
		require.Equal(t, map[string]int{"cn-hangzhou": 2, "cn-beijing": 2}, most, "one of three in cn-beijing is Stopped already")
		accepted := 0
		for _, e := range seen.of(fleet.EventPace) {
			accepted = e.Accepted
		}
		require.Equal(t, 19, accepted, "over all clients")
	})
}

// TestDryRunsReachEachRegion even if few are sent and few instances are there.
func TestDryRunsReachEachRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := newService(t, 40, ecstest.Options{})
		away := newRegion(t, "cn-beijing", 2, ecstest.Options{Allow: func(action, _ string) bool { return action != "RebootInstance" }})
		plan := home.planWith(away, fleet.Selection{All: true})
		forecast, err := fleet.Preflight(t.Context(), home.client, plan, fleet.Options{DryRuns: 1, Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Len(t, forecast.Findings, 2)
		for _, finding := range forecast.Findings {
			require.Equal(t, fleet.ReasonDenied, finding.Reason)
			require.Equal(t, "cn-beijing", finding.Region)
		}
		forecast, err = fleet.Preflight(t.Context(), home.client, plan, fleet.Options{DryRuns: -1, Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Zero(t, forecast.Asked)
	})
}

// TestCrashesOverRegions kills the machine of a run over two regions again and again, each
// time at another moment, and goes on from what its disk keeps.
func TestCrashesOverRegions(t *testing.T) {
	for seed := range uint64(6) {
		regions(t, 4, 5, func(t *testing.T, home, away *service) {
			random := rand.New(rand.NewPCG(2, seed))
			plan := home.planWith(away, fleet.Selection{All: true, GroupBy: fleet.ByRegion})
			for i, s := range []*service{home, away} {
				s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Action: "RebootInstance", Skip: 2 + i, Times: 2})
			}
			storage := newDisk()
			options := fleet.Options{
				Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3), AllowWide: true, MaxFailed: fleet.Count(20), Canary: []int{}}, MinReady: 5 * time.Second},
				Clients:  []*ecsreboot.Client{away.client},
				Journal:  "run.journal",
			}
			begun := false
			for kills := 0; ; kills++ {
				require.Less(t, kills, 200)
				killed := make(chan *disk, 1)
				ctx, cancel := context.WithCancel(context.Background())
				machine := storage
				time.AfterFunc(time.Duration(5+random.IntN(60))*time.Second, func() { killed <- machine.kill(random); cancel() })
				run := fleet.Resume
				if !begun {
					run, begun = fleet.Run, true
				}
				report, err := run(ctx, home.client, plan, options.WithFiles(machine))
				if err == nil && report.Reason == fleet.ReasonDone {
					require.Positive(t, kills)
					break
				}
				storage = <-killed
				cancel()
				history, err := fleet.LoadFrom(storage, "run.journal")
				require.NoError(t, err)
				require.Equal(t, plan, history.Plan)
			}
			home.calledOnlyIn()
			away.calledOnlyIn()
			for _, s := range []*service{home, away} {
				for _, id := range s.ids {
					require.Equal(t, 1, s.Reboots(id), fmt.Sprintf("seed %d: %s", seed, id))
				}
			}
		})
	}
}

// TestResolveAndMarkOverRegions follows a restart of unknown outcome, and a gone machine, in
// the second region.
func TestResolveAndMarkOverRegions(t *testing.T) {
	regions(t, 2, 3, func(t *testing.T, home, away *service) {
		plan := home.planWith(away, fleet.Selection{All: true})
		storage := newDisk()
		options := fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(5), MaxFailed: fleet.Count(5), Canary: []int{}, AllowWide: true}},
			Clients:  []*ecsreboot.Client{away.client}, Journal: "run.journal",
		}.WithFiles(storage)
		lost, gone := away.ids[0], away.ids[1]
		away.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Action: "RebootInstance", InstanceID: lost})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		time.AfterFunc(2*time.Second, func() { away.RemoveInstance(gone) })
		_, err := fleet.Run(ctx, home.client, plan, options)
		require.ErrorIs(t, err, context.Canceled)
		_, err = fleet.Resolve(t.Context(), home.client, plan, fleet.Options{Journal: "run.journal"}.WithFiles(storage))
		require.ErrorContains(t, err, "Clients has no client of region cn-beijing")

		_, err = fleet.MarkInstancesOn(storage, "run.journal", fleet.Marking{InstanceID: gone, Mark: fleet.MarkGone, Note: "released"})
		require.NoError(t, err)
		report, err := fleet.Resolve(t.Context(), home.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, 4, report.Count(fleet.StateHealthy), mustJSON(t, report.Records))
		record, _ := report.Record(gone)
		require.Equal(t, fleet.ReasonGone, record.Reason)
		require.Equal(t, "cn-beijing", record.Region)
		require.Equal(t, 1, away.Reboots(lost))
		require.NoError(t, report.Err())
		home.calledOnlyIn()
		away.calledOnlyIn()
	})
}

// TestDeniedInOneRegion asks for the others in the regions in which they are.
func TestDeniedInOneRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := "i-beijing-00001"
		home := newService(t, 1, ecstest.Options{})
		away := newRegion(t, "cn-beijing", 3, ecstest.Options{Allow: func(action, id string) bool { return action != "RebootInstance" || id != denied }})
		plan := home.planWith(away, fleet.Selection{All: true})
		require.Equal(t, []string{denied, "i-beijing-00002"}, ids(plan)[:2])
		report, err := fleet.Run(t.Context(), home.client, plan, fleet.Options{Clients: []*ecsreboot.Client{away.client}})
		require.NoError(t, err)
		require.Equal(t, 3, report.Count(fleet.StateHealthy))
		record, _ := report.Record(denied)
		require.Equal(t, fleet.ReasonDenied, record.Reason)
		home.calledOnlyIn()
		away.calledOnlyIn()
	})
}
