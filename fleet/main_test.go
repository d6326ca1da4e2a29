package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/testmain"
)

// longTests reports whether tests run in their long form, as they do each night.
var longTests = os.Getenv("LONG_TESTS") != ""

func TestMain(m *testing.M) {
	testmain.ManyBubbles()
	testmain.Run(m)
}

// service is an in-memory service with machines, in a bubble.
type service struct {
	*ecstest.Server
	t      testing.TB
	client *ecsreboot.Client
	ids    []string
}

// inBubble runs a test against a service of n instances in three zones. The
// settings change what is added.
func inBubble(t *testing.T, n int, options ecstest.Options, test func(t *testing.T, s *service), settings ...func(*ecstest.Instance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second) // StartTime is a matter of minutes
		test(t, newService(t, n, options, settings...))
	})
}

func newService(tb testing.TB, n int, options ecstest.Options, settings ...func(*ecstest.Instance)) *service {
	tb.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(tb, err)
	tb.Cleanup(server.Close)
	s := &service{Server: server, t: tb}
	for i := range n {
		instance := ecstest.Instance{
			ID:     fmt.Sprintf("i-%05d", i+1),
			ZoneID: "cn-hangzhou-" + string("hij"[i%3]),
			Tags:   map[string]string{"role": "web"},
		}
		for _, set := range settings {
			set(&instance)
		}
		require.NoError(tb, server.AddInstance(instance))
		s.ids = append(s.ids, instance.ID)
	}
	s.client, err = server.NewClient()
	require.NoError(tb, err)
	tb.Cleanup(s.client.CloseIdleConnections)
	return s
}

// quick is a restart that takes 5 s instead of 30 s, so that a run needs fewer polls.
func quick(i *ecstest.Instance) { i.Reboot.Graceful = 5 * time.Second }

// plan is the plan of all instances, in the order they were added.
func (s *service) plan() fleet.Plan {
	s.t.Helper()
	plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{InstanceIDs: s.ids})
	require.NoError(s.t, err)
	return plan
}

// run runs the plan with a journal of its own, unless the options name one.
func (s *service) run(options fleet.Options) (*fleet.Report, error) {
	s.t.Helper()
	if options.Journal == "" {
		options.Journal = "run.journal"
		options = options.WithFiles(newDisk())
	}
	return fleet.Run(context.Background(), s.client, s.plan(), options)
}

func mustJSON(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	require.NoError(tb, err)
	return string(text)
}
