package ecstest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lookup returns the events that a lookup shows.
func (c *caller) lookup(t *testing.T, params ...string) (events []auditView, token string) {
	t.Helper()
	r := c.must(t, actionLookup, params...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body auditPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	return body.Events, body.NextToken
}

func (c *caller) lookupOf(t *testing.T, id string) []auditView {
	t.Helper()
	time.Sleep(time.Second) // of the bubble: the limit is 2 calls a second
	events, token := c.lookup(t, "LookupAttribute.1.Key", "ResourceName", "LookupAttribute.1.Value", id, "MaxResults", "50")
	require.Empty(t, token)
	return events
}

// A call is recorded, with what the client sent and got, after the delay.
func TestAuditEvent(t *testing.T) {
	for name, v1 := range map[string]bool{"acs3": false, "v1": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inMemory(t, Options{})
				c := newCaller(s)
				c.v1 = v1
				c.edit = func(r *http.Request) { r.Header.Set("User-Agent", "tool/1 (send 42) ü") }
				s.SetClockOffset(3 * time.Minute)
				then := s.now().UTC()
				requestID := c.reboot(t, "ForceStop", "true").field("RequestId")
				s.ForgetCalls()
				time.Sleep(10*time.Minute - 2*time.Second)
				require.Empty(t, c.lookupOf(t, id))
				time.Sleep(time.Second)
				events := c.lookupOf(t, id)
				require.Len(t, events, 1)
				e := events[0]
				require.Equal(t, requestID, e.RequestID)
				require.Equal(t, "tool/1 (send 42) ü", e.UserAgent)
				require.Equal(t, then.Format(secondsFormat), e.EventTime)
				require.Equal(t, []string{"RebootInstance", "Ecs", "Write", "2014-05-26", "cn-hangzhou", id, "testid"},
					[]string{e.EventName, e.ServiceName, e.EventRW, e.APIVersion, e.AcsRegion, e.ResourceName, e.UserIdentity.AccessKeyID})
				require.Equal(t, namedTexts{"InstanceId": id, "ForceStop": "true"}, e.RequestParameters)
				require.JSONEq(t, `{"InstanceId":"`+id+`","ForceStop":"true"}`, e.RequestParameterJSON)
				require.Equal(t, map[string][]string{"ACS::ECS::Instance": {id}}, e.ReferencedResources)
				require.NotEmpty(t, e.EventID)
				require.NotEmpty(t, e.SourceIPAddress)
				require.Empty(t, e.ErrorCode)
				require.NotContains(t, c.must(t, actionLookup).body, "errorCode")

				time.Sleep(recordMemory)
				events, _ = c.lookup(t, "StartTime", then.Add(-time.Hour).Format(secondsFormat))
				require.Empty(t, events, "it is forgotten")
			})
		})
	}
}

// Refusals are recorded with their codes, and so are denied calls and dry runs; reads,
// throttled calls and calls that fail authentication are not.
func TestAuditOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := ""
		s := inMemory(t, Options{AuditDelay: -1, LimitPerMinute: 6, Allow: func(action, _ string) bool { return action != denied }})
		c := newCaller(s)
		c.reboot(t, "DryRun", "true")
		c.must(t, actionReboot, "InstanceId", "i-none")
		c.must(t, actionReboot)
		denied = actionReboot
		c.reboot(t)
		denied = ""
		c.must(t, actionReboots, "RegionId", "cn-hangzhou", "InstanceId.1", id, "InstanceId.2", "i-none", "BatchOptimization", "SuccessFirst")
		c.must(t, actionStop, "InstanceId", id)
		time.Sleep(31 * time.Second)
		c.reboot(t)
		c.must(t, actionStart, "InstanceId", id)
		c.must(t, actionStop, "InstanceId", id, "Hibernate", "true") // not implemented here: who knows
		c.must(t, actionAttribute, "InstanceId", id)
		wrong := newCaller(s)
		wrong.secret = "wrong"
		wrong.reboot(t)
		s.Inject(Fault{Kind: FaultThrottle}, Fault{Kind: FaultError, Code: "Throttling"}, Fault{Kind: FaultError, Code: "SignatureDoesNotMatch"})
		for range 3 {
			c.must(t, actionStart, "InstanceId", id)
		}
		for range 3 {
			c.must(t, actionStop) // the last of these is above the limit
		}
		time.Sleep(time.Second)
		events, _ := c.lookup(t, "Direction", "FORWARD", "MaxResults", "50")
		var got [][3]string
		for _, e := range events {
			got = append(got, [3]string{e.EventName, e.ErrorCode, e.ResourceName})
		}
		require.Equal(t, [][3]string{
			{actionReboot, "DryRunOperation", id},
			{actionReboot, "InvalidInstanceId.NotFound", "i-none"},
			{actionReboot, "MissingParameter", ""},
			{actionReboot, "Forbidden.RAM", id},
			{actionReboots, "", id + ",i-none"},
			{actionStop, "", id},
			{actionReboot, "IncorrectInstanceStatus", id},
			{actionStart, "", id},
			{actionStop, "MissingParameter", ""},
			{actionStop, "MissingParameter", ""},
			{actionStop, "MissingParameter", ""},
		}, got)
		require.Equal(t, problems["DryRunOperation"].message, events[0].ErrorMessage)
		require.Len(t, c.lookupOf(t, "i-none"), 2)
		denied = actionLookup
		r := c.must(t, actionLookup)
		require.Equal(t, []any{403, "NoPermission"}, []any{r.status, r.code()})
		require.Contains(t, r.body, `"AuthAction":"actiontrail:LookupEvents"`)
	})
}

// Whatever becomes of the response, a call that arrived has its record, and one that did
// not arrive has none.
func TestAuditOfLostResponses(t *testing.T) {
	lost := []Fault{
		{Kind: FaultDrop},
		{Kind: FaultFIN},
		{Kind: FaultHang},
		{Kind: FaultHalfStatusLine},
		{Kind: FaultAnswer},
		{Kind: FaultThrottle},
		{Kind: FaultTruncate, Code: "Throttling"},
		{Kind: FaultStall, Code: "Throttling"},
	}
	tried := func(t *testing.T, f Fault, prepare func(*Server)) (*Server, []auditView) {
		t.Helper()
		s := inMemory(t, Options{AuditDelay: -1})
		prepare(s)
		s.Inject(f)
		c := newCaller(s)
		c.client.Timeout = 10 * time.Second
		_, _ = c.do(t, actionReboot, "InstanceId", id)
		c.client.Timeout = 0
		return s, c.lookupOf(t, id)
	}
	nothing := func(*Server) {}
	stopped := func(s *Server) { _ = s.SetStatus(id, "Stopped") }
	for _, f := range lost {
		t.Run(string(f.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, events := tried(t, f, nothing)
				require.Empty(t, events)
				require.Zero(t, s.Reboots(id))

				f := f
				f.Act = true
				s, events = tried(t, f, nothing)
				require.Len(t, events, 1)
				require.Empty(t, events[0].ErrorCode)
				require.Equal(t, 1, s.Reboots(id))

				_, events = tried(t, f, stopped)
				require.Len(t, events, 1)
				require.Equal(t, "IncorrectInstanceStatus", events[0].ErrorCode)

				for _, f.Act = range []bool{false, true} {
					f.Refuse = "OperationConflict"
					s, events = tried(t, f, nothing)
					require.Len(t, events, 1)
					require.Equal(t, "OperationConflict", events[0].ErrorCode)
					require.Equal(t, problems["OperationConflict"].message, events[0].ErrorMessage)
					require.Equal(t, events[0].RequestID, s.Calls()[0].RequestID)
					require.Zero(t, s.Reboots(id))
					require.NotEqual(t, "OperationConflict", s.Calls()[0].Code)
				}

				for refuse, acts := range map[string]int{"": 1, "OperationConflict": 0} {
					f := Fault{Kind: f.Kind, Code: f.Code, Late: 5 * time.Minute, Refuse: refuse}
					s, events = tried(t, f, nothing)
					require.Empty(t, events)
					time.Sleep(5 * time.Minute)
					events = newCaller(s).lookupOf(t, id)
					require.Len(t, events, 1)
					require.Equal(t, refuse, events[0].ErrorCode)
					require.Equal(t, acts, s.Reboots(id))
				}
			})
		})
	}
	for name, f := range map[string]Fault{
		"error": {Kind: FaultError, Code: "DiskError"}, "truncate": {Kind: FaultTruncate, Code: "DiskError"}, "stall": {Kind: FaultStall, Code: "DiskError"},
		"refused": {Kind: FaultDelay, Refuse: "DiskError"}, "refused truncate": {Kind: FaultTruncate, Refuse: "DiskError"}, "throttle": {Kind: FaultThrottle, Code: "DiskError"},
		"refused error": {Kind: FaultError, Refuse: "DiskError", Code: "ServiceUnavailable"}, "refused stall": {Kind: FaultStall, Refuse: "DiskError"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, events := tried(t, f, nothing)
				require.Len(t, events, 1)
				require.Equal(t, "DiskError", events[0].ErrorCode)
				require.Zero(t, s.Reboots(id))
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // what the client sees of a refusal that is not lost
		s := inMemory(t, Options{})
		s.Inject(Fault{Refuse: "DiskError", Delay: time.Minute}, Fault{Refuse: "New.Code", Status: 409, Message: "text"}, Fault{Kind: FaultError, Refuse: "DiskError"})
		c := newCaller(s)
		r := c.reboot(t)
		require.Equal(t, []any{403, "DiskError"}, []any{r.status, r.code()})
		r = c.reboot(t)
		require.Equal(t, []any{409, "New.Code", "text"}, []any{r.status, r.code(), r.field("Message")})
		require.Equal(t, "InternalError", c.reboot(t).code())
	})
}

// The pages of a lookup have each event once, also while events are added.
func TestLookupEventsPages(t *testing.T) {
	for _, direction := range []string{"", "FORWARD", "BACKWARD"} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{AuditDelay: -1})
			c := newCaller(s)
			for n := range 45 {
				c.reboot(t, "DryRun", strconv.Itoa(n))
				if n%3 == 0 {
					time.Sleep(time.Second) // three calls at one time each
				}
			}
			var got []string
			params := []string{}
			if direction != "" {
				params = append(params, "Direction", direction)
			}
			var sizes []int
			for token := ""; ; {
				time.Sleep(time.Second)
				events, next := c.lookup(t, append(params, "NextToken", token)...)
				sizes = append(sizes, len(events))
				for _, e := range events {
					got = append(got, e.RequestParameters["DryRun"])
				}
				if direction != "FORWARD" {
					c.reboot(t) // newer than all that was asked for
				}
				if token = next; token == "" {
					break
				}
				time.Sleep(time.Second)
				r := c.must(t, actionLookup, append(params, "NextToken", token, "MaxResults", "3")...)
				require.Equal(t, "InvalidQueryParameter", r.code(), "a token of another lookup")
			}
			require.Equal(t, []int{20, 20, 5}, sizes)
			for n := range 45 {
				want := n
				if direction != "FORWARD" {
					want = 44 - n
				}
				require.Equal(t, strconv.Itoa(want), got[n])
			}
		})
	}
}

func TestLookupEventsConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{AuditDelay: -1})
		c := newCaller(s)
		begin := time.Now().UTC()
		c.reboot(t)
		time.Sleep(time.Minute)
		c.must(t, actionStop, "InstanceId", "i-other")
		at := func(d time.Duration) string { return begin.Add(d).Format(secondsFormat) }
		lookup := func(params ...string) []auditView {
			time.Sleep(time.Second)
			events, _ := c.lookup(t, params...)
			return events
		}
		by := func(key, value string) []auditView {
			return lookup("LookupAttribute.1.Key", key, "LookupAttribute.1.Value", value)
		}
		all := lookup()
		require.Len(t, all, 2)
		require.Equal(t, all[:1], by("ResourceName", "i-other"))
		require.Equal(t, all[1:], by("EventName", actionReboot))
		require.Equal(t, all[1:], by("EventId", all[1].EventID))
		require.Empty(t, by("EventName", "ConsoleSignin"))
		require.Empty(t, by("ResourceName", "i"))
		require.Equal(t, all[1:], lookup("StartTime", at(-1), "EndTime", at(59*time.Second)))
		require.Equal(t, all[:1], lookup("StartTime", at(time.Second)))
		require.Equal(t, all[:1], lookup("StartTime", at(time.Minute), "EndTime", at(time.Minute+time.Second)))
		require.Equal(t, all, lookup("EndTime", at(time.Minute)))
		for _, bad := range [][]string{
			{"InvalidParameterStartTime", "StartTime", "2026-11-29"},
			{"InvalidParameterEndTime", "EndTime", "1700000000000"},
			{"InvalidParameterCombination", "StartTime", at(0), "EndTime", at(0)},
			{"InvalidQueryParameter", "MaxResults", "51"},
			{"InvalidQueryParameter", "MaxResults", "0"},
			{"InvalidQueryParameter", "Direction", "forward"},
			{"InvalidQueryParameter", "NextToken", "x"},
			{"InvalidQueryParameter", "LookupAttribute.1.Key", "ResourceName"},
			{"InvalidQueryParameter", "LookupAttribute.1.Key", "Resource", "LookupAttribute.1.Value", "x"},
			{"InvalidQueryParameter", "LookupAttribute.1.Key", "EventId", "LookupAttribute.1.Value", "x", "LookupAttribute.2.Key", "EventId", "LookupAttribute.2.Value", "y"},
			{"NotImplementedByEcstest", "LookupAttribute.1.Key", "EventRW", "LookupAttribute.1.Value", "Read"},
			{"NotImplementedByEcstest", "LookupAttribute.1.Key", "EventName", "LookupAttribute.1.Value", "DescribeInstances"},
		} {
			time.Sleep(time.Second)
			r := c.must(t, actionLookup, bad[1:]...)
			require.Equal(t, []any{400, bad[0]}, []any{r.status, r.code()}, bad)
		}
	})
}

// The limit of two calls a second applies to the account, and has a hint like other limits.
func TestLookupEventsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{ThrottleHint: HintRetryAfter})
		c := newCaller(s)
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, 200, c.must(t, actionLookup).status)
		require.True(t, s.TakeLimit(actionLookup))
		r := c.must(t, actionLookup)
		require.Equal(t, []any{400, "Throttling.User", "700"}, []any{r.status, r.code(), r.header.Get("X-Acs-Retry-After")})
		require.Equal(t, 200, c.reboot(t).status)
		time.Sleep(700 * time.Millisecond)
		require.Equal(t, 200, c.must(t, actionLookup).status)
	})
}

// The version chooses the product.
func TestLookupEventsVersion(t *testing.T) {
	c := newCaller(inMemory(t, Options{}))
	for action, version := range map[string]string{actionLookup: apiVersion, actionReboot: "2020-07-06"} {
		c.v1 = true
		r := c.request(t, action, "InstanceId", id)
		q := r.URL.Query()
		q.Set("Version", version)
		q.Del("Signature")
		q.Set("Signature", signV1(stringToSignV1(r.Method, q), c.secret))
		r.URL.RawQuery = q.Encode()
		got, err := c.send(r)
		require.NoError(t, err)
		require.Equal(t, []any{404, "InvalidAction.NotFound"}, []any{got.status, got.code()})
	}
}

// The records of an instance can be missing, or later than others.
func TestRecordsMissingAndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		require.NoError(t, s.AddInstance(Instance{ID: "i-missing", RecordsMissing: true}))
		require.NoError(t, s.AddInstance(Instance{ID: "i-late", RecordsLate: time.Hour}))
		c := newCaller(s)
		for _, id := range []string{id, "i-missing", "i-late"} {
			c.must(t, actionReboot, "InstanceId", id)
		}
		time.Sleep(time.Hour)
		require.Len(t, c.lookupOf(t, id), 1)
		require.Empty(t, c.lookupOf(t, "i-late"))
		time.Sleep(10 * time.Minute)
		require.Len(t, c.lookupOf(t, "i-late"), 1)
		require.Empty(t, c.lookupOf(t, "i-missing"))
	})
}

// A fault can hit lookups of the events of one instance.
func TestFaultsOfLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		for _, action := range []string{actionLookup, actionChanges} {
			s.Inject(Fault{Kind: FaultError, Code: "ServiceUnavailable", Action: action, InstanceID: id})
		}
		c := newCaller(s)
		require.Empty(t, c.lookupOf(t, "i-other"))
		require.Equal(t, 503, c.must(t, actionLookup, "LookupAttribute.1.Key", "ResourceName", "LookupAttribute.1.Value", id).status)
		require.Empty(t, c.changesOf(t, "i-other", time.Now()))
		require.Equal(t, 503, c.must(t, actionChanges, "SearchKeywords", id).status)
		require.Equal(t, id, s.Calls()[3].InstanceID)
	})
}

// A huge call leaves a small event.
func TestAuditIsBounded(t *testing.T) {
	s := inMemory(t, Options{AuditDelay: -1})
	c := newCaller(s)
	c.form = true
	many := []string{"RegionId", "cn-hangzhou"}
	for n := range 1000 {
		many = append(many, "InstanceId."+strconv.Itoa(n+1), "i-"+strconv.Itoa(n))
	}
	require.Equal(t, "InvalidParameter.TooManyInstanceIds", c.must(t, actionReboots, many...).code())
	events, _ := c.lookup(t)
	require.Len(t, events, 1)
	require.Empty(t, events[0].RequestParameters)
	require.Len(t, events[0].ReferencedResources["ACS::ECS::Instance"], 100)
	require.Equal(t, "InvalidParameter.TooManyInstanceIds", events[0].ErrorCode)
}

// A store is bounded, and keeps the newest records.
func TestRecordStoreIsBounded(t *testing.T) {
	var s recordStore[int]
	begin := time.Now()
	for n := range 2 * maxRecords {
		s.add(begin.Add(time.Duration(n)), begin, n)
		require.LessOrEqual(t, len(s.all), maxRecords*5/4)
	}
	shown := s.shown(begin.Add(time.Hour))
	require.GreaterOrEqual(t, len(shown), maxRecords)
	require.Equal(t, 2*maxRecords-1, shown[len(shown)-1].of)
	require.Equal(t, 2*maxRecords-len(shown), shown[0].of)
	require.Empty(t, s.shown(begin.Add(recordMemory+time.Hour)))
}
