package ecsreboot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// Each waiter of the same restart goes by its own context and options.
func TestWaitersGoByTheirOwn(t *testing.T) {
	errMine := errors.New("enough of it")
	for name, c := range map[string]struct {
		options ecsreboot.WaitOptions
		context func(context.Context) (context.Context, context.CancelFunc)
		ends    time.Duration // at the earliest
		matches []error
		not     error
	}{
		"to the end": {ends: 40 * s},
		"Timeout":    {options: ecsreboot.WaitOptions{Timeout: 20 * s}, ends: 20 * s, matches: []error{ecsreboot.ErrNotProven, context.DeadlineExceeded}, not: context.Canceled},
		"deadline": {
			context: func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 15*s) },
			ends:    15 * s, matches: []error{context.DeadlineExceeded}, not: context.Canceled,
		},
		"canceled": {
			context: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				timer := time.AfterFunc(25*s, func() { cancel(errMine) })
				return ctx, func() { timer.Stop(); cancel(nil) }
			},
			ends: 25 * s, matches: []error{context.Canceled, errMine}, not: context.DeadlineExceeded,
		},
		"fewer faults": {options: ecsreboot.WaitOptions{MaxPollFaults: -1}, ends: 1 * s, matches: []error{ecsreboot.ErrInternalError}, not: ecsreboot.ErrNotProven},
		"own proof": {
			options: ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				return ecsreboot.ProbeRestarted, nil
			}},
			ends: 3 * s,
		},
		"own health": {
			options: ecsreboot.WaitOptions{Timeout: 2 * minute, Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				return ecsreboot.ProbePending, nil
			}},
			ends: 2 * minute, matches: []error{ecsreboot.ErrNotProven},
		},
	} {
		t.Run(name, func(t *testing.T) {
			profile := ecstest.RebootProfile{Graceful: 40 * s, Stale: 9 * s}
			waitFor(t, profile, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				inject(server, ecstest.Fault{Action: "DescribeInstances", Kind: ecstest.FaultDelay})
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Skip: 1}) // the first reading
				var others sync.WaitGroup
				for range 2 {
					others.Go(func() {
						result, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
						assert.NoError(t, err)
						assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
					})
				}
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if c.context != nil {
					ctx, cancel = c.context(ctx)
				}
				defer cancel()
				begin := time.Now()
				_, err := wait(ctx, client, c.options)
				took := time.Since(begin)
				if c.matches == nil {
					require.NoError(t, err)
				}
				for _, target := range c.matches {
					require.ErrorIs(t, err, target)
					assertOutcome(t, accepted, err)
				}
				if c.not != nil {
					require.NotErrorIs(t, err, c.not)
				}
				assert.GreaterOrEqual(t, took, c.ends)
				assert.Less(t, took, c.ends+14*s)
				others.Wait()
				assert.Equal(t, 1, countCalls(server, "RebootInstance"))
				assert.Equal(t, 1, server.Reboots(id))
			})
		})
	}
}

// A wait that ends before anything was sent says why it ended and that nothing was
// sent, alone as well as beside others.
func TestEndBeforeTheSend(t *testing.T) {
	for name, fault := range map[string]ecstest.Fault{
		"the baseline hangs": {Kind: ecstest.FaultHang, Action: "DescribeInstances", Times: -1},
		"the baseline stalls": {Kind: ecstest.FaultStall, Action: "DescribeInstances", Times: -1},
		"throttled":          {Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Times: -1, Hint: 110 * s},
	} {
		for _, alone := range []bool{true, false} {
			for _, limit := range []time.Duration{5 * s, 100 * s} {
				t.Run(fmt.Sprintf("%s/alone=%v/%v", name, alone, limit), func(t *testing.T) {
					waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
						server.Inject(fault)
						var group sync.WaitGroup
						defer group.Wait()
						if !alone {
							ctx, cancel := context.WithCancel(t.Context())
							defer cancel()
							group.Go(func() { _, _ = wait(ctx, client, ecsreboot.WaitOptions{}) })
						}
						synctest.Wait()
						ends := map[string]func() error{
							"Timeout": func() error {
								_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Timeout: limit})
								return err
							},
							"deadline": func() error {
								ctx, cancel := context.WithTimeout(t.Context(), limit)
								defer cancel()
								_, err := wait(ctx, client, ecsreboot.WaitOptions{})
								return err
							},
							"canceled": func() error {
								ctx, cancel := context.WithCancel(t.Context())
								defer time.AfterFunc(limit, cancel).Stop()
								_, err := wait(ctx, client, ecsreboot.WaitOptions{})
								return err
							},
						}
						for how, end := range ends {
							group.Go(func() {
								begin := time.Now()
								err := end()
								assert.Equal(t, limit, time.Since(begin))
								assertOutcome(t, notSent, err)
								assert.Equal(t, how == "canceled", errors.Is(err, context.Canceled), "%s: %v", how, err)
								assert.Equal(t, how != "canceled", errors.Is(err, context.DeadlineExceeded), "%s: %v", how, err)
							})
							if alone {
								group.Wait()
							}
						}
						time.Sleep(limit + 1)
						synctest.Wait()
						assert.Zero(t, countCalls(server, "RebootInstance"))
					})
				})
			}
		}
	}
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
					assert.Equal(t, 1, waited.Sends)
					assert.Equal(t, ecsreboot.StatusRunning, waited.Before.Status)
					group.Wait()
					time.Sleep(minute)
					assert.Equal(t, acts || !alone, server.Reboots(id) == 1)
					if failed, _ := errors.AsType[*ecsreboot.OperationError](err); alone {
						assert.Equal(t, begin, failed.SentAt, "Resolve needs it")
					}
				})
			})
		}
	}
}

// Who joins is told all from the beginning, in the order of those who were there.
func TestJoinersAreToldAll(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Path: []string{"Stopping", "Starting"}, Stale: 2 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
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
	// Nor is one that was refused.
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
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
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
			if err != nil { // for its status: the service lets one through, and tells the others
				refusals++
				assert.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus)
			}
		}
		assert.Equal(t, 2, refusals)
		assert.Equal(t, 1, server.Reboots(id))
		assert.Equal(t, 1, server.Reboots("i-other"))
		assert.LessOrEqual(t, countCalls(server, "RebootInstance"), 4)
	})
}

// A hook that panics takes its own caller down and nobody else.
func TestPanickingHooks(t *testing.T) {
	kinds := []ecsreboot.EventKind{ecsreboot.EventBaseline, ecsreboot.EventSending, ecsreboot.EventAccepted, ecsreboot.EventStatus, "the probe"}
	for _, kind := range kinds {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/alone=%v", kind, alone), func(t *testing.T) {
				waitFor(t, ecstest.RebootProfile{Stale: 2 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
					var group sync.WaitGroup
					if !alone {
						group.Go(func() {
							result, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
							assert.NoError(t, err)
							assert.Equal(t, 1, result.Sends)
						})
					}
					options := ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
						if e.Kind == kind {
							panic(kind)
						}
					}}
					if kind == "the probe" {
						options.Probe = func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) { panic(kind) }
					}
					assert.PanicsWithValue(t, kind, func() { _, _ = wait(t.Context(), client, options) })
					group.Wait()
					time.Sleep(minute)
					reboots := server.Reboots(id)
					assert.LessOrEqual(t, reboots, 1)
					result, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
					require.NoError(t, err, "nothing is left locked")
					assert.Equal(t, reboots+1, server.Reboots(id))
					assert.Equal(t, 1, result.Sends)
				})
			})
		}
	}
}

// A hook that takes its time does not make the wait send again what has shown
// meanwhile.
func TestSlowHook(t *testing.T) {
	for range 10 {
		waitFor(t, ecstest.RebootProfile{Graceful: 10 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Late: 66500 * time.Millisecond})
			begin := time.Now()
			result, err := wait(t.Context(), client, ecsreboot.WaitOptions{ResendUnknown: true, OnEvent: func(ecsreboot.Event) {
				if time.Since(begin) >= minute {
					time.Sleep(30 * s)
				}
			}})
			require.NoError(t, err)
			assert.Equal(t, 1, result.Sends)
			time.Sleep(time.Hour)
			assert.Equal(t, 1, server.Reboots(id))
		})
	}
}

func TestManyClients(t *testing.T) {
	const clients, instances = 20, 10
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

// While the gate holds the send, the instance goes on: after more than 5 s it is
// read again, and judged by what it is then.
func TestBaselineIsReadAgain(t *testing.T) {
	for name, c := range map[string]struct {
		hint      time.Duration
		meanwhile func(*ecstest.Server) error
		baselines int
		want      error
	}{
		"soon":                {hint: 5 * s, baselines: 1},
		"late":                {hint: 5100 * time.Millisecond, baselines: 2},
		"stopped meanwhile":   {hint: 20 * s, baselines: 1, want: ecsreboot.ErrIncorrectInstanceStatus, meanwhile: func(s *ecstest.Server) error { return s.SetStatus(id, ecstest.Stopped) }},
		"locked meanwhile":    {hint: 20 * s, baselines: 1, want: ecsreboot.ErrInstanceLockedForSecurity, meanwhile: func(s *ecstest.Server) error { return s.SetLocks(id, "security") }},
		"gone meanwhile":      {hint: 20 * s, baselines: 1, want: ecsreboot.ErrInvalidInstanceIDNotFound, meanwhile: func(s *ecstest.Server) error { s.RemoveInstance(id); return nil }},
		"restarted meanwhile": {hint: 20 * s, baselines: 2, meanwhile: func(s *ecstest.Server) error { return s.Restart(id, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			profile := ecstest.RebootProfile{Graceful: 2 * minute, Forced: time.Second}
			waitFor(t, profile, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				time.Sleep(15 * s) // a restart soon after ends in the minute of the call
				inject(server, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: c.hint})
				if c.meanwhile != nil {
					time.AfterFunc(2*s, func() { assert.NoError(t, c.meanwhile(server)) })
				}
				begin := time.Now()
				var kinds []ecsreboot.EventKind
				baselines := 0
				result, err := wait(t.Context(), client, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
					kinds = append(kinds, e.Kind)
					if e.Kind == ecsreboot.EventBaseline {
						baselines++
					}
				}})
				assert.Equal(t, c.baselines, baselines, kinds)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
					assertOutcome(t, notSent, err)
					assert.Less(t, time.Since(begin), c.hint+2*s)
					assert.Equal(t, 1, countCalls(server, "RebootInstance"))
					assert.Zero(t, server.Reboots(id))
					return
				}
				require.NoError(t, err)
				assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
				assert.GreaterOrEqual(t, result.Took, 2*minute, "another's restart before it was sent proves nothing")
				assert.Equal(t, begin.Add(c.hint), result.SentAt)
				if c.baselines == 1 {
					assert.Equal(t, begin, result.Before.TakenAt)
				} else {
					assert.Equal(t, result.SentAt, result.Before.TakenAt)
				}
			})
		})
	}
}
