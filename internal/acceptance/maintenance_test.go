package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

type (
	scheduled     = ecsreboot.ScheduledEvent
	eventsRequest = ecsreboot.ScheduledEventsRequest
)

// eventsOf reads scheduled events, historyOf those that ended.
func eventsOf(ctx context.Context, client *ecsreboot.Client, request eventsRequest) (events []scheduled, err error) {
	for e, err := range client.ScheduledEvents(ctx, request) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func historyOf(ctx context.Context, client *ecsreboot.Client, request eventsRequest) (events []scheduled, err error) {
	for e, err := range client.EventHistory(ctx, request) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func eventIDs(events []scheduled) (ids []string) {
	for _, e := range events {
		if !e.Listed() {
			ids = append(ids, e.String())
			continue
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// A restart before its time avoids an event, and the history proves it, in JSON and in XML.
func TestScheduledEventIsAvoided(t *testing.T) {
	for _, format := range []string{"application/json", "text/xml"} {
		synctest.Test(t, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			defer server.Close()
			begin := time.Now().UTC()
			day := begin.Add(24 * time.Hour)
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-due", Events: []ecstest.ScheduledEvent{
				{ID: "e-due", Reason: `a <new> "host"`},
				{ID: "e-late", Type: "SystemFailure.Reboot", NotBefore: begin.Add(-time.Second)},
			}}))
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-none"}))
			way := server.HTTPClient()
			transport := way.Transport
			defer way.CloseIdleConnections()
			way.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("Accept", format)
				response, err := transport.RoundTrip(r)
				if err == nil {
					require.Contains(t, response.Header.Get("Content-Type"), format)
				}
				return response, err
			})
			client := newClient(t, server, ecsreboot.WithHTTPClient(way))

			due := scheduled{
				ID: "e-due", InstanceID: "i-due", Type: ecsreboot.EventMaintenanceReboot, Status: ecsreboot.CycleScheduled,
				NotBefore: day, PublishTime: begin, Reason: `a <new> "host"`,
			}
			late := scheduled{
				ID: "e-late", InstanceID: "i-due", Type: "SystemFailure.Reboot", Status: ecsreboot.CycleScheduled,
				NotBefore: begin.Add(-time.Second), PublishTime: begin,
			}
			got, err := eventsOf(t.Context(), client, eventsRequest{})
			require.NoError(t, err)
			require.Equal(t, []scheduled{due, late}, got)
			for want, request := range map[string]eventsRequest{
				"[e-due]":        {Types: []string{ecsreboot.EventMaintenanceReboot, "Other"}, InstanceIDs: []string{"i-none", "i-due", id, "i-due"}},
				"[e-due e-late]": {InstanceIDs: []string{"i-due"}, NotBeforeEnd: day},
				"[e-late]":       {NotBeforeEnd: day.Add(-time.Nanosecond), NotBeforeStart: begin.Add(-time.Second)},
				"[]":             {InstanceIDs: []string{"i-none"}},
			} {
				got, err = eventsOf(t.Context(), client, request)
				require.NoError(t, err)
				require.Equal(t, want, fmt.Sprint(eventIDs(got)))
			}
			got, err = historyOf(t.Context(), client, eventsRequest{})
			require.NoError(t, err)
			require.Empty(t, got)

			time.Sleep(90 * time.Second)
			_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-due"})
			require.NoError(t, err)
			due.Status, due.FinishTime = ecsreboot.CycleAvoided, begin.Add(90*time.Second)
			got, err = historyOf(t.Context(), client, eventsRequest{InstanceIDs: []string{"i-due", "i-none"}})
			require.NoError(t, err)
			require.Equal(t, []scheduled{due}, got)
			require.Equal(t, "e-due SystemMaintenance.Reboot of i-due: Avoided, not before 2000-01-02T00:00:00Z, ended 2000-01-01T00:01:30Z", due.String())
			got, err = historyOf(t.Context(), client, eventsRequest{Statuses: []string{ecsreboot.CycleScheduled, ecsreboot.CycleExecuted}})
			require.NoError(t, err)
			require.Equal(t, []scheduled{late}, got)
			got, err = eventsOf(t.Context(), client, eventsRequest{InstanceIDs: []string{"i-due"}})
			require.NoError(t, err)
			require.Equal(t, []scheduled{late}, got)
		})
	}
}

// Ids are sent a hundred at a time, and pages are read to their end.
func TestEventPages(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	var ids []string
	for n := range 250 {
		ids = append(ids, fmt.Sprintf("i-%03d", n))
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: ids[n], Events: []ecstest.ScheduledEvent{{}, {}}}))
	}
	server.ForgetCalls()
	for calls, request := range []eventsRequest{0: {InstanceIDs: ids}, 1: {}} {
		got, err := eventsOf(t.Context(), client, request)
		require.NoError(t, err)
		require.Len(t, got, 500)
		require.Len(t, server.Calls(), 3*(calls+1))
	}
	query := server.Calls()[2].Query
	require.Equal(t, "i-200", query.Get("InstanceId.1"))
	require.Equal(t, "i-249", query.Get("InstanceId.50"))
	require.False(t, query.Has("InstanceId.51"))
	for _, id := range ids {
		require.NoError(t, server.Restart(id, false))
	}
	got, err := historyOf(t.Context(), client, eventsRequest{InstanceIDs: ids})
	require.NoError(t, err)
	require.Len(t, got, 500)

	n := 0
	server.ForgetCalls()
	for range client.EventHistory(t.Context(), eventsRequest{}) {
		if n++; n == 150 {
			break
		}
	}
	require.Len(t, server.Calls(), 2, "who stops reading pays for no more pages")
}

// statusPage is a page of scheduled events, of instances with one event each.
func statusPage(total int, events ...string) string {
	var entries []string
	for _, e := range events {
		instance, event, _ := strings.Cut(e, "/")
		entries = append(entries, fmt.Sprintf(`{"InstanceId":%q,"ScheduledSystemEventSet":{"ScheduledSystemEventType":[%s]}}`, instance, eventJSON(event)))
	}
	return fmt.Sprintf(`{"RequestId":"R","TotalCount":%d,"InstanceFullStatusSet":{"InstanceFullStatusType":[%s]}}`, total, strings.Join(entries, ","))
}

func eventJSON(id string) string {
	return fmt.Sprintf(`{"EventId":%q,"EventType":{"Name":"SystemMaintenance.Reboot"},"EventCycleStatus":{"Name":"Scheduled"},"NotBefore":"2030-01-01T00:00:00Z"}`, id)
}

func answerEvents(server *ecstest.Server, bodies ...string) {
	for _, body := range bodies {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "DescribeInstancesFullStatus", Status: 200, Body: body})
	}
}

// A hostile list ends, and yields only events that match the request, each one once.
func TestHostileEventLists(t *testing.T) {
	repeated := func(n int, body string) (bodies []string) {
		for range n {
			bodies = append(bodies, body)
		}
		return bodies
	}
	var growing []string
	for n := range 20 {
		growing = append(growing, statusPage(1000, fmt.Sprintf("i-%d/e-%d", n, n)))
	}
	for name, c := range map[string]struct {
		bodies  []string
		ids     []string
		want    string
		problem string
		calls   int
	}{
		"foreign ids":        {bodies: []string{statusPage(2, "i-x/e-x", "i-a/e-a")}, ids: []string{"i-a"}, want: "[e-a]", calls: 1},
		"not listed":         {bodies: []string{statusPage(1, "i-x/e-x")}, ids: []string{"i-b", "i-a"}, want: "[i-a: not listed i-b: not listed]", calls: 1},
		"the same twice":     {bodies: []string{statusPage(3, "i-a/e-a", "i-a/e-b"), statusPage(3, "i-b/e-a")}, want: "[e-a e-b e-a]", calls: 2},
		"one page for ever":  {bodies: repeated(5, statusPage(9, "i-a/e-a")), want: "[e-a]", problem: "the same page twice", calls: 2},
		"empty for ever":     {bodies: repeated(20, statusPage(9)), problem: "10 empty pages in a row", calls: 10},
		"more pages than id": {bodies: growing, ids: []string{"i-a", "i-b"}, problem: "has not ended after 12 pages", calls: 12},
		"its end":            {bodies: []string{statusPage(1000, "i-a/e-a"), statusPage(1, "i-a/e-a")}, want: "[e-a]", calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			answerEvents(server, c.bodies...)
			got, err := eventsOf(t.Context(), newClient(t, server), eventsRequest{InstanceIDs: c.ids})
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				assertOutcome(t, ecsreboot.OutcomeNone, err)
			} else {
				require.NoError(t, err)
			}
			if c.want != "" {
				require.Equal(t, c.want, fmt.Sprint(eventIDs(got)))
			}
			require.Equal(t, c.calls, countCalls(server, "DescribeInstancesFullStatus"))
		})
	}
}

// A page that can be read in two ways, or that does not say which event is whose, is not
// read at all.
func TestEventPageIsStrict(t *testing.T) {
	list := func(events string) string {
		return `{"RequestId":"R","TotalCount":1,"InstanceFullStatusSet":{"InstanceFullStatusType":[{"InstanceId":"i-a","ScheduledSystemEventSet":{"ScheduledSystemEventType":[` + events + `]}}]}}`
	}
	good := eventJSON("e-a")
	asXML := func(inner string) string {
		return `<DescribeInstancesFullStatusResponse><RequestId>R</RequestId>` + inner + `</DescribeInstancesFullStatusResponse>`
	}
	for body, want := range map[string]bool{
		list(good): true,
		list(""):   true,
		list(strings.Replace(good, `"EventId"`, `"eventid"`, 1)):                                    true,
		`{"RequestId":"R","TotalCount":0}`:                                                          true,
		`{"RequestId":"R","TotalCount":"0"}`:                                                        true,
		asXML(`<TotalCount>0</TotalCount><InstanceFullStatusSet/>`):                                 true,
		asXML(`<TotalCount>0</TotalCount><InstanceFullStatusSet>x</InstanceFullStatusSet>`):         false,
		asXML(`<InstanceFullStatusSet/>`):                                                           false,
		`{"RequestId":"R","TotalCount":-1}`:                                                         false,
		`{"RequestId":"R","TotalCount":"many"}`:                                                     false,
		`{"RequestId":"R"}`:                                                                         false,
		`{"RequestId":"R","TotalCount":0,"Code":"X"}`:                                               false,
		`{"TotalCount":0}`:                                                                          false,
		list(strings.Replace(good, `{"EventId":"e-a"`, `{"EventId":"e-a","eventId":"e-b"`, 1)):      false,
		list(strings.Replace(good, `"Name":"Scheduled"`, `"Name":"Scheduled","NAME":"Avoided"`, 1)): false,
		list(strings.Replace(good, `"e-a"`, `""`, 1)):                                               false,
		list(strings.Replace(good, `"e-a"`, `"e a"`, 1)):                                            false,
		list(strings.Replace(good, `"e-a"`, `7`, 1)):                                                false,
		list(strings.Replace(good, `"SystemMaintenance.Reboot"`, `""`, 1)):                          false,
		list(strings.Replace(good, `{"Name":"Scheduled"}`, `null`, 1)):                              false,
		list("null"): false,
		strings.Replace(list(good), `"i-a"`, `""`, 1):                                                              false,
		strings.Replace(list(""), `"i-a"`, `null`, 1):                                                              false,
		strings.Replace(list(good), `TotalCount":1`, `X":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]],"TotalCount":1`, 1): false,
	} {
		server := newService(t, ecstest.Options{})
		answerEvents(server, body)
		_, err := eventsOf(t.Context(), newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1})), eventsRequest{})
		if want {
			require.NoError(t, err, body)
		} else {
			require.Error(t, err, body)
			assertOutcome(t, ecsreboot.OutcomeNone, err)
		}
	}
}

// An unreadable time becomes the zero time, which limits exclude.
func TestEventTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2017-12-10T04:04:59Z": time.Date(2017, 12, 10, 4, 4, 59, 0, time.UTC), "2017-12-10T04:04Z": time.Date(2017, 12, 10, 4, 4, 0, 0, time.UTC),
		"": {}, "soon": {}, "2017-13-10T04:04:59Z": {}, "1512878640": {}, "2017-12-10T04:04:59+08:00": {},
	} {
		server := newService(t, ecstest.Options{})
		body := strings.Replace(statusPage(1, "i-a/e-a"), "2030-01-01T00:00:00Z", text, 1)
		answerEvents(server, body, body)
		client := newClient(t, server)
		got, err := eventsOf(t.Context(), client, eventsRequest{})
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, want, got[0].NotBefore, text)
		got, err = eventsOf(t.Context(), client, eventsRequest{NotBeforeEnd: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
		require.Equal(t, !want.IsZero(), len(got) == 1, text)
	}
}

func TestInvalidEventRequests(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	for problem, request := range map[string]eventsRequest{
		"InstanceID is empty":                            {InstanceIDs: []string{id, ""}},
		`Types holds "a b", which holds white`:           {Types: []string{"a b"}},
		`Types holds "", which is empty`:                 {Types: []string{""}},
		"Types holds 31 types, the limit is 30":          {Types: make([]string, 31)},
		`Statuses holds "Over", which is not the status`: {Statuses: []string{"Over"}},
		`Statuses holds "Avoided" twice`:                 {Statuses: []string{"Avoided", "Avoided"}},
		"NotBeforeEnd is before NotBeforeStart":          {NotBeforeStart: time.Unix(2, 0), NotBeforeEnd: time.Unix(1, 0)},
		"NotBeforeStart is in the year 10000, which":     {NotBeforeStart: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := eventsOf(t.Context(), client, request)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.ErrorContains(t, err, problem)
		_, err = historyOf(t.Context(), client, request)
		require.ErrorContains(t, err, problem)
	}
	_, err := eventsOf(nil, client, eventsRequest{}) //nolint:staticcheck // it is refused
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	require.Empty(t, server.Calls())
}

// Throttled reads of events hold up neither restarts nor polls.
func TestThrottledEventsHoldUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		defer server.Close()
		client := newClient(t, server)
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "DescribeInstancesFullStatus", Hint: time.Hour, Times: -1})
		_, err := eventsOf(t.Context(), client, eventsRequest{})
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		begin := time.Now()
		_, err = list(t.Context(), client, id)
		require.NoError(t, err)
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		require.Zero(t, time.Since(begin))
	})
}

// Check shows the events of its instance, and passes without them.
func TestCheckShowsEvents(t *testing.T) {
	denied := false
	server := newService(t, ecstest.Options{Allow: func(action, _ string) bool { return !denied || action != "DescribeInstancesFullStatus" }})
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-due", Events: []ecstest.ScheduledEvent{{ID: "e-1"}, {ID: "e-2", Type: "SystemFailure.Reboot"}}}))
	client := newClient(t, server, quick())
	due := ecsreboot.RebootInstanceRequest{InstanceID: "i-due"}
	result, err := client.Check(t.Context(), due)
	require.NoError(t, err)
	require.Equal(t, []string{"e-1", "e-2"}, eventIDs(result.Events))
	require.Empty(t, result.EventsError)
	text, err := json.Marshal(result)
	require.NoError(t, err)
	require.Contains(t, string(text), `"events":[{"id":"e-1","instanceId":"i-due","type":"SystemMaintenance.Reboot","status":"Scheduled","notBefore":"`)

	denied = true
	result, err = client.Check(t.Context(), due)
	require.NoError(t, err, "the events are an addition")
	require.Empty(t, result.Events)
	require.True(t, result.EventsDenied)
	require.Equal(t, "the service does not list the status of i-due", result.EventsError)
	server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstancesFullStatus"})
	result, err = client.Check(t.Context(), due)
	require.NoError(t, err)
	require.True(t, result.EventsDenied)
	require.Contains(t, result.EventsError, "Forbidden.RAM")

	denied = false
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "DescribeInstancesFullStatus", Times: -1})
	result, err = client.Check(t.Context(), due)
	require.NoError(t, err)
	require.False(t, result.EventsDenied)
	require.NotEmpty(t, result.EventsError)
	require.Zero(t, server.TotalReboots())
}

// Whatever a service echoes into an event, no secret is shown.
func TestEventsShowNoSecrets(t *testing.T) {
	for _, identity := range canaryIdentities(t) {
		for _, history := range []bool{false, true} {
			c := &canary{secrets: identity.secrets}
			server := newService(t, identity.server)
			client := newClient(t, server, quick(), ecsreboot.WithCredential(identity.credential), ecsreboot.WithLogger(c.logger()),
				ecsreboot.WithTransportWrapper(c.echoing(200, "", func(echo string) string {
					word := strings.Join(c.secrets, "")
					event := fmt.Sprintf(`{"InstanceId":"i-a","EventId":%s,"EventType":{"Name":%s},"EventCycleStatus":{"Name":%s},"NotBefore":%s,"Reason":%s}`,
						quoted(word), quoted(word), quoted(ecsreboot.CycleAvoided), quoted(word), quoted(echo))
					return `{"RequestId":"R","TotalCount":1,"InstanceSystemEventSet":{"InstanceSystemEventType":[` + event + `]},` +
						`"InstanceFullStatusSet":{"InstanceFullStatusType":[{"InstanceId":"i-a","ScheduledSystemEventSet":{"ScheduledSystemEventType":[` + event + `]}}]}}`
				})), ecsreboot.WithTransportWrapper(c.watch))
			read := client.ScheduledEvents
			if history {
				read = client.EventHistory
			}
			shown := 0
			for e, err := range read(t.Context(), eventsRequest{}) {
				if err != nil {
					c.show(t, err)
				} else {
					c.show(t, e)
				}
				shown++
			}
			require.NotZero(t, shown)
			c.search(t)
		}
	}
}

// FuzzEventPage feeds any body to the reading of a page of events: whatever is yielded has
// its names and a time that can be written as JSON, and an event is yielded once.
func FuzzEventPage(f *testing.F) {
	f.Add(statusPage(2, "i-a/e-a", "i-b/e-b"))
	f.Add(strings.Replace(statusPage(1, "i-a/e-a"), "2030-01-01T00:00:00Z", "0000-01-01T00:00Z", 1))
	f.Add(`{"RequestId":"R","TotalCount":"3","instanceFullStatusSet":{"INSTANCEFULLSTATUSTYPE":[null,{},{"InstanceId":"i-a"}]}}`)
	f.Add(`<DescribeInstancesFullStatusResponse><RequestId>R</RequestId><TotalCount>1</TotalCount><InstanceFullStatusSet><InstanceFullStatusType><InstanceId>i-a</InstanceId>` +
		`<ScheduledSystemEventSet><ScheduledSystemEventType><EventId>e</EventId><EventType><Name>T</Name></EventType><EventCycleStatus><Name>S</Name></EventCycleStatus>` +
		`</ScheduledSystemEventType></ScheduledSystemEventSet></InstanceFullStatusType></InstanceFullStatusSet></DescribeInstancesFullStatusResponse>`)
	for _, body := range errorBodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		client := fuzzClient(t, answered(200, nil, body, -1), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1}))
		seen := make(map[string]bool)
		for e, err := range client.ScheduledEvents(t.Context(), eventsRequest{}) {
			if err != nil {
				require.Equal(t, ecsreboot.OutcomeNone, ecsreboot.OutcomeOf(err))
				require.LessOrEqual(t, len(err.Error()), 4096)
				return
			}
			for _, name := range []string{e.ID, e.InstanceID, e.Type, e.Status} {
				require.NotEmpty(t, name)
				require.NotContains(t, name, " ")
			}
			require.False(t, seen[e.InstanceID+" "+e.ID], e)
			seen[e.InstanceID+" "+e.ID] = true
			require.Contains(t, strings.ToLower(body), "totalcount")
			_, err = json.Marshal(e)
			require.NoError(t, err)
		}
	})
}
