package fleet_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// groupsOf is a plan with groups of these sizes.
func groupsOf(sizes ...int) (plan fleet.Plan) {
	for group, size := range sizes {
		for i := range size {
			plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprintf("i-%d-%d", group, i), Group: fmt.Sprint(group)})
		}
	}
	return plan
}

func TestRulesDefaults(t *testing.T) {
	for n, want := range map[int]struct{ width, failed int }{
		1: {1, 1}, 19: {1, 1}, 20: {1, 1}, 99: {1, 1}, 100: {2, 1}, 149: {2, 1}, 150: {3, 1}, 199: {3, 1}, 200: {4, 2}, 10_000: {200, 100},
	} {
		p := newPlanner(t, groupsOf(n), fleet.Rules{})
		assert.Equal(t, want.width, p.Width(), n)
		assert.Equal(t, want.width, max(1, p.Rules().MaxUnavailable.Of(n)), n)
		assert.Equal(t, want.failed, p.Rules().MaxFailed.Of(n), n)
		assert.Equal(t, []int{1, 5}, p.Rules().Canary)
	}
	given := fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(0), Canary: []int{}}
	assert.Equal(t, given, newPlanner(t, groupsOf(100), given).Rules(), "none is not the default")
}

// TestRulesWidths starts as many as may be down at once, all in all and in each
// group.
func TestRulesWidths(t *testing.T) {
	for name, test := range map[string]struct {
		groups []int
		rules  fleet.Rules
		want   []int // of each group, restarted at once
	}{
		"a count":                  {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Count(7)}, []int{7}},
		"a share":                  {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Percent(10)}, []int{4}},
		"a share of less than one": {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Percent(1)}, []int{1}},
		"a quarter":                {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Percent(25)}, []int{10}},
		"one of one":               {[]int{1}, fleet.Rules{MaxUnavailable: fleet.Count(1)}, []int{1}},
		"one of three":             {[]int{3}, fleet.Rules{MaxUnavailable: fleet.Percent(10)}, []int{1}},
		"more than there are":      {[]int{4}, fleet.Rules{MaxUnavailable: fleet.Count(100), AllowWide: true}, []int{4}},
		"a quarter of a group":     {[]int{9, 91}, fleet.Rules{MaxUnavailable: fleet.Count(25)}, []int{2, 22}},
		"one of a small group":     {[]int{2, 98}, fleet.Rules{MaxUnavailable: fleet.Count(25)}, []int{1, 24}},
		"as the plan":              {[]int{10, 90}, fleet.Rules{MaxUnavailable: fleet.Percent(10)}, []int{1, 9}},
		"as the plan, wide":        {[]int{10, 90}, fleet.Rules{MaxUnavailable: fleet.Count(15), AllowWide: true}, []int{10, 5}},
		"by group, a count":        {[]int{20, 80}, fleet.Rules{MaxUnavailable: fleet.Count(20), MaxUnavailablePerGroup: fleet.Count(3)}, []int{3, 3}},
		"by group, a share":        {[]int{20, 80}, fleet.Rules{MaxUnavailable: fleet.Count(20), MaxUnavailablePerGroup: fleet.Percent(10)}, []int{2, 8}},
		"by group, a small share":  {[]int{20, 80}, fleet.Rules{MaxUnavailable: fleet.Count(20), MaxUnavailablePerGroup: fleet.Percent(1)}, []int{1, 1}},
		"by group, wide": {
			[]int{20, 80}, fleet.Rules{MaxUnavailable: fleet.Count(25), MaxUnavailablePerGroup: fleet.Percent(50), AllowWide: true}, []int{10, 15},
		},
		"by default": {[]int{19, 181}, fleet.Rules{}, []int{1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			test.rules.Canary = []int{}
			plan := groupsOf(test.groups...)
			group := make(map[string]string)
			for _, target := range plan.Targets {
				group[target.ID] = target.Group
			}
			actions, err := newPlanner(t, plan, test.rules).Next(fleet.Event{Kind: fleet.EventRun})
			require.NoError(t, err)
			got := make([]int, len(test.groups))
			for _, a := range actions {
				require.Equal(t, fleet.ActionRestart, a.Kind)
				got[int(group[a.InstanceID][0]-'0')]++
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestRulesInput(t *testing.T) {
	for name, test := range map[string]struct {
		groups []int
		rules  fleet.Rules
		field  string
	}{
		"a stage of nobody":              {[]int{9}, fleet.Rules{Canary: []int{1, 0}}, "Canary"},
		"a stage of less":                {[]int{9}, fleet.Rules{Canary: []int{-1}}, "Canary"},
		"a negative count":               {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Count(-1)}, "MaxUnavailable"},
		"a negative share":               {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Percent(-1)}, "MaxUnavailable"},
		"a share of more than all":       {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Percent(101), AllowWide: true}, "MaxUnavailable"},
		"a share that is no number":      {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Percent(math.NaN())}, "MaxUnavailable"},
		"an endless share":               {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Percent(math.Inf(1)), AllowWide: true}, "MaxUnavailable"},
		"no width":                       {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Count(0)}, "MaxUnavailable"},
		"a share of none":                {[]int{9}, fleet.Rules{MaxUnavailable: fleet.Percent(0)}, "MaxUnavailable"},
		"more than a quarter":            {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Count(11)}, "MaxUnavailable"},
		"a share above a quarter":        {[]int{40}, fleet.Rules{MaxUnavailable: fleet.Percent(28)}, "MaxUnavailable"},
		"two of seven":                   {[]int{7}, fleet.Rules{MaxUnavailable: fleet.Count(2)}, "MaxUnavailable"},
		"more than a quarter of a group": {[]int{7, 93}, fleet.Rules{MaxUnavailablePerGroup: fleet.Count(2)}, "MaxUnavailablePerGroup"},
		"too wide for two groups":        {[]int{7, 7, 86}, fleet.Rules{MaxUnavailablePerGroup: fleet.Count(2)}, "MaxUnavailablePerGroup"},
		"no width of a group":            {[]int{9}, fleet.Rules{MaxUnavailablePerGroup: fleet.Count(0)}, "MaxUnavailablePerGroup"},
		"a negative width of a group":    {[]int{9}, fleet.Rules{MaxUnavailablePerGroup: fleet.Count(-2)}, "MaxUnavailablePerGroup"},
		"a negative budget":              {[]int{9}, fleet.Rules{MaxFailed: fleet.Count(-1)}, "MaxFailed"},
		"a budget of more than all":      {[]int{9}, fleet.Rules{MaxFailed: fleet.Percent(200)}, "MaxFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fleet.NewPlanner(groupsOf(test.groups...), test.rules)
			var bad *ecsreboot.InputError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, test.field, bad.Field)
			for range 5 {
				_, again := fleet.NewPlanner(groupsOf(test.groups...), test.rules)
				assert.EqualError(t, again, err.Error())
			}
		})
	}
}

func TestRulesJSON(t *testing.T) {
	for text, rules := range map[string]fleet.Rules{
		`{}`:            {},
		`{"canary":[]}`: {Canary: []int{}},
		`{"maxUnavailable":"2.5%","maxUnavailablePerGroup":"1","allowWide":true,"maxFailed":"0","canary":[1,5]}`: {
			MaxUnavailable: fleet.Percent(2.5), MaxUnavailablePerGroup: fleet.Count(1), AllowWide: true, MaxFailed: fleet.Count(0), Canary: []int{1, 5},
		},
	} {
		written, err := json.Marshal(rules)
		require.NoError(t, err)
		assert.JSONEq(t, text, string(written))
		var read fleet.Rules
		require.NoError(t, json.Unmarshal(written, &read))
		assert.Equal(t, rules, read)
	}
	// A journal may hold null for what is not given.
	var read fleet.Rules
	require.NoError(t, json.Unmarshal([]byte(`{"canary":null}`), &read))
	assert.Equal(t, fleet.Rules{}, read)
}
