package acceptance_test

import (
	"bytes"
	"context"
	"io"
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
	"github.com/ecsreboot/ecsreboot/pace"
)

// othersRestart is what many waits see that wait for restarts that others send. Of their
// baselines no StartTime is known, so only a poll that shows an instance down proves anything.
type othersRestart struct {
	waits, restarts int
	takes           time.Duration             // each restart; one begins every second
	until           time.Duration             // the waits that are not proven end then
	hint            float64                   // the rate limit that the client knows; 0: none
	list            func(resp *http.Response) // changes the response to a list by status
}

// othersSaw is what came of it.
type othersSaw struct {
	proven      int
	lag         time.Duration // of the proven, in the mean
	lists, byID int           // requests
}

func (r othersRestart) run(t *testing.T) (saw othersSaw) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, r.waits, ecstest.Options{}, ecstest.RebootProfile{Path: restartPath, Graceful: r.takes})
		var lists atomic.Int64
		client := newClient(t, server, ecsreboot.WithRateHint(pace.DescribeInstances, r.hint), wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if strings.Contains(req.URL.RawQuery, "&Status=St") {
				lists.Add(1)
				if err == nil && r.list != nil {
					r.list(resp)
				}
			}
			return resp, err
		}))
		ctx, cancel := context.WithTimeout(t.Context(), r.until)
		defer cancel()
		begun := make([]atomic.Int64, r.waits)
		var proven, lag atomic.Int64
		var group sync.WaitGroup
		for i := range r.waits {
			group.Go(func() {
				baseline := ecsreboot.Baseline{InstanceID: nth(i), Status: ecsreboot.StatusRunning, TakenAt: time.Now(), ServiceTime: time.Now()}
				result, err := client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{Timeout: -1, OnEvent: func(e ecsreboot.Event) {
					since := e.At.UnixNano() - begun[i].Load()
					if e.Kind == ecsreboot.EventStatus && e.Status == ecsreboot.StatusRunning && begun[i].Load() > 0 && since > 0 {
						assert.GreaterOrEqual(t, time.Duration(since), r.takes, "it was down")
					}
				}})
				if err != nil {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
				late := time.Duration(time.Now().UnixNano()-begun[i].Load()) - r.takes
				assert.NotZero(t, begun[i].Load())
				assert.GreaterOrEqual(t, late, time.Duration(0), "it was not Running")
				proven.Add(1)
				lag.Add(int64(late))
			})
		}
		for n := range r.restarts {
			i := n * (r.waits / r.restarts)
			time.Sleep(s)
			begun[i].Store(time.Now().UnixNano())
			require.NoError(t, server.Restart(nth(i), false))
		}
		group.Wait()
		saw = othersSaw{proven: int(proven.Load()), lists: int(lists.Load())}
		if saw.proven > 0 {
			saw.lag = time.Duration(lag.Load() / proven.Load())
		}
		saw.byID = len(reads(server)) - saw.lists
		perMinute := 60 / 0.35
		if r.hint > 0 {
			perMinute = r.hint / 2
		}
		assert.LessOrEqual(t, float64(len(reads(server))), perMinute*r.until.Minutes()+18)
	})
	t.Logf("%+v", saw)
	return saw
}

// changed replaces the body of a response.
func changed(status int, change func(string) string) func(resp *http.Response) {
	return func(resp *http.Response) {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		text := []byte(change(string(body)))
		resp.Body, resp.ContentLength, resp.StatusCode = io.NopCloser(bytes.NewReader(text)), int64(len(text)), status
		resp.Header.Del("Content-Length")
	}
}

// refusedWith is the response of a service that refuses.
func refusedWith(status int, code string) func(resp *http.Response) {
	return changed(status, func(string) string {
		return `{"RequestId":"11111111-2222-3333-4444-555555555555","Code":"` + code + `","Message":"no","HostId":"ecs"}`
	})
}

// Of thousands of instances, lists by status find the few that are down. Polls by ids take nine
// seconds for all, which is longer than a restart.
func TestListsFindTheFewThatAreDown(t *testing.T) {
	t.Parallel()
	run := othersRestart{waits: 2600, restarts: 8, takes: 8 * s, until: 22 * s}
	saw := run.run(t)
	assert.Equal(t, run.restarts, saw.proven)
	assert.Less(t, saw.lag, 5*s)
	assert.GreaterOrEqual(t, saw.byID, saw.lists-2, "half of the requests are by ids")
}

// With fewer waits, a list saves nothing.
func TestFewWaitsListNothing(t *testing.T) {
	t.Parallel()
	saw := othersRestart{waits: 1900, restarts: 1, takes: 8 * s, until: 3 * s}.run(t)
	assert.Zero(t, saw.lists)
}

// A caller who may not list instances is not asked for the permission again. After another
// failure, no list follows for a minute. Lists that answer no poll are a tenth of the requests.
func TestListsThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list  func(resp *http.Response)
		lists int
	}{
		"denied": {refusedWith(http.StatusForbidden, "Forbidden.RAM"), 1},
		"failed": {refusedWith(http.StatusInternalServerError, "InternalError"), 2},
		"empty":  {changed(http.StatusOK, func(string) string { return `{"RequestId":"1","Instances":{"Instance":[]}}` }), 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "failed" && !longTests {
				t.Skip("needs LONG_TESTS")
			}
			// The restarts take longer than the test: whoever is proven is so by a mistake.
			saw := othersRestart{waits: 2100, restarts: 10, takes: time.Hour, until: 66 * s, hint: 60, list: c.list}.run(t)
			assert.Equal(t, c.lists, saw.lists)
			assert.Zero(t, saw.proven)
		})
	}
}

// A list is evidence of the status that was asked for, and of no other.
func TestListsProveNoOtherStatus(t *testing.T) {
	t.Parallel()
	running := changed(http.StatusOK, func(body string) string {
		return strings.NewReplacer(`"Status":"Stopping"`, `"Status":"Running"`, `"Status":"Starting"`, `"Status":"Running"`).Replace(body)
	})
	saw := othersRestart{waits: 2100, restarts: 10, takes: time.Hour, until: 40 * s, hint: 60, list: running}.run(t)
	assert.Zero(t, saw.proven)
	assert.NotZero(t, saw.lists)
}

// A list is as old as its first page: the service may have made all pages then. So it answers
// no poll that came later.
func TestListIsAsOldAsItsFirstPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waits, strangers = 2500, 150
		server := newRestarts(t, waits, ecstest.Options{}, ecstest.RebootProfile{Path: restartPath, Graceful: 2 * minute})
		for i := range strangers {
			stranger := ecstest.Instance{ID: "i-other" + nth(i), CreationTime: nthNewest(-1 - i), Status: ecsreboot.StatusStopping}
			require.NoError(t, server.AddInstance(stranger))
		}
		var mu sync.Mutex
		var first, second time.Time // when the first pages of the first list with two pages left
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.RawQuery, "&Status=Stopping") {
				mu.Lock()
				isSecond := second.IsZero() && strings.Contains(req.URL.RawQuery, "NextToken=")
				switch {
				case isSecond:
					second = time.Now()
				case second.IsZero():
					first = time.Now()
				}
				mu.Unlock()
				if isSecond {
					time.Sleep(5 * s)
				}
			}
			return next.RoundTrip(req)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 8*s)
		defer cancel()
		const late = waits - 1
		for i := 0; i < late; i += 70 { // on the second page, as the strangers are newer
			require.NoError(t, server.Restart(nth(i), false))
		}
		var group sync.WaitGroup
		seen := map[time.Time]int{} // by when the polls of the instances that are down left
		note := func(e ecsreboot.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == ecsreboot.EventStatus && e.Status == ecsreboot.StatusStopping {
				seen[e.At]++
			}
		}
		for i := range late {
			group.Go(func() {
				baseline := ecsreboot.Baseline{InstanceID: nth(i), Status: ecsreboot.StatusRunning, TakenAt: time.Now()}
				_, err := client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{OnEvent: note})
				assert.Error(t, err)
			})
		}
		time.Sleep(2 * s)
		sent := time.Now()
		_, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: nth(late)}, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventStatus {
				assert.False(t, e.At.Before(sent), "%v is before %v", e.At, sent)
			}
		}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		group.Wait()
		require.False(t, second.IsZero(), "no list had two pages")
		assert.NotZero(t, seen[first])
		assert.Zero(t, seen[second])
	})
}

// A list that no wait needs any more is canceled, even if the last waits succeed while their
// polls are on the way.
func TestListEndsWithTheLastWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waits = 2100
		server := newRestarts(t, waits, ecstest.Options{}, ecstest.RebootProfile{})
		begin := time.Now()
		var ended atomic.Int64 // when the list ended
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			isList := strings.Contains(req.URL.RawQuery, "&Status=St")
			if !isList && time.Since(begin) < 10*s {
				return next.RoundTrip(req)
			}
			<-req.Context().Done()
			if isList {
				ended.CompareAndSwap(0, int64(time.Since(begin)))
			}
			return nil, req.Context().Err()
		}))
		var group sync.WaitGroup
		for i := range waits {
			group.Go(func() {
				baseline := ecsreboot.Baseline{InstanceID: nth(i), Status: ecsreboot.StatusRunning, TakenAt: time.Now()}
				_, err := client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
					time.Sleep(time.Until(begin.Add(15 * s)))
					return ecsreboot.ProbeRestarted, nil
				}})
				assert.NoError(t, err)
			})
		}
		group.Wait()
		synctest.Wait()
		assert.Equal(t, 15*s, time.Since(begin))
		assert.Equal(t, 15*s, time.Duration(ended.Load()), "0: no list was requested, or it goes on")
	})
}
