package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// add adds instances "id zone status tag=value ...".
func add(t *testing.T, s *service, instances ...string) {
	t.Helper()
	for _, text := range instances {
		fields := strings.Fields(text)
		instance := ecstest.Instance{ID: fields[0], Name: "name of " + fields[0], ZoneID: fields[1], Status: ecsreboot.Status(fields[2]), Tags: make(map[string]string)}
		instance.PrivateIPs, instance.HostName = []string{"10.1.0.1"}, "host" // not by the order in which they are added
		for _, tag := range fields[3:] {
			key, value, _ := strings.Cut(tag, "=")
			instance.Tags[key] = value
		}
		require.NoError(t, s.AddInstance(instance))
	}
}

func ids(plan fleet.Plan) (ids []string) {
	for _, target := range plan.Targets {
		ids = append(ids, target.ID)
	}
	return ids
}

func TestNewPlan(t *testing.T) {
	s := newService(t, 0, ecstest.Options{})
	add(
		t, s, "i-3 zone-a Running role=web", "i-1 zone-b Running role=web", "i-5 zone-a Stopped role=web",
		"i-2 zone-a Running role=db", "i-4 zone-a Running role=web",
	)
	for name, test := range map[string]struct {
		selection fleet.Selection
		want      []string
	}{
		"all there are":        {fleet.Selection{All: true}, []string{"i-1", "i-2", "i-3", "i-4", "i-5"}},
		"by tag":               {fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"})}, []string{"i-1", "i-3", "i-4", "i-5"}},
		"by tag, of any value": {fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": ""})}, []string{"i-1", "i-2", "i-3", "i-4", "i-5"}},
		"by zone":              {fleet.Selection{Zone: "zone-a"}, []string{"i-2", "i-3", "i-4", "i-5"}},
		"by zone and tag":      {fleet.Selection{Zone: "zone-a", Tags: fleet.HasTags(map[string]string{"role": "web"})}, []string{"i-3", "i-4", "i-5"}},
		"by status":            {fleet.Selection{Status: ecsreboot.StatusStopped}, []string{"i-5"}},
		"but some":             {fleet.Selection{All: true, Exclude: []string{"i-3", "i-1"}}, []string{"i-2", "i-4", "i-5"}},
		"by id, as given":      {fleet.Selection{InstanceIDs: []string{"i-4", "i-5", "i-1"}}, []string{"i-4", "i-5", "i-1"}},
		"by id, not listed":    {fleet.Selection{InstanceIDs: []string{"i-4", "i-9"}}, []string{"i-4", "i-9"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := fleet.NewPlan(t.Context(), s.client, test.selection)
			require.NoError(t, err)
			assert.Equal(t, test.want, ids(plan))
			assert.Equal(t, s.client.Region(), plan.Region)
			assert.Equal(t, s.client.Endpoint(), plan.Endpoint)
		})
	}
	plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: []string{"i-1", "i-9"}, GroupBy: fleet.ByTag("role"), ForceStop: true})
	require.NoError(t, err)
	assert.True(t, plan.ForceStop)
	assert.ElementsMatch(t, []fleet.Target{
		{ID: "i-1", Name: "name of i-1", Zone: "zone-b", Group: "web", PrivateIPs: []string{"10.1.0.1"}, HostName: "host"}, {ID: "i-9"},
	}, plan.Targets)
}

func TestNewPlanInput(t *testing.T) {
	s := newService(t, 3, ecstest.Options{})
	for name, test := range map[string]struct {
		selection fleet.Selection
		field     string
	}{
		"nothing":           {fleet.Selection{}, "Selection"},
		"only exclusions":   {fleet.Selection{Exclude: []string{"i-1"}}, "Selection"},
		"an empty list":     {fleet.Selection{InstanceIDs: []string{}}, "InstanceIDs"},
		"empty, and all":    {fleet.Selection{InstanceIDs: []string{}, All: true}, "InstanceIDs"},
		"twice":             {fleet.Selection{InstanceIDs: []string{"i-1", "i-2", "i-1"}}, "InstanceIDs"},
		"ids and tags":      {fleet.Selection{InstanceIDs: []string{"i-1"}, Tags: fleet.HasTags(map[string]string{"a": ""})}, "InstanceIDs"},
		"ids and a zone":    {fleet.Selection{InstanceIDs: []string{"i-1"}, Zone: "z"}, "InstanceIDs"},
		"ids and a status":  {fleet.Selection{InstanceIDs: []string{"i-1"}, Status: ecsreboot.StatusRunning}, "InstanceIDs"},
		"ids and all":       {fleet.Selection{InstanceIDs: []string{"i-1"}, All: true}, "InstanceIDs"},
		"ids and not some":  {fleet.Selection{InstanceIDs: []string{"i-1"}, Exclude: []string{"i-1"}}, "Selection"},
		"an id of no form":  {fleet.Selection{InstanceIDs: []string{"i 1"}}, "InstanceID"},
		"what does not run": {fleet.Selection{Zone: "nowhere"}, "Selection"},
		"but all of it":     {fleet.Selection{All: true, Exclude: s.ids}, "Selection"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := fleet.NewPlan(t.Context(), s.client, test.selection)
			var bad *ecsreboot.InputError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, test.field, bad.Field)
			assert.Empty(t, plan)
		})
	}
}

// TestNewPlanUnreadable must not make a plan of half the region.
func TestNewPlanUnreadable(t *testing.T) {
	s := newService(t, 250, ecstest.Options{})
	s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Skip: 2, Times: -1, Code: "Forbidden.RAM"})
	plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{All: true})
	require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
	assert.Empty(t, plan)
}

// TestNewPlanOrder adds the same instances in several orders, which is the order
// in which the service lists them.
func TestNewPlanOrder(t *testing.T) {
	const n = 250 // several pages
	instances := make([]string, n)
	for i := range instances {
		zone := "zone-" + string("aaaaabbbcc"[i%10])
		instances[i] = fmt.Sprintf("i-%04d %s Running", i, zone)
	}
	var plans []fleet.Plan
	for range 3 {
		s := newService(t, 0, ecstest.Options{})
		add(t, s, instances...)
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{All: true, GroupBy: fleet.ByZone})
		require.NoError(t, err)
		plans = append(plans, plan)
		slices.Reverse(instances)
		instances = append(instances[n/3:], instances[:n/3]...)
	}
	for _, plan := range plans[1:] {
		assert.Equal(t, plans[0], plan)
		assert.Equal(t, plans[0].Digest(), plan.Digest())
	}
	// In every part of the plan each group has its share, give or take one; within a
	// group the ids ascend.
	seen, last := make(map[string]int), make(map[string]string)
	for i, target := range plans[0].Targets {
		assert.Less(t, last[target.Group], target.ID)
		last[target.Group] = target.ID
		seen[target.Group]++
		for group, share := range map[string]float64{"zone-a": 0.5, "zone-b": 0.3, "zone-c": 0.2} {
			assert.InDelta(t, share*float64(i+1), float64(seen[group]), 1, "%s in the first %d", group, i+1)
		}
	}
}

func TestNewPlanInterleaves(t *testing.T) {
	s := newService(t, 0, ecstest.Options{})
	add(t, s, "a1 a Running", "a2 a Running", "a3 a Running", "a4 a Running", "b1 b Running", "b2 b Running", "c1 c Running")
	plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: []string{"c1", "a4", "a1", "a2", "a3", "b2", "b1"}, GroupBy: fleet.ByZone})
	require.NoError(t, err)
	assert.Equal(t, []string{"a4", "b2", "a1", "c1", "a2", "b1", "a3"}, ids(plan), "each group as given")
}

func TestPlanDigest(t *testing.T) {
	plan := func(change func(*fleet.Plan)) string {
		p := fleet.Plan{Region: "r", Endpoint: "e", Targets: []fleet.Target{{ID: "a"}, {ID: "b", Group: "g"}}}
		change(&p)
		return p.Digest()
	}
	same := func(*fleet.Plan) {}
	assert.Equal(t, plan(same), plan(same))
	assert.Regexp(t, "^[0-9a-f]{64}$", plan(same))
	assert.Equal(t, plan(same), plan(func(p *fleet.Plan) { p.Endpoint = "other" }), "the way to the service is no part of it")
	digests := map[string]bool{plan(same): true}
	for _, change := range []func(*fleet.Plan){
		func(p *fleet.Plan) { p.Region = "other" },
		func(p *fleet.Plan) { p.ForceStop = true },
		func(p *fleet.Plan) { slices.Reverse(p.Targets) },
		func(p *fleet.Plan) { p.Targets = p.Targets[:1] },
		func(p *fleet.Plan) { p.Targets[1].Group = "" },
		func(p *fleet.Plan) { p.Targets[0].ID = "c" },
	} {
		digests[plan(change)] = true
	}
	assert.Len(t, digests, 7, "whatever changes, changes the digest")
}
