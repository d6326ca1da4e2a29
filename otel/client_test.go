package ecsotel_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

func TestCallIsASpanWithARequestBeneath(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Delay: 200 * time.Millisecond})
		response, err := s.telemetry.Wrap(s.client).RebootInstance(t.Context(), request)
		require.NoError(t, err)

		call, http := s.span("Ecs.RebootInstance"), s.span("POST")
		isChild(t, http, call)
		require.False(t, call.Parent.IsValid())
		for _, span := range s.exporter.GetSpans() {
			require.Equal(t, trace.SpanKindClient, span.SpanKind)
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Equal(t, 200*time.Millisecond, span.EndTime.Sub(span.StartTime))
			require.Equal(t, "127.0.0.1", attr(span.Attributes, "server.address"))
			require.Equal(t, "1", attr(span.Attributes, "server.port"))
			require.Equal(t, response.RequestID, attr(span.Attributes, "aliyun.request_id"))
		}
		for key, value := range map[string]string{
			"rpc.system.name": "aliyun-rpc", "rpc.method": "Ecs/RebootInstance", "cloud.provider": "alibaba_cloud", "cloud.region": "cn-hangzhou",
			"aliyun.ecs.instance_id": id, "ecs.reboot.outcome": "accepted", "ecs.reboot.attempts": "1", "error.type": "",
		} {
			require.Equal(t, value, attr(call.Attributes, key), key)
		}
		for key, value := range map[string]string{
			"http.request.method": "POST", "http.response.status_code": "200", "network.protocol.version": "1.1",
			"url.full": "http://127.0.0.1:1/?*", "url.scheme": "http", "http.request.resend_count": "", "error.type": "",
		} {
			require.Equal(t, value, attr(http.Attributes, key), key)
		}
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Empty(t, s.points("ecs.reboot.unknown", ""))
		require.Equal(t, map[string]float64{"Ecs/RebootInstance": 1}, s.points("rpc.client.call.duration", "rpc.method"))
		require.Equal(t, map[string]float64{"200": 1}, s.points("http.client.request.duration", "http.response.status_code"))
	})
}

// Without the wrapped client a call cannot be told from its requests: each is one.
func TestRequestsWithoutTheWrappedClient(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Second})
		response, err := s.client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		calls, requests := s.spans("Ecs.RebootInstance"), s.spans("POST")
		require.Len(t, calls, 2)
		require.Len(t, requests, 2)
		isChild(t, requests[0], calls[0])
		isChild(t, requests[1], calls[1])
		require.Equal(t, "Throttling.User", attr(calls[0].Attributes, "rpc.response.status_code"))
		require.Equal(t, "Throttling.User", attr(calls[0].Attributes, "error.type"))
		require.Equal(t, codes.Error, calls[0].Status.Code)
		require.Equal(t, codes.Unset, calls[1].Status.Code)
		require.Equal(t, response.RequestID, attr(calls[1].Attributes, "aliyun.request_id"))
		require.Equal(t, map[string]float64{"": 1, "Throttling.User": 1}, s.points("rpc.client.call.duration", "error.type"))
	})
}

func TestThrottledAndSentAgain(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		registration, err := s.telemetry.ObservePace(s.client)
		require.NoError(t, err)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 3 * time.Second, Times: 2})
		_, err = s.telemetry.Wrap(s.client).RebootInstance(t.Context(), request)
		require.NoError(t, err)

		call, requests := s.span("Ecs.RebootInstance"), s.spans("POST")
		require.Equal(t, codes.Unset, call.Status.Code)
		require.Equal(t, "3", attr(call.Attributes, "ecs.reboot.attempts"))
		require.GreaterOrEqual(t, call.EndTime.Sub(call.StartTime), 6*time.Second)
		require.Len(t, requests, 3)
		for i, resends := range []string{"", "1", "2"} {
			isChild(t, requests[i], call)
			require.Equal(t, resends, attr(requests[i].Attributes, "http.request.resend_count"))
			require.Equal(t, []codes.Code{codes.Error, codes.Error, codes.Unset}[i], requests[i].Status.Code)
			require.Equal(t, []string{"400", "400", ""}[i], attr(requests[i].Attributes, "error.type"))
		}
		require.Equal(t, map[string]float64{"RebootInstance": 2, "DescribeInstances": 0}, s.points("ecs.api.throttled", "api"))
		rate := s.points("ecs.gate.rate", "api")
		require.Equal(t, s.client.Pace("RebootInstance").RatePerMinute, rate["RebootInstance"])
		require.Positive(t, rate["RebootInstance"])
		require.NotContains(t, rate, "DescribeInstances")
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))

		require.NoError(t, registration.Unregister())
		require.Empty(t, s.points("ecs.gate.rate", "api"))
	})
}

func TestFailedCalls(t *testing.T) {
	for name, test := range map[string]struct {
		prepare       func(s *stage)
		outcome, kind string
		httpKind      string
		requests      int
	}{
		"refused": {
			prepare: func(s *stage) { require.NoError(s.t, s.SetStatus(id, ecstest.Stopped)) },
			outcome: "rejected", kind: "IncorrectInstanceStatus", httpKind: "403", requests: 1,
		},
		"answer lost": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}) },
			outcome: "unknown", kind: "no_answer", requests: 1,
		},
		"answer cut": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultTruncate, Code: "InternalError"}) },
			outcome: "unknown", kind: "500", httpKind: "*errors.errorString", requests: 1,
		},
		"silence": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultHang}) },
			outcome: "unknown", kind: "timeout", httpKind: "canceled", requests: 1,
		},
		"a page": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer}) },
			outcome: "unknown", kind: "502", httpKind: "502", requests: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				test.prepare(s)
				_, err := s.telemetry.Wrap(s.client).RebootInstance(t.Context(), request)
				require.Error(t, err)
				call, requests := s.span("Ecs.RebootInstance"), s.spans("POST")
				require.Equal(t, codes.Error, call.Status.Code)
				require.Equal(t, err.Error(), call.Status.Description)
				require.Equal(t, test.outcome, attr(call.Attributes, "ecs.reboot.outcome"))
				require.Equal(t, test.kind, attr(call.Attributes, "error.type"))
				require.Len(t, requests, test.requests)
				require.Equal(t, codes.Error, requests[0].Status.Code)
				require.NotEmpty(t, attr(requests[0].Attributes, "error.type"))
				if test.httpKind != "" {
					require.Equal(t, test.httpKind, attr(requests[0].Attributes, "error.type"))
				}
				require.Equal(t, map[string]float64{test.outcome: 1}, s.points("ecs.reboot.sends", "outcome"))
				require.Equal(t, map[string]float64{test.kind: 1}, s.points("rpc.client.call.duration", "error.type"))
				require.Equal(t, map[string]float64{"POST": 1}, s.points("http.client.request.duration", "http.request.method"))
				unknown := map[string]float64{}
				if test.outcome == "unknown" {
					unknown[""] = 1
				}
				require.Equal(t, unknown, s.points("ecs.reboot.unknown", ""))
			})
		})
	}
}

func TestInvalidInputIsNoSend(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, err := s.telemetry.Wrap(s.client).RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.Equal(t, "invalid_input", attr(s.span("Ecs.RebootInstance").Attributes, "error.type"))
		require.Empty(t, s.spans("POST"))
		require.Empty(t, s.points("ecs.reboot.sends", "outcome"))
	})
}

// A dry run that passes is answered with an error, which is none of the call.
func TestDryRun(t *testing.T) {
	dryRun := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, err := s.telemetry.Wrap(s.client).RebootInstance(t.Context(), dryRun)
		require.NoError(t, err)
		_, err = s.client.RebootInstance(t.Context(), dryRun)
		require.NoError(t, err)
		calls, requests := s.spans("Ecs.RebootInstance"), s.spans("POST")
		require.Len(t, calls, 2)
		for i, call := range calls {
			require.Equal(t, codes.Unset, call.Status.Code)
			require.Equal(t, "true", attr(call.Attributes, "ecs.reboot.dry_run"))
			require.Empty(t, attr(call.Attributes, "error.type"))
			require.Empty(t, attr(call.Attributes, "ecs.reboot.outcome"))
			require.Equal(t, codes.Error, requests[i].Status.Code) // of HTTP it is one
		}
		require.Equal(t, "DryRunOperation", attr(calls[1].Attributes, "rpc.response.status_code"))
		require.Empty(t, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 2}, s.points("rpc.client.call.duration", "error.type"))
	})
}

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
	_, err := s.telemetry.Wrap(s.client).RebootInstance(context.Background(), request)
	require.NoError(t, err)
	require.NotEmpty(t, sent)
	require.Equal(t, s.span("POST").SpanContext.SpanID(), within.SpanID())
	for _, name := range []string{"Traceparent", "Tracestate", "Baggage", "B3"} {
		require.NotContains(t, sent, name)
	}
}

func TestPanicEndsSpans(t *testing.T) {
	within := ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(*http.Request) (*http.Response, error) { panic("broken") })
	})
	s := newStage(t, ecstest.Options{}, within)
	require.Panics(t, func() { _, _ = s.telemetry.Wrap(s.client).RebootInstance(context.Background(), request) })
	require.Equal(t, codes.Error, s.span("POST").Status.Code)
	isChild(t, s.span("POST"), s.span("Ecs.RebootInstance"))
}
