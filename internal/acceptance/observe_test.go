package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// observations notes what observers and requests tell, in order.
type observations struct {
	mu      sync.Mutex
	lines   []string
	results []ecsreboot.CallResult
}

func (o *observations) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

type observedKey struct{}

// observer is a named one, whose name is in the context of the call's requests.
func (o *observations) observer(name string) ecsreboot.Option {
	return ecsreboot.WithCallObserver(func(ctx context.Context, call ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
		around, _ := ctx.Value(observedKey{}).(string)
		o.note("%s begins %s of %q", around+name, call.Operation, call.InstanceID)
		return context.WithValue(ctx, observedKey{}, around+name), func(became ecsreboot.CallResult) {
			o.note("%s ends %s after %d", around+name, became.Outcome, became.Attempts)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.results = append(o.results, became)
		}
	})
}

// requests notes requests and the observers that they are beneath.
func (o *observations) requests() ecsreboot.Option {
	return ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(req *http.Request) (*http.Response, error) {
			o.note("request beneath %v", req.Context().Value(observedKey{}))
			return next.RoundTrip(req)
		})
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestCallObserversAreNested(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		var o observations
		client := newClient(t, server, ecsreboot.WithOptions(o.observer("a"), o.observer("b")), o.requests())
		inject(server, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 2 * s})
		response, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, []string{
			`a begins RebootInstance of "` + id + `"`,
			`ab begins RebootInstance of "` + id + `"`,
			"request beneath ab",
			"request beneath ab",
			"ab ends accepted after 2",
			"a ends accepted after 2",
		}, o.lines)
		assert.Equal(t, response.RequestID, o.results[0].RequestID)
		assert.Equal(t, 2*s, o.results[0].Elapsed.Truncate(s))
		require.NoError(t, o.results[0].Err)
	})
}

func TestCallObserverIsToldOfFailures(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		var o observations
		client := newClient(t, server, o.observer("a"))
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		assert.Equal(t, err, o.results[0].Err)
		assert.Equal(t, unknown, o.results[0].Outcome)

		_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-none"})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
		assert.NotEmpty(t, o.results[1].RequestID)
		assert.Equal(t, rejected, o.results[1].Outcome)
	})
}

// The observer gets the calls that a wait makes too, as operations of the API.
func TestCallObserverSeesTheCallsOfAWait(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		var o observations
		client := newClient(t, server, o.observer("a"))
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		require.Greater(t, len(o.lines), 6)
		assert.Equal(t, []string{
			`a begins DescribeInstances of "` + id + `"`,
			"a ends none after 1",
			`a begins RebootInstance of "` + id + `"`,
			"a ends accepted after 1",
			`a begins DescribeInstances of "` + id + `"`,
			"a ends none after 1",
		}, o.lines[:6])
	})
}

func TestCallObserverOfNothing(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server, ecsreboot.WithCallObserver(func(context.Context, ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
		return nil, nil
	}))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
}

func TestCallObserverIsToldOfAPanic(t *testing.T) {
	server := newService(t, ecstest.Options{})
	var o observations
	client := newClient(t, server, o.observer("a"), ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
		return tripper(func(*http.Request) (*http.Response, error) { panic("of a RoundTripper") })
	}))
	assert.Panics(t, func() { _, _ = client.RebootInstance(t.Context(), request) })
	require.Len(t, o.results, 1)
	require.Error(t, o.results[0].Err)
	assert.Equal(t, unknown, o.results[0].Outcome)
}

// The records' names are those that alerts and queries are built on.
func TestLogOfCalls(t *testing.T) {
	server := newService(t, ecstest.Options{})
	var log bytes.Buffer
	client := newClient(t, server, ecsreboot.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-none"})
	require.Error(t, err)
	type record struct {
		Level, Msg, Operation, Outcome string
		InstanceID                     string `json:"instance_id"`
		RequestID                      string `json:"request_id"`
		Attempts                       int
		Elapsed                        time.Duration
		Error                          map[string]any
	}
	var first, second record
	decoder := json.NewDecoder(&log)
	require.NoError(t, decoder.Decode(&first))
	require.NoError(t, decoder.Decode(&second))
	assert.NotEmpty(t, first.RequestID)
	assert.Positive(t, first.Elapsed)
	first.RequestID, first.Elapsed = "", 0
	assert.Equal(t, record{Level: "DEBUG", Msg: "ecsreboot: called", Operation: "RebootInstance", Outcome: "accepted", InstanceID: id, Attempts: 1}, first)
	assert.Equal(t, "rejected", second.Outcome)
	assert.NotEmpty(t, second.Error)
}

// The restart was accepted: an observer that panics then must not hide it.
func TestCallObserverPanics(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server, ecsreboot.WithCallObserver(func(ctx context.Context, _ ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
		return ctx, func(ecsreboot.CallResult) { panic("of an observer") }
	}))
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, 1, server.Reboots(id))
}
