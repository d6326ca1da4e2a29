package acceptance_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// An error that was stored as JSON is resolved by another client as the error itself
// would be: with its baseline.
func TestResolveStoredError(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: 2 * time.Minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := wait(ctx, client, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventOutcomeUnknown {
				cancel()
			}
		}})
		assertOutcome(t, unknown, err)
		stored, err := json.Marshal(err)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute) // it is over, and only StartTime shows it

		restored := new(ecsreboot.OperationError)
		require.NoError(t, json.Unmarshal(stored, restored))
		result, err := newClient(t, server).Resolve(t.Context(), restored, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
		assert.Equal(t, id, result.Before.InstanceID)
		assert.False(t, result.Before.TakenAt.IsZero())
		assert.Equal(t, 1, server.Reboots(id))
	})
}
