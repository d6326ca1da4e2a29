package ecstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func (c *caller) agents(t *testing.T, params ...string) agentPayload {
	t.Helper()
	r := c.must(t, actionAgents, append([]string{"RegionId", "cn-hangzhou"}, params...)...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body agentPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	return body
}

// beat is the status of the only agent, and how long ago its last heartbeat was.
func (c *caller) beat(t *testing.T, id string) (status string, ago time.Duration) {
	t.Helper()
	all := c.agents(t, "InstanceId.1", id).InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus
	require.Len(t, all, 1)
	if all[0].LastHeartbeatTime == "" {
		return all[0].CloudAssistantStatus, -1
	}
	at, err := time.Parse(time.RFC3339, all[0].LastHeartbeatTime)
	require.NoError(t, err)
	return all[0].CloudAssistantStatus, c.server.now().Sub(at)
}

// An agent sends heartbeats while its instance is Running, the first some time after a boot.
func TestHeartbeats(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{})
			require.NoError(t, s.AddInstance(Instance{ID: "i-a", StartTime: time.Now().Add(-95 * time.Second), Reboot: RebootProfile{Graceful: 5 * time.Minute}}))
			s.SetClockOffset(7 * time.Hour)
			c := newCaller(s)
			c.v1, c.now = v1, s.now
			expect := func(want string, wantAgo time.Duration) {
				t.Helper()
				status, ago := c.beat(t, "i-a")
				require.Equal(t, []any{want, wantAgo}, []any{status, ago})
			}
			expect("true", 30*time.Second)
			time.Sleep(29 * time.Second)
			expect("true", 59*time.Second)
			time.Sleep(time.Second)
			expect("true", 0)
			time.Sleep(20 * time.Second)
			c.must(t, actionReboot, "InstanceId", "i-a")
			time.Sleep(100 * time.Second)
			expect("true", 2*time.Minute)
			time.Sleep(time.Second)
			expect("false", 2*time.Minute+time.Second)
			time.Sleep(200*time.Second - time.Second)
			require.Equal(t, "Running", string(s.Status("i-a")))
			expect("false", 320*time.Second)
			time.Sleep(5*time.Second - time.Nanosecond)
			expect("false", 325*time.Second-time.Nanosecond)
			time.Sleep(time.Nanosecond)
			expect("true", 0)
			time.Sleep(time.Minute)
			expect("true", 0)
			require.NoError(t, s.SetStatus("i-a", "Stopped"))
			time.Sleep(time.Hour)
			expect("false", time.Hour)
			require.NoError(t, s.SetStatus("i-a", "Running"))
			time.Sleep(5 * time.Second)
			expect("true", 0)
			c.must(t, actionStop, "InstanceId", "i-a")
			time.Sleep(time.Hour)
			expect("false", time.Hour)
		})
	}
}

// A restart that hangs, an instance without an agent and one that never ran have no heartbeats.
func TestNoHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		require.NoError(t, s.AddInstance(Instance{ID: "i-none", NoAgent: true, OSType: "windows"}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-stopped", Status: "Stopped"}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-hangs", Reboot: RebootProfile{Hang: true}}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-soon", AgentDelay: -1}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-late", AgentDelay: 5 * time.Minute}))
		c := newCaller(s)
		for _, id := range []string{"i-hangs", "i-soon", "i-late", "i-none"} {
			require.NoError(t, s.Restart(id, true))
		}
		time.Sleep(2*time.Minute + time.Second)
		for id, want := range map[string][2]string{"i-none": {"false", "-1ns"}, "i-stopped": {"false", "-1ns"}, "i-soon": {"true", "51s"}} {
			status, ago := c.beat(t, id)
			require.Equal(t, want, [2]string{status, ago.String()}, id)
		}
		for _, id := range []string{"i-hangs", "i-late"} {
			status, ago := c.beat(t, id)
			require.Equal(t, "false", status, id)
			require.Greater(t, ago, 2*time.Minute, id)
		}
		v := c.agents(t, "InstanceId.1", "i-none").InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus[0]
		require.Equal(t, agentView{InstanceID: "i-none", OSType: "Windows", CloudAssistantStatus: "false"}, v)
		v = c.agents(t, "InstanceId.1", "i-soon").InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus[0]
		v.LastHeartbeatTime = ""
		require.Equal(t, agentView{InstanceID: "i-soon", OSType: "Linux", CloudAssistantStatus: "true", CloudAssistantVersion: agentVersion, SupportSessionManager: true}, v)
	})
}

func TestDescribeCloudAssistantStatus(t *testing.T) {
	denied := "-"
	s := inMemory(t, Options{Allow: func(_, id string) bool { return id != denied }})
	s.RemoveInstance(id)
	for n := range 120 {
		require.NoError(t, s.AddInstance(Instance{ID: fmt.Sprintf("i-%03d", n), OSType: []string{"linux", "windows"}[n%2]}))
	}
	c := newCaller(s)
	ids := func(p agentPayload) (ids []string) {
		for _, v := range p.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus {
			ids = append(ids, v.InstanceID)
		}
		return ids
	}
	var hundred, paged []string
	for n := range 100 {
		hundred = append(hundred, "InstanceId."+strconv.Itoa(n+1), fmt.Sprintf("i-%03d", n))
	}
	p := c.agents(t, append(hundred, "PageSize", "x", "MaxResults", "1")...)
	require.Len(t, ids(p), 100)
	require.Equal(t, []any{100, ""}, []any{p.TotalCount, p.NextToken})
	require.Equal(t, []string{"i-001"}, ids(c.agents(t, "InstanceId.1", "i-001", "InstanceId.2", "i-001")))
	require.Empty(t, ids(c.agents(t, "InstanceId.1", "i-001", "OSType", "Linux")))

	p = c.agents(t)
	require.Len(t, ids(p), 10)
	require.Equal(t, []int{1, 10, 120}, []int{p.PageNumber, p.PageSize, p.TotalCount})
	require.Len(t, ids(c.agents(t, "PageNumber", "3", "PageSize", "50")), 20)
	require.Equal(t, 60, c.agents(t, "OSType", "Windows").TotalCount)
	for token := ""; ; {
		p := c.agents(t, "MaxResults", "50", "NextToken", token)
		paged = append(paged, ids(p)...)
		if token = p.NextToken; token == "" {
			break
		}
	}
	require.Len(t, paged, 120)
	require.Equal(t, "i-119", paged[0])
	slices.Sort(paged)
	require.Len(t, slices.Compact(paged), 120)

	for _, bad := range []struct {
		status int
		code   string
		params []string
	}{
		{400, "MissingParameter", []string{"RegionId", ""}},
		{404, "InvalidRegionId.NotFound", []string{"RegionId", "xx"}},
		{404, "InvalidInstance.NotFound", []string{"InstanceId.1", "i-001", "InstanceId.2", "i-none"}},
		{400, "MissingParam.InstanceId", []string{"InstanceId.1", ""}},
		{403, "InstanceIds.ExceedLimit", append(hundred, "InstanceId.101", "i-001")},
		{400, "InvalidParam.PageSize", []string{"PageSize", "51"}},
		{400, "InvalidParam.PageNumber", []string{"PageNumber", "0"}},
		{400, "InvalidParameter.MaxResults", []string{"MaxResults", "51"}},
		{400, "InvalidParameter.NextToken", []string{"NextToken", "x"}},
	} {
		r := c.must(t, actionAgents, append([]string{"RegionId", "cn-hangzhou"}, bad.params...)...)
		require.Equal(t, []any{bad.status, bad.code}, []any{r.status, r.code()}, bad.params)
	}

	denied = "i-001"
	require.Len(t, ids(c.agents(t, "InstanceId.1", "i-002")), 1)
	r := c.must(t, actionAgents, "RegionId", "cn-hangzhou", "InstanceId.1", "i-002", "InstanceId.2", "i-001")
	require.Equal(t, []any{403, "Forbidden.RAM"}, []any{r.status, r.code()})
	require.Contains(t, r.body, `"AuthAction":"ecs:DescribeCloudAssistantStatus"`)
	denied = ""
	require.Equal(t, 403, c.must(t, actionAgents, "RegionId", "cn-hangzhou").status)
	denied = "-"
	s.Inject(Fault{Kind: FaultError, Action: actionAgents, InstanceID: "i-003", Code: "Operation.Forbidden", Status: 403})
	require.Len(t, ids(c.agents(t, "InstanceId.1", "i-002")), 1)
	require.Equal(t, "Operation.Forbidden", c.must(t, actionAgents, "RegionId", "cn-hangzhou", "InstanceId.1", "i-003").code())
}
