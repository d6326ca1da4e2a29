package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

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
		"fewer faults": {options: ecsreboot.WaitOptions{MaxPollFailures: -1}, ends: 1 * s, matches: []error{ecsreboot.ErrInternalError}, not: ecsreboot.ErrNotProven},
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

// A wait that ends before anything was sent says why it ended, and that nothing was
// sent unless others go on.
func TestEndBeforeTheSend(t *testing.T) {
	for name, fault := range map[string]ecstest.Fault{
		"the baseline hangs":  {Kind: ecstest.FaultHang, Action: "DescribeInstances", Times: -1},
		"the baseline stalls": {Kind: ecstest.FaultStall, Action: "DescribeInstances", Times: -1},
		"throttled":           {Kind: ecstest.FaultThrottle, Action: "DescribeInstances", Times: -1, Hint: 110 * s},
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
							if alone {
								group.Wait()
								client = newClient(t, server) // whose gate is open
							}
							group.Go(func() {
								begin := time.Now()
								err := end()
								assert.Equal(t, limit, time.Since(begin))
								// Who leaves others behind can't say that nothing will be sent.
								assertOutcome(t, map[bool]ecsreboot.Outcome{true: notSent, false: unknown}[alone], err)
								failed, _ := errors.AsType[*ecsreboot.OperationError](err)
								assert.Equal(t, alone, failed.SentAt.IsZero(), "Resolve needs it")
								assert.Equal(t, how == "canceled", errors.Is(err, context.Canceled), "%s: %v", how, err)
								assert.Equal(t, how != "canceled", errors.Is(err, context.DeadlineExceeded), "%s: %v", how, err)
							})
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
							assert.Equal(t, 1, result.Requests)
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
					assert.Equal(t, 1, result.Requests)
				})
			})
		}
	}
}

// A hook that takes its time does not make the wait send again what has shown
// meanwhile.
func TestSlowHook(t *testing.T) {
	repeats := 4
	if longTests {
		repeats = 20
	}
	for range repeats {
		waitFor(t, ecstest.RebootProfile{Graceful: 10 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Late: 66500 * time.Millisecond})
			begin := time.Now()
			result, err := wait(t.Context(), client, ecsreboot.WaitOptions{ResendUnknown: true, OnEvent: func(ecsreboot.Event) {
				if time.Since(begin) >= minute {
					time.Sleep(30 * s)
				}
			}})
			require.NoError(t, err)
			assert.Equal(t, 1, result.Requests)
			time.Sleep(time.Hour)
			assert.Equal(t, 1, server.Reboots(id))
		})
	}
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
		"stopped meanwhile":   {hint: 20 * s, baselines: 1, want: ecsreboot.ErrIncorrectInstanceStatus, meanwhile: func(s *ecstest.Server) error { return s.SetStatus(id, ecsreboot.StatusStopped) }},
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
				assert.GreaterOrEqual(t, result.Elapsed, 2*minute, "another's restart before it was sent proves nothing")
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

// The probe is asked of each reading that shows the instance Running, and of no
// other, the one that would end the wait included.
func TestProbeIsAsked(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Stale: 2 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Action: "DescribeInstances", Skip: 2, Body: emptyList.Body})
		var probed, seen []time.Time
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{
			OnEvent: func(e ecsreboot.Event) {
				if e.Kind == ecsreboot.EventStatus && e.Status == ecsreboot.StatusRunning {
					seen = append(seen, e.At)
				}
			},
			Probe: func(_ context.Context, o ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				assert.Equal(t, ecsreboot.StatusRunning, o.Status)
				if probed = append(probed, o.At); len(probed) < 3 {
					return ecsreboot.ProbePending, nil
				}
				return ecsreboot.ProbeHealthy, nil
			},
		})
		require.NoError(t, err)
		assert.Equal(t, seen, probed)
		assert.Len(t, probed, 3)
	})
	for name, options := range map[string]ecsreboot.WaitOptions{
		"a first reading decides":      {UnknownGrace: -1},
		"so it does on a second send":  {UnknownGrace: -1, ResendUnknown: true},
		"the only reading in the time": {UnknownGrace: 500 * time.Millisecond},
	} {
		waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
			options.Probe = func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				return ecsreboot.ProbeRestarted, nil
			}
			result, err := wait(t.Context(), client, options)
			require.NoError(t, err, name)
			assert.Equal(t, ecsreboot.ProofProbe, result.Proof)
			assert.Equal(t, 1, server.Reboots(id), name)
		})
	}
}

// slowAnswers brings answers late.
type slowAnswers struct {
	http.RoundTripper
	late time.Duration
}

func (r slowAnswers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.RoundTripper.RoundTrip(request)
	time.Sleep(r.late)
	return response, err
}

// How long an answer takes must not be taken for a difference of the clocks: else a
// start before the send would look like one after it.
func TestResolveBySlowAnswers(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * minute, -5 * minute} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
			server.SetClockOffset(ahead)
			client := newClient(t, server, ecsreboot.WithTransportWrapper(func(inner http.RoundTripper) http.RoundTripper {
				return slowAnswers{inner, 20 * s}
			}))
			time.Sleep(31 * s)
			require.NoError(t, server.SetStatus(id, ecsreboot.StatusStopped))
			require.NoError(t, server.SetStatus(id, ecsreboot.StatusRunning)) // at 00:01:01
			time.Sleep(4 * s)
			inject(server, ecstest.Fault{Kind: ecstest.FaultDrop}) // at 00:01:05
			_, lost := client.RebootInstance(t.Context(), request)
			_, err := client.Resolve(t.Context(), lost, ecsreboot.WaitOptions{})
			require.ErrorIs(t, err, ecsreboot.ErrNotProven, "the clock is %v ahead", ahead)
			assert.Zero(t, server.Reboots(id))

			require.NoError(t, server.Restart(id, true)) // which shows by its StartTime afterwards
			time.Sleep(minute)
			result, err := client.Resolve(t.Context(), lost, ecsreboot.WaitOptions{})
			require.NoError(t, err, "the clock is %v ahead", ahead)
			assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
		})
	}
}
