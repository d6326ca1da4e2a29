package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// list collects what DescribeInstances yields, up to the error.
func list(ctx context.Context, client *ecsreboot.Client, ids ...string) (instances []ecsreboot.Instance, err error) {
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: ids}) {
		if err != nil {
			return instances, err
		}
		instances = append(instances, instance)
	}
	return instances, nil
}

func idsOf(instances []ecsreboot.Instance) (ids []string) {
	for _, i := range instances {
		ids = append(ids, i.ID)
	}
	return ids
}

// asked returns the parameters of the calls so far.
func asked(t *testing.T, server *ecstest.Server) (ids [][]string, tokens []string) {
	t.Helper()
	for _, call := range server.Calls() {
		assert.Equal(t, "DescribeInstances", call.Action)
		assert.Equal(t, http.MethodPost, call.Method)
		assert.Equal(t, "100", call.Query.Get("MaxResults"))
		assert.Equal(t, "cn-hangzhou", call.Query.Get("RegionId"))
		assert.False(t, call.Query.Has("InstanceId") || call.Query.Has("InstanceId.1") || call.Query.Has("PageSize"), call.Query)
		var array []string
		if text := call.Query.Get("InstanceIds"); text != "" {
			require.NoError(t, json.Unmarshal([]byte(text), &array))
		} else {
			assert.False(t, call.Query.Has("InstanceIds"))
		}
		ids = append(ids, array)
		tokens = append(tokens, call.Query.Get("NextToken"))
	}
	server.ForgetCalls()
	return ids, tokens
}

// nthNewest is a time of creation: the service lists the n-th instance, from 0, n-th.
func nthNewest(n int) time.Time {
	return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Hour)
}

// newFleet has instances i-000 and so on, the newest first.
func newFleet(t *testing.T, n int, options ecstest.Options) (*ecstest.Server, *ecsreboot.Client) {
	t.Helper()
	server := newService(t, options)
	server.RemoveInstance(id)
	for n := range n {
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: fmt.Sprintf("i-%03d", n), CreationTime: nthNewest(n)}))
	}
	return server, newClient(t, server, quick())
}

func TestDescribeInstancesFields(t *testing.T) {
	server := newService(t, ecstest.Options{})
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.DateTime, text)
		require.NoError(t, err)
		return parsed
	}
	require.NoError(t, server.AddInstance(ecstest.Instance{
		ID: "i-a", Name: "web 1", Tags: map[string]string{"role": "web", "env": ""}, Status: ecsreboot.StatusStopped, ZoneID: "cn-hangzhou-h", Locks: []string{"security", "financial"}, StoppedMode: "StopCharging",
		HostName: "web1", PrivateIPs: []string{"172.16.0.1", "172.16.0.2"}, PublicIPs: []string{"203.0.113.1"}, EIP: "203.0.113.2",
		InstanceType: "ecs.g8y.large", VPCID: "vpc-1", ResourceGroupID: "rg-1",
		StartTime: at("2017-12-10 04:04:59"), CreationTime: at("2017-12-09 00:00:00"), ExpiredTime: at("2018-12-09 16:00:00"),
	}))
	got, err := list(t.Context(), newClient(t, server), "i-a")
	require.NoError(t, err)
	assert.Equal(t, []ecsreboot.Instance{{
		ID: "i-a", Name: "web 1", Tags: map[string]string{"role": "web", "env": ""}, Status: ecsreboot.StatusStopped, Zone: "cn-hangzhou-h", Locks: []string{"security", "financial"}, StoppedMode: "StopCharging",
		HostName: "web1", PrivateIPs: []string{"172.16.0.1", "172.16.0.2"}, PublicIPs: []string{"203.0.113.1", "203.0.113.2"},
		Region: "cn-hangzhou", InstanceType: "ecs.g8y.large", VPCID: "vpc-1", ResourceGroupID: "rg-1",
		StartTime: at("2017-12-10 04:04:00"), CreationTime: at("2017-12-09 00:00:00"), ExpiredTime: at("2018-12-09 16:00:00"),
	}}, got)
	assert.True(t, got[0].Listed())

	got, err = list(t.Context(), newClient(t, server), id)
	require.NoError(t, err)
	assert.Empty(t, got[0].Locks)

	require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-classic", InnerIPs: []string{"10.9.9.9"}}))
	got, err = list(t.Context(), newClient(t, server), "i-classic")
	require.NoError(t, err)
	assert.Equal(t, []string{"10.9.9.9"}, got[0].PrivateIPs)
	assert.Empty(t, got[0].VPCID)
}

// What is no IP address would become a part of URLs and commands.
func TestDescribeInstancesAddresses(t *testing.T) {
	server, client := newFleet(t, 0, ecstest.Options{})
	answers(server, `{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"i-a","Status":"Running",
		"VpcAttributes":{"PrivateIpAddress":{"IpAddress":["10.0.0.1/../x","","fe80::1%a/b","2001:db8::1"]}},
		"InnerIpAddress":{"IpAddress":["evil.example","10.0.0.2"]},
		"PublicIpAddress":{"IpAddress":[" 10.0.0.3"]},"EipAddress":{"IpAddress":"","AllocationId":"eip-1"}}]}}`)
	got, err := list(t.Context(), client, "i-a")
	require.NoError(t, err)
	assert.Equal(t, []string{"2001:db8::1", "10.0.0.2"}, got[0].PrivateIPs)
	assert.Empty(t, got[0].PublicIPs)
	assert.Equal(t, client.Region(), got[0].Region)
}

// Ids are asked for by the hundred, as a JSON array, each once.
func TestDescribeInstancesByID(t *testing.T) {
	server, client := newFleet(t, 230, ecstest.Options{})
	var ids []string
	for n := range 240 { // ten of them do not exist
		ids = append(ids, fmt.Sprintf("i-%03d", n), fmt.Sprintf("i-%03d", 239-n)) // each twice
	}
	before := slices.Clone(ids)
	got, err := list(t.Context(), client, ids...)
	require.NoError(t, err)
	assert.Equal(t, before, ids, "the caller's list is left alone")
	require.Len(t, got, 240)
	for n, instance := range got {
		assert.Equal(t, fmt.Sprintf("i-%03d", n), instance.ID)
		assert.Equal(t, n < 230, instance.Listed())
		if n >= 230 {
			assert.Equal(t, ecsreboot.Instance{ID: instance.ID}, instance)
		}
	}
	calls, _ := asked(t, server)
	require.Len(t, calls, 3)
	for i, want := range []int{100, 100, 40} {
		assert.Len(t, calls[i], want)
	}

	// What the service does not list comes last of its hundred.
	got, err = list(t.Context(), client, "i-000", "a-none", "i-001", "z-none")
	require.NoError(t, err)
	assert.Equal(t, []string{"i-000", "i-001", "a-none", "z-none"}, idsOf(got))
	calls, _ = asked(t, server)
	assert.Equal(t, [][]string{{"a-none", "i-000", "i-001", "z-none"}}, calls)

	// An id with characters that mean something in JSON stays one id.
	got, err = list(t.Context(), client, `i-"],["<&\`)
	require.NoError(t, err)
	assert.Equal(t, []ecsreboot.Instance{{ID: `i-"],["<&\`}}, got)
	calls, _ = asked(t, server)
	assert.Equal(t, [][]string{{`i-"],["<&\`}}, calls)
}

// Pages may be shorter than asked for: the token leads on, the number does not
// count.
func TestDescribeInstancesPartialPages(t *testing.T) {
	for _, size := range []int{1, 7, 25, 100} {
		server, client := newFleet(t, 25, ecstest.Options{MaxPage: size})
		var want []string
		for n := range 25 {
			want = append(want, fmt.Sprintf("i-%03d", n))
		}
		pages := (25 + size - 1) / size

		got, err := list(t.Context(), client) // all of the region
		require.NoError(t, err)
		assert.Equal(t, want, idsOf(got))
		calls, tokens := asked(t, server)
		assert.Len(t, calls, pages)
		for i := range calls {
			assert.Nil(t, calls[i])
			assert.Equal(t, i == 0, tokens[i] == "")
		}

		got, err = list(t.Context(), client, append(want, "i-none")...)
		require.NoError(t, err)
		assert.Equal(t, append(want, "i-none"), idsOf(got))
		calls, _ = asked(t, server)
		assert.Len(t, calls, pages)
		for _, ids := range calls {
			assert.Len(t, ids, 26, "each page asks for all")
		}
	}
	// Nothing to list is no error.
	_, client := newFleet(t, 0, ecstest.Options{})
	got, err := list(t.Context(), client)
	require.NoError(t, err)
	assert.Empty(t, got)
}

// page is the body of an answer with the given instances.
func page(token string, ids ...string) string {
	var body strings.Builder
	body.WriteString(`{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","NextToken":"` + token + `","Instances":{"Instance":[`)
	for i, id := range ids {
		if i > 0 {
			body.WriteString(",")
		}
		body.WriteString(`{"InstanceId":"` + id + `","Status":"Running"}`)
	}
	return body.String() + `]}}`
}

// answers makes the service give these bodies, one after the other.
func answers(server *ecstest.Server, bodies ...string) {
	for _, body := range bodies {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "DescribeInstances", Body: body})
	}
}

// A filter that got lost on the way lists everything; only the ids count.
func TestDescribeInstancesUnasked(t *testing.T) {
	server, client := newFleet(t, 0, ecstest.Options{})
	answers(server, page("A", "i-x", "i-b", "i-b", ""), page("", "i-b", "i-y", "i-a", "i-x"))
	got, err := list(t.Context(), client, "i-a", "i-b", "i-c")
	require.NoError(t, err)
	assert.Equal(t, []string{"i-b", "i-a", "i-c"}, idsOf(got))
	assert.False(t, got[2].Listed())

	// Once all are found, the rest is not read.
	server.ForgetCalls()
	answers(server, page("A", "i-x", "i-b", "i-a"))
	got, err = list(t.Context(), client, "i-a", "i-b")
	require.NoError(t, err)
	assert.Equal(t, []string{"i-b", "i-a"}, idsOf(got))
	assert.Equal(t, 1, countCalls(server, "DescribeInstances"))

	// The whole region, each once.
	answers(server, page("A", "i-x", "i-x"), page("", "i-x", "i-y"))
	got, err = list(t.Context(), client)
	require.NoError(t, err)
	assert.Equal(t, []string{"i-x", "i-y"}, idsOf(got))
}

// A service that leads in circles is not followed for ever.
func TestDescribeInstancesRepeatedToken(t *testing.T) {
	for name, tokens := range map[string][]string{
		"at once":     {"A", "A"},
		"in a circle": {"A", "B", "C", "A"},
	} {
		for _, ids := range [][]string{nil, {"i-a", "i-none"}} {
			server, client := newFleet(t, 0, ecstest.Options{})
			for range 10 {
				for _, token := range tokens {
					answers(server, page(token, "i-a"))
				}
			}
			got, err := list(t.Context(), client, ids...)
			require.ErrorContains(t, err, "token", name)
			assertOutcome(t, ecsreboot.OutcomeNone, err)
			assert.Equal(t, []string{"i-a"}, idsOf(got))
			assert.Equal(t, len(tokens), countCalls(server, "DescribeInstances"), name)
		}
	}
}

// Who stops reading pays for no more pages.
func TestDescribeInstancesStopsEarly(t *testing.T) {
	for _, after := range []int{1, 2, 3, 5, 6, 7} {
		server, client := newFleet(t, 5, ecstest.Options{MaxPage: 2})
		ids := []string{"i-000", "i-001", "i-002", "i-003", "i-004", "z-1", "z-2"}
		n := 0
		for _, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{InstanceIDs: ids}) {
			require.NoError(t, err)
			if n++; n == after {
				break
			}
		}
		assert.Equal(t, after, n)
		assert.Equal(t, min(3, (after+1)/2), countCalls(server, "DescribeInstances"), after)
	}
	// The sequence can be read again.
	server, client := newFleet(t, 2, ecstest.Options{})
	instances := client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{})
	assert.Empty(t, server.Calls(), "nothing is asked before it is read")
	for range 2 {
		n := 0
		for range instances {
			n++
		}
		assert.Equal(t, 2, n)
	}
}

// A list shows nothing to those who may not read.
func TestDescribeInstancesDenied(t *testing.T) {
	_, client := newFleet(t, 3, ecstest.Options{Allow: func(action, _ string) bool { return action != "DescribeInstances" }})
	got, err := list(t.Context(), client, "i-000", "i-001")
	require.NoError(t, err)
	assert.Equal(t, []ecsreboot.Instance{{ID: "i-000"}, {ID: "i-001"}}, got)
}

func TestDescribeInstancesErrors(t *testing.T) {
	for name, c := range map[string]struct {
		faults []ecstest.Fault
		want   error // nil: it goes well, after all
		calls  int
	}{
		"refused":            {[]ecstest.Fault{{Kind: ecstest.FaultError, Code: "InvalidParameter", Status: 400}}, ecsreboot.ErrInvalidParameter, 1},
		"denied":             {[]ecstest.Fault{{Kind: ecstest.FaultError, Code: "Forbidden.RAM"}}, ecsreboot.ErrAccessDenied, 1},
		"reset":              {fault(ecstest.FaultDrop), nil, 2},
		"cut short":          {fault(ecstest.FaultTruncate), nil, 2},
		"502 page":           {fault(ecstest.FaultAnswer), nil, 2},
		"200 page":           {answer(200, "<html>Sign in"), nil, 2},
		"not of that shape":  {answer(200, `{"RequestId":"R","Instances":{"Instance":"none"}}`), nil, 2},
		"throttled":          {throttle(ecstest.Fault{Hint: time.Millisecond}), nil, 2},
		"throttled too long": {throttle(ecstest.Fault{Hint: time.Hour}), ecsreboot.ErrThrottled, 1},
		"500 for ever":       {[]ecstest.Fault{{Kind: ecstest.FaultError, Times: -1}}, ecsreboot.ErrInternalError, 4},
	} {
		server, client := newFleet(t, 3, ecstest.Options{MaxPage: 2})
		for i := range c.faults {
			c.faults[i].Skip = 1 // the second page
		}
		server.Inject(c.faults...)
		got, err := list(t.Context(), client)
		assert.Equal(t, 1+c.calls, countCalls(server, "DescribeInstances"), name)
		if c.want == nil {
			require.NoError(t, err, name)
			assert.Len(t, got, 3, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		assert.True(t, strings.HasPrefix(err.Error(), "ecsreboot: DescribeInstances: "), err)
		assertOutcome(t, ecsreboot.OutcomeNone, err)
		assert.Len(t, got, 2, "%s: what came before counts", name)
	}

	server, client := newFleet(t, 1, ecstest.Options{})
	_, err := list(t.Context(), client, "i-000", "", "i-001")
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	assert.Empty(t, server.Calls(), "all ids are looked at first")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = list(ctx, client, "i-000")
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, server.Calls())
}

// A context that ends cuts the list off, also while it is being read.
func TestDescribeInstancesCanceled(t *testing.T) {
	for _, kind := range []ecstest.FaultKind{ecstest.FaultHang, ecstest.FaultStall} {
		for _, limit := range []time.Duration{10 * s, 70 * s, 100 * s} { // in the first attempt, and in the last
			synctest.Test(t, func(t *testing.T) {
				server, client := newFleet(t, 3, ecstest.Options{})
				server.Inject(ecstest.Fault{Kind: kind, Times: -1})
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begin := time.Now()
				_, err := list(ctx, client)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, limit, time.Since(begin))
				server.Close()
			})
		}
	}
}

// A proxy that drops the Accept header makes the service send XML, which reads the same.
func TestDescribeInstancesAsXML(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{MaxPage: 2})
		for _, i := range []ecstest.Instance{
			{ID: "i-classic", InnerIPs: []string{"10.9.9.9"}, ResourceGroupID: "rg-1"},
			{
				ID: "i-full", Name: "web <1> & \"2\"", Tags: map[string]string{"role": "web", "env": "", "ä\n": " x "}, Status: ecsreboot.StatusStopped,
				Locks: []string{"security", "financial"}, PrivateIPs: []string{"172.16.0.1", "172.16.0.2"}, PublicIPs: []string{"203.0.113.1"}, EIP: "203.0.113.2",
			},
		} {
			require.NoError(t, server.AddInstance(i))
		}
		want, err := list(t.Context(), newClient(t, server))
		require.NoError(t, err)
		require.Len(t, want, 3)

		way := server.HTTPClient()
		transport := way.Transport
		defer way.CloseIdleConnections()
		answered := 0
		way.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Accept", "text/xml")
			response, err := transport.RoundTrip(r)
			if err == nil && strings.HasPrefix(response.Header.Get("Content-Type"), "text/xml") {
				answered++
			}
			return response, err
		})
		client := newClient(t, server, ecsreboot.WithHTTPClient(way))
		got, err := list(t.Context(), client)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, 2, answered)

		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		assert.Greater(t, answered, 5)
	})
}
