package ecstest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const bootScript = "cat /proc/sys/kernel/random/boot_id"

// run sends a command and returns the ID of its invocation.
func (c *caller) run(t *testing.T, params ...string) string {
	t.Helper()
	r := c.runs(t, params...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.NotEmpty(t, r.field("CommandId"))
	return r.field("InvokeId")
}

func (c *caller) runs(t *testing.T, params ...string) reply {
	t.Helper()
	return c.must(t, actionRun, append([]string{
		"RegionId", "cn-hangzhou", "InstanceId.1", id, "Type", shellScript,
		"ContentEncoding", "Base64", "CommandContent", base64.StdEncoding.EncodeToString([]byte(bootScript + "\n")),
	}, params...)...)
}

func (c *caller) results(t *testing.T, params ...string) []resultView {
	t.Helper()
	r := c.must(t, actionResults, append([]string{"RegionId", "cn-hangzhou", "ContentEncoding", "PlainText", "PageSize", "50"}, params...)...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body resultsPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	require.Equal(t, len(body.Invocation.InvocationResults.InvocationResult), body.Invocation.TotalCount)
	return body.Invocation.InvocationResults.InvocationResult
}

func (c *caller) invocation(t *testing.T, params ...string) invocationView {
	t.Helper()
	r := c.must(t, actionInvocations, append([]string{"RegionId", "cn-hangzhou"}, params...)...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body invocationsPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	require.Len(t, body.Invocations.Invocation, 1)
	return body.Invocations.Invocation[0]
}

// The boot ID changes with each boot, and only then.
func TestBootID(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{})
			s.SetClockOffset(time.Hour)
			c := newCaller(s)
			c.v1, c.now = v1, s.now
			bootID := func() string {
				t.Helper()
				begin := s.now()
				results := c.results(t, "InvokeId", c.run(t))
				require.Len(t, results, 1)
				r := results[0]
				require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$`), r.Output)
				require.Equal(t, []any{"Success", "Finished", 1, int64(0), "", ""}, []any{r.InvocationStatus, r.InvokeRecordStatus, r.Repeats, r.ExitCode, r.ErrorCode, r.StopTime})
				require.Equal(t, []string{seconds(begin), seconds(begin)}, []string{r.StartTime, r.FinishedTime})
				return r.Output
			}
			first := bootID()
			time.Sleep(time.Hour)
			require.Equal(t, first, bootID())
			c.reboot(t)
			time.Sleep(5 * time.Second)
			second := bootID()
			require.NotEqual(t, first, second)
			require.NoError(t, s.SetStatus(id, "Stopped"))
			require.NoError(t, s.SetStatus(id, "Running"))
			time.Sleep(5 * time.Second)
			require.NotContains(t, []string{first, second}, bootID())

			r := c.must(t, actionResults, "RegionId", "cn-hangzhou", "InvokeId", "t-hz0000000001")
			require.Contains(t, r.body, base64.StdEncoding.EncodeToString([]byte(first)), "it is in base64 unless told otherwise")
			v := c.agents(t, "InstanceId.1", id).InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus[0]
			require.Equal(t, []any{4, seconds(s.now())}, []any{v.InvocationCount, v.LastInvokedTime})
		})
	}
}

// A command for each reboot runs once for each boot, when the agent is up, whether or not
// somebody looks.
func TestCommandsOfReboots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{StateChangeDelay: -1})
		require.NoError(t, s.AddInstance(Instance{ID: "i-b"}))
		c := newCaller(s)
		before := c.results(t, "InvokeId", c.run(t))[0].Output
		every, next := c.run(t, "RepeatMode", "EveryReboot", "InstanceId.2", "i-b", "InstanceId.3", "i-b"), c.run(t, "RepeatMode", "NextRebootOnly")
		of := func(invocation, instance string, more ...string) []resultView {
			t.Helper()
			return c.results(t, append([]string{"InvokeId", invocation, "InstanceId", instance}, more...)...)
		}
		waits := func(v resultView, repeats int) {
			t.Helper()
			require.Equal(t, []any{"Scheduled", "Running", repeats}, []any{v.InvocationStatus, v.InvokeRecordStatus, v.Repeats})
		}
		waits(of(every, id)[0], 0)
		waits(of(next, id)[0], 0)
		require.Empty(t, of(every, id, "IncludeHistory", "true"))
		require.True(t, c.invocation(t, "InvokeId", every, "Timed", "true").Timed)
		require.Len(t, c.results(t, "InvokeId", every), 2, "one for each instance")

		var boots []time.Time
		for range 3 {
			c.reboot(t)
			boots = append(boots, time.Now())
			time.Sleep(4 * time.Second)
			require.Len(t, of(every, id, "IncludeHistory", "true"), len(boots)-1, "the agent is not up yet")
			time.Sleep(time.Minute)
		}
		c.reboot(t)
		time.Sleep(time.Second)
		c.reboot(t) // before the agent was up
		last := time.Now()
		time.Sleep(5 * time.Second)
		history := of(every, id, "IncludeHistory", "true")
		require.Len(t, history, 4)
		outputs := []string{before}
		for n, v := range history { // the newest first
			at := append(boots, last)[3-n].Add(5 * time.Second)
			require.Equal(t, []any{"Success", "Finished", 4 - n, seconds(at)}, []any{v.InvocationStatus, v.InvokeRecordStatus, v.Repeats, v.StartTime})
			require.NotContains(t, outputs, v.Output)
			outputs = append(outputs, v.Output)
		}
		var paged []resultView // the newest first, each once
		for token := ""; ; {
			r := c.must(t, actionResults, "RegionId", "cn-hangzhou", "InvokeId", every, "IncludeHistory", "true", "ContentEncoding", "PlainText", "MaxResults", "3", "NextToken", token)
			var body resultsPayload
			require.NoError(t, json.Unmarshal([]byte(r.body), &body))
			paged = slices.Concat(paged, body.Invocation.InvocationResults.InvocationResult)
			if token = body.Invocation.NextToken; token == "" {
				break
			}
		}
		require.Equal(t, history, paged)
		waits(of(every, id)[0], 4)
		require.Equal(t, history[0].Output, of(every, id)[0].Output)
		v := of(next, id)[0]
		require.Equal(t, []any{"Success", "Finished", 1, history[3].Output}, []any{v.InvocationStatus, v.InvokeRecordStatus, v.Repeats, v.Output})
		require.Len(t, of(next, id, "IncludeHistory", "true"), 1)
		waits(of(every, "i-b")[0], 0)

		require.Equal(t, 200, c.must(t, actionStopRun, "RegionId", "cn-hangzhou", "InvokeId", every, "InstanceId.1", "i-b").status)
		v = of(every, "i-b")[0]
		require.Equal(t, []any{"Cancelled", "Stopped", seconds(time.Now())}, []any{v.InvocationStatus, v.InvokeRecordStatus, v.StopTime})
		waits(of(every, id)[0], 4)
		require.Equal(t, 200, c.must(t, actionStopRun, "RegionId", "cn-hangzhou", "InvokeId", every).status)
		c.reboot(t)
		require.NoError(t, s.Restart("i-b", true))
		time.Sleep(time.Minute)
		v = of(every, id)[0]
		require.Equal(t, []any{"Success", "Stopped", 4}, []any{v.InvocationStatus, v.InvokeRecordStatus, v.Repeats})
		require.Zero(t, of(every, "i-b")[0].Repeats)
		require.False(t, c.invocation(t, "InvokeId", every).Timed)

		gone := c.run(t, "RepeatMode", "EveryReboot", "InstanceId.1", "i-b")
		s.RemoveInstance("i-b")
		require.Equal(t, "InstanceReleased", of(gone, "i-b")[0].ErrorCode)
		time.Sleep(invocationMemory + time.Second)
		require.Empty(t, c.results(t))
	})
}

// A command for an instance that can't run it has a result that says so.
func TestCommandsThatDoNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{RunCommand: func(id, script string) (string, int) { return id + ": " + script, len(script) }})
		require.NoError(t, s.AddInstance(Instance{ID: "i-stopped", Status: "Stopped"}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-none", NoAgent: true}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-late", AgentDelay: time.Hour, StartTime: time.Now()}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-windows", OSType: "windows"}))
		c := newCaller(s)
		invocation := c.run(t, "InstanceId.2", "i-stopped", "InstanceId.3", "i-none", "InstanceId.4", "i-late")
		var got [][5]string
		for _, v := range c.results(t, "InvokeId", invocation) {
			got = append(got, [5]string{v.InstanceID, v.InvocationStatus, v.InvokeRecordStatus, v.ErrorCode, strconv.Itoa(v.Repeats)})
		}
		require.Equal(t, [][5]string{
			{id, "Success", "Finished", "", "1"},
			{"i-stopped", "Aborted", "Failed", "InstanceNotRunning", "0"},
			{"i-none", "Aborted", "Failed", "ClientNotRunning", "0"},
			{"i-late", "Aborted", "Failed", "ClientNotRunning", "0"},
		}, got)
		v := c.invocation(t, "InvokeId", invocation)
		require.Equal(t, []string{"PartialFailed", "PartialFailed"}, []string{v.InvocationStatus, v.InvokeStatus})
		v = c.invocation(t, "InvokeId", c.run(t, "InstanceId.1", "i-none"))
		require.Equal(t, []string{"Failed", "Failed"}, []string{v.InvocationStatus, v.InvokeStatus})

		failed := c.run(t, "ContentEncoding", "PlainText", "CommandContent", "exit 1")
		r := c.results(t, "InvokeId", failed)[0]
		require.Equal(t, []any{id + ": exit 1", int64(6), "Failed", "Failed", "ExitCodeNonzero"}, []any{r.Output, r.ExitCode, r.InvocationStatus, r.InvokeRecordStatus, r.ErrorCode})
		r = c.results(t, "InvokeId", c.run(t, "InstanceId.1", "i-windows", "Type", "RunBatScript", "ContentEncoding", "", "CommandContent", strings.Repeat("x", 10_000)))[0]
		require.Equal(t, []any{10_011, 0}, []any{len(r.Output), r.Dropped})
		require.Equal(t, "NotImplementedByEcstest", c.runs(t, "CommandContent", "ZXhpdA==", "RepeatMode", "EveryReboot").code())
	})
	require.Equal(t, []any{24 << 10, 7}, func() []any { shown, dropped := cut(strings.Repeat("x", 24<<10+7)); return []any{len(shown), dropped} }())
}

// A ClientToken makes a request idempotent, also when its response was lost.
func TestClientToken(t *testing.T) {
	s := inMemory(t, Options{})
	c := newCaller(s)
	s.Inject(Fault{Kind: FaultDrop, Act: true}, Fault{Kind: FaultDrop})
	for range 2 {
		_, err := c.do(t, actionRun, "RegionId", "cn-hangzhou", "InstanceId.1", id, "Type", shellScript, "CommandContent", bootScript, "ClientToken", "a")
		require.Error(t, err)
	}
	again := c.run(t, "ClientToken", "a", "ContentEncoding", "PlainText", "CommandContent", bootScript)
	require.Len(t, c.results(t), 1)
	require.Equal(t, again, c.results(t)[0].InvokeID)
	require.NotEqual(t, again, c.run(t, "ClientToken", "b"))
	require.NotEqual(t, c.run(t), c.run(t))
	for _, changed := range [][]string{{"Timeout", "61"}, {"RepeatMode", "EveryReboot"}, {"Name", "x"}, {"InstanceId.2", id}} {
		r := c.runs(t, append([]string{"ClientToken", "b"}, changed...)...)
		require.Equal(t, []any{403, "IdempotentParameterMismatch"}, []any{r.status, r.code()}, changed)
	}
}

func TestRunCommandRefusals(t *testing.T) {
	denied := "-"
	s := inMemory(t, Options{Allow: func(_, id string) bool { return id != denied }})
	require.NoError(t, s.AddInstance(Instance{ID: "i-windows", OSType: "windows"}))
	c := newCaller(s)
	for _, script := range []string{bootScript, "#!/bin/sh\n" + bootScript, "#!/bin/sh -e\n" + bootScript + "\n"} {
		c.run(t, "ContentEncoding", "PlainText", "CommandContent", script)
	}
	var many []string
	for n := range 101 {
		many = append(many, "InstanceId."+strconv.Itoa(n+1), id)
	}
	long := func(n int) string {
		return base64.StdEncoding.EncodeToString([]byte(bootScript + strings.Repeat("\n", n*3/4-len(bootScript))))
	}
	c.run(t, "CommandContent", long(24<<10))
	c.run(t, "CommandContent", long(18<<10), "KeepCommand", "true")
	c.run(t, "ClientToken", strings.Repeat("x", 64), "Name", strings.Repeat("ü", 128), "Description", strings.Repeat("ü", 512), "Timed", "true", "EnableParameter", "false")
	for _, bad := range []struct {
		status int
		code   string
		params []string
	}{
		{400, "MissingParameter", []string{"RegionId", ""}},
		{400, "MissingParameter", []string{"Type", ""}},
		{400, "MissingParameter", []string{"CommandContent", ""}},
		{400, "MissingParam.InstanceId", []string{"InstanceId.1", ""}},
		{403, "InstanceIds.ExceedLimit", many},
		{404, "InvalidInstance.NotFound", []string{"InstanceId.2", "i-none"}},
		{400, "InvalidInstance.NotMatch", []string{"InstanceId.2", "i-windows"}},
		{404, "InvalidCmdType.NotFound", []string{"Type", "RunPython"}},
		{400, "CmdContent.DecodeError", []string{"CommandContent", "?"}},
		{403, "CmdContent.ExceedLimit", []string{"CommandContent", long(24<<10 + 4)}},
		{403, "CmdContent.ExceedLimit", []string{"CommandContent", long(18<<10 + 4), "KeepCommand", "true"}},
		{403, "CmdContent.ExceedLimit", []string{"ContentEncoding", "PlainText", "CommandContent", bootScript + strings.Repeat("\n", 18<<10)}},
		{403, "CmdName.ExceedLimit", []string{"Name", strings.Repeat("x", 129)}},
		{403, "CmdDesc.ExceedLimit", []string{"Description", strings.Repeat("x", 513)}},
		{404, "InvalidRepeatMode.NotFound", []string{"RepeatMode", "Twice"}},
		{400, "MissingParam.Frequency", []string{"RepeatMode", "Period"}},
		{400, "InvalidClientToken.Malformed", []string{"ClientToken", strings.Repeat("x", 65)}},
		{400, "InvalidClientToken.Malformed", []string{"ClientToken", "ü"}},
		{400, "InvalidParameter", []string{"Timeout", "0"}},
		{400, "InvalidParameter", []string{"KeepCommand", "x"}},
		{400, "NotImplementedByEcstest", []string{"EnableParameter", "true"}},
		{400, "NotImplementedByEcstest", []string{"CommandContent", "cmVib290"}},
		{400, "NotImplementedByEcstest", []string{"InstanceId.1", "i-windows", "Type", "RunBatScript", "CommandContent", "cmVib290"}},
		{400, "NotImplementedByEcstest", []string{"Username", "root"}},
	} {
		r := c.runs(t, bad.params...)
		require.Equal(t, []any{bad.status, bad.code}, []any{r.status, r.code()}, bad.params[:2])
	}
	for range maxScheduled {
		c.run(t, "RepeatMode", "EveryReboot")
	}
	require.Equal(t, "Invocation.ExceedQuota", c.runs(t, "RepeatMode", "EveryReboot").code())

	denied = id
	r := c.runs(t)
	require.Equal(t, []any{403, "Forbidden.RAM"}, []any{r.status, r.code()})
	require.Contains(t, r.body, `"AuthAction":"ecs:RunCommand"`)
	require.Equal(t, 403, c.must(t, actionStopRun, "RegionId", "cn-hangzhou", "InvokeId", "x", "InstanceId.1", id).status)
	denied = ""
	for _, action := range []string{actionResults, actionInvocations} {
		r := c.must(t, action, "RegionId", "cn-hangzhou")
		require.Equal(t, []any{403, "Forbidden.RAM"}, []any{r.status, r.code()})
		require.Contains(t, r.body, `"AuthAction":"ecs:`+action+`"`)
	}
}

// The invocations and the results page by number and by token, and can be chosen.
func TestInvocationPages(t *testing.T) {
	s := inMemory(t, Options{})
	require.NoError(t, s.AddInstance(Instance{ID: "i-b"}))
	c := newCaller(s)
	var ids []string
	for n := range 25 {
		ids = append(ids, c.run(t, "InstanceId.2", "i-b", "Name", fmt.Sprint(n), "RepeatMode", []string{"Once", "EveryReboot"}[n/24]))
	}
	for action, list := range map[string]string{actionResults: "InvocationResult", actionInvocations: "Invocation"} {
		pages := func(params ...string) (total []int, invocations []string) {
			t.Helper()
			for token := ""; ; {
				r := c.must(t, action, append([]string{"RegionId", "cn-hangzhou", "NextToken", token}, params...)...)
				require.Equal(t, 200, r.status, r.body)
				var body struct {
					TotalCount  int
					NextToken   string
					Invocations map[string][]struct{ InvokeId string } //nolint:revive // the service's name
					Invocation  struct {
						TotalCount        int
						NextToken         string
						InvocationResults map[string][]struct{ InvokeId string } //nolint:revive // the service's name
					}
				}
				require.NoError(t, json.Unmarshal([]byte(r.body), &body))
				page := slices.Concat(body.Invocations[list], body.Invocation.InvocationResults[list])
				for _, v := range page {
					invocations = append(invocations, v.InvokeId)
				}
				total = append(total, body.TotalCount+body.Invocation.TotalCount)
				if token = body.NextToken + body.Invocation.NextToken; token == "" {
					return total, invocations
				}
			}
		}
		var want []string
		for _, id := range slices.Backward(ids) {
			switch {
			case action == actionResults:
				want = append(want, id, id)
			case id != ids[24]: // that waits for a reboot
				want = append(want, id)
			}
		}
		_, got := pages("MaxResults", "7")
		require.Equal(t, want, got)
		total, got := pages("PageNumber", "2", "PageSize", "20")
		require.Equal(t, []int{len(want)}, total)
		require.Equal(t, want[20:min(40, len(want))], got)
		for name, value := range map[string]string{"InvokeId": "t-none", "CommandId": "c-none", "InstanceId": "i-none", "NextToken": "MSAyMDA2LTAxLTAyVDE1OjA0OjA1Wg=="} {
			_, got = pages(name, value)
			require.Empty(t, got, name)
		}
		_, got = pages("CommandId", "c-"+strings.TrimPrefix(ids[3], "t-"), "InstanceId", "i-b")
		require.Equal(t, ids[3:4], got)
		for code, params := range map[string][]string{
			"MissingParameter": {"RegionId", ""}, "InvalidRegionId.NotFound": {"RegionId", "xx"}, "InvalidParam.PageNumber": {"PageNumber", "0"},
			"InvalidParam.PageSize": {"PageSize", "51"}, "InvalidParameter.MaxResults": {"MaxResults", "51"}, "InvalidParameter.NextToken": {"NextToken", "?"},
			"InvalidParameter": {"ContentEncoding", "base32"}, "NotImplementedByEcstest": {"Tag.1.Key", "x"},
		} {
			require.Equal(t, code, c.must(t, action, append([]string{"RegionId", "cn-hangzhou"}, params...)...).code(), params)
		}
	}
	all := func(params ...string) int {
		return c.outcome(t, actionInvocations, func() map[string]string {
			m := map[string]string{"RegionId": "cn-hangzhou"}
			for i := 0; i < len(params); i += 2 {
				m[params[i]] = params[i+1]
			}
			return m
		}()).total
	}
	require.Equal(t, 1, all("Timed", "true"))
	require.Equal(t, 1, all("CommandName", "7"))
	require.Equal(t, 24, all("CommandName", "7", "InstanceId", "i-b"))
	require.Equal(t, 24, all("RepeatMode", "Once"))
	require.Equal(t, 24, all("InvokeStatus", "Finished"))
	require.Equal(t, 24, all("InvokeStatus", "Success"))
	require.Zero(t, all("CommandType", "RunBatScript"))
	require.Len(t, c.results(t, "InvokeRecordStatus", "Finished"), 48)
	require.Len(t, c.results(t, "InvokeRecordStatus", "Running"), 2)
	v := c.invocation(t, "InvokeId", ids[7], "IncludeOutput", "true", "ContentEncoding", "PlainText")
	require.Equal(t, []any{bootScript + "\n", "7", "Once", int64(60), "Success", "Finished"}, []any{v.CommandContent, v.CommandName, v.RepeatMode, v.Timeout, v.InvocationStatus, v.InvokeStatus})
	require.NotEmpty(t, v.InvokeInstances.InvokeInstance[1].Output)
	require.Empty(t, c.invocation(t, "InvokeId", ids[7]).InvokeInstances.InvokeInstance[1].Output)
	require.Equal(t, "MissingParameter", c.must(t, actionInvocations, "RegionId", "cn-hangzhou", "IncludeOutput", "true").code())
	require.Equal(t, "MissingParameter", c.must(t, actionResults, "RegionId", "cn-hangzhou", "IncludeHistory", "true").code())
	for code, params := range map[string][]string{
		"MissingParameter": {}, "InvalidInvokeId.NotFound": {"InvokeId", "t-none"}, "MissingParam.InstanceId": {"InvokeId", ids[0], "InstanceId.1", ""},
	} {
		require.Equal(t, code, c.must(t, actionStopRun, append([]string{"RegionId", "cn-hangzhou"}, params...)...).code())
	}
	many := []string{"RegionId", "cn-hangzhou", "InvokeId", ids[0]}
	for n := range 51 {
		many = append(many, "InstanceId."+strconv.Itoa(n+1), id)
	}
	require.Equal(t, "InstanceIds.ExceedLimit", c.must(t, actionStopRun, many...).code())
}

// The commands are in the records of ActionTrail, as other calls that change something.
func TestCommandsAreAudited(t *testing.T) {
	s := inMemory(t, Options{AuditDelay: -1})
	c := newCaller(s)
	c.must(t, actionStopRun, "RegionId", "cn-hangzhou", "InvokeId", c.run(t))
	events, _ := c.lookup(t)
	require.Len(t, events, 2)
	require.Equal(t, []string{actionStopRun, actionRun}, []string{events[0].EventName, events[1].EventName})
}

// The number of kept commands and results is bounded.
func TestCommandsAreBounded(t *testing.T) {
	s := inMemory(t, Options{})
	k := &task{invocation: &invocation{}}
	s.mu.Lock()
	m := s.machines[id]
	for n := range maxRuns + 5 {
		m.finish(k, run{exit: n})
	}
	for n := range 2 * maxRecords {
		s.invoke(command{}, strconv.Itoa(n), nil)
	}
	s.mu.Unlock()
	require.Equal(t, []int{maxRuns, maxRuns + 5, maxRuns + 4}, []int{len(k.runs), k.repeats, k.last().exit})
	require.LessOrEqual(t, len(s.tokens), maxRecords*5/4)
	require.Len(t, s.tokens, len(s.invocations.all))
}

func TestConsoleOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allow := true
		s := inMemory(t, Options{Allow: func(string, string) bool { return allow }})
		start := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
		require.NoError(t, s.AddInstance(Instance{ID: "i-a", ConsoleOutput: "login:\n", StartTime: start}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-windows", OSType: "windows"}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-pending", Status: "Pending"}))
		c := newCaller(s)
		show := func() []string {
			t.Helper()
			r := c.must(t, actionConsole, "RegionId", "cn-hangzhou", "InstanceId", "i-a", "RemoveSymbols", "false")
			require.Equal(t, 200, r.status, r.body)
			text, err := base64.StdEncoding.DecodeString(r.field("ConsoleOutput"))
			require.NoError(t, err)
			return []string{r.field("InstanceId"), string(text), r.field("LastUpdateTime")}
		}
		require.Equal(t, []string{"i-a", "login:\n", "2000-01-01 07:00:00"}, show())
		time.Sleep(time.Hour)
		c.must(t, actionStop, "InstanceId", "i-a")
		time.Sleep(time.Hour)
		require.Equal(t, "2000-01-01 09:00:00", show()[2])
		for _, bad := range []struct {
			status int
			code   string
			params []string
		}{
			{400, "MissingParameter", []string{"InstanceId", ""}},
			{400, "MissingParameter", []string{"RegionId", ""}},
			{404, "InvalidParameter", []string{"InstanceId", "i-none"}},
			{404, "InvalidParameter", []string{"RemoveSymbols", "x"}},
			{405, "NotSupported", []string{"InstanceId", "i-windows"}},
			{405, "IncorrectInstanceStatus", []string{"InstanceId", "i-pending"}},
			{400, "NotImplementedByEcstest", []string{"RemoveSymbols", "true"}},
		} {
			r := c.must(t, actionConsole, append([]string{"RegionId", "cn-hangzhou", "InstanceId", "i-a"}, bad.params...)...)
			require.Equal(t, []any{bad.status, bad.code}, []any{r.status, r.code()}, bad.params)
		}
		allow = false
		r := c.must(t, actionConsole, "RegionId", "cn-hangzhou", "InstanceId", "i-a")
		require.Equal(t, []any{403, "Forbidden.RAM"}, []any{r.status, r.code()})
		require.Contains(t, r.body, `"AuthAction":"ecs:GetInstanceConsoleOutput"`)
	})
}
