package witness_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness"
)

// kinds are kinds of restarts. In each, the guest runs again after the time that the
// restart takes, and the agent sends its first heartbeat some time later.
var kinds = map[string]struct {
	reboot ecstest.RebootProfile
	agent  time.Duration
	// late is how long after the request the restart begins. The response is lost then.
	late time.Duration
}{
	"usual":             {reboot: ecstest.RebootProfile{Graceful: 40 * time.Second}, agent: 20 * time.Second},
	"quick":             {reboot: ecstest.RebootProfile{Graceful: 3 * time.Second}, agent: 20 * time.Second},
	"slow":              {reboot: ecstest.RebootProfile{Graceful: 4 * time.Minute, Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}}, agent: 20 * time.Second},
	"shown late":        {reboot: ecstest.RebootProfile{Graceful: time.Minute, Stale: 10 * time.Second}, agent: 20 * time.Second},
	"same StartTime":    {reboot: ecstest.RebootProfile{Graceful: 40 * time.Second, KeepStartTime: true}, agent: 20 * time.Second},
	"late and quick":    {reboot: ecstest.RebootProfile{Graceful: 6 * time.Second}, agent: 5 * time.Second, late: 15 * time.Second},
	"late and the same": {reboot: ecstest.RebootProfile{Graceful: 20 * time.Second, KeepStartTime: true}, agent: 20 * time.Second, late: 40 * time.Second},
}

// A heartbeat from before the restart never makes an instance ready, in whichever second
// of a minute the restart begins and whichever the clocks are; one from after it soon
// does.
func TestProbe(t *testing.T) {
	step := 7
	if testing.Short() {
		step = 28
	}
	for name, kind := range kinds {
		for _, offset := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
			for second := 0; second < 60; second += step {
				t.Run(fmt.Sprint(name, " ", offset, " ", second), func(t *testing.T) {
					bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
						s.SetClockOffset(offset)
						s.RemoveInstance(id)
						require.NoError(t, s.AddInstance(ecstest.Instance{ID: id, Reboot: kind.reboot, AgentDelay: kind.agent}))
						if kind.late > 0 {
							s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Late: kind.late})
						}
						time.Sleep(time.Hour + time.Duration(second)*time.Second)
						beats, err := witness.NewHeartbeats(s.options(t))
						require.NoError(t, err)
						result, err := s.client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{Probe: beats.Probe(region, id)})
						require.NoError(t, err)
						up := result.SentAt.Add(kind.late + kind.reboot.Graceful)
						require.GreaterOrEqual(t, time.Since(up), kind.agent)
						require.Less(t, time.Since(up), 4*time.Minute)
					})
				})
			}
		}
	}
}

// The same holds in a run of package fleet.
func TestHealth(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				s.RemoveInstance(id)
				var mu sync.Mutex
				sent := map[string]time.Time{}
				var ids []string
				for n := range 3 {
					each := fmt.Sprintf("%s%d", id, n)
					ids = append(ids, each)
					require.NoError(t, s.AddInstance(ecstest.Instance{ID: each, Reboot: kind.reboot, AgentDelay: kind.agent}))
				}
				if kind.late > 0 {
					s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Late: kind.late, Times: -1})
				}
				time.Sleep(time.Hour)
				beats, err := witness.NewHeartbeats(s.options(t))
				require.NoError(t, err)
				client, err := s.NewClient()
				require.NoError(t, err)
				plan, err := fleet.NewPlan(t.Context(), client, fleet.Selection{InstanceIDs: ids})
				require.NoError(t, err)
				options := fleet.Options{Health: beats.HealthIn(region), OnEvent: func(e fleet.Event) {
					mu.Lock()
					defer mu.Unlock()
					switch e.Kind {
					case fleet.EventAccepted, fleet.EventDoubt:
						sent[e.InstanceID] = e.At
					case fleet.EventHealthy:
						since := time.Since(sent[e.InstanceID].Add(kind.late + kind.reboot.Graceful))
						assert.GreaterOrEqual(t, since, kind.agent-time.Second)
						assert.Less(t, since, 4*time.Minute)
						delete(sent, e.InstanceID)
					default:
					}
				}}
				_, err = fleet.Run(t.Context(), client, plan, options)
				require.NoError(t, err)
				require.Empty(t, sent)
			})
		})
	}
}

// The error for an instance without an agent says so.
func TestProbeWithoutAgent(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.RemoveInstance(id)
		require.NoError(t, s.AddInstance(ecstest.Instance{ID: id, NoAgent: true}))
		beats, err := witness.NewHeartbeats(s.options(t))
		require.NoError(t, err)
		var said []string
		_, err = s.client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{
			Probe: beats.Probe(region, id), Timeout: 5 * time.Minute, OnEvent: func(e ecsreboot.Event) {
				if e.Kind == ecsreboot.EventProbeFailed {
					said = append(said, e.Err.Error())
				}
			},
		})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.NotEmpty(t, said)
		require.Contains(t, said[0], "has no Cloud Assistant agent")
		require.ErrorContains(t, beats.HealthIn(region)(t.Context(), fleet.Target{ID: id}), "has no Cloud Assistant agent")
		require.ErrorIs(t, beats.Health(t.Context(), fleet.Target{ID: id}), ecsreboot.ErrInvalidInput, "without a region")
	})
}

// One instance that does not exist does not spoil the call of the others.
func TestHeartbeatsOfUnknownInstance(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		beats, err := witness.NewHeartbeats(s.options(t))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		var group sync.WaitGroup
		for n := range 30 {
			each := fmt.Sprintf("%s-%d", id, n)
			if n != 7 {
				require.NoError(t, s.AddInstance(ecstest.Instance{ID: each, StartTime: time.Now().Add(-10 * time.Minute)}))
			}
			group.Go(func() {
				_, err := beats.Probe(region, each)(t.Context(), ecsreboot.Observation{Status: ecsreboot.StatusRunning, StartTime: time.Now()})
				if n == 7 {
					assert.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceNotFound)
				} else {
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		require.LessOrEqual(t, s.calls("DescribeCloudAssistantStatus"), 11)
	})
}

// Without permission, the error names what is missing.
func TestHeartbeatsDenied(t *testing.T) {
	bubble(t, ecstest.Options{Allow: func(action, _ string) bool { return action != "DescribeCloudAssistantStatus" }}, func(t *testing.T, s *stage) {
		beats, err := witness.NewHeartbeats(s.options(t))
		require.NoError(t, err)
		_, err = beats.Probe(region, id)(t.Context(), ecsreboot.Observation{})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.ErrorContains(t, err, "ecs:DescribeCloudAssistantStatus")
	})
}

// 10,000 instances that wait at the same time cost at most 110 calls a minute.
func TestHeartbeatsCost(t *testing.T) {
	minutes := 10
	if testing.Short() {
		minutes = 3
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []time.Time
		largest := 0
		beats, err := witness.NewHeartbeats(of(t, func(r *http.Request) (int, string) {
			ids := []any{}
			for name, values := range r.URL.Query() {
				if strings.HasPrefix(name, "InstanceId.") {
					ids = append(ids, object{"InstanceId": values[0], "CloudAssistantStatus": "true", "LastHeartbeatTime": time.Now().UTC().Format(time.RFC3339)})
				}
			}
			mu.Lock()
			defer mu.Unlock()
			calls, largest = append(calls, time.Now()), max(largest, len(ids))
			return 200, encode(t, object{"InstanceCloudAssistantStatusSet": object{"InstanceCloudAssistantStatus": ids}})
		}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(minutes)*time.Minute)
		defer cancel()
		answers := make([]int, 10_000)
		var group sync.WaitGroup
		for n := range answers {
			group.Go(func() {
				probe := beats.Probe(region, fmt.Sprintf("i-%d", n))
				for ctx.Err() == nil {
					if _, err := probe(ctx, ecsreboot.Observation{At: time.Now(), Status: ecsreboot.StatusRunning}); err == nil {
						answers[n]++
					}
					time.Sleep(5 * time.Second)
				}
			})
		}
		group.Wait()
		require.Equal(t, 100, largest)
		worst := 0
		for n := range calls {
			within, _ := slices.BinarySearchFunc(calls, calls[n].Add(time.Minute), time.Time.Compare)
			worst = max(worst, within-n)
		}
		t.Logf("%d calls in %d minutes, at most %d in a minute; each instance was asked about %d to %d times", len(calls), minutes, worst, slices.Min(answers), slices.Max(answers))
		require.LessOrEqual(t, worst, 110)
		require.GreaterOrEqual(t, slices.Min(answers), minutes-2)
	})
}

// A question ends with its context, and costs nothing then.
func TestHeartbeatsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats, err := witness.NewHeartbeats(of(t, func(*http.Request) (int, string) {
			t.Error("a call")
			return 500, ""
		}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = beats.Probe(region, id)(ctx, ecsreboot.Observation{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
	})
}

// An unreadable response is an error.
func TestHeartbeatsUnreadable(t *testing.T) {
	for name, status := range map[string]any{
		"empty":   object{"InstanceId": id},
		"null":    nil,
		"no time": object{"InstanceId": id, "CloudAssistantStatus": "true", "LastHeartbeatTime": "yesterday"},
		"number":  object{"InstanceId": id, "CloudAssistantStatus": 1},
		"silent":  object{"InstanceId": id, "CloudAssistantStatus": "false", "LastHeartbeatTime": "2026-11-29T12:00:00Z"},
		"other":   object{"InstanceId": "i-other", "CloudAssistantStatus": "true", "LastHeartbeatTime": "2026-11-29T12:00:00Z"},
		"no Date": object{"InstanceId": id, "CloudAssistantStatus": "true", "LastHeartbeatTime": "2026-11-29T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				beats, err := witness.NewHeartbeats(of(t, func(*http.Request) (int, string) {
					return 200, encode(t, object{"InstanceCloudAssistantStatusSet": object{"InstanceCloudAssistantStatus": []any{status}}})
				}))
				if name == "no Date" {
					beats, err = witness.NewHeartbeats(withoutDate(t, encode(t, object{"InstanceCloudAssistantStatusSet": object{"InstanceCloudAssistantStatus": []any{status}}})))
				}
				require.NoError(t, err)
				result, err := beats.Probe(region, id)(t.Context(), ecsreboot.Observation{})
				require.Error(t, err)
				require.Equal(t, ecsreboot.ProbePending, result)
				t.Log(err)
			})
		})
	}
}

// withoutDate leads to a response without a Date.
func withoutDate(t *testing.T, body string) witness.Options {
	t.Helper()
	options := of(t, func(*http.Request) (int, string) { return 200, body })
	respond := options.HTTPClient.Transport
	options.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := respond.RoundTrip(r)
		response.Header.Del("Date")
		return response, err
	})
	return options
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Bad options name the field.
func TestOptions(t *testing.T) {
	for field, options := range map[string]witness.Options{
		"Endpoint":   {Credential: static(t, secret), Endpoint: "http://user:" + secret + "@example.com"},
		"Timeout":    {Credential: static(t, secret), Timeout: -1},
		"Credential": {Credential: (*nilCredential)(nil)},
	} {
		for _, create := range []func(witness.Options) error{
			func(o witness.Options) error { _, err := witness.NewActionTrail(o); return err },
			func(o witness.Options) error { _, err := witness.NewStateChanges(o); return err },
			func(o witness.Options) error { _, err := witness.NewHeartbeats(o); return err },
			func(o witness.Options) error { _, err := witness.Quotas(t.Context(), region, o); return err },
		} {
			err := create(options)
			refused, ok := errors.AsType[*ecsreboot.InputError](err)
			require.True(t, ok, field)
			require.Equal(t, field, refused.Field)
			require.NotContains(t, err.Error(), secret)
		}
	}
	for endpoint, good := range map[string]bool{
		"http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1/": true, "https://actiontrail.cn-beijing.aliyuncs.com": true,
		"http://actiontrail.cn-beijing.aliyuncs.com": false, "actiontrail.cn-beijing.aliyuncs.com": false, "https://": false, "https://x/path": false,
		"https://x?a=b": false, "https://x#a": false, "ftp://127.0.0.1": false, "://": false,
	} {
		_, err := witness.NewActionTrail(witness.Options{Credential: static(t, secret), Endpoint: endpoint})
		require.Equal(t, good, err == nil, "%s: %v", endpoint, err)
	}
	_, err := witness.NewActionTrail(witness.Options{})
	require.NoError(t, err, "the default chain")
}
