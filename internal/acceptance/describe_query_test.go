package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// find lists the ids of the instances that match.
func find(t *testing.T, client *ecsreboot.Client, request ecsreboot.DescribeInstancesRequest) (listed, unlisted []string, err error) {
	t.Helper()
	for instance, err := range client.DescribeInstances(t.Context(), request) {
		switch {
		case err != nil:
			return listed, unlisted, err
		case instance.Listed():
			listed = append(listed, instance.ID)
		default:
			unlisted = append(unlisted, instance.ID)
		}
	}
	return listed, unlisted, nil
}

func TestQueries(t *testing.T) {
	server, client := newFleet(t, 0, ecstest.Options{MaxPage: 2})
	for i, tags := range []map[string]string{
		nil,
		{"role": "web", "env": "prod"},
		{"role": "db", "env": "prod"},
		{"role": "web", "env": ""},
		{"role": "web", "env": "prod", "Straße 1&2": "a=b %ü"},
	} {
		require.NoError(t, server.AddInstance(ecstest.Instance{
			ID: fmt.Sprintf("i-%d", i), Tags: tags, ZoneID: fmt.Sprintf("z-%d", i%2), Name: fmt.Sprintf("web %d", i), CreationTime: nthNewest(i),
		}))
	}
	require.NoError(t, server.AddInstance(ecstest.Instance{
		ID: "i-5", ZoneID: "z-5", Name: "db.a", VPCID: "vpc-5", InstanceType: "ecs.c8y.large", ResourceGroupID: "rg-5", CreationTime: nthNewest(5),
	}))
	require.NoError(t, server.SetStatus("i-1", ecsreboot.StatusStopped))
	type request = ecsreboot.DescribeInstancesRequest
	type tags = map[string]string
	for _, c := range []struct {
		request  request
		listed   string
		unlisted string
	}{
		{request{Tags: tags{"role": "web"}}, "i-1 i-3 i-4", ""},
		{request{Tags: tags{"role": ""}}, "i-1 i-2 i-3 i-4", ""},
		{request{Tags: tags{"role": "web", "env": "prod"}}, "i-1 i-4", ""},
		{request{Tags: tags{"role": "web", "env": "prod"}, Zone: "z-0"}, "i-4", ""},
		{request{Tags: tags{"Straße 1&2": "a=b %ü"}}, "i-4", ""},
		{request{Tags: tags{"role": "none"}}, "", ""},
		{request{Zone: "z-1"}, "i-1 i-3", ""},
		{request{Status: ecsreboot.StatusStopped}, "i-1", ""},
		{request{Status: ecsreboot.StatusRunning, Zone: "z-1"}, "i-3", ""},
		{request{InstanceIDs: []string{"i-1", "i-2", "i-9"}, Tags: tags{"role": "web"}}, "i-1", "i-2 i-9"},
		{request{InstanceIDs: []string{"i-1", "i-2"}, Zone: "z-5"}, "", "i-1 i-2"},
		{request{Name: "web 1"}, "i-1", ""},
		{request{Name: "web*"}, "i-0 i-1 i-2 i-3 i-4", ""},
		{request{Name: "*.a"}, "i-5", ""},
		{request{Name: "web"}, "", ""},
		{request{Name: "web*", Zone: "z-1"}, "i-1 i-3", ""},
		{request{VPCID: "vpc-5"}, "i-5", ""},
		{request{InstanceType: "ecs.c8y.large"}, "i-5", ""},
		{request{ResourceGroupID: "rg-5"}, "i-5", ""},
		{request{ResourceGroupID: "rg-5", VPCID: "vpc-1"}, "", ""},
		{request{InstanceIDs: []string{"i-1", "i-5"}, Name: "db*", InstanceType: "ecs.c8y.large"}, "i-5", "i-1"},
	} {
		listed, unlisted, err := find(t, client, c.request)
		require.NoError(t, err)
		assert.Equal(t, c.listed, strings.Join(listed, " "), c.request)
		assert.Equal(t, c.unlisted, strings.Join(unlisted, " "), c.request)
	}
	all, err := list(t.Context(), client)
	require.NoError(t, err)
	assert.Nil(t, all[0].Tags)
	assert.Equal(t, tags{"role": "web", "env": ""}, all[3].Tags)
	assert.Equal(t, "web 3", all[3].Name)
}

// Tags are numbered by their order, and signed by the order of their names.
func TestQueryTagNumbers(t *testing.T) {
	server, _ := newFleet(t, 0, ecstest.Options{})
	tags := map[string]string{}
	for n := range 20 {
		tags[fmt.Sprintf("k%02d", n)] = fmt.Sprintf("v%d", n)
	}
	tags["k03"] = ""
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-a", Tags: tags}))
	for _, sign := range []ecsreboot.SignatureVersion{ecsreboot.SignatureV3, ecsreboot.SignatureV1} {
		client := newClient(t, server, ecsreboot.WithSignatureVersion(sign))
		listed, _, err := find(t, client, ecsreboot.DescribeInstancesRequest{
			Tags: tags, Name: "i-*", InstanceType: "ecs.g7.large", VPCID: "vpc-cn-hangzhou", Zone: "cn-hangzhou-a", Status: ecsreboot.StatusRunning,
		})
		require.NoError(t, err)
		assert.Equal(t, []string{"i-a"}, listed)
		call := server.Calls()[len(server.Calls())-1]
		for n := range 20 {
			name := fmt.Sprintf("Tag.%d.", n+1)
			assert.Equal(t, fmt.Sprintf("k%02d", n), call.Query.Get(name+"Key"))
			assert.Equal(t, n != 3, call.Query.Has(name+"Value"), "an empty value stands for any")
		}
	}
}

// A filter that got lost on the way does not select what was not asked for.
func TestQueryFilterLost(t *testing.T) {
	server, client := newFleet(t, 0, ecstest.Options{})
	body := `{"RequestId":"R","Instances":{"Instance":[
		{"InstanceId":"i-a","Status":"Running","ZoneId":"z","Tags":{"Tag":[{"TagKey":"env","TagValue":"test"}]}},
		{"InstanceId":"i-b","Status":"Running","ZoneId":"z","Tags":{"Tag":[{"TagKey":"env","TagValue":"prod"}]}},
		{"InstanceId":"i-c","Status":"Running","ZoneId":"z"},
		{"InstanceId":"i-d","Status":"Stopped","ZoneId":"z","Tags":{"Tag":[{"TagKey":"env","TagValue":"test"}]}},
		{"InstanceId":"i-e","Status":"Running","ZoneId":"y","Tags":{"Tag":[{"TagKey":"env","TagValue":"test"}]}}]}}`
	for _, ids := range [][]string{nil, {"i-a", "i-b", "i-c", "i-d", "i-e"}} {
		answers(server, body)
		listed, unlisted, err := find(t, client, ecsreboot.DescribeInstancesRequest{
			InstanceIDs: ids, Tags: map[string]string{"env": "test"}, Zone: "z", Status: ecsreboot.StatusRunning,
		})
		require.NoError(t, err)
		assert.Equal(t, []string{"i-a"}, listed)
		assert.Len(t, unlisted, max(0, len(ids)-1))
	}
	body = `{"RequestId":"R","Instances":{"Instance":[
		{"InstanceId":"i-a","Status":"Running","InstanceName":"web-1","InstanceType":"t","ResourceGroupId":"rg","VpcAttributes":{"VpcId":"v"}},
		{"InstanceId":"i-b","Status":"Running","InstanceName":"my-web-1","InstanceType":"t","ResourceGroupId":"rg","VpcAttributes":{"VpcId":"v"}},
		{"InstanceId":"i-c","Status":"Running","InstanceName":"web-1","InstanceType":"u","ResourceGroupId":"rg","VpcAttributes":{"VpcId":"v"}},
		{"InstanceId":"i-d","Status":"Running","InstanceName":"web-1","InstanceType":"t","VpcAttributes":{"VpcId":"v"}},
		{"InstanceId":"i-e","Status":"Running","InstanceName":"web-1","InstanceType":"t","ResourceGroupId":"rg"}]}}`
	answers(server, body)
	listed, _, err := find(t, client, ecsreboot.DescribeInstancesRequest{Name: "web-*", InstanceType: "t", ResourceGroupID: "rg", VPCID: "v"})
	require.NoError(t, err)
	assert.Equal(t, []string{"i-a"}, listed)
}

func TestQueryInput(t *testing.T) {
	server, client := newFleet(t, 0, ecstest.Options{})
	tooMany := map[string]string{}
	for n := range 21 {
		tooMany[fmt.Sprint(n)] = ""
	}
	for field, requests := range map[string][]ecsreboot.DescribeInstancesRequest{
		"Tags":   {{Tags: map[string]string{"": "v"}}, {Tags: tooMany}, {Tags: map[string]string{"k": "\xff"}}, {Tags: map[string]string{"\xff": ""}}},
		"Status": {{Status: "running"}, {Status: "Gone"}},
		"Zone":   {{Zone: " z"}, {Zone: "z\n"}, {Zone: "\xff"}},
		"Name":   {{Name: "web-?"}, {Name: "web "}, {Name: "\xff"}},
		"VPCID":  {{VPCID: " "}},

		"InstanceType":    {{InstanceType: "ecs.g7 "}},
		"ResourceGroupID": {{ResourceGroupID: "\xff"}},
	} {
		for _, request := range requests {
			for _, ids := range [][]string{nil, {"i-a"}} {
				request.InstanceIDs = slices.Clone(ids)
				_, _, err := find(t, client, request)
				require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
				require.ErrorContains(t, err, "DescribeInstances: "+field+" ")
				assertOutcome(t, ecsreboot.OutcomeNone, err)
			}
		}
	}
	assert.Empty(t, server.Calls())
}
