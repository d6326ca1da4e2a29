package ecsotel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// roundTripFunc is an http.RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The service learns nothing of traces, even if the program propagates them.
func TestNothingIsAddedToRequests(t *testing.T) {
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	defer otel.SetTextMapPropagator(before)
	var sent http.Header
	var within trace.SpanContext
	watch := ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent, within = req.Header.Clone(), trace.SpanContextFromContext(req.Context())
			return next.RoundTrip(req)
		})
	})
	s := newStage(t, ecstest.Options{}, watch)
	_, err := s.client.RebootInstance(context.Background(), request)
	require.NoError(t, err)
	require.NotEmpty(t, sent)
	require.Equal(t, s.span("POST").SpanContext.SpanID(), within.SpanID())
	for _, name := range []string{"Traceparent", "Tracestate", "Baggage", "B3"} {
		require.NotContains(t, sent, name)
	}
}

// A RoundTripper of the caller's may do anything: the spans end, the client gets what
// it would get without them, and what it had to send is counted.
func TestOddTransports(t *testing.T) {
	answer := func(status int, body io.ReadCloser) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"X-Acs-Request-Id": {"5ED67409-F3E7-48DB-BBB8-40F3D1CD2B8E"}}, Body: body, ContentLength: -1}
	}
	for name, test := range map[string]struct {
		answer         func() (*http.Response, error)
		kind, httpKind string
		panics         bool
	}{
		"no body":        {answer: func() (*http.Response, error) { return answer(500, nil), nil }, kind: "500", httpKind: "500"},
		"empty body":     {answer: func() (*http.Response, error) { return answer(500, http.NoBody), nil }, kind: "500", httpKind: "500"},
		"no answer":      {answer: func() (*http.Response, error) { return nil, nil }, kind: "no_answer", httpKind: "_OTHER"},
		"both":           {answer: func() (*http.Response, error) { return answer(200, http.NoBody), io.ErrClosedPipe }, kind: "no_answer", httpKind: "*errors.errorString"},
		"body that ends": {answer: func() (*http.Response, error) { return answer(500, io.NopCloser(brokenReader{})), nil }, kind: "500", httpKind: "*errors.errorString"},
		"panic":          {answer: func() (*http.Response, error) { panic("broken") }, kind: "_OTHER", httpKind: "_OTHER", panics: true},
	} {
		t.Run(name, func(t *testing.T) {
			within := ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
				return roundTripFunc(func(*http.Request) (*http.Response, error) { return test.answer() })
			})
			s := newStage(t, ecstest.Options{}, within)
			if test.panics {
				require.PanicsWithValue(t, "broken", func() { _, _ = s.client.RebootInstance(context.Background(), request) })
			} else {
				_, err := s.client.RebootInstance(context.Background(), request)
				require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
			}
			call, http := s.span("Ecs.RebootInstance"), s.span("POST")
			isChild(t, http, call)
			require.Equal(t, codes.Error, http.Status.Code)
			require.Equal(t, test.httpKind, attr(http.Attributes, "error.type"))
			require.Equal(t, codes.Error, call.Status.Code)
			require.Equal(t, test.kind, attr(call.Attributes, "error.type"))
			require.Equal(t, "127.0.0.1", attr(call.Attributes, "server.address"))
			require.Equal(t, map[string]float64{"unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
			require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
			require.Equal(t, map[string]float64{test.httpKind: 1}, s.points("http.client.request.duration", "error.type"))
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// A goroutine that is ended in a RoundTripper leaves no span open either.
func TestGoexitEndsSpans(t *testing.T) {
	within := ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(*http.Request) (*http.Response, error) {
			runtime.Goexit()
			return nil, errors.New("not reached")
		})
	})
	s := newStage(t, ecstest.Options{}, within)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.client.RebootInstance(context.Background(), request)
	}()
	<-done
	isChild(t, s.span("POST"), s.span("Ecs.RebootInstance"))
	require.Equal(t, map[string]float64{"unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
}

// A wrapper around that repeats reads by itself shows: its requests are of one attempt.
func TestRequestsThatAWrapperRepeats(t *testing.T) {
	s := newStage(t, ecstest.Options{})
	s.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer})
	around := ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil || resp.StatusCode != http.StatusBadGateway {
				return resp, err
			}
			_ = resp.Body.Close()
			return next.RoundTrip(req)
		})
	})
	client, err := s.NewClient(s.telemetry.ClientOption(), around, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for range client.DescribeInstances(context.Background(), ecsreboot.DescribeInstancesRequest{}) {
	}
	requests := s.spans("POST")
	require.Len(t, requests, 2)
	require.Equal(t, "502", attr(requests[0].Attributes, "error.type"))
	require.Equal(t, "1", attr(requests[1].Attributes, "http.request.resend_count"))
	require.Equal(t, "1", attr(s.span("Ecs.DescribeInstances").Attributes, "ecs.reboot.attempts"))
}
