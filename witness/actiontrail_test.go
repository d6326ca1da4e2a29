package witness_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

// lose sends a restart whose response is lost, and returns the request.
func (s *stage) lose(t *testing.T, fault ecstest.Fault) ecsreboot.SentRequest {
	t.Helper()
	fault.Kind, fault.Action = ecstest.FaultDrop, "RebootInstance"
	s.Inject(fault)
	_, err := s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id})
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok)
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	require.NotEmpty(t, failed.SendID)
	return ecsreboot.SentRequest{SendID: failed.SendID, InstanceID: id, Region: region, SentAt: failed.SentAt}
}

// ActionTrail makes no call before the event can be visible, and then finds what became
// of the request.
func TestActionTrail(t *testing.T) {
	for name, c := range map[string]struct {
		fault   ecstest.Fault
		finding ecsreboot.Finding
		code    ecsreboot.ErrorCode
	}{
		"accepted":      {fault: ecstest.Fault{Act: true}, finding: ecsreboot.FindingAccepted},
		"refused":       {fault: ecstest.Fault{Refuse: "IncorrectInstanceStatus"}, finding: ecsreboot.FindingRefused, code: ecsreboot.ErrIncorrectInstanceStatus},
		"denied":        {fault: ecstest.Fault{Refuse: "Forbidden.RAM"}, finding: ecsreboot.FindingRefused, code: ecsreboot.ErrForbiddenRAM},
		"failed":        {fault: ecstest.Fault{Refuse: "InternalError"}, code: ecsreboot.ErrInternalError},
		"unavailable":   {fault: ecstest.Fault{Refuse: "ServiceUnavailable"}, code: ecsreboot.ErrServiceUnavailable},
		"never arrived": {},
	} {
		for clock, prepare := range map[string]func(*stage, *ecsreboot.SentRequest){
			"unknown": func(*stage, *ecsreboot.SentRequest) {},
			"known":   func(_ *stage, r *ecsreboot.SentRequest) { r.ServiceTime = r.SentAt.Add(time.Hour + time.Second) },
		} {
			t.Run(name+", clock "+clock, func(t *testing.T) {
				bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
					s.SetClockOffset(time.Hour)
					_, err := s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}) // corrects the clock
					require.NoError(t, err)
					request := s.lose(t, c.fault)
					prepare(s, &request)
					trail, err := witness.NewActionTrail(s.options(t))
					require.NoError(t, err)
					time.Sleep(4 * time.Minute)
					testimony, err := trail.Testify(t.Context(), request)
					require.NoError(t, err)
					require.Equal(t, ecsreboot.FindingNoTrace, testimony.Finding)
					require.InDelta(t, 6*time.Minute, testimony.AskAgain, float64(time.Second))
					require.Zero(t, s.calls("LookupEvents"))

					time.Sleep(testimony.AskAgain)
					testimony, err = trail.Testify(t.Context(), request)
					require.NoError(t, err)
					require.Equal(t, "ActionTrail", testimony.Witness)
					require.Equal(t, cmp.Or(c.finding, ecsreboot.FindingNoTrace), testimony.Finding)
					require.Equal(t, c.code, testimony.Code)
					require.Equal(t, request.SendID, testimony.SendID)
					switch {
					case name == "never arrived":
						require.InDelta(t, 30*time.Second, testimony.AskAgain, float64(6*time.Second))
					case c.finding == "":
						require.Zero(t, testimony.AskAgain, "the log will say nothing else")
						require.Contains(t, testimony.Message, "does not show whether the instance restarted")
					default:
						require.NotEmpty(t, testimony.RequestID)
						require.WithinDuration(t, request.SentAt.Add(time.Hour), testimony.At, 2*time.Second)
					}
					require.Equal(t, 2, s.calls("LookupEvents"), "the first one with a time that the service refused")
				})
			})
		}
	}
}

// A request that another machine sent, whose clock is ahead, is looked for at once.
func TestActionTrailSenderAhead(t *testing.T) {
	bubble(t, ecstest.Options{AuditDelay: -1}, func(t *testing.T, s *stage) {
		request := s.lose(t, ecstest.Fault{Act: true})
		request.SentAt = request.SentAt.Add(3 * time.Hour)
		trail, err := witness.NewActionTrail(s.options(t))
		require.NoError(t, err)
		testimony, err := trail.Testify(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, ecsreboot.FindingAccepted, testimony.Finding)
	})
}

// object is JSON.
type object map[string]any

// with returns a copy with other members. Those that are nil are removed.
func (o object) with(changes object) object {
	changed := object{}
	for _, from := range []object{o, changes} {
		for name, value := range from {
			changed[name] = value
			if value == nil {
				delete(changed, name)
			}
		}
	}
	return changed
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

var accepted = object{
	"eventName": "RebootInstance", "eventTime": "2026-11-29T12:00:00Z", "acsRegion": region, "requestId": "REQ-1",
	"userAgent": "ecsreboot/0.1.0 go/1.26 send/abc", "requestParameters": object{"InstanceId": id, "RegionId": region}, "resourceName": id,
}

// What the events say is believed only if it is complete and free of contradictions.
func TestActionTrailJudges(t *testing.T) {
	refused := object{"errorCode": "IncorrectInstanceStatus", "errorMessage": "not Running", "requestId": "REQ-2"}
	for name, c := range map[string]struct {
		events  []any
		finding ecsreboot.Finding
		problem string
	}{
		"none":                      {events: []any{}},
		"accepted":                  {events: []any{accepted}, finding: ecsreboot.FindingAccepted},
		"null error code":           {events: []any{map[string]any(nil), accepted}, finding: ecsreboot.FindingAccepted},
		"parameters in a text":      {events: []any{accepted.with(object{"requestParameters": `{"InstanceId":"` + id + `"}`})}, finding: ecsreboot.FindingAccepted},
		"only the resource":         {events: []any{accepted.with(object{"requestParameters": nil, "resourceName": "vpc-1," + id})}, finding: ecsreboot.FindingAccepted},
		"refused":                   {events: []any{accepted.with(refused)}, finding: ecsreboot.FindingRefused},
		"twice":                     {events: []any{accepted, accepted}, finding: ecsreboot.FindingAccepted},
		"contradiction":             {events: []any{accepted, accepted.with(refused)}, problem: "contradict each other"},
		"other send id":             {events: []any{accepted.with(object{"userAgent": "x send/abcd"}), accepted.with(object{"userAgent": "x asend/abc"}), accepted.with(object{"userAgent": "send/abc/d"})}},
		"other event":               {events: []any{accepted.with(object{"eventName": "StopInstance"})}},
		"dry run":                   {events: []any{accepted.with(object{"requestParameters": object{"InstanceId": id, "DryRun": true}}), accepted.with(object{"requestParameters": object{"InstanceId": id, "DryRun": "true"}}), accepted.with(object{"errorCode": "DryRunOperation"})}},
		"other instance":            {events: []any{accepted.with(object{"requestParameters": object{"InstanceId": "i-other"}})}, problem: "does not name the instance"},
		"no instance":               {events: []any{accepted.with(object{"requestParameters": nil, "resourceName": nil})}, problem: "does not name the instance"},
		"other region":              {events: []any{accepted.with(object{"acsRegion": "cn-beijing"})}, problem: "names another region"},
		"other region's parameters": {events: []any{accepted.with(object{"requestParameters": object{"InstanceId": id, "RegionId": "cn-beijing"}})}, problem: "names another region"},
		"incomplete":                {events: []any{accepted.with(object{"requestId": nil})}, problem: "incomplete"},
		"wrong type":                {events: []any{accepted.with(object{"errorCode": 403})}, problem: "cannot be read"},
		"wrong parameters":          {events: []any{accepted.with(object{"requestParameters": []int{1}})}, problem: "cannot be read"},
		"error code twice":          {events: []any{json.RawMessage(`{"errorCode":"DiskError",` + encode(t, accepted.with(object{"errorCode": ""}))[1:])}, problem: "cannot be read"},
		"error code in two cases":   {events: []any{json.RawMessage(`{"ErrorCode":"DiskError",` + encode(t, accepted.with(object{"errorCode": ""}))[1:])}, problem: "cannot be read"},
		"error code in other case":  {events: []any{json.RawMessage(`{"ErrorCode":"DiskError",` + encode(t, accepted)[1:])}, finding: ecsreboot.FindingRefused},
		"instance twice":            {events: []any{accepted.with(object{"requestParameters": `{"InstanceId":"i-other","InstanceId":"` + id + `"}`})}, problem: "cannot be read"},
		"another's wrong type":      {events: []any{object{"eventName": 7}, "x", 3, nil}},
		"failure":                   {events: []any{accepted.with(object{"errorCode": "InternalError.Dispatch"})}},
		"replay":                    {events: []any{accepted.with(object{"errorCode": "SignatureNonceUsed"})}},
		"unknown code":              {events: []any{accepted.with(object{"errorCode": "Strange"})}},
		"invisible character":       {events: []any{accepted.with(object{"errorCode": "Invalid\u200bParameter"})}},
		"backend timeout":           {events: []any{accepted.with(object{"errorCode": "Invalid.BackendTimeout"})}},
		"refused and failed":        {events: []any{accepted.with(refused), accepted.with(object{"errorCode": "InternalError"})}, problem: "contradict each other"},
		"throttled":                 {events: []any{accepted.with(object{"errorCode": "Throttling.User"})}, finding: ecsreboot.FindingRefused},
		"refusal of a new kind":     {events: []any{accepted.with(object{"errorCode": "InvalidDisk.NewReason"})}, finding: ecsreboot.FindingRefused},
	} {
		t.Run(name, func(t *testing.T) {
			trail, err := witness.NewActionTrail(of(t, func(*http.Request) (int, string) { return 200, encode(t, object{"Events": c.events}) }))
			require.NoError(t, err)
			testimony, err := trail.Testify(t.Context(), ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region})
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				require.Equal(t, ecsreboot.Testimony{}, testimony)
				return
			}
			require.NoError(t, err)
			require.Equal(t, cmp.Or(c.finding, ecsreboot.FindingNoTrace), testimony.Finding, testimony.Message)
		})
	}
}

// If only the beginning of the send ID is known, one accepted request at the time of the
// request is a finding, and several are not.
func TestActionTrailBeginning(t *testing.T) {
	at, err := time.Parse(time.RFC3339, accepted["eventTime"].(string))
	require.NoError(t, err)
	patch := accepted.with(object{"userAgent": "x send/patch.1"})
	for name, c := range map[string]struct {
		events      []any
		serviceTime time.Time
		finding     ecsreboot.Finding
		problem     string
	}{
		"one":     {events: []any{patch, accepted}, serviceTime: at.Add(time.Second), finding: ecsreboot.FindingAccepted},
		"several": {events: []any{patch, patch.with(object{"userAgent": "send/patch.2", "requestId": "REQ-2"})}, serviceTime: at, problem: "several requests"},
		"refused": {events: []any{patch.with(object{"errorCode": "OperationConflict"})}, serviceTime: at, finding: ecsreboot.FindingNoTrace},
		"refused, then accepted": {
			events:      []any{patch.with(object{"userAgent": "x send/patch.0", "requestId": "REQ-0", "errorCode": "Throttling"}), patch},
			serviceTime: at, finding: ecsreboot.FindingAccepted,
		},
		"another time":   {events: []any{patch}, serviceTime: at.Add(2 * time.Minute), finding: ecsreboot.FindingNoTrace},
		"no time":        {events: []any{patch}, finding: ecsreboot.FindingNoTrace},
		"no beginning":   {events: []any{accepted.with(object{"userAgent": "x send/patchwork.1"})}, serviceTime: at, finding: ecsreboot.FindingNoTrace},
		"time not known": {events: []any{patch.with(object{"eventTime": "x"})}, serviceTime: at, finding: ecsreboot.FindingNoTrace},
	} {
		t.Run(name, func(t *testing.T) {
			trail, err := witness.NewActionTrail(of(t, func(*http.Request) (int, string) { return 200, encode(t, object{"Events": c.events}) }))
			require.NoError(t, err)
			testimony, err := trail.Testify(t.Context(), ecsreboot.SentRequest{SendID: "patch.", InstanceID: id, Region: region, ServiceTime: c.serviceTime})
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.finding, testimony.Finding)
		})
	}
}

// Without a usable request, nothing is sent.
func TestActionTrailInput(t *testing.T) {
	trail, err := witness.NewActionTrail(of(t, func(*http.Request) (int, string) {
		t.Error("a call")
		return 500, ""
	}))
	require.NoError(t, err)
	for field, request := range map[string]ecsreboot.SentRequest{
		"Region":     {SendID: "abc", InstanceID: id, Region: "evil.example/"},
		"InstanceID": {SendID: "abc", InstanceID: "", Region: region},
	} {
		_, err := trail.Testify(t.Context(), request)
		refused, ok := errors.AsType[*ecsreboot.InputError](err)
		require.True(t, ok, field)
		require.Equal(t, field, refused.Field)
	}
	testimony, err := trail.Testify(t.Context(), ecsreboot.SentRequest{InstanceID: id, Region: region})
	require.NoError(t, err)
	require.Equal(t, ecsreboot.FindingNoTrace, testimony.Finding)
	require.Zero(t, testimony.AskAgain)
}

// The event is found on any page, and a list without end is an error.
func TestActionTrailPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			pages   int // the event is on the last one
			token   func(page int) string
			problem string
		}{
			{pages: 3, token: func(page int) string { return fmt.Sprint(page) }},
			{pages: 1000, token: func(page int) string { return fmt.Sprint(page) }, problem: "more than 1000 events"},
			{pages: 1000, token: func(int) string { return "same" }, problem: "does not end"},
		} {
			page := 0
			trail, err := witness.NewActionTrail(of(t, func(r *http.Request) (int, string) {
				if page > 0 {
					assert.Equal(t, c.token(page), r.URL.Query().Get("NextToken"))
				}
				page++
				if page == c.pages {
					return 200, encode(t, object{"Events": []any{accepted}})
				}
				return 200, encode(t, object{"Events": []any{}, "NextToken": c.token(page)})
			}))
			require.NoError(t, err)
			testimony, err := trail.Testify(t.Context(), ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region})
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, ecsreboot.FindingAccepted, testimony.Finding)
			require.Equal(t, c.pages, page)
		}
	})
}

// If hundreds of waits ask at the same time, there are at most two calls a second, and each
// wait gets its testimony within minutes.
func TestActionTrailGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []time.Time
		trail, err := witness.NewActionTrail(of(t, func(r *http.Request) (int, string) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, time.Now())
			own := r.URL.Query().Get("LookupAttribute.1.Value")
			return 200, encode(t, object{"Events": []any{accepted.with(object{"requestParameters": object{"InstanceId": own}, "userAgent": "send/" + own})}})
		}))
		require.NoError(t, err)
		begin := time.Now()
		var found atomic.Int64
		var group sync.WaitGroup
		for n := range 300 {
			group.Go(func() {
				own := fmt.Sprintf("i-%d", n)
				for {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // as a wait asks
					testimony, err := trail.Testify(ctx, ecsreboot.SentRequest{SendID: own, InstanceID: own, Region: region})
					cancel()
					if err == nil {
						assert.Equal(t, ecsreboot.FindingAccepted, testimony.Finding)
						found.Add(1)
						return
					}
					assert.ErrorIs(t, err, ecsreboot.ErrThrottled)
					time.Sleep(30 * time.Second)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 300, found.Load())
		require.Less(t, time.Since(begin), 5*time.Minute)
		require.Len(t, calls, 300)
		for n := range calls[2:] {
			require.GreaterOrEqual(t, calls[n+2].Sub(calls[n]), time.Second)
		}
	})
}

// The errors name the missing permission, and contain no secret.
func TestErrors(t *testing.T) {
	request := ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region, ServiceTime: time.Now()}
	for name, c := range map[string]struct {
		status int
		body   string
		is     []error
		isNot  []error
		text   string
	}{
		"denied": {
			status: 403, body: `{"Code":"NoPermission","Message":"You are not authorized.","RequestId":"R"}`,
			is: []error{ecsreboot.ErrAccessDenied}, text: "LookupEvents: 403 NoPermission: You are not authorized. (missing RAM action: actiontrail:LookupEvents) (request R)",
		},
		"forbidden": {
			status: 403, body: `{"Code":"AccessForbidden","Message":"User not authorized to operate on the specified resource."}`,
			is: []error{ecsreboot.ErrAccessDenied},
		},
		"key": {
			status: 403, body: `{"Code":"InvalidAccessKeyId","Message":"x"}`,
			is: []error{ecsreboot.ErrUnauthenticated}, isNot: []error{ecsreboot.ErrAccessDenied},
		},
		"throttled": {
			status: 400, body: `{"Code":"Throttling.User","Message":"Request was denied due to user flow control."}`,
			is: []error{ecsreboot.ErrThrottled}, isNot: []error{ecsreboot.ErrAccessDenied},
		},
		"secret":       {status: 400, body: `{"Code":"X","Message":"the key ` + secret + ` and more"}`, text: "LookupEvents: 400 X: the key *** and more"},
		"signature":    {status: 400, body: `{"Code":"IncompleteSignature","Message":"server string to sign is:POST&x"}`, is: []error{ecsreboot.ErrUnauthenticated}},
		"failure":      {status: 500, body: `{"Code":"InternalError","Message":"x"}`, is: []error{ecsreboot.ErrInternalError}},
		"proxy":        {status: 502, body: `<html>` + secret + `</html>`},
		"redirect":     {status: 302, body: ``, text: "LookupEvents: the response has the status code 302"},
		"no JSON":      {status: 200, body: `<html>`},
		"wrong type":   {status: 200, body: `{"Events":7}`},
		"null":         {status: 400, body: `null`},
		"odd error":    {status: 403, body: `{"Code":7,"Message":[],"AccessDeniedDetail":"x"}`},
		"many errors":  {status: 403, body: `[{"Code":"NoPermission"}]`},
		"deep":         {status: 403, body: strings.Repeat("[", 100_000)},
		"long message": {status: 400, body: `{"Code":"X","Message":"` + strings.Repeat("ü", 10_000) + "\\u001b[31m" + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			trail, err := witness.NewActionTrail(of(t, func(*http.Request) (int, string) { return c.status, c.body }))
			require.NoError(t, err)
			_, err = trail.Testify(t.Context(), request)
			require.Error(t, err)
			for _, target := range c.is {
				require.ErrorIs(t, err, target)
			}
			for _, target := range c.isNot {
				require.NotErrorIs(t, err, target)
			}
			text := err.Error()
			t.Log(text)
			require.NotContains(t, text, secret)
			require.NotContains(t, text, "POST&x")
			require.Less(t, len(text), 800)
			if c.text != "" {
				require.Equal(t, c.text, text)
			}
		})
	}
}

// A wait retries a throttled call later, and does not retry a denied one.
func TestActionTrailInAWait(t *testing.T) {
	for name, c := range map[string]struct {
		fault   ecstest.Fault
		outcome ecsreboot.Outcome
	}{
		"throttled":    {fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Times: 3}, outcome: ecsreboot.OutcomeRejected},
		"broken":       {fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Times: 3}, outcome: ecsreboot.OutcomeRejected},
		"denied":       {fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "NoPermission", Status: 403, Times: 1}, outcome: ecsreboot.OutcomeUnknown},
		"not at fault": {fault: ecstest.Fault{Kind: ecstest.FaultDelay, Times: 1}, outcome: ecsreboot.OutcomeRejected},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				c.fault.Action = "LookupEvents"
				s.Inject(c.fault, ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance", Refuse: "DiskError"})
				trail, err := witness.NewActionTrail(s.options(t))
				require.NoError(t, err)
				_, err = s.client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{Witness: trail})
				require.Equal(t, c.outcome, ecsreboot.OutcomeOf(err), "%v", err)
			})
		})
	}
}
