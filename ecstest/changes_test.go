package ecstest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func (c *caller) changes(t *testing.T, params ...string) []systemEventView {
	t.Helper()
	r := c.must(t, actionChanges, append([]string{"Product", "ECS", "Name", "Instance:StateChange", "PageSize", "100"}, params...)...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body systemEventPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	require.Equal(t, []string{"200", "success", "true"}, []string{body.Code, body.Message, body.Success})
	return body.SystemEvents.SystemEvent
}

type change struct {
	after  time.Duration
	status string
}

// changesOf are the changes of an instance since a time, the oldest first.
func (c *caller) changesOf(t *testing.T, id string, since time.Time) []change {
	t.Helper()
	var all []change
	for _, e := range c.changes(t, "SearchKeywords", id) {
		var content struct{ ResourceID, ResourceType, State string }
		require.NoError(t, json.Unmarshal([]byte(e.Content), &content))
		require.Equal(t, id, content.ResourceID)
		require.Equal(t, "ALIYUN::ECS::Instance", content.ResourceType)
		all = append([]change{{time.UnixMilli(e.Time).Sub(since).Round(time.Millisecond), content.State}}, all...)
	}
	return all
}

// Each change of status has its record, whatever caused it and whatever reads showed.
func TestStateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{StateChangeDelay: -1})
		add := func(i Instance) { require.NoError(t, s.AddInstance(i)) }
		full := RebootProfile{Path: []ecsreboot.Status{"Stopping", "Stopped", "Starting"}, Graceful: 30 * time.Second, Stale: time.Hour}
		add(Instance{ID: "i-path", Reboot: full})
		add(Instance{ID: "i-hangs", Reboot: RebootProfile{Hang: true}})
		add(Instance{ID: "i-power"})
		add(Instance{ID: "i-twice"})
		add(Instance{ID: "i-gone"})
		add(Instance{ID: "i-unseen", Reboot: RebootProfile{Path: []ecsreboot.Status{"Running"}}})
		c := newCaller(s)
		begin := time.Now()
		for _, id := range []string{id, "i-path", "i-hangs", "i-twice", "i-gone", "i-unseen"} {
			c.must(t, actionReboot, "InstanceId", id)
		}
		c.must(t, actionStop, "InstanceId", "i-power")
		time.Sleep(9 * time.Second)
		require.Equal(t, []change{{0, "Stopping"}}, c.changesOf(t, "i-path", begin))
		time.Sleep(time.Second)
		require.NoError(t, s.SetStatus("i-twice", "Running"))
		require.NoError(t, s.SetStatus("i-twice", "Running"))
		s.RemoveInstance("i-gone")
		time.Sleep(time.Minute)
		c.must(t, actionStart, "InstanceId", "i-power")
		require.NoError(t, s.Restart("i-twice", true))
		time.Sleep(time.Hour)
		for id, want := range map[string][]change{
			id:         {{0, "Starting"}, {0, "Running"}},
			"i-path":   {{0, "Stopping"}, {10 * time.Second, "Stopped"}, {20 * time.Second, "Starting"}, {30 * time.Second, "Running"}},
			"i-hangs":  {{0, "Starting"}},
			"i-power":  {{0, "Stopping"}, {30 * time.Second, "Stopped"}, {70 * time.Second, "Starting"}, {100 * time.Second, "Running"}},
			"i-twice":  {{0, "Starting"}, {10 * time.Second, "Running"}, {70 * time.Second, "Starting"}, {80 * time.Second, "Running"}},
			"i-gone":   {{0, "Starting"}, {10 * time.Second, "Deleted"}},
			"i-unseen": nil,
		} {
			require.Equal(t, want, c.changesOf(t, id, begin), id)
		}
		s.ForgetCalls()
		require.Len(t, c.changesOf(t, "i-path", begin), 4)
		time.Sleep(recordMemory)
		require.Empty(t, c.changes(t))
	})
}

// A change becomes visible after the delay, by the server's clock, whose offset was the one
// of the time of the change.
func TestStateChangesDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		require.NoError(t, s.AddInstance(Instance{ID: "i-late", RecordsLate: time.Minute}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-missing", RecordsMissing: true}))
		s.SetClockOffset(time.Hour)
		begin := s.now()
		c := newCaller(s)
		c.v1, c.now = true, s.now
		for _, id := range []string{id, "i-late", "i-missing"} {
			require.NoError(t, s.Restart(id, false))
		}
		time.Sleep(30*time.Second - time.Millisecond)
		require.Empty(t, c.changes(t))
		time.Sleep(time.Millisecond)
		require.Equal(t, []change{{0, "Starting"}, {0, "Running"}}, c.changesOf(t, id, begin))
		time.Sleep(time.Minute - time.Millisecond)
		require.Empty(t, c.changesOf(t, "i-late", begin))
		s.SetClockOffset(2 * time.Hour)
		require.Equal(t, []change{{0, "Starting"}, {30 * time.Second, "Running"}}, c.changesOf(t, "i-late", begin))
		require.Empty(t, c.changesOf(t, "i-missing", begin))
	})
}

func TestStateChangesQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allow := true
		s := inMemory(t, Options{StateChangeDelay: -1, Allow: func(string, string) bool { return allow }})
		require.NoError(t, s.AddInstance(Instance{ID: "i-2", Name: "web 2"}))
		c := newCaller(s)
		begin := time.Now()
		require.NoError(t, s.Restart(id, false))
		time.Sleep(time.Minute)
		require.NoError(t, s.Restart("i-2", false))
		time.Sleep(time.Minute)
		all := c.changes(t)
		require.Len(t, all, 4)
		e := all[0]
		require.NotEmpty(t, e.ID)
		e.ID = ""
		require.Equal(t, systemEventView{
			Product: "ECS", Name: "Instance:StateChange", Level: "INFO", Status: "Normal", Time: begin.Add(90 * time.Second).UnixMilli(), InstanceName: "web 2",
			ResourceID: "acs:ecs:cn-hangzhou:1234567890123456:instance/i-2", RegionID: "cn-hangzhou",
			Content: `{"resourceId":"i-2","resourceType":"ALIYUN::ECS::Instance","state":"Running"}`,
		}, e)
		at := func(d time.Duration) string { return strconv.FormatInt(begin.Add(d).UnixMilli(), 10) }
		for _, q := range []struct {
			from, until int // of all
			params      []string
		}{
			{0, 4, []string{"Product", "ecs"}},
			{0, 4, []string{"Level", "INFO", "Status", "normal", "EventType", "StatusNotification"}},
			{0, 0, []string{"Product", "oss"}},
			{0, 0, []string{"Level", "WARN"}},
			{0, 0, []string{"Status", "Failed"}},
			{0, 0, []string{"EventType", "Exception"}},
			{0, 2, []string{"StartTime", at(time.Minute)}},
			{1, 4, []string{"EndTime", at(time.Minute)}},
			{1, 2, []string{"StartTime", at(time.Minute), "EndTime", at(time.Minute)}},
			{2, 4, []string{"EndTime", at(time.Minute - time.Millisecond)}},
			{0, 2, []string{"SearchKeywords", "i-2"}},
			{0, 1, []string{"SearchKeywords", "i-2 and Running"}},
			{0, 4, []string{"SearchKeywords", "i-2 or " + id}},
			{0, 0, []string{"SearchKeywords", "i-2 and " + id}},
			{2, 3, []string{"PageSize", "1", "PageNumber", "3"}},
			{0, 0, []string{"PageNumber", "100000000"}},
		} {
			require.Equal(t, all[q.from:q.until], append([]systemEventView{}, c.changes(t, q.params...)...), q.params)
		}
		for name, values := range map[string][]string{
			"PageSize": {"0", "101", "x"}, "PageNumber": {"0", "100000001"}, "Level": {"info"}, "StartTime": {"2026-11-29T00:00:00Z", "-1"}, "EndTime": {"x"},
		} {
			for _, value := range values {
				r := c.must(t, actionChanges, name, value)
				require.Equal(t, []any{400, "ParameterInvalid"}, []any{r.status, r.code()}, "%s %s", name, value)
			}
		}
		require.Equal(t, "NotImplementedByEcstest", c.must(t, actionChanges, "GroupId", "1").code())
		require.Equal(t, "NotImplementedByEcstest", c.must(t, actionChanges, "Name", "Instance:SystemMaintenance.Reboot:Avoided").code())
		s.Inject(Fault{Kind: FaultError, Action: actionChanges, Code: "ServiceUnavailable"})
		require.Equal(t, 503, c.must(t, actionChanges).status)
		allow = false
		r := c.must(t, actionChanges)
		require.Equal(t, []any{403, "AccessForbidden"}, []any{r.status, r.code()})
		require.Contains(t, r.body, `"AuthAction":"cms:DescribeSystemEventAttribute"`)
	})
}
