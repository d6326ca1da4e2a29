package acceptance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The locks of which the vendor documents no refusal, in all their spellings, and one
// that nobody has documented yet.
var otherLocks = []string{"recycling", "Recycling", "refunded", "dedicatedhostfinancial", "tomorrow"}

// The service decides about the locks that are not known to refuse a restart, and Check
// and the wait's error name each of them, whatever the error is of.
func TestEveryLockIsNamed(t *testing.T) {
	names := func(t *testing.T, err error, locks ...string) {
		t.Helper()
		require.Error(t, err)
		for _, lock := range locks {
			assert.ErrorContains(t, err, `"`+lock+`"`)
		}
	}
	for _, lock := range otherLocks {
		t.Run(lock, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{KeepStartTime: true, Graceful: -1}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				require.NoError(t, server.SetLocks(id, lock, "x"))

				result, err := client.Check(t.Context(), request)
				require.NoError(t, err, "no early refusal")
				assert.Equal(t, []string{lock, "x"}, result.Instance.Locks)

				inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationDenied", Status: 403})
				_, err = client.Check(t.Context(), request)
				require.ErrorIs(t, err, ecsreboot.ErrOperationDenied)
				names(t, err, lock, "x")

				inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "OperationDenied", Status: 403})
				_, err = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				require.ErrorIs(t, err, ecsreboot.ErrOperationDenied)
				require.ErrorIs(t, err, ecsreboot.ErrRejected)
				names(t, err, lock, "x")

				_, err = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: minute})
				require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				require.ErrorIs(t, err, ecsreboot.ErrAccepted)
				names(t, err, lock, "x")
				waited, _ := errors.AsType[*ecsreboot.WaitError](err)
				assert.Equal(t, []string{lock, "x"}, waited.Locks)
				assert.Equal(t, 1, server.Reboots(id))
			})
			// It comes in mid-wait.
			waitFor(t, ecstest.RebootProfile{Hang: true}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: minute, OnEvent: func(e ecsreboot.Event) {
					if e.Kind == ecsreboot.EventStatus {
						assert.NoError(t, server.SetLocks(id, lock))
					}
				}})
				require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				names(t, err, lock)
				baseline, err := client.TakeBaseline(t.Context(), id)
				require.NoError(t, err)
				assert.Equal(t, []string{lock}, baseline.Locks)
			})
			// Nothing was read since the send: those from before it are named.
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				require.NoError(t, server.SetLocks(id, lock))
				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "DescribeInstances", Skip: 1, Times: -1})
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: minute})
				require.ErrorIs(t, err, ecsreboot.ErrAccepted)
				names(t, err, lock)
			})
		})
	}
	// What the service writes cannot make the text long, nor break it.
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		require.NoError(t, server.SetLocks(id, append(make([]string, 100), "security", strings.Repeat("y\n", 100))...))
		_, err := client.Check(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrInstanceLockedForSecurity)
		assert.ErrorContains(t, err, "and 94 more")
		assert.Less(t, len(err.Error()), 1000)
		assert.NotContains(t, err.Error(), "\n")
	})
}

// The documented refusals are early, in upper and lower case, and name the locks.
func TestLocksThatRefuse(t *testing.T) {
	for lock, want := range map[string]ecsreboot.ErrorCode{
		"security": ecsreboot.ErrInstanceLockedForSecurity, "Security": ecsreboot.ErrInstanceLockedForSecurity, "SECURITY": ecsreboot.ErrInstanceLockedForSecurity,
		"financial": ecsreboot.ErrInstanceExpiredOrInArrears, "Financial": ecsreboot.ErrInstanceExpiredOrInArrears,
	} {
		t.Run(lock, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{Graceful: 5 * minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				require.NoError(t, server.SetLocks(id, "Recycling", lock))
				_, checked := client.Check(t.Context(), request)
				_, waited := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				for _, err := range []error{checked, waited} {
					require.ErrorIs(t, err, want)
					refusal, _ := errors.AsType[*ecsreboot.APIError](err)
					assert.Zero(t, refusal.StatusCode)
					assert.ErrorContains(t, err, lock)
					assert.ErrorContains(t, err, "Recycling")
				}
				require.ErrorIs(t, waited, ecsreboot.ErrNotSent)
				assert.Zero(t, countCalls(server, "RebootInstance"))

				// It ends a wait too, unless it was there before.
				require.NoError(t, server.SetLocks(id))
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
					if e.Kind == ecsreboot.EventAccepted {
						assert.NoError(t, server.SetLocks(id, lock))
					}
				}})
				require.ErrorIs(t, err, want)
				require.ErrorIs(t, err, ecsreboot.ErrAccepted)
				assert.ErrorContains(t, err, `"`+lock+`"`)
			})
		})
	}
}
