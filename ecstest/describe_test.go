package ecstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func decode[T any](t *testing.T, r reply) T {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, r.body)
	var v T
	require.NoError(t, json.Unmarshal([]byte(r.body), &v))
	return v
}

func listedIDs(p listPayload) (ids []string) {
	for _, v := range p.Instances.Instance {
		ids = append(ids, v.InstanceID)
	}
	return ids
}

func (c *caller) list(t *testing.T, params ...string) listPayload {
	t.Helper()
	return decode[listPayload](t, c.must(t, actionList, append([]string{"RegionId", "cn-hangzhou"}, params...)...))
}

func (c *caller) statuses(t *testing.T, params ...string) statusPayload {
	t.Helper()
	return decode[statusPayload](t, c.must(t, actionStatus, append([]string{"RegionId", "cn-hangzhou"}, params...)...))
}

// many is a server with n instances, of which i-000 is the newest.
func many(t *testing.T, n int) *Server {
	t.Helper()
	s := inMemory(t, Options{AuditDelay: -1, StateChangeDelay: -1, LimitPerMinute: 1000})
	s.RemoveInstance(id)
	old := time.Now().Add(-30 * 24 * time.Hour)
	for i := range n {
		require.NoError(t, s.AddInstance(Instance{ID: fmt.Sprintf("i-%03d", i), CreationTime: old.Add(-time.Duration(i) * time.Second)}))
	}
	return s
}

func TestDescribeInstancesBodies(t *testing.T) {
	s := inMemory(t, Options{})
	s.RemoveInstance(id)
	require.NoError(t, s.AddInstance(Instance{
		ID: "i-a", Status: ecsreboot.StatusStopped, ZoneID: "cn-hangzhou-h", Locks: []string{"security"},
		Name: "web 1", Tags: map[string]string{"role": "web", "env": "", "a": "b"},
		HostName: "web1", PrivateIPs: []string{"172.16.0.1", "172.16.0.2"}, PublicIPs: []string{"203.0.113.1"}, EIP: "203.0.113.2",
		InstanceType: "ecs.g8y.xlarge", VPCID: "vpc-1", VSwitchID: "vsw-1", SecurityGroupIDs: []string{"sg-1", "sg-2"}, ResourceGroupID: "rg-1",
		ImageID: "m-1", OSName: "Rocky Linux 9.5", KeyPairName: "key-1", Description: "a web server", InternetChargeType: "PayByBandwidth",
		ExpiredTime:  time.Date(2017, 12, 11, 16, 0, 0, 0, time.UTC),
		StartTime:    time.Date(2017, 12, 10, 4, 4, 59, 0, time.UTC),
		CreationTime: time.Date(2017, 12, 10, 5, 4, 5, 6, time.FixedZone("", 3600)),
	}))
	c := newCaller(s)
	const common = `"InstanceId":"i-a","InstanceName":"web 1","Description":"a web server","HostName":"web1","SerialNumber":"5a6cc9ae-bfeb-a904-223f-d7cde30acfc9",
		"RegionId":"cn-hangzhou","ZoneId":"cn-hangzhou-h","ClusterId":"","Status":"Stopped","ImageId":"m-1","InstanceType":"ecs.g8y.xlarge","Cpu":4,"Memory":16384,
		"InstanceChargeType":"PrePaid","InstanceNetworkType":"vpc","InternetChargeType":"PayByBandwidth","InternetMaxBandwidthIn":100,"InternetMaxBandwidthOut":5,"VlanId":"",
		"SecurityGroupIds":{"SecurityGroupId":["sg-1","sg-2"]},
		"VpcAttributes":{"VpcId":"vpc-1","VSwitchId":"vsw-1","NatIpAddress":"","PrivateIpAddress":{"IpAddress":["172.16.0.1","172.16.0.2"]}},
		"InnerIpAddress":{"IpAddress":[]},"PublicIpAddress":{"IpAddress":["203.0.113.1"]},"ExpiredTime":"2017-12-11T16:00Z","StoppedMode":"KeepCharging",
		"DedicatedHostAttribute":{"DedicatedHostId":"","DedicatedHostName":""}`
	r := c.must(t, actionList, "RegionId", "cn-hangzhou")
	require.JSONEq(t, `{"RequestId":"ID","PageNumber":1,"PageSize":10,"TotalCount":1,"NextToken":"","Instances":{"Instance":[{`+common+`,
		"EipAddress":{"IpAddress":"203.0.113.2","AllocationId":"eip-a","InternetChargeType":"PayByTraffic","Bandwidth":5,"IsSupportUnassociate":true},
		"CreationTime":"2017-12-10T04:04Z","StartTime":"2017-12-10T04:04Z","AutoReleaseTime":"","InstanceTypeFamily":"ecs.g8y","OSName":"Rocky Linux 9.5",
		"OSNameEn":"Rocky Linux 9.5","OSType":"linux","KeyPairName":"key-1","ResourceGroupId":"rg-1","IoOptimized":true,"DeviceAvailable":true,
		"DeletionProtection":false,"Recyclable":false,"SpotStrategy":"NoSpot","GPUAmount":0,"GPUSpec":"",
		"NetworkInterfaces":{"NetworkInterface":[{"Type":"Primary","MacAddress":"00:16:3e:00:00:02","PrimaryIpAddress":"172.16.0.1","NetworkInterfaceId":"eni-a",
			"PrivateIpSets":{"PrivateIpSet":[{"PrivateIpAddress":"172.16.0.1","Primary":true},{"PrivateIpAddress":"172.16.0.2","Primary":false}]}}]},
		"SaleCycle":"","DeploymentSetId":"","MetadataOptions":{"HttpEndpoint":"enabled","HttpTokens":"optional"},
		"CpuOptions":{"CoreCount":2,"ThreadsPerCore":2,"Numa":""},"HibernationOptions":{"Configured":false},"DedicatedInstanceAttribute":{"Affinity":"","Tenancy":""},
		"EcsCapacityReservationAttr":{"CapacityReservationId":"","CapacityReservationPreference":""},
		"OperationLocks":{"LockReason":[{"LockReason":"security","LockMsg":""}]},
		"Tags":{"Tag":[{"TagKey":"a","TagValue":"b"},{"TagKey":"env","TagValue":""},{"TagKey":"role","TagValue":"web"}]}}]}}`, body(t, r, "application/json;charset=utf-8"))

	r = c.must(t, actionAttribute, "InstanceId", "i-a")
	require.JSONEq(t, `{"RequestId":"ID",`+common+`,
		"EipAddress":{"IpAddress":"203.0.113.2","AllocationId":"eip-a","InternetChargeType":"PayByTraffic","Bandwidth":5},
		"CreationTime":"2017-12-10T04:04:05Z","IoOptimized":"true","OperationLocks":{"LockReason":[{"LockReason":"security"}]}}`, body(t, r, "application/json;charset=utf-8"))

	require.NoError(t, s.SetLocks("i-a"))
	require.Contains(t, c.must(t, actionList, "RegionId", "cn-hangzhou").body, `"OperationLocks":{"LockReason":[]}`)

	require.NoError(t, s.SetTags("i-a", nil))
	require.NotContains(t, c.must(t, actionList, "RegionId", "cn-hangzhou").body, `"Tags"`)

	c.accept = "text/xml"
	require.NoError(t, s.SetTags("i-a", map[string]string{"k": "v"}))
	require.NoError(t, s.SetLocks("i-a", "financial"))
	text := body(t, c.must(t, actionList, "RegionId", "cn-hangzhou"), "text/xml;charset=utf-8")
	require.Regexp(t, `^<\?xml version="1.0" encoding="UTF-8"\?><DescribeInstancesResponse><RequestId>ID</RequestId><PageNumber>1</PageNumber><PageSize>10</PageSize>`+
		`<TotalCount>1</TotalCount><NextToken></NextToken><Instances><Instance><InstanceId>i-a</InstanceId>.*</Instance></Instances></DescribeInstancesResponse>$`, text)
	for _, part := range []string{
		`<PrivateIpAddress><IpAddress>172.16.0.1</IpAddress><IpAddress>172.16.0.2</IpAddress></PrivateIpAddress></VpcAttributes>`,
		`<InnerIpAddress></InnerIpAddress><PublicIpAddress><IpAddress>203.0.113.1</IpAddress></PublicIpAddress>`,
		`<OperationLocks><LockReason><LockReason>financial</LockReason><LockMsg></LockMsg></LockReason></OperationLocks>`,
		`<Tags><Tag><TagKey>k</TagKey><TagValue>v</TagValue></Tag></Tags>`,
	} {
		require.Contains(t, text, part)
	}
	r = c.must(t, actionStatus, "RegionId", "cn-hangzhou")
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><DescribeInstanceStatusResponse><RequestId>ID</RequestId><PageNumber>1</PageNumber><PageSize>10</PageSize>`+
		`<TotalCount>1</TotalCount><InstanceStatuses><InstanceStatus><InstanceId>i-a</InstanceId><Status>Stopped</Status></InstanceStatus></InstanceStatuses></DescribeInstanceStatusResponse>`,
		body(t, r, "text/xml;charset=utf-8"))
}

func TestDescribeInstancesFilters(t *testing.T) {
	s := many(t, 5)
	require.NoError(t, s.SetStatus("i-001", ecsreboot.StatusStopped))
	require.NoError(t, s.SetLocks("i-002", "security", "financial"))
	require.NoError(t, s.AddInstance(Instance{
		ID: "i-far", ZoneID: "cn-hangzhou-z", Name: "web.1", VPCID: "vpc-2", VSwitchID: "vsw-2", InstanceType: "ecs.c8y.xlarge", ResourceGroupID: "rg-2",
		SecurityGroupIDs: []string{"sg-1", "sg-2"}, ImageID: "m-1", KeyPairName: "key-1", InternetChargeType: "PayByBandwidth",
		PublicIPs: []string{"203.0.113.1", "203.0.113.2"}, EIP: "203.0.113.3", PrivateIPs: []string{"172.16.0.1", "172.16.0.2"},
		CreationTime: time.Date(2014, 1, 1, 10, 20, 30, 0, time.UTC), ExpiredTime: time.Date(2098, 1, 1, 16, 0, 0, 0, time.UTC),
	}))
	require.NoError(t, s.AddInstance(Instance{ID: "i-classic", InnerIPs: []string{"10.9.9.9"}, CreationTime: time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)}))
	all := []string{"i-000", "i-001", "i-002", "i-003", "i-004", "i-far", "i-classic"}
	vpc, others := all[:6], slices.Delete(slices.Clone(all), 5, 6)
	c := newCaller(s)
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, all},
		{[]string{"InstanceIds", `["i-003","i-000","i-none","i-003"]`}, []string{"i-000", "i-003"}},
		{[]string{"InstanceIds", `[]`}, nil},
		{[]string{"Status", "Stopped"}, []string{"i-001"}},
		{[]string{"LockReason", "financial"}, []string{"i-002"}},
		{[]string{"ZoneId", "cn-hangzhou-z"}, []string{"i-far"}},
		{[]string{"VpcId", "vpc-2"}, []string{"i-far"}},
		{[]string{"VpcId", "vpc-3"}, nil},
		{[]string{"InstanceType", "ecs.c8y.xlarge"}, []string{"i-far"}},
		{[]string{"InstanceType", "ecs.c8y"}, nil},
		{[]string{"ResourceGroupId", "rg-2"}, []string{"i-far"}},
		{[]string{"InstanceName", "web.1"}, []string{"i-far"}},
		{[]string{"InstanceName", "web"}, nil},
		{[]string{"InstanceName", "web?1"}, nil},
		{[]string{"InstanceName", "w*1"}, []string{"i-far"}},
		{[]string{"InstanceName", "W*1"}, nil},
		{[]string{"InstanceName", "web.1*1"}, nil},
		{[]string{"InstanceName", "*web*.*1*"}, []string{"i-far"}},
		{[]string{"InstanceName", "*.*eb*"}, nil},
		{[]string{"InstanceName", "\xff*"}, nil},
		{[]string{"InstanceName", "\xff"}, nil},
		{[]string{"InstanceName", "*0*3"}, []string{"i-003"}},
		{[]string{"InstanceName", "w*1", "VpcId", "vpc-1"}, nil},
		{[]string{"VSwitchId", "vsw-2"}, []string{"i-far"}},
		{[]string{"VSwitchId", "vsw-cn-hangzhou-a"}, all[:5]},
		{[]string{"SecurityGroupId", "sg-2"}, []string{"i-far"}},
		{[]string{"SecurityGroupId", "sg-cn-hangzhou"}, others},
		{[]string{"InstanceTypeFamily", "ecs.c8y"}, []string{"i-far"}},
		{[]string{"InstanceTypeFamily", "ecs.c8"}, nil},
		{[]string{"InstanceChargeType", "PrePaid"}, []string{"i-far"}},
		{[]string{"InstanceChargeType", "PostPaid"}, others},
		{[]string{"InternetChargeType", "PayByBandwidth"}, []string{"i-far"}},
		{[]string{"InstanceNetworkType", "classic"}, []string{"i-classic"}},
		{[]string{"InstanceNetworkType", "vpc"}, vpc},
		{[]string{"ImageId", "m-1"}, []string{"i-far"}},
		{[]string{"KeyPairName", "key-1"}, []string{"i-far"}},
		{[]string{"IoOptimized", "true"}, all},
		{[]string{"IoOptimized", "false"}, nil},
		{[]string{"LockReason", "Recycling"}, nil},
		{[]string{"PublicIpAddresses", `["203.0.113.2"]`}, []string{"i-far"}},
		{[]string{"PublicIpAddresses", `["203.0.113.3"]`}, nil},
		{[]string{"EipAddresses", `["203.0.113.2","203.0.113.3"]`, "InstanceNetworkType", "vpc"}, []string{"i-far"}},
		{[]string{"PrivateIpAddresses", `["172.16.0.2","10.0.0.2"]`}, []string{"i-000", "i-far"}},
		{[]string{"PrivateIpAddresses", `[]`}, nil},
		{[]string{"InnerIpAddresses", `["10.9.9.9"]`}, []string{"i-classic"}},
		{[]string{"Filter.1.Key", "CreationStartTime", "Filter.1.Value", "2014-01-01T10:20Z", "Filter.2.Key", "CreationEndTime", "Filter.2.Value", "2014-01-01T10:20Z"}, []string{"i-far"}},
		{[]string{"Filter.2.Key", "CreationEndTime", "Filter.2.Value", "2014-01-01T10:19Z"}, []string{"i-classic"}},
		{[]string{"Filter.3.Key", "ExpiredStartTime", "Filter.3.Value", "2098-01-01T16:01Z"}, others},
		{[]string{"Filter.4.Key", "ExpiredEndTime", "Filter.4.Value", "2098-01-01T16:00Z"}, []string{"i-far"}},
		{[]string{"Filter.5.Key", "ExpiredEndTime", "Filter.5.Value", "x"}, all}, // misspelt
		{[]string{"VSwitchId", "", "VswitchId", "vsw-1", "Filterx", "1"}, all},
		{[]string{"InstanceId", "i-000"}, all},
		{[]string{"InstanceId.1", "i-000"}, all},
	} {
		got := c.list(t, test.params...)
		require.Equal(t, test.want, listedIDs(got), test.params)
		require.Equal(t, len(test.want), got.TotalCount)
	}
	require.Equal(t, "i-003,i-000,i-none,i-003", s.Calls()[1].InstanceID)
}

// All tags must match: a key with its value, or with any where none is given.
func TestDescribeInstancesTags(t *testing.T) {
	s := many(t, 0)
	for id, tags := range map[string]map[string]string{
		"i-plain": nil, "i-web": {"role": "web", "env": "prod"}, "i-db": {"role": "db", "env": "prod"}, "i-test": {"role": "web", "env": ""},
	} {
		require.NoError(t, s.AddInstance(Instance{ID: id, Tags: tags}))
	}
	c := newCaller(s)
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"i-db", "i-plain", "i-test", "i-web"}},
		{[]string{"Tag.1.Key", "role"}, []string{"i-db", "i-test", "i-web"}},
		{[]string{"Tag.1.Key", "role", "Tag.1.Value", "web"}, []string{"i-test", "i-web"}},
		{[]string{"Tag.1.Key", "role", "Tag.1.Value", "web", "Tag.2.Key", "env", "Tag.2.Value", "prod"}, []string{"i-web"}},
		{[]string{"Tag.1.Key", "env", "Tag.1.Value", ""}, []string{"i-test"}},
		{[]string{"Tag.1.key", "role", "Tag.1.value", "web", "Tag.2.key", "env", "Tag.2.Value", "prod"}, []string{"i-web"}},
		{[]string{"Tag.1.Key", "Role"}, nil},
		{[]string{"Tag.1.Key", "role", "Tag.1.Value", "Web"}, nil},
		{[]string{"Tag.1.Key", "role", "InstanceIds", `["i-db","i-plain"]`}, []string{"i-db"}},
		{[]string{"Tag.1.Key", "role", "Status", "Stopped"}, nil},
		{[]string{"Tag.1.Key", "role", "Tag.1.value", "db"}, []string{"i-db"}},
		{[]string{"Tag.1.key", "role", "Tag.1.Value", "db"}, []string{"i-db"}},
		{[]string{"Tag.1.Key", "role", "Tag.1.Value", "web", "Tag.2.Key", "role", "Tag.2.Value", "db"}, nil}, // no instance has both
		{[]string{"Tag.1.Key", "role", "Tag.2.Key", "role", "Tag.2.Value", "db"}, []string{"i-db"}},
		{[]string{"Tag.1.KEY", "none", "Tag.x.Key", "none"}, []string{"i-db", "i-plain", "i-test", "i-web"}}, // misspelt
	} {
		got := c.list(t, test.params...)
		require.ElementsMatch(t, test.want, listedIDs(got), test.params)
		require.Equal(t, len(test.want), got.TotalCount)
	}
	require.NoError(t, s.SetTags("i-plain", map[string]string{"role": "web"}))
	require.Equal(t, 4, c.list(t, "Tag.1.Key", "role").TotalCount)

	require.Error(t, s.SetTags("i-none", nil))
	require.Error(t, s.AddInstance(Instance{ID: "i-bad", Tags: map[string]string{"": "v"}}))
	many := []string{"RegionId", "cn-hangzhou"}
	for n := range maxTags {
		many = append(many, fmt.Sprintf("Tag.%d.Key", n+1), "role")
	}
	require.Equal(t, http.StatusOK, c.must(t, actionList, many...).status)
	require.Equal(t, "InvalidTagCount", c.must(t, actionList, append(many, "Tag.21.Key", "role")...).code())
}

func TestDescribeInstancesPages(t *testing.T) {
	s := many(t, 25)
	c := newCaller(s)
	var all []string
	for params := []string(nil); ; {
		page := c.list(t, params...)
		all = append(all, listedIDs(page)...)
		require.Equal(t, 10, page.PageSize)
		if page.NextToken == "" {
			break
		}
		params = []string{"NextToken", page.NextToken}
	}
	require.Len(t, all, 25, "without any parameter of paging, the first page has a token too")
	require.True(t, slices.IsSorted(all))
	for _, params := range [][]string{{"PageNumber", "1"}, {"PageSize", "10"}} {
		require.Empty(t, c.list(t, params...).NextToken, params)
	}

	page := c.list(t, "PageNumber", "3")
	require.Equal(t, []string{"i-020", "i-021", "i-022", "i-023", "i-024"}, listedIDs(page))
	require.Equal(t, 25, page.TotalCount)
	require.Empty(t, c.list(t, "PageNumber", "4").Instances.Instance)
	require.Len(t, c.list(t, "PageSize", "100").Instances.Instance, 25)

	for asked, size := range map[string]int{"1": 10, "12": 12, "1000": 100} {
		require.Equal(t, size, c.list(t, "MaxResults", asked).PageSize)
	}
	first := c.list(t, "MaxResults", "10", "PageNumber", "9")
	require.Len(t, first.Instances.Instance, 10, "PageNumber is ignored")
	s.RemoveInstance("i-009")
	require.NoError(t, s.AddInstance(Instance{ID: "i-new"}))
	second := c.list(t, "MaxResults", "10", "NextToken", first.NextToken)
	require.Equal(t, "i-010", second.Instances.Instance[0].InstanceID, "neither a removed instance nor a new one shifts anything")
	third := c.list(t, "NextToken", second.NextToken)
	require.Len(t, third.Instances.Instance, 5)
	require.Empty(t, third.NextToken)
}

// A page may hold less than was asked for and yet not be the last.
func TestDescribeInstancesPartialPages(t *testing.T) {
	s := inMemory(t, Options{MaxPage: 2})
	s.RemoveInstance(id)
	for n := range 5 {
		require.NoError(t, s.AddInstance(Instance{ID: fmt.Sprintf("i-%d", n)}))
	}
	c := newCaller(s)
	var pages [][]string
	for token := "-"; token != ""; {
		params := []string{"MaxResults", "100"}
		if token != "-" {
			params = append(params, "NextToken", token)
		}
		page := c.list(t, params...)
		require.Equal(t, 100, page.PageSize)
		pages = append(pages, listedIDs(page))
		token = page.NextToken
	}
	require.Equal(t, [][]string{{"i-4", "i-3"}, {"i-2", "i-1"}, {"i-0"}}, pages, "the last added one is the newest")
	require.Len(t, c.list(t, "PageSize", "100").Instances.Instance, 5, "pages by number are never partial")
}

func TestDescribeInstanceStatus(t *testing.T) {
	s := many(t, 12)
	c := newCaller(s)
	got := c.statuses(t)
	require.Len(t, got.InstanceStatuses.InstanceStatus, 10)
	require.Equal(t, 12, got.TotalCount)
	require.Len(t, c.statuses(t, "PageNumber", "2").InstanceStatuses.InstanceStatus, 2)
	require.Equal(t, []statusView{{"i-003", "Running"}, {"i-007", "Running"}},
		c.statuses(t, "InstanceId.1", "i-007", "InstanceId.2", "i-none", "InstanceId.3", "i-003").InstanceStatuses.InstanceStatus)
	require.Equal(t, 12, c.statuses(t, "InstanceId", "i-003", "InstanceIds", `["i-001"]`).TotalCount, "misspelt filters are ignored")
	require.Equal(t, 12, c.statuses(t, "ZoneId", "cn-hangzhou-a").TotalCount)
	require.Contains(t, c.must(t, actionStatus, "RegionId", "cn-hangzhou", "InstanceId.1", "i-none").body, `"InstanceStatus":[]`)
}

func TestDescribeRefused(t *testing.T) {
	tooMany := `["i-0"` + strings.Repeat(`,"i-0"`, 100) + `]`
	var tooManyStatuses []string
	for n := range 101 {
		tooManyStatuses = append(tooManyStatuses, fmt.Sprintf("InstanceId.%d", n+1), "i-0")
	}
	for _, test := range []struct {
		action string
		params []string
		status int
		code   string
		about  string
	}{
		{actionList, []string{"RegionId", ""}, 400, "MissingParameter", "RegionId"},
		{actionList, []string{"RegionId", "eu-west-1"}, 404, "InvalidRegionId.NotFound", "RegionId"},
		{actionList, []string{"InstanceIds", "i-a"}, 400, "InvalidParameter", "InstanceIds"},
		{actionList, []string{"InstanceIds", "null"}, 400, "InvalidParameter", "InstanceIds"},
		{actionList, []string{"InstanceIds", tooMany}, 403, "InvalidParameter.TooManyInstanceIds", "100"},
		{actionList, []string{"PageNumber", "0"}, 400, "InvalidParameter", "PageNumber"},
		{actionList, []string{"PageNumber", "9223372036854775807"}, 400, "InvalidParameter", "PageNumber"},
		{actionList, []string{"PageSize", "101"}, 400, "InvalidParameter", "PageSize"},
		{actionList, []string{"MaxResults", "x"}, 400, "InvalidParameter", "MaxResults"},
		{actionList, []string{"NextToken", "!"}, 400, "InvalidParameter", "NextToken"},
		{actionList, []string{"NextToken", "eA=="}, 400, "InvalidParameter", "NextToken"},
		{actionList, []string{"NextToken", "MQ=="}, 400, "InvalidParameter", "NextToken"},
		{actionList, []string{"DryRun", "maybe"}, 400, "InvalidParameter", "DryRun"},
		{actionList, []string{"DryRun", "true"}, 400, "DryRunOperation", "passed"},
		{actionList, []string{"HpcClusterId", "hpc-1"}, 400, "NotImplementedByEcstest", "ecstest does not implement the parameter HpcClusterId of DescribeInstances"},
		{actionList, []string{"Ipv6Address.2", "::1"}, 400, "NotImplementedByEcstest", "Ipv6Address.2"},
		{actionList, []string{"EipAddresses", `["203.0.113.1"]`, "InstanceNetworkType", "classic"}, 400, "NotImplementedByEcstest", "EipAddresses with InstanceNetworkType classic"},
		{actionList, []string{"InnerIpAddresses", `["203.0.113.1"]`, "InstanceNetworkType", "vpc"}, 400, "NotImplementedByEcstest", "InnerIpAddresses with"},
		{actionList, []string{"PrivateIpAddresses", "172.16.0.1"}, 400, "InvalidParameter", "PrivateIpAddresses"},
		{actionList, []string{"EipAddresses", `[""]`}, 400, "InvalidParameter", "EipAddresses"},
		{actionList, []string{"EipAddresses", "[null]"}, 400, "InvalidParameter", "EipAddresses"},
		{actionList, []string{"PrivateIpAddresses", "null"}, 400, "InvalidParameter", "PrivateIpAddresses"},
		{actionList, []string{"Filter.1.Key", "CreationStartTime"}, 404, "InvalidFilterValue", "Filter.N"},
		{actionList, []string{"Filter.1.Key", "CreationStartTime", "Filter.1.Value", "2026-01-01T10:20:30Z"}, 404, "InvalidFilterValue", "Filter.N"},
		{actionList, []string{"Filter.1.Key", "CreationStartTime", "Filter.1.Value", "2026-01-01T9:20Z"}, 404, "InvalidFilterValue", "Filter.N"},
		{actionList, []string{"Filter.1.Key", "CreationEndTime", "Filter.1.Value", "2026-01-01T10:20Z"}, 404, "InvalidFilterKey.NotFound", "Filter.N"},
		{actionList, []string{"Filter.3.Value", "2026-01-01T10:20Z"}, 404, "InvalidFilterKey.NotFound", "Filter.N"},
		{actionList, []string{"Status", "Rebooting"}, 404, "InvalidStatus.NotFound", "Status"},
		{actionList, []string{"LockReason", "none"}, 404, "InvalidLockReason.NotFound", "LockReason"},
		{actionList, []string{"InstanceChargeType", "postpaid"}, 404, "InvalidInstanceChargeType.NotFound", "InstanceChargeType"},
		{actionList, []string{"InternetChargeType", "x"}, 404, "InvalidInternetChargeType.ValueNotSupported", "InternetChargeType"},
		{actionList, []string{"InstanceNetworkType", "x"}, 404, "InvalidNetworkType.NotFound", "InstanceNetworkType"},
		{actionList, []string{"IoOptimized", "optimized"}, 400, "InvalidParameter", "IoOptimized"},
		{actionStatus, []string{"ClusterId", "c-1"}, 400, "NotImplementedByEcstest", "the parameter ClusterId of DescribeInstanceStatus"},
		{actionList, []string{"AdditionalAttributes.1", "META_OPTIONS"}, 400, "NotImplementedByEcstest", "AdditionalAttributes.1"},
		{actionList, []string{"Tag.1.Value", "web"}, 400, "InvalidTag.Mismatch", "Tag.N.Key"},
		{actionList, []string{"Tag.1.Key", ""}, 400, "InvalidTag.Mismatch", "Tag.N.Key"},
		{actionList, []string{"Tag.2.Key", "a"}, 400, "NotImplementedByEcstest", "a gap in the numbers of Tag.N"},
		{actionList, []string{"Tag.1.Key", "a", "Tag.3.Key", "b"}, 400, "NotImplementedByEcstest", "a gap in the numbers of Tag.N"},
		{actionList, []string{"Tag.0.Key", "a"}, 400, "NotImplementedByEcstest", "a gap in the numbers of Tag.N"},
		{actionStatus, []string{"InstanceId.2", "i-001"}, 400, "NotImplementedByEcstest", "a gap in the numbers of InstanceId.N"},
		{actionEvents, []string{"InstanceId.0", "i-001"}, 400, "NotImplementedByEcstest", "a gap in the numbers of InstanceId.N"},
		{actionHistory, []string{"InstanceEventCycleStatus.1", "Avoided", "InstanceEventCycleStatus.3", "Failed"}, 400, "NotImplementedByEcstest", "InstanceEventCycleStatus.N"},
		{actionReboots, []string{"InstanceId.1", "i-001", "InstanceId.3", "i-002"}, 400, "NotImplementedByEcstest", "a gap in the numbers of InstanceId.N"},
		{actionStatus, []string{"RegionId", ""}, 400, "MissingParameter", "RegionId"},
		{actionStatus, []string{"ZoneId", "nowhere"}, 404, "InvalidZoneId.NotFound", "ZoneId"},
		{actionStatus, []string{"PageSize", "51"}, 400, "InvalidParameter", "PageSize"},
		{actionStatus, tooManyStatuses, 403, "InvalidParameter.TooManyInstanceIds", "100"},
		{actionAttribute, nil, 400, "MissingParameter", "InstanceId"},
		{actionAttribute, []string{"InstanceId", "i-none"}, 404, "InvalidInstanceId.NotFound", "InstanceId"},
	} {
		r := newCaller(many(t, 1)).must(t, test.action, append([]string{"RegionId", "cn-hangzhou"}, test.params...)...)
		require.Equal(t, test.status, r.status, test.params)
		require.Equal(t, test.code, r.code(), test.params)
		require.Contains(t, r.field("Message"), test.about)
	}
}

// A parameter with two values is refused, whichever of them the service would take.
func TestSeveralValues(t *testing.T) {
	s := inMemory(t, Options{BearerToken: "b"})
	c := newCaller(s)
	c.bearer = "b"
	send := func(action, query string) reply {
		c.edit = func(r *http.Request) { r.URL.RawQuery += "&RegionId=cn-hangzhou&" + query }
		return c.must(t, action)
	}
	for _, test := range []struct{ action, query, name string }{
		{actionList, "Status=Running&Status=Stopped", "Status"},
		{actionList, "InstanceIds=%5B%5D&InstanceIds=%5B%22i-1%22%5D", "InstanceIds"},
		{actionList, "Tag.1.Key=a&Tag.1.Value=b&Tag.1.Value=c", "Tag.1.Value"},
		{actionStatus, "InstanceId.1=i-1&InstanceId.1=i-2", "InstanceId.1"},
		{actionReboot, "InstanceId=" + id + "&InstanceId=i-1", "InstanceId"},
	} {
		r := send(test.action, test.query)
		require.Equal(t, "NotImplementedByEcstest", r.code(), test.query)
		require.Contains(t, r.field("Message"), "several values of the parameter "+test.name+" of ")
	}
	require.Zero(t, s.TotalReboots())
	require.Equal(t, http.StatusOK, send(actionList, "Status=Running&Status=Running&NoSuch=1&NoSuch=2").status)
}

// A list shows nothing to whom it is denied; only a dry run says why.
func TestDescribeDenied(t *testing.T) {
	c := newCaller(inMemory(t, Options{Allow: func(action, _ string) bool { return action == actionReboot }}))
	require.Empty(t, c.list(t).Instances.Instance)
	require.Empty(t, c.statuses(t).InstanceStatuses.InstanceStatus)
	require.Equal(t, "Forbidden.RAM", c.must(t, actionAttribute, "InstanceId", id).code())
	require.Contains(t, c.must(t, actionRegions).body, `"Region":[]`)
	require.Equal(t, "Forbidden.RAM", c.must(t, actionList, "RegionId", "cn-hangzhou", "DryRun", "true").code())
	require.Equal(t, http.StatusOK, c.reboot(t).status)
}

// Each instance has an address and a host name of its own, unless it is given others.
func TestDescribeInstancesAddresses(t *testing.T) {
	s := many(t, 2)
	require.NoError(t, s.AddInstance(Instance{ID: "i-classic", InnerIPs: []string{"10.9.9.9"}}))
	views := newCaller(s).list(t).Instances.Instance
	views = append(views[1:], views[0])
	require.Equal(t, []string{"10.0.0.2"}, views[0].VPCAttributes.PrivateIPAddress.IPAddress) // the first one was removed
	require.Equal(t, []string{"10.0.0.3"}, views[1].VPCAttributes.PrivateIPAddress.IPAddress)
	require.Equal(t, "iZ000Z", views[0].HostName)
	require.Equal(t, "vpc-cn-hangzhou", views[0].VPCAttributes.VPCID)
	require.Equal(t, "vsw-cn-hangzhou-a", views[0].VPCAttributes.VSwitchID)
	require.Equal(t, []string{"sg-cn-hangzhou"}, views[0].SecurityGroupIDs.SecurityGroupID)
	require.Equal(t, "ecs.g7.large", views[0].InstanceType)
	for _, differs := range []func(instanceView) string{
		func(v instanceView) string { return v.SerialNumber },
		func(v instanceView) string { return v.HostName },
		func(v instanceView) string { return v.NetworkInterfaces.NetworkInterface[0].MACAddress },
		func(v instanceView) string { return v.NetworkInterfaces.NetworkInterface[0].NetworkInterfaceID },
	} {
		require.NotEqual(t, differs(views[0]), differs(views[1]))
	}
	require.Empty(t, views[2].NetworkInterfaces.NetworkInterface)
	require.Equal(t, "classic", views[2].InstanceNetworkType)
	require.Equal(t, []string{"10.9.9.9"}, views[2].InnerIPAddress.IPAddress)
	require.Empty(t, views[2].VPCAttributes.PrivateIPAddress.IPAddress)
	require.ErrorContains(t, s.AddInstance(Instance{ID: "i-both", InnerIPs: []string{"10.9.9.9"}, VPCID: "vpc-1"}), "classic network")
}

// A stopped instance keeps charging unless it is told otherwise; others have no such mode.
func TestDescribeInstancesStoppedMode(t *testing.T) {
	s := many(t, 0)
	require.NoError(t, s.AddInstance(Instance{ID: "i-a"}))
	require.NoError(t, s.AddInstance(Instance{ID: "i-b", StoppedMode: "StopCharging", Status: ecsreboot.StatusStopped}))
	c := newCaller(s)
	modes := func() (modes []string) {
		for _, v := range c.list(t).Instances.Instance {
			modes = append(modes, v.StoppedMode)
		}
		return modes
	}
	require.Equal(t, []string{"StopCharging", "Not-applicable"}, modes())
	require.NoError(t, s.SetStatus("i-a", ecsreboot.StatusStopped))
	require.Equal(t, []string{"StopCharging", "KeepCharging"}, modes())
}

func TestInstanceDefaults(t *testing.T) {
	s := many(t, 0)
	for _, test := range []struct {
		instance    Instance
		cpu, memory int
		charge, os  string
	}{
		{Instance{ID: "i-1"}, 2, 8192, "PostPaid", "Linux"},
		{Instance{ID: "i-2", InstanceType: "ecs.c8y.small"}, 1, 2048, "PostPaid", "Linux"},
		{Instance{ID: "i-3", InstanceType: "ecs.r7.xlarge", ExpiredTime: time.Now().Add(time.Hour)}, 4, 32768, "PrePaid", "Linux"},
		{Instance{ID: "i-4", InstanceType: "ecs.g7.16xlarge", OSType: "windows"}, 64, 262144, "PostPaid", "Windows"},
		{Instance{ID: "i-5", InstanceType: "other", CPU: 3, Memory: 512, OSName: "Plan 9"}, 3, 512, "PostPaid", "Plan 9"},
	} {
		require.NoError(t, s.AddInstance(test.instance))
		v := newCaller(s).list(t, "InstanceIds", `["`+test.instance.ID+`"]`).Instances.Instance[0]
		require.Equal(t, []int{test.cpu, test.memory}, []int{v.CPU, v.Memory}, v.InstanceType)
		require.Equal(t, test.charge, v.InstanceChargeType)
		require.Contains(t, v.OSName, test.os)
	}
	for problem, i := range map[string]Instance{
		`unknown OSType "mac"`: {OSType: "mac"}, `unknown InstanceChargeType "x"`: {InstanceChargeType: "x"}, `unknown InternetChargeType "y"`: {InternetChargeType: "y"},
		"classic network": {VSwitchID: "vsw-1", InnerIPs: []string{"10.0.0.1"}},
	} {
		i.ID = "i-bad"
		require.ErrorContains(t, s.AddInstance(i), problem)
	}
}
