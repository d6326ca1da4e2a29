package witness_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

// StateChanges returns the changes since the request, by the clock of the service, and
// those of no other instance.
func TestStateChanges(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		const other = id + "0" // whose events mention the ID of the instance
		s.SetClockOffset(5 * time.Minute)
		for _, each := range []string{id, other} {
			s.RemoveInstance(each)
			require.NoError(t, s.AddInstance(ecstest.Instance{ID: each, Reboot: ecstest.RebootProfile{
				Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: time.Minute,
			}}))
		}
		changes, err := witness.NewStateChanges(s.options(t))
		require.NoError(t, err)
		reboot := func(id string) {
			_, err := s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id})
			require.NoError(t, err)
		}
		reboot(id) // before the request
		time.Sleep(2 * time.Minute)
		request := ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region, SentAt: time.Now(), ServiceTime: time.Now().Add(5 * time.Minute)}
		time.Sleep(2 * time.Second)
		reboot(other)
		reboot(id)
		sent := time.Now().Add(5 * time.Minute)
		testimony, err := changes.Testify(t.Context(), request)
		require.NoError(t, err)
		require.Empty(t, testimony.Changes)
		require.InDelta(t, 30*time.Second, testimony.AskAgain, float64(6*time.Second))

		time.Sleep(2 * time.Minute)
		testimony, err = changes.Testify(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, "CloudMonitor", testimony.Witness)
		require.Equal(t, ecsreboot.FindingNoTrace, testimony.Finding)
		var seen []ecsreboot.Status
		for n, change := range testimony.Changes {
			seen = append(seen, change.Status)
			require.WithinDuration(t, sent.Add(time.Duration(n)*30*time.Second), change.At, time.Second)
		}
		require.Equal(t, []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting, ecsreboot.StatusRunning}, seen)
	})
}

// The service's time of a request is late by up to a second, and a restart may begin in it.
func TestStateChangesBeginsInTheSecondOfTheRequest(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	type change struct {
		after  time.Duration
		status ecsreboot.Status
	}
	for name, c := range map[string]struct{ changes, want []change }{
		"it ends after the request":  {[]change{{-time.Second, "Starting"}, {time.Second, "Running"}}, []change{{-time.Second, "Starting"}, {time.Second, "Running"}}},
		"it ends before the request": {[]change{{-time.Second, "Starting"}, {-time.Millisecond, "Running"}}, nil},
		"another one before it":      {[]change{{-time.Second, "Starting"}, {-time.Millisecond, "Running"}, {time.Second, "Starting"}}, []change{{time.Second, "Starting"}}},
		"it has not ended":           {[]change{{-time.Second, "Starting"}}, nil},
		"it began long before":       {[]change{{-2 * time.Minute, "Starting"}, {time.Second, "Running"}}, []change{{time.Second, "Running"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var events []any
			for _, e := range c.changes {
				events = append(events, object{
					"Name": "Instance:StateChange", "Time": at.Add(e.after).UnixMilli(), "Content": object{"resourceId": id, "state": string(e.status)},
				})
			}
			changes, err := witness.NewStateChanges(of(t, func(*http.Request) (int, string) {
				return 200, encode(t, object{"Code": "200", "SystemEvents": object{"SystemEvent": events}})
			}))
			require.NoError(t, err)
			testimony, err := changes.Testify(t.Context(), ecsreboot.SentRequest{InstanceID: id, Region: region, SentAt: at, ServiceTime: at})
			require.NoError(t, err)
			var got []change
			for _, o := range testimony.Changes {
				got = append(got, change{o.At.Sub(at), o.Status})
			}
			require.Equal(t, c.want, got)
		})
	}
}

// Without the time of the request by the service's clock, there is no call.
func TestStateChangesWithoutClock(t *testing.T) {
	changes, err := witness.NewStateChanges(of(t, func(*http.Request) (int, string) {
		t.Error("a call")
		return 500, ""
	}))
	require.NoError(t, err)
	testimony, err := changes.Testify(t.Context(), ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region, SentAt: time.Now()})
	require.NoError(t, err)
	require.Zero(t, testimony.AskAgain)
	require.NotEmpty(t, testimony.Message)
}

// Events that cannot be read, or are about something else, are skipped.
func TestStateChangesJudges(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	event := object{
		"Name": "Instance:StateChange", "RegionId": region, "Time": at.UnixMilli() + 1500,
		"Content": `{"resourceId":"` + id + `","resourceType":"ALIYUN::ECS::Instance","state":"Stopping"}`,
	}
	for name, c := range map[string]struct {
		event any
		none  bool
	}{
		"as documented":     {event: event},
		"time in a text":    {event: event.with(object{"Time": strconv.FormatInt(at.UnixMilli(), 10)})},
		"content an object": {event: event.with(object{"Content": object{"resourceId": id, "state": "Stopping"}})},
		"resource an ARN":   {event: event.with(object{"ResourceId": "acs:ecs:cn-hangzhou:1234567890123456:instance/" + id})},
		"other resource":    {event: event.with(object{"ResourceId": "acs:ecs:cn-hangzhou:1234567890123456:instance/" + id + "0"}), none: true},
		"other content":     {event: event.with(object{"Content": `{"resourceId":"i-1","state":"Stopping","note":"` + id + `"}`}), none: true},
		"before":            {event: event.with(object{"Time": at.UnixMilli() - 1}), none: true},
		"no time":           {event: event.with(object{"Time": nil}), none: true},
		"fraction":          {event: event.with(object{"Time": 1.5}), none: true},
		"other region":      {event: event.with(object{"RegionId": "cn-beijing"}), none: true},
		"other name":        {event: event.with(object{"Name": "Instance:Other"}), none: true},
		"unknown state":     {event: event.with(object{"Content": `{"resourceId":"` + id + `","state":"Exploded"}`}), none: true},
		"no JSON":           {event: event.with(object{"Content": "Stopping"}), none: true},
		"state twice":       {event: event.with(object{"Content": `{"resourceId":"` + id + `","state":"Running","State":"Stopping"}`}), none: true},
		"null":              {event: nil, none: true},
		"number":            {event: 7, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := witness.NewStateChanges(of(t, func(r *http.Request) (int, string) {
				assert.Equal(t, "Instance:StateChange", r.URL.Query().Get("Name"))
				return 200, encode(t, object{"Code": "200", "SystemEvents": object{"SystemEvent": []any{c.event}}})
			}))
			require.NoError(t, err)
			testimony, err := changes.Testify(t.Context(), ecsreboot.SentRequest{InstanceID: id, Region: region, SentAt: at, ServiceTime: at})
			require.NoError(t, err)
			require.Equal(t, c.none, len(testimony.Changes) == 0, testimony.Changes)
		})
	}
	changes, err := witness.NewStateChanges(of(t, func(*http.Request) (int, string) { return 200, `{"Code":"500","Message":"broken","Success":"false"}` }))
	require.NoError(t, err)
	_, err = changes.Testify(t.Context(), ecsreboot.SentRequest{InstanceID: id, Region: region, SentAt: at, ServiceTime: at})
	require.EqualError(t, err, `DescribeSystemEventAttribute: the response has the code "500": broken`)
}
