package ecstest

import (
	"encoding/json"
	"fmt"
	"net/http"
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

func many(t *testing.T, n int) *Server {
	t.Helper()
	s := inMemory(t, Options{})
	s.RemoveInstance(id)
	for i := range n {
		require.NoError(t, s.AddInstance(Instance{ID: fmt.Sprintf("i-%03d", i)}))
	}
	return s
}

func TestDescribeInstancesBodies(t *testing.T) {
	s := inMemory(t, Options{})
	s.RemoveInstance(id)
	require.NoError(t, s.AddInstance(Instance{
		ID: "i-a", Status: ecsreboot.StatusStopped, ZoneID: "cn-hangzhou-h", Locks: []string{"security"}, StoppedMode: "KeepCharging",
		Name: "web 1", Tags: map[string]string{"role": "web", "env": "", "a": "b"},
		StartTime:    time.Date(2017, 12, 10, 4, 4, 59, 0, time.UTC),
		CreationTime: time.Date(2017, 12, 10, 5, 4, 0, 0, time.FixedZone("", 3600)),
	}))
	c := newCaller(s)
	r := c.must(t, actionList, "RegionId", "cn-hangzhou")
	require.JSONEq(t, `{"RequestId":"ID","PageNumber":1,"PageSize":10,"TotalCount":1,"NextToken":"","Instances":{"Instance":[{
		"InstanceId":"i-a","InstanceName":"web 1","RegionId":"cn-hangzhou","ZoneId":"cn-hangzhou-h","Status":"Stopped","StartTime":"2017-12-10T04:04Z",
		"CreationTime":"2017-12-10T04:04Z","ExpiredTime":"2099-12-31T15:59Z","StoppedMode":"KeepCharging",
		"OperationLocks":{"LockReason":[{"LockReason":"security","LockMsg":""}]},
		"Tags":{"Tag":[{"TagKey":"a","TagValue":"b"},{"TagKey":"env","TagValue":""},{"TagKey":"role","TagValue":"web"}]}}]}}`, body(t, r, "application/json;charset=utf-8"))

	r = c.must(t, actionAttribute, "InstanceId", "i-a")
	require.JSONEq(t, `{"RequestId":"ID",
		"InstanceId":"i-a","InstanceName":"web 1","RegionId":"cn-hangzhou","ZoneId":"cn-hangzhou-h","Status":"Stopped",
		"CreationTime":"2017-12-10T04:04Z","ExpiredTime":"2099-12-31T15:59Z","StoppedMode":"KeepCharging",
		"OperationLocks":{"LockReason":[{"LockReason":"security","LockMsg":""}]}}`, body(t, r, "application/json;charset=utf-8"))

	require.NoError(t, s.SetLocks("i-a"))
	require.Contains(t, c.must(t, actionList, "RegionId", "cn-hangzhou").body, `"OperationLocks":{"LockReason":[]}`)

	require.NoError(t, s.SetTags("i-a", nil))
	require.Contains(t, c.must(t, actionList, "RegionId", "cn-hangzhou").body, `"Tags":{"Tag":[]}`)

	c.accept = "text/xml"
	require.NoError(t, s.SetTags("i-a", map[string]string{"k": "v"}))
	require.NoError(t, s.SetLocks("i-a", "financial"))
	r = c.must(t, actionList, "RegionId", "cn-hangzhou")
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><DescribeInstancesResponse><RequestId>ID</RequestId><PageNumber>1</PageNumber><PageSize>10</PageSize>`+
		`<TotalCount>1</TotalCount><NextToken></NextToken><Instances><Instance><InstanceId>i-a</InstanceId><InstanceName>web 1</InstanceName><RegionId>cn-hangzhou</RegionId>`+
		`<ZoneId>cn-hangzhou-h</ZoneId><Status>Stopped</Status><StartTime>2017-12-10T04:04Z</StartTime><CreationTime>2017-12-10T04:04Z</CreationTime>`+
		`<ExpiredTime>2099-12-31T15:59Z</ExpiredTime><StoppedMode>KeepCharging</StoppedMode>`+
		`<OperationLocks><LockReason><LockReason>financial</LockReason><LockMsg></LockMsg></LockReason></OperationLocks><Tags><Tag><TagKey>k</TagKey><TagValue>v</TagValue></Tag></Tags></Instance></Instances></DescribeInstancesResponse>`,
		body(t, r, "text/xml;charset=utf-8"))
	r = c.must(t, actionStatus, "RegionId", "cn-hangzhou")
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><DescribeInstanceStatusResponse><RequestId>ID</RequestId><PageNumber>1</PageNumber><PageSize>10</PageSize>`+
		`<TotalCount>1</TotalCount><InstanceStatuses><InstanceStatus><InstanceId>i-a</InstanceId><Status>Stopped</Status></InstanceStatus></InstanceStatuses></DescribeInstanceStatusResponse>`,
		body(t, r, "text/xml;charset=utf-8"))
}

func TestDescribeInstancesFilters(t *testing.T) {
	s := many(t, 5)
	require.NoError(t, s.SetStatus("i-001", ecsreboot.StatusStopped))
	require.NoError(t, s.SetLocks("i-002", "security", "financial"))
	require.NoError(t, s.AddInstance(Instance{ID: "i-far", ZoneID: "cn-hangzhou-z"}))
	c := newCaller(s)
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"i-000", "i-001", "i-002", "i-003", "i-004", "i-far"}},
		{[]string{"InstanceIds", `["i-003","i-000","i-none","i-003"]`}, []string{"i-000", "i-003"}},
		{[]string{"InstanceIds", `[]`}, nil},
		{[]string{"Status", "Stopped"}, []string{"i-001"}},
		{[]string{"LockReason", "financial"}, []string{"i-002"}},
		{[]string{"ZoneId", "cn-hangzhou-z"}, []string{"i-far"}},
		{[]string{"InstanceId", "i-000"}, []string{"i-000", "i-001", "i-002", "i-003", "i-004", "i-far"}},
		{[]string{"InstanceId.1", "i-000"}, []string{"i-000", "i-001", "i-002", "i-003", "i-004", "i-far"}},
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
		{[]string{"Tag.1.Key", "Role"}, nil},
		{[]string{"Tag.1.Key", "role", "Tag.1.Value", "Web"}, nil},
		{[]string{"Tag.1.Key", "role", "InstanceIds", `["i-db","i-plain"]`}, []string{"i-db"}},
		{[]string{"Tag.1.Key", "role", "Status", "Stopped"}, nil},
		{[]string{"Tag.2.Key", "none"}, []string{"i-db", "i-plain", "i-test", "i-web"}}, // a gap ends the list
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
	for _, params := range [][]string{
		{"RegionId", "cn-hangzhou", "Tag.1.Value", "web"},
		{"RegionId", "cn-hangzhou", "Tag.1.Key", ""},
		append(many, "Tag.21.Key", "role"),
	} {
		require.Equal(t, "InvalidParameter", c.must(t, actionList, params...).code(), params)
	}
}

func TestDescribeInstancesPages(t *testing.T) {
	s := many(t, 25)
	c := newCaller(s)
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
	s.RemoveInstance("i-003")
	second := c.list(t, "MaxResults", "10", "NextToken", first.NextToken)
	require.Equal(t, "i-010", second.Instances.Instance[0].InstanceID, "a removed instance shifts nothing")
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
	require.Equal(t, [][]string{{"i-0", "i-1"}, {"i-2", "i-3"}, {"i-4"}}, pages)
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
		{actionList, []string{"DryRun", "maybe"}, 400, "InvalidParameter", "DryRun"},
		{actionList, []string{"DryRun", "true"}, 400, "DryRunOperation", "passed"},
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

// A list shows nothing to whom it is denied; only a dry run says why.
func TestDescribeDenied(t *testing.T) {
	c := newCaller(inMemory(t, Options{Allow: func(action, _ string) bool { return action == actionReboot }}))
	require.Empty(t, c.list(t).Instances.Instance)
	require.Empty(t, c.statuses(t).InstanceStatuses.InstanceStatus)
	require.Equal(t, "Forbidden.RAM", c.must(t, actionAttribute, "InstanceId", id).code())
	require.Equal(t, "Forbidden.RAM", c.must(t, actionList, "RegionId", "cn-hangzhou", "DryRun", "true").code())
	require.Equal(t, http.StatusOK, c.reboot(t).status)
}
