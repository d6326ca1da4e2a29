package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// waitFor runs a test in a bubble, against a service with one instance that
// restarts as profile says.
func waitFor(t *testing.T, profile ecstest.RebootProfile, test func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second) // StartTime is a matter of minutes
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		t.Cleanup(server.Close)
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: profile}))
		test(t, server, newClient(t, server))
	})
}

func TestRebootAndWait(t *testing.T) {
	for name, c := range map[string]struct {
		profile ecstest.RebootProfile
		proof   ecsreboot.Proof
		took    time.Duration
	}{
		"Starting":           {ecstest.RebootProfile{}, ecsreboot.ProofStatus, 30 * time.Second},
		"Stopping":           {ecstest.RebootProfile{Path: []ecsreboot.Status{"Stopping"}}, ecsreboot.ProofStatus, 30 * time.Second},
		"Stopping, Starting": {ecstest.RebootProfile{Path: []ecsreboot.Status{"Stopping", "Starting"}}, ecsreboot.ProofStatus, 30 * time.Second},
		"stale at first":     {ecstest.RebootProfile{Stale: 7 * time.Second}, ecsreboot.ProofStatus, 30 * time.Second},
		"too fast to see":    {ecstest.RebootProfile{Graceful: 45 * time.Second, Stale: 60 * time.Second}, ecsreboot.ProofStartTime, 60 * time.Second},
		"StartTime stays":    {ecstest.RebootProfile{KeepStartTime: true}, ecsreboot.ProofStatus, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, c.profile, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				begin := time.Now()
				result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				require.NoError(t, err)
				assert.Equal(t, 1, server.Reboots(id))
				assert.Equal(t, ecsreboot.StatusRunning, server.Status(id))
				assert.Equal(t, id, result.InstanceID)
				assert.Equal(t, c.proof, result.Proof)
				assert.Equal(t, 1, result.Requests)
				assert.NotEmpty(t, result.RequestID)
				assert.Equal(t, ecsreboot.StatusRunning, result.Before.Status)
				assert.WithinDuration(t, begin, result.SentAt, 0)
				assert.GreaterOrEqual(t, result.Elapsed, c.took)
				assert.Less(t, result.Elapsed, c.took+13*time.Second)
				assert.Equal(t, ecsreboot.StatusRunning, result.Observations[len(result.Observations)-1].Status)
			})
		})
	}
}

// A restart that leaves no trace is not proven, and not called one.
func TestNoTrace(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		begin := time.Now()
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		assert.Nil(t, result)
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.ErrorIs(t, err, ecsreboot.ErrAccepted)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 25*time.Minute, time.Since(begin), "the default")
		waited, ok := errors.AsType[*ecsreboot.WaitError](err)
		require.True(t, ok)
		assert.Equal(t, ecsreboot.StatusRunning, waited.LastStatus)
		assert.Equal(t, 1, waited.Requests)
		assert.NotEmpty(t, waited.RequestID)
		assert.Regexp(t, `^ecsreboot: RebootAndWait `+id+`: the restart was accepted: restart not proven within 25m0s \(context deadline exceeded\); last seen Running \d+s ago \(request \S+\)$`, err.Error())
		assert.Equal(t, 1, server.Reboots(id))
	})
}

func TestHangsInStarting(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Hang: true}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 3 * time.Minute})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.ErrorIs(t, err, ecsreboot.ErrAccepted)
		assert.ErrorContains(t, err, "last seen Starting")
	})
}

// A lost answer is settled by looking.
func TestLostAnswerIsSettled(t *testing.T) {
	for _, acts := range []bool{true, false} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: acts})
			begin := time.Now()
			result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			if acts {
				require.NoError(t, err)
				assert.Empty(t, result.RequestID)
				assert.Equal(t, 1, server.Reboots(id))
				return
			}
			require.ErrorIs(t, err, ecsreboot.ErrNotProven)
			require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
			assert.InDelta(t, 60, time.Since(begin).Seconds(), 7)
			assert.Zero(t, server.Reboots(id))
		})
	}
}

// Only who asks for it gets a second send, and only one.
func TestResendUnknown(t *testing.T) {
	for lost := range 4 {
		for _, acts := range []bool{true, false} {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				if lost > 0 {
					server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: acts, Times: lost})
				}
				result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
				switch {
				case lost == 0 || acts:
					require.NoError(t, err)
					assert.Equal(t, 1, result.Requests)
				case lost == 1:
					require.NoError(t, err)
					assert.Equal(t, 2, result.Requests)
				default:
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				}
				assert.LessOrEqual(t, server.Reboots(id), 1)
				assert.LessOrEqual(t, countCalls(server, "RebootInstance"), 2)
			})
		}
	}
}

func countCalls(server *ecstest.Server, action string) (n int) {
	for _, call := range server.Calls() {
		if call.Action == action {
			n++
		}
	}
	return n
}

// What would be refused is refused before it is sent, with the service's code.
func TestRefusedEarly(t *testing.T) {
	for want, prepare := range map[ecsreboot.ErrorCode]func(*ecstest.Server) error{
		ecsreboot.ErrIncorrectInstanceStatus:    func(s *ecstest.Server) error { return s.SetStatus(id, ecsreboot.StatusStopped) },
		ecsreboot.ErrInstanceLockedForSecurity:  func(s *ecstest.Server) error { return s.SetLocks(id, "security") },
		ecsreboot.ErrInstanceExpiredOrInArrears: func(s *ecstest.Server) error { return s.SetLocks(id, "financial") },
		ecsreboot.ErrInvalidInstanceIDNotFound:  func(s *ecstest.Server) error { s.RemoveInstance(id); return nil },
	} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			require.NoError(t, prepare(server))
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent)
			require.NotErrorIs(t, err, ecsreboot.ErrRejected)
			answer, _ := errors.AsType[*ecsreboot.APIError](err)
			assert.Zero(t, answer.StatusCode)
			assert.Zero(t, countCalls(server, "RebootInstance"))
		})
	}
}

// Midway: locked, gone, no longer allowed to look.
func TestEndsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(s *ecstest.Server) error
		want error
	}{
		"locked": {func(s *ecstest.Server) error { return s.SetLocks(id, "security") }, ecsreboot.ErrInstanceLockedForSecurity},
		"gone":   {func(s *ecstest.Server) error { s.RemoveInstance(id); return nil }, ecsreboot.ErrInvalidInstanceIDNotFound},
		"denied": {func(s *ecstest.Server) error {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "DescribeInstances", Times: -1})
			return nil
		}, ecsreboot.ErrAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{Graceful: 5 * time.Minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				begin := time.Now()
				time.AfterFunc(20*time.Second, func() { assert.NoError(t, c.act(server)) })
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				require.ErrorIs(t, err, c.want)
				require.ErrorIs(t, err, ecsreboot.ErrAccepted)
				require.NotErrorIs(t, err, ecsreboot.ErrRejected)
				assert.Less(t, time.Since(begin), time.Minute)
			})
		})
	}
}

func TestConcurrentWaitsShareTheWork(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%2 == 1 {
					time.AfterFunc(5*time.Second, cancel)
				}
				result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
				if i%2 == 1 {
					assert.ErrorIs(t, err, context.Canceled)
					assert.ErrorIs(t, err, ecsreboot.ErrAccepted)
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, 1, result.Requests)
			})
		}
		group.Wait()
		assert.Equal(t, 1, countCalls(server, "RebootInstance"))
		assert.Less(t, countCalls(server, "DescribeInstances"), 20, "as for a lone wait")

		// It is over: the next call is another restart.
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, 2, server.Reboots(id))
	})
}

func TestProbe(t *testing.T) {
	// Healthy is not enough without a sign of a restart …
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		asked := 0
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Probe: func(_ context.Context, seen ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
			assert.Equal(t, ecsreboot.StatusRunning, seen.Status)
			if asked++; asked == 1 {
				return ecsreboot.ProbeHealthy, errors.New("could not look")
			}
			return ecsreboot.ProbeHealthy, nil
		}})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		assert.Equal(t, 2, asked)
	})
	// … and a boot id is enough by itself.
	waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
			return ecsreboot.ProbeRestarted, nil
		}})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofProbe, result.Proof)
	})
}

func TestEvents(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "DescribeInstances", Skip: 2})
		var events []string
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			events = append(events, fmt.Sprintf("%s %s", e.Kind, e.Status))
		}})
		require.NoError(t, err)
		assert.Equal(t, []string{"baseline Running", "sending ", "accepted ", "status Starting", "poll failed ", "status Starting"}, events[:6])
		assert.Equal(t, "status Running", events[len(events)-1])
	})
}

// Others send: the baseline is taken before, and the wait after.
func TestWaitUntilRestarted(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		baseline, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		result, err := client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
		assert.Zero(t, result.Requests)

		_, err = client.WaitUntilRestarted(t.Context(), ecsreboot.Baseline{InstanceID: id}, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	})
}

func TestResolve(t *testing.T) {
	for _, acts := range []bool{true, false} {
		for _, later := range []time.Duration{0, 20 * time.Second, 5 * time.Minute} {
			t.Run(fmt.Sprintf("acts=%v/later=%v", acts, later), func(t *testing.T) {
				waitFor(t, ecstest.RebootProfile{Graceful: 40 * time.Second}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
					server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: acts})
					_, unknown := client.RebootInstance(t.Context(), request)
					require.ErrorIs(t, unknown, ecsreboot.ErrOutcomeUnknown)
					time.Sleep(later)
					result, err := client.Resolve(t.Context(), fmt.Errorf("kept: %w", unknown), ecsreboot.WaitOptions{})
					if acts {
						require.NoError(t, err)
						assert.Equal(t, id, result.InstanceID)
						return
					}
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					assert.Equal(t, 1, countCalls(server, "RebootInstance"))
				})
			})
		}
	}
	client, err := ecsreboot.NewClient("cn-hangzhou")
	require.NoError(t, err)
	for _, known := range []error{nil, errors.New("x"), &ecsreboot.OperationError{Outcome: ecsreboot.OutcomeRejected}} {
		_, err = client.Resolve(t.Context(), known, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	}
}

func TestCheck(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	result, err := client.Check(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, ecsreboot.StatusRunning, result.Instance.Status)
	assert.NotEmpty(t, result.RequestID)
	require.NoError(t, server.SetLocks(id, "security"))
	_, err = client.Check(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrInstanceLockedForSecurity)
	assert.Zero(t, server.Reboots(id))
}
