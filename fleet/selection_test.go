package fleet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func conditions(t *testing.T, texts ...string) (list []fleet.TagCondition) {
	t.Helper()
	for _, text := range texts {
		c, err := fleet.ParseTagCondition(text)
		require.NoError(t, err)
		list = append(list, c)
	}
	return list
}

func TestSelection(t *testing.T) {
	s := newService(t, 0, ecstest.Options{MaxPage: 2})
	for _, i := range []ecstest.Instance{
		{ID: "i-1", Name: "web-1", Tags: map[string]string{"role": "web", "env": "prod"}},
		{ID: "i-2", Name: "web-2", Tags: map[string]string{"role": "web", "env": "test"}, VPCID: "vpc-2"},
		{ID: "i-3", Name: "api-1", Tags: map[string]string{"role": "api", "env": ""}, InstanceType: "ecs.c8y.large"},
		{ID: "i-4", Name: "db-01", Tags: map[string]string{"role": "db"}, InstanceType: "ecs.r8y.large", ResourceGroupID: "rg-1"},
		{ID: "i-5", Name: "my-web-10", VPCID: "vpc-2"},
	} {
		require.NoError(t, s.AddInstance(i))
	}
	for name, test := range map[string]struct {
		selection fleet.Selection
		want      []string
	}{
		"a name":              {fleet.Selection{Names: []string{"web-1"}}, []string{"i-1"}},
		"a wildcard":          {fleet.Selection{Names: []string{"web-*"}}, []string{"i-1", "i-2"}},
		"several names":       {fleet.Selection{Names: []string{"web-1", "db-*"}}, []string{"i-1", "i-4"}},
		"one character":       {fleet.Selection{Names: []string{"???-?"}}, []string{"i-1", "i-2", "i-3"}},
		"any of two values":   {fleet.Selection{Tags: conditions(t, "role=web|api")}, []string{"i-1", "i-2", "i-3"}},
		"not a value":         {fleet.Selection{Tags: conditions(t, "role=web", "env!=prod")}, []string{"i-2"}},
		"not two values":      {fleet.Selection{Tags: conditions(t, "role", "env!=prod|test")}, []string{"i-3", "i-4"}},
		"without a tag":       {fleet.Selection{Tags: conditions(t, "role", "!env")}, []string{"i-4"}},
		"an empty value":      {fleet.Selection{Tags: conditions(t, "env=")}, []string{"i-3"}},
		"two on one key":      {fleet.Selection{Tags: conditions(t, "role=web|api", "role=api|db")}, []string{"i-3"}},
		"all but some":        {fleet.Selection{All: true, Tags: conditions(t, "role!=web", "!env")}, []string{"i-4", "i-5"}},
		"a VPC":               {fleet.Selection{VPCID: "vpc-2"}, []string{"i-2", "i-5"}},
		"a type":              {fleet.Selection{InstanceTypes: []string{"ecs.c8y.large"}}, []string{"i-3"}},
		"several types":       {fleet.Selection{InstanceTypes: []string{"ecs.c8y.large", "ecs.r8y.large"}}, []string{"i-3", "i-4"}},
		"a resource group":    {fleet.Selection{ResourceGroupID: "rg-1"}, []string{"i-4"}},
		"all of it":           {fleet.Selection{Names: []string{"*web-*"}, VPCID: "vpc-2", Tags: conditions(t, "!role")}, []string{"i-5"}},
		"but a name":          {fleet.Selection{All: true, ExcludeNames: []string{"*web*", "db-0?"}}, []string{"i-3"}},
		"but an id":           {fleet.Selection{Names: []string{"web-*"}, Exclude: []string{"i-1"}}, []string{"i-2"}},
		"one of another name": {fleet.Selection{Names: []string{"web-*"}, Exclude: []string{"i-4"}}, []string{"i-1", "i-2"}},
		"ids but one":         {fleet.Selection{InstanceIDs: []string{"i-4", "i-9", "i-1"}, Exclude: []string{"i-9"}}, []string{"i-4", "i-1"}},
		"ids but a name":      {fleet.Selection{InstanceIDs: []string{"i-4", "i-9", "i-1"}, ExcludeNames: []string{"web-*"}}, []string{"i-4", "i-9"}},
		"everything":          {fleet.Selection{Names: []string{"*"}, All: true}, []string{"i-1", "i-2", "i-3", "i-4", "i-5"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := fleet.NewPlan(t.Context(), s.client, test.selection)
			require.NoError(t, err)
			assert.Equal(t, test.want, ids(plan))
		})
	}
}

func TestSelectionInput(t *testing.T) {
	s := newService(t, 3, ecstest.Options{})
	type selection = fleet.Selection
	for problem, bad := range map[string]selection{
		`InstanceIDs holds "web-*", which looks like a name; names belong in Names`:  {InstanceIDs: []string{"i-00001", "web-*"}},
		`InstanceIDs holds "i-0000?", which looks like a name`:                       {InstanceIDs: []string{"i-0000?"}},
		`Exclude holds "i-*", which looks like a name; names belong in ExcludeNames`: {All: true, Exclude: []string{"i-*"}},
		`Exclude holds "i-9", which the service does not list`:                       {All: true, Exclude: []string{"i-00001", "i-9"}},
		`InstanceIDs holds "i-00001" twice`:                                          {InstanceIDs: []string{"i-00001", "i-00002", "i-00001"}},
		"InstanceIDs is given along with a query":                                    {InstanceIDs: []string{"i-00001"}, Names: []string{"web"}},
		"Tags has only conditions that leave instances out; set All":                 {Tags: conditions(t, "env!=prod", "!role")},
		`Names holds "**", which matches every instance; set All`:                    {Names: []string{"web", "**"}},
		`Names holds "", which is no name`:                                           {Names: []string{""}},
		`ExcludeNames holds "\xff", which is no name`:                                {All: true, ExcludeNames: []string{"\xff"}},
		`InstanceTypes holds ""`:                                                     {InstanceTypes: []string{""}},
		`Tags holds an empty key`:                                                    {Tags: []fleet.TagCondition{{}}},
		`Tags holds "role=web" and "role=api|db", and no instance can match both`:    {Tags: conditions(t, "role=web", "env", "role=api|db")},
		"Selection finds no instance":                                                {Names: []string{"none"}},
		"Selection asks for nothing":                                                 {ExcludeNames: []string{"web"}},
		"Clients has a client that is nil":                                           {All: true, Clients: []*ecsreboot.Client{nil}},
		"Clients has a second client of region cn-hangzhou":                          {All: true, Clients: []*ecsreboot.Client{s.client}},
	} {
		plan, err := fleet.NewPlan(t.Context(), s.client, bad)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, problem)
		require.ErrorContains(t, err, problem)
		require.Empty(t, plan)
	}
	_, err := fleet.NewPlan(t.Context(), nil, selection{All: true})
	require.ErrorContains(t, err, "client is nil")
}

// TestSelectionAsksTheService: a single value is a filter of the service, and what the
// service does not document is not sent.
func TestSelectionAsksTheService(t *testing.T) {
	s := newService(t, 3, ecstest.Options{})
	for _, test := range []struct {
		selection fleet.Selection
		want      map[string]string
	}{
		{
			fleet.Selection{Names: []string{"i-*"}, Tags: conditions(t, "role=web", "a!=b", "!c"), VPCID: "vpc-cn-hangzhou", InstanceTypes: []string{"ecs.g7.large"}},
			map[string]string{"InstanceName": "i-*", "Tag.1.Key": "role", "Tag.1.Value": "web", "VpcId": "vpc-cn-hangzhou", "InstanceType": "ecs.g7.large"},
		},
		{fleet.Selection{Names: []string{"i-0000?"}, InstanceTypes: []string{"ecs.g7.large", "b"}}, nil},
		{fleet.Selection{Names: []string{"i-*", "b"}, Tags: conditions(t, "role=web|api")}, map[string]string{"Tag.1.Key": "role"}},
		{fleet.Selection{Tags: conditions(t, "role=web|api", "role=web", "role!=api")}, map[string]string{"Tag.1.Key": "role", "Tag.1.Value": "web"}},
	} {
		plan, err := fleet.NewPlan(t.Context(), s.client, test.selection)
		require.NoError(t, err)
		require.Len(t, plan.Targets, 3)
		sent := s.Calls()[len(s.Calls())-1].Query
		got := make(map[string]string)
		for name := range sent {
			if name != "RegionId" && name != "MaxResults" {
				got[name] = sent.Get(name)
			}
		}
		if test.want == nil {
			test.want = map[string]string{}
		}
		require.Equal(t, test.want, got)
	}
}

// cutTransport ends lists that are filtered by tag after a thousand instances, as the
// vendor's limit may.
type cutTransport struct {
	next  http.RoundTripper
	pages int
}

func (c *cutTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	if err != nil || r.URL.Query().Get("Tag.1.Key") == "" {
		return res, err
	}
	if c.pages++; c.pages < 10 {
		return res, nil
	}
	defer res.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return nil, err
	}
	body["NextToken"] = ""
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res.Header.Set("Content-Length", fmt.Sprint(len(text)))
	return res, nil
}

// TestSelectionOfManyByTag: a list that the service may have cut is no plan.
func TestSelectionOfManyByTag(t *testing.T) {
	const n = 1203
	s := newService(t, n, ecstest.Options{}, func(i *ecstest.Instance) {
		if i.ID == "i-00007" {
			i.Tags = map[string]string{"role": "db"}
		}
	})
	cut := &cutTransport{}
	client, err := s.NewClient(ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		cut.next = next
		return cut
	}))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	plan, err := fleet.NewPlan(t.Context(), client, fleet.Selection{Tags: conditions(t, "role=web")})
	require.NoError(t, err)
	require.Equal(t, 10, cut.pages)
	require.Len(t, plan.Targets, n-1)
	require.NotContains(t, ids(plan), "i-00007")
}

func TestTargetIP(t *testing.T) {
	s := newService(t, 0, ecstest.Options{})
	require.NoError(t, s.AddInstance(ecstest.Instance{ID: "i-1", PrivateIPs: []string{"10.0.0.1", "10.0.0.2"}, PublicIPs: []string{"203.0.113.1"}, HostName: "h"}))
	require.NoError(t, s.AddInstance(ecstest.Instance{ID: "i-2", InnerIPs: []string{"10.9.9.9"}}))
	plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: []string{"i-1", "i-2", "i-3"}})
	require.NoError(t, err)
	require.Equal(t, fleet.Target{ID: "i-1", Name: "i-1", Zone: "cn-hangzhou-a", PrivateIPs: []string{"10.0.0.1", "10.0.0.2"}, PublicIPs: []string{"203.0.113.1"}, HostName: "h"}, plan.Targets[0])
	require.Equal(t, "10.0.0.1", plan.Targets[0].IP())
	require.Equal(t, "10.9.9.9", plan.Targets[1].IP())
	require.Empty(t, plan.Targets[2].IP())
	require.Equal(t, "203.0.113.1", fleet.Target{PublicIPs: []string{"203.0.113.1"}}.IP())
	text, err := json.Marshal(plan.Targets[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"i-1","name":"i-1","zone":"cn-hangzhou-a","privateIps":["10.0.0.1","10.0.0.2"],"publicIps":["203.0.113.1"],"hostName":"h"}`, string(text))

	moved := plan
	moved.Targets = []fleet.Target{{ID: "i-1", Name: "i-1", Zone: "cn-hangzhou-a"}, {ID: "i-2", Name: "i-2", Zone: "cn-hangzhou-a"}, {ID: "i-3"}}
	require.Equal(t, plan.Digest(), moved.Digest(), "an address is not what is restarted")
}
