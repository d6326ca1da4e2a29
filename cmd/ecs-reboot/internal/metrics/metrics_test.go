package metrics_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/metrics"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// TestMetricsOfARun scrapes while a run goes on, and after it.
func TestMetricsOfARun(t *testing.T) {
	s, err := metrics.Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for _, id := range []string{"i-1", "i-2", "i-3"} {
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: 1500 * time.Millisecond}}))
	}
	server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "RebootInstance", Hint: 100 * time.Millisecond})
	client, err := server.NewClient(s.ClientOption())
	require.NoError(t, err)
	require.NoError(t, s.Observe(client))
	plan, err := fleet.NewPlan(t.Context(), client, fleet.Selection{All: true})
	require.NoError(t, err)
	options := fleet.Options{Settings: fleet.Settings{MinReady: -1, Rules: fleet.Rules{Canary: []int{}}}}
	during := ""
	ctx, onEvent := s.FleetEvents(context.Background(), func(e fleet.Event) {
		if e.Kind == fleet.EventAccepted && during == "" {
			_, during = get(t, s.URL())
		}
	})
	options.OnEvent = onEvent
	report, err := fleet.Run(ctx, client, plan, options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Contains(t, during, "\nfleet_unavailable")
	code, text := get(t, s.URL())
	require.Equal(t, http.StatusOK, code)
	require.Regexp(t, `(?m)^fleet_unavailable[^ ]* 0$`, text)
	require.Regexp(t, `(?m)^rpc_client_call_duration_seconds_count\{[^}]*RebootInstance[^}]*\} 3$`, text)
	require.Regexp(t, `(?m)^ecs_reboot_sends_total(\{[^}]*\})? 3$`, text)
	require.Regexp(t, `(?m)^ecs_api_throttled_total\{[^}]*RebootInstance[^}]*\} 1$`, text)
	require.NotContains(t, text, "i-1", "no ID gets into a metric")
	code, _ = get(t, s.URL()[:len(s.URL())-len("/metrics")]+"/")
	require.Equal(t, http.StatusNotFound, code)
}

func TestAddressInUse(t *testing.T) {
	s, err := metrics.Listen("127.0.0.1:0")
	require.NoError(t, err)
	address := s.URL()[len("http://") : len(s.URL())-len("/metrics")]
	_, err = metrics.Listen(address)
	require.Equal(t, exitcode.Usage, exitcode.Of(err))
	require.ErrorContains(t, err, "--metrics "+address)
	require.NoError(t, s.Close())
	s, err = metrics.Listen(address)
	require.NoError(t, err, "it is free again")
	require.NoError(t, s.Close())
}
