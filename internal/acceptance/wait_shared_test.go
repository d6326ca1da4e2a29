package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// wait is RebootAndWait of the one instance.
func wait(ctx context.Context, client *ecsreboot.Client, options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	return client.RebootAndWait(ctx, request, options)
}

// inject arms a fault for sends.
func inject(server *ecstest.Server, f ecstest.Fault) {
	f.Action = "RebootInstance"
	server.Inject(f)
}

// When the last waiter has left, nothing more is asked, whichever way they left.
func TestLastWaiterEndsTheWork(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Hang: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i == 0 {
					defer time.AfterFunc(7*s, cancel).Stop()
				}
				_, err := wait(ctx, client, ecsreboot.WaitOptions{Timeout: time.Duration(i+1) * 20 * s})
				assertOutcome(t, accepted, err)
			})
		}
		time.Sleep(79 * s)
		before := len(server.Calls())
		group.Wait()
		synctest.Wait()
		after := len(server.Calls())
		assert.LessOrEqual(t, after-before, 1)
		time.Sleep(time.Hour)
		assert.Len(t, server.Calls(), after)
	})
}

// After the service has refused a resend, the client sends no more requests, although the
// probe of a waiter still runs.
func TestRefusedResendEndsThePolls(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
		inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"})
		var group sync.WaitGroup
		group.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Timeout: 10 * minute, Probe: func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				<-ctx.Done()
				return ecsreboot.ProbePending, ctx.Err()
			}})
			assert.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		})
		time.Sleep(s)
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{ResendUnknown: true})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.Equal(t, 2, countCalls(server, "RebootInstance"))
		after := len(server.Calls())
		group.Wait()
		assert.Equal(t, after, len(server.Calls())) //nolint:testifylint // the calls would fill pages
	})
}

// Who leaves while the send is in flight can't know what came of it.
func TestLeavingASendInFlight(t *testing.T) {
	for _, alone := range []bool{true, false} {
		for _, acts := range []bool{true, false} {
			t.Run(fmt.Sprintf("alone=%v/acts=%v", alone, acts), func(t *testing.T) {
				waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
					inject(server, ecstest.Fault{Kind: ecstest.FaultDelay, Delay: 10 * s, Act: acts})
					var group sync.WaitGroup
					defer group.Wait()
					if !alone {
						group.Go(func() {
							result, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
							assert.NoError(t, err)
							assert.NotEmpty(t, result.RequestID)
						})
					}
					begin := time.Now()
					_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Timeout: 5 * s})
					assert.Equal(t, 5*s, time.Since(begin))
					assertOutcome(t, unknown, err)
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
					waited, ok := errors.AsType[*ecsreboot.WaitError](err)
					require.True(t, ok)
					assert.Equal(t, 1, waited.Requests)
					assert.Equal(t, ecsreboot.StatusRunning, waited.Before.Status)
					group.Wait()
					time.Sleep(minute)
					assert.Equal(t, acts || !alone, server.Reboots(id) == 1)
					failed, _ := errors.AsType[*ecsreboot.OperationError](err)
					assert.Equal(t, begin, failed.SentAt, "Resolve needs it")
					_, err = client.Resolve(t.Context(), err, ecsreboot.WaitOptions{Timeout: minute})
					assert.NotErrorIs(t, err, ecsreboot.ErrInvalidInput)
				})
			})
		}
	}
}

// A call that joins gets all events from the beginning, in the same order as the calls
// before it.
func TestJoinersAreToldAll(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Path: []ecsreboot.Status{"Stopping", "Starting"}, Stale: 2 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		told := make([][]ecsreboot.Event, 4)
		results := make([]*ecsreboot.RestartResult, 4)
		var group sync.WaitGroup
		for i := range told {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 7 * s)
				begin := time.Now()
				var err error
				results[i], err = wait(t.Context(), client, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) { told[i] = append(told[i], e) }})
				assert.NoError(t, err)
				assert.Positive(t, time.Since(begin))
			})
		}
		group.Wait()
		kinds := make([]ecsreboot.EventKind, 0, 4)
		for _, e := range told[0][:4] {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, []ecsreboot.EventKind{ecsreboot.EventBaseline, ecsreboot.EventSending, ecsreboot.EventAccepted, ecsreboot.EventStatus}, kinds)
		assert.True(t, slices.IsSortedFunc(told[0], func(a, b ecsreboot.Event) int { return a.At.Compare(b.At) }))
		for i := range told {
			assert.Equal(t, told[0], told[i])
			assert.Equal(t, results[0], results[i])
		}
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// A restart that is over is not shared: who calls then wants another, although a
// waiter still waits for its probe.
func TestNobodyJoinsWhatIsOver(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		var group sync.WaitGroup
		group.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				return ecsreboot.ProbePending, nil
			}})
			assert.ErrorIs(t, err, ecsreboot.ErrNotProven)
		})
		time.Sleep(2 * minute)
		called := time.Now()
		result, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.False(t, result.SentAt.Before(called))
		assert.Equal(t, 2, server.Reboots(id))
		group.Wait()
	})
	// Who is done with it but takes its time does not disturb the next ones.
	waitFor(t, ecstest.RebootProfile{Graceful: 2 * minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		proven := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
				if e.Kind == ecsreboot.EventStatus && e.Status == ecsreboot.StatusRunning {
					close(proven)
					time.Sleep(30 * s)
				}
			}})
			assert.NoError(t, err)
		})
		<-proven
		for range 2 { // one comes before it leaves, one after
			group.Go(func() {
				_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
				assert.NoError(t, err)
			})
			time.Sleep(40 * s)
		}
		group.Wait()
		assert.Equal(t, 2, server.Reboots(id), "the last two shared one")
	})
	// Nor is one that was sent long ago, even if nobody knows how it ends.
	waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		var group sync.WaitGroup
		for _, after := range []time.Duration{0, 9 * minute, 2 * minute} {
			time.Sleep(after)
			group.Go(func() {
				_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Timeout: 20 * minute})
				assert.ErrorIs(t, err, ecsreboot.ErrNotProven)
			})
		}
		group.Wait()
		assert.Equal(t, 2, server.Reboots(id))
	})
	// Nor is one shared that was refused.
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError"})
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventSending {
				time.Sleep(s)
				_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
				assert.NoError(t, err)
			}
		}})
		require.ErrorIs(t, err, ecsreboot.ErrDiskError)
	})
}

// Different requests and different clients do not share.
func TestWhatIsNotShared(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Stale: 5 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-other"}))
		another := newClient(t, server)
		failed := make(chan error, 4)
		var group sync.WaitGroup
		for _, call := range []struct {
			client  *ecsreboot.Client
			request ecsreboot.RebootInstanceRequest
		}{
			{client, request},
			{client, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: true}},
			{client, ecsreboot.RebootInstanceRequest{InstanceID: "i-other"}},
			{another, request},
		} {
			group.Go(func() {
				_, err := call.client.RebootAndWait(t.Context(), call.request, ecsreboot.WaitOptions{})
				failed <- err
			})
		}
		group.Wait()
		close(failed)
		refusals := 0
		for err := range failed {
			if err != nil { // the service accepts one and refuses the others for the status
				refusals++
				assert.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus)
			}
		}
		assert.Equal(t, 2, refusals)
		assert.Equal(t, 1, server.Reboots(id))
		assert.Equal(t, 1, server.Reboots("i-other"))
		sends, forced := 0, 0
		for _, call := range server.Calls() {
			if call.Action == "RebootInstance" {
				sends++
			}
			if call.ForceStop {
				forced++
			}
		}
		assert.Equal(t, 4, sends)
		assert.Equal(t, 1, forced)
	})
}

func TestManyClients(t *testing.T) {
	const clients, instances = 8, 5
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		for n := range clients * instances {
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: fmt.Sprintf("i-%03d", n), Reboot: restarts(time.Duration(n%50) * s)}))
		}
		var group sync.WaitGroup
		for c := range clients {
			client := newClient(t, server)
			for n := range 3 * instances { // three for each instance
				group.Go(func() {
					time.Sleep(time.Duration(n) * 10 * time.Millisecond)
					id := fmt.Sprintf("i-%03d", c*instances+n%instances)
					result, err := client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{})
					assert.NoError(t, err)
					assert.Equal(t, id, result.InstanceID)
				})
			}
		}
		group.Wait()
		assert.Equal(t, clients*instances, server.TotalReboots())
		for n := range clients * instances {
			assert.Equal(t, 1, server.Reboots(fmt.Sprintf("i-%03d", n)))
		}
	})
}

// lostPollError is the error of a poll, which the work that it failed in remembers.
type lostPollError struct{ _ [1 << 10]byte }

func (*lostPollError) Error() string { return "no answer" }

// A client does not remember restarts that are over: not even one for each instance.
func TestNothingIsLeftOfAWait(t *testing.T) {
	const restarts = 20
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, restarts, ecstest.Options{}, ecstest.RebootProfile{})
		var lost []weak.Pointer[lostPollError]
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "DescribeInstances" && server.Reboots(nth(len(lost))) > 0 {
				err := new(lostPollError)
				lost = append(lost, weak.Make(err))
				return nil, err
			}
			return next.RoundTrip(req)
		}))
		for i := range restarts {
			_, err := restartNth(t, client, i)
			require.NoError(t, err)
		}
		require.Len(t, lost, restarts)
		left := 0
		for range 10 { // until the stacks and pools are clean
			runtime.GC()
			left = 0
			for _, pointer := range lost {
				if pointer.Value() != nil {
					left++
				}
			}
			if left == 0 {
				break
			}
		}
		assert.LessOrEqual(t, left, 2, "of %d", restarts)
		runtime.KeepAlive(client)
	})
}
