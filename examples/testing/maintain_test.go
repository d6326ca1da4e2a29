package maintain_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	maintain "github.com/ecsreboot/ecsreboot/examples/testing"
)

// Each case is a service with one instance and a fault, and what Restart makes of it.
// A wait takes minutes: in a bubble of testing/synctest they pass at once.
func TestRestart(t *testing.T) {
	lost := ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"}
	executed := lost
	executed.Act = true // the service restarts the instance, then the connection breaks
	tests := map[string]struct {
		instance ecstest.Instance
		fault    ecstest.Fault
		action   maintain.Action
		restarts int // that really happened
	}{
		"healthy":       {action: maintain.Done, restarts: 1},
		"response lost": {fault: executed, action: maintain.Done, restarts: 1},
		"request lost":  {fault: lost, action: maintain.AskHuman},
		"never back": {
			instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Hang: true}},
			action:   maintain.AskHuman, restarts: 1,
		},
		"stopped": {
			instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, action: maintain.GiveUp,
		},
		"throttled for an hour": {
			fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}, action: maintain.TryLater,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := ecstest.NewInMemoryServer(ecstest.Options{})
				require.NoError(t, err)
				defer server.Close()
				test.instance.ID = "i-1"
				require.NoError(t, server.AddInstance(test.instance))
				if test.fault.Kind != "" {
					server.Inject(test.fault)
				}
				client, err := server.NewClient()
				require.NoError(t, err)
				defer client.CloseIdleConnections()

				action, err := maintain.Restart(t.Context(), client, "i-1")
				require.Equal(t, test.action, action, "%v", err)
				require.Equal(t, test.restarts, server.Reboots("i-1"))
			})
		})
	}
}
