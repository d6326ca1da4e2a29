package acceptance_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// As errgroup does it: the error of another machine's restart cancels ours, and
// must not be taken for what became of it.
func TestAnotherCallsErrorIsNoOutcome(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		_, other := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-other"})
		require.ErrorIs(t, other, ecsreboot.ErrRejected)
		for name, call := range map[string]func(context.Context) error{
			"accepted": func(ctx context.Context) error {
				_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
				return err
			},
			"unknown": func(ctx context.Context) error {
				time.Sleep(time.Minute)
				server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance"})
				_, err := client.RebootInstance(ctx, request)
				return err
			},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(65*time.Second, func() { cancel(other) })
			if name == "accepted" {
				time.AfterFunc(5*time.Second, func() { cancel(other) })
			}
			err := call(ctx)
			assertOutcome(t, map[string]ecsreboot.Outcome{"accepted": accepted, "unknown": unknown}[name], err)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
			assert.ErrorContains(t, err, "i-other", "the text names the other instance")
		}
	})
}

// A waiter that gives up by its own options leaves the work to the others; who
// comes then still joins it.
func TestOneWaitersEndIsNotTheOthers(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: true})
		var group sync.WaitGroup
		wait := func(options ecsreboot.WaitOptions) {
			_, err := client.RebootAndWait(t.Context(), request, options)
			assert.ErrorIs(t, err, ecsreboot.ErrNotProven)
			assert.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		}
		group.Go(func() { wait(ecsreboot.WaitOptions{UnknownGrace: 5 * time.Minute}) })
		group.Go(func() { wait(ecsreboot.WaitOptions{UnknownGrace: time.Minute}) })
		time.Sleep(2 * time.Minute)
		group.Go(func() { wait(ecsreboot.WaitOptions{UnknownGrace: 5 * time.Minute}) })
		group.Wait()
		assert.Equal(t, 1, server.Reboots(id))
		assert.Equal(t, 1, countCalls(server, "RebootInstance"))
	})
}

// A panic of a RoundTripper surfaces in the caller's goroutine, in every waiter's.
func TestPanicInTheWork(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "RebootInstance" {
				time.Sleep(time.Second)
				panic("a bug")
			}
			return next.RoundTrip(req)
		}))
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				assert.PanicsWithValue(t, "a bug", func() { _, _ = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{}) })
			})
		}
		group.Wait()
	})
}

// What was not Running before would be Running some time, without any restart.
func TestBaselineMustBeRunning(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		require.NoError(t, server.SetStatus(id, ecsreboot.StatusStarting))
		baseline, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.StatusStarting, baseline.Status)
		_, err = client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		assert.ErrorContains(t, err, "Starting")
	})
}

// A lock that was there before is no reason to end; nobody can tell one from the
// other without a baseline.
func TestLockFromBefore(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: 40 * time.Second}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: true})
		_, lost := client.RebootInstance(t.Context(), request)
		require.NoError(t, server.SetLocks(id, "security"))
		_, err := client.Resolve(t.Context(), lost, ecsreboot.WaitOptions{})
		require.NoError(t, err)

		baseline, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, []string{"security"}, baseline.Locks)
		_, err = client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{Timeout: time.Minute})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
	})
}

// Resolve has the baseline of the wait whose error it settles: a restart within the
// minute of the send shows.
func TestResolveUsesTheBaseline(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: 20 * time.Second, Stale: 25 * time.Second}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: true})
		_, lost := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{UnknownGrace: -1})
		require.ErrorIs(t, lost, ecsreboot.ErrNotProven)
		time.Sleep(time.Minute)
		result, err := client.Resolve(t.Context(), lost, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
		assert.False(t, result.Before.TakenAt.IsZero())
	})
}

// Whatever ends a wait after the send, the restart is not proven.
func TestNotProvenWhicheverClockEnds(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Hang: true}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ecsreboot.ErrAccepted)
		text := err.Error()
		time.Sleep(time.Hour)
		assert.Equal(t, text, err.Error(), "an error does not age")
	})
}

// A rejected wait reports the number of its requests, like a plain call.
func TestAttemptsOfAWait(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "RebootInstance", Hint: time.Second},
			ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance"})
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrDiskError)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		failed, _ := errors.AsType[*ecsreboot.OperationError](err)
		assert.Equal(t, 2, failed.Attempts)
		assert.False(t, failed.SentAt.IsZero())
	})
}

// An expiry is measured by the service's clock.
func TestExpiryByTheServicesClock(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.SetClockOffset(-14 * time.Minute)
		server.RemoveInstance(id)
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, ExpiredTime: time.Now().Add(-5 * time.Minute)}))
		_, err := client.Check(t.Context(), request)
		require.NoError(t, err)
	})
}
