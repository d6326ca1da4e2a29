package ecstest

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func (c *caller) fullStatus(t *testing.T, params ...string) fullStatusPayload {
	t.Helper()
	return decode[fullStatusPayload](t, c.must(t, actionEvents, append([]string{"RegionId", "cn-hangzhou"}, params...)...))
}

func (c *caller) history(t *testing.T, params ...string) historyPayload {
	t.Helper()
	return decode[historyPayload](t, c.must(t, actionHistory, append([]string{"RegionId", "cn-hangzhou"}, params...)...))
}

// A script finds who must restart, restarts it, and sees that the event was avoided.
func TestEventIsAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := many(t, 2)
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this", Events: []ScheduledEvent{{Reason: "a new host"}, {ID: "e-late", NotBefore: time.Now().Add(-time.Second)}}}))
		c := newCaller(s)
		require.Equal(t, 3, c.fullStatus(t).TotalCount)
		r := c.must(t, actionEvents, "RegionId", "cn-hangzhou", "InstanceEventType.1", "SystemMaintenance.Reboot", "NotBefore.Start", "2000-01-01T12:00:00Z")
		require.JSONEq(t, `{"RequestId":"ID","PageNumber":1,"PageSize":10,"TotalCount":1,"InstanceFullStatusSet":{"InstanceFullStatusType":[{"InstanceId":"i-this",
			"Status":{"Code":1,"Name":"Running"},"HealthStatus":{"Code":0,"Name":"OK"},"ScheduledSystemEventSet":{"ScheduledSystemEventType":[{
			"EventId":"e-this-1","EventType":{"Code":1,"Name":"SystemMaintenance.Reboot"},"EventCycleStatus":{"Code":24,"Name":"Scheduled"},
			"EventPublishTime":"2000-01-01T00:00:00Z","NotBefore":"2000-01-02T00:00:00Z","Reason":"a new host","ImpactLevel":""}]}}]}}`,
			body(t, r, "application/json;charset=utf-8"))
		require.Zero(t, c.history(t).TotalCount)

		time.Sleep(5 * time.Second)
		require.Equal(t, http.StatusOK, c.must(t, actionReboot, "InstanceId", "i-this").status)
		full := c.fullStatus(t, "InstanceId.1", "i-this").InstanceFullStatusSet.InstanceFullStatusType
		require.Len(t, full, 1)
		require.Equal(t, "Initializing", full[0].HealthStatus.Name)
		require.Len(t, full[0].ScheduledSystemEventSet.ScheduledSystemEventType, 1, "the restart came too late for the other one")
		r = c.must(t, actionHistory, "RegionId", "cn-hangzhou", "InstanceId", "i-this")
		require.JSONEq(t, `{"RequestId":"ID","PageNumber":1,"PageSize":10,"TotalCount":1,"InstanceSystemEventSet":{"InstanceSystemEventType":[{"InstanceId":"i-this","ResourceType":"instance",
			"EventId":"e-this-1","EventType":{"Code":1,"Name":"SystemMaintenance.Reboot"},"EventCycleStatus":{"Name":"Avoided"},"EventFinishTime":"2000-01-01T00:00:05Z",
			"EventPublishTime":"2000-01-01T00:00:00Z","NotBefore":"2000-01-02T00:00:00Z","Reason":"a new host","ImpactLevel":""}]}}`,
			body(t, r, "application/json;charset=utf-8"))
	})
}

func TestEventFilters(t *testing.T) {
	s := many(t, 0)
	for n := range 3 {
		require.NoError(t, s.AddInstance(Instance{
			ID: fmt.Sprintf("i-%d", n), CreationTime: time.Date(2020, 1, 9-n, 0, 0, 0, 0, time.UTC),
			Events: []ScheduledEvent{{ID: fmt.Sprintf("e-%d", n), Type: "Type" + fmt.Sprint(n), NotBefore: time.Date(2100, 1, 1+n, 0, 0, 0, 0, time.UTC)}},
		}))
	}
	require.NoError(t, s.SetStatus("i-1", ecsreboot.StatusStopped))
	require.NoError(t, s.Restart("i-2", false))
	require.NoError(t, s.SetStatus("i-2", ecsreboot.StatusRunning))
	c := newCaller(s)
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"i-0", "i-1", "i-2"}},
		{[]string{"EventId.1", "e-1", "EventId.2", "e-0"}, []string{"i-0", "i-1"}},
		{[]string{"EventType", "Type1"}, []string{"i-1"}},
		{[]string{"EventType", "Type1", "InstanceEventType.1", "Type0"}, []string{"i-0"}},
		{[]string{"NotBefore.Start", "2100-01-02T00:00:00Z", "NotBefore.End", "2100-01-02T00:00:00Z"}, []string{"i-1"}},
		{[]string{"EventPublishTime.End", "2001-01-01T00:00:00Z"}, nil},
		{[]string{"EventPublishTime.Start", "2001-01-01T00:00:00Z"}, []string{"i-0", "i-1"}},
		{[]string{"Status", "Stopped"}, []string{"i-1"}},
		{[]string{"HealthStatus", "NotApplicable"}, []string{"i-1"}},
		{[]string{"HealthStatus", "Impaired"}, nil},
		{[]string{"InstanceId.1", "i-2", "InstanceId.2", "i-none"}, []string{"i-2"}},
		{[]string{"PageSize", "2", "PageNumber", "2"}, []string{"i-2"}},
	} {
		var got []string
		for _, v := range c.fullStatus(t, test.params...).InstanceFullStatusSet.InstanceFullStatusType {
			got = append(got, v.InstanceID)
		}
		require.Equal(t, test.want, got, test.params)
	}
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"e-2"}},
		{[]string{"EventCycleStatus", "Scheduled"}, []string{"e-0", "e-1"}},
		{[]string{"EventCycleStatus", "Scheduled", "InstanceEventCycleStatus.1", "Avoided"}, []string{"e-2"}},
		{[]string{"InstanceEventCycleStatus.1", "Avoided", "InstanceEventCycleStatus.2", "Scheduled", "InstanceId", "i-1"}, []string{"e-1"}},
		{[]string{"InstanceEventCycleStatus.1", "Scheduled", "InstanceId", "i-1", "ResourceId.1", "i-0"}, []string{"e-0"}},
		{[]string{"EventType", "Type1"}, nil},
		{[]string{"ResourceType", "ddh"}, nil},
		{[]string{"ResourceType", "instance"}, []string{"e-2"}},
	} {
		var got []string
		for _, v := range c.history(t, test.params...).InstanceSystemEventSet.InstanceSystemEventType {
			got = append(got, v.EventID)
		}
		require.Equal(t, test.want, got, test.params)
	}
	tooMany := func(name string) []string {
		var params []string
		for n := range 101 {
			params = append(params, fmt.Sprintf("%s.%d", name, n+1), "x")
		}
		return params
	}
	for _, test := range []struct {
		action string
		params []string
		status int
		code   string
	}{
		{actionEvents, []string{"RegionId", ""}, 404, "MissingParameter"},
		{actionEvents, []string{"Status", "Pending"}, 403, "InvalidParameter"},
		{actionEvents, []string{"HealthStatus", "ok"}, 403, "InvalidParameter"},
		{actionEvents, []string{"PageSize", "101"}, 403, "InvalidParameter"},
		{actionEvents, []string{"NotBefore.Start", "2100-01-02T00:00Z"}, 403, "InvalidParameter"},
		{actionEvents, []string{"NotBefore.Start", "2100-01-02T00:00:00Z", "NotBefore.End", "2100-01-01T00:00:00Z"}, 403, "InvalidParameter.TimeEndBeforeStart"},
		{actionEvents, tooMany("InstanceId"), 403, "InstanceIdLimitExceeded"},
		{actionEvents, tooMany("EventId"), 403, "EventIdLimitExceeded"},
		{actionHistory, []string{"RegionId", ""}, 404, "MissingParameter"},
		{actionHistory, []string{"EventCycleStatus", "Gone"}, 403, "InvalidParameter"},
		{actionHistory, []string{"ResourceType", "disk"}, 403, "InvalidParameter"},
		{actionHistory, []string{"EventPublishTime.End", "x"}, 403, "InvalidParameter"},
		{actionHistory, []string{"NextToken", "x"}, 400, "NotImplementedByEcstest"},
	} {
		r := c.must(t, test.action, append([]string{"RegionId", "cn-hangzhou"}, test.params...)...)
		require.Equal(t, test.status, r.status, test.params)
		require.Equal(t, test.code, r.code(), test.params)
	}
}
