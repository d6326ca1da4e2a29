package ecsotel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

func TestCallIsASpanWithARequestBeneath(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Delay: 200 * time.Millisecond})
		response, err := s.client.RebootInstance(t.Context(), request)
		require.NoError(t, err)

		call, http := s.span("Ecs.RebootInstance"), s.span("POST")
		isChild(t, http, call)
		require.False(t, call.Parent.IsValid())
		require.False(t, http.EndTime.After(call.EndTime))
		for _, span := range s.exporter.GetSpans() {
			require.Equal(t, trace.SpanKindClient, span.SpanKind)
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Equal(t, 200*time.Millisecond, span.EndTime.Sub(span.StartTime))
			require.Equal(t, "127.0.0.1", attr(span.Attributes, "server.address"))
			require.Equal(t, "1", attr(span.Attributes, "server.port"))
			require.Equal(t, response.RequestID, attr(span.Attributes, "aliyun.request_id"))
		}
		for key, value := range map[string]string{
			"rpc.system.name": "aliyun-rpc", "rpc.method": "Ecs/RebootInstance", "rpc.response.status_code": "", "cloud.provider": "alibaba_cloud",
			"aliyun.ecs.instance_id": id, "ecs.reboot.dry_run": "false", "ecs.reboot.force_stop": "false",
			"ecs.reboot.outcome": "accepted", "ecs.reboot.attempts": "1", "error.type": "",
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
		require.Equal(t, map[string]float64{"127.0.0.1": 1}, s.points("rpc.client.call.duration", "server.address"))
		require.Equal(t, map[string]float64{"200": 1}, s.points("http.client.request.duration", "http.response.status_code"))
	})
}

// A read is a call like any other, except that it has no attributes of a restart.
func TestReadIsASpan(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop})
		for _, err := range s.client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{id}}) {
			require.NoError(t, err)
		}
		for _, err := range s.client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
			require.NoError(t, err)
		}
		reads, requests := s.spans("Ecs.DescribeInstances"), s.spans("POST")
		require.Len(t, reads, 2)
		require.Len(t, requests, 3)
		isChild(t, requests[0], reads[0])
		isChild(t, requests[1], reads[0])
		isChild(t, requests[2], reads[1])
		require.Equal(t, "2", attr(reads[0].Attributes, "ecs.reboot.attempts"))
		require.Equal(t, "1", attr(requests[1].Attributes, "http.request.resend_count"))
		require.Empty(t, attr(requests[2].Attributes, "http.request.resend_count"))
		require.Equal(t, id, attr(reads[0].Attributes, "aliyun.ecs.instance_id"))
		for _, key := range []string{"ecs.reboot.outcome", "ecs.reboot.dry_run", "ecs.reboot.force_stop"} {
			require.Empty(t, attr(reads[0].Attributes, key))
		}
		for _, a := range reads[1].Attributes {
			require.NotEqual(t, "aliyun.ecs.instance_id", string(a.Key))
		}
		require.Equal(t, map[string]float64{"Ecs/DescribeInstances": 2}, s.points("rpc.client.call.duration", "rpc.method"))
		require.Empty(t, s.points("ecs.reboot.sends", "outcome"))
	})
}

func TestThrottledAndSentAgain(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		registration, err := s.telemetry.ObservePace(s.client)
		require.NoError(t, err)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 3 * time.Second, Times: 2})
		_, err = s.client.RebootInstance(t.Context(), request)
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
		code          string
		httpKind      string
	}{
		"refused": {
			prepare: func(s *stage) { require.NoError(s.t, s.SetStatus(id, ecsreboot.StatusStopped)) },
			outcome: "rejected", kind: "IncorrectInstanceStatus", code: "IncorrectInstanceStatus", httpKind: "403",
		},
		"answer lost": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}) },
			outcome: "unknown", kind: "no_answer",
		},
		"answer cut": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultTruncate, Code: "InternalError"}) },
			outcome: "unknown", kind: "500", httpKind: "*errors.errorString",
		},
		"silence": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultHang}) },
			outcome: "unknown", kind: "timeout", httpKind: "canceled",
		},
		"a page": {
			prepare: func(s *stage) { s.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer}) },
			outcome: "unknown", kind: "502", httpKind: "502",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				test.prepare(s)
				_, err := s.client.RebootInstance(t.Context(), request)
				require.Error(t, err)
				call, requests := s.span("Ecs.RebootInstance"), s.spans("POST")
				require.Equal(t, codes.Error, call.Status.Code)
				require.Equal(t, err.Error(), call.Status.Description)
				require.Equal(t, test.outcome, attr(call.Attributes, "ecs.reboot.outcome"))
				require.Equal(t, test.kind, attr(call.Attributes, "error.type"))
				require.Equal(t, test.code, attr(call.Attributes, "rpc.response.status_code"))
				require.Len(t, requests, 1)
				require.Equal(t, codes.Error, requests[0].Status.Code)
				require.NotEmpty(t, attr(requests[0].Attributes, "error.type"))
				if test.httpKind != "" {
					require.Equal(t, test.httpKind, attr(requests[0].Attributes, "error.type"))
				}
				require.Equal(t, map[string]float64{test.outcome: 1}, s.points("ecs.reboot.sends", "outcome"))
				require.Equal(t, map[string]float64{test.kind: 1}, s.points("rpc.client.call.duration", "error.type"))
				require.Equal(t, map[string]float64{test.code: 1}, s.points("rpc.client.call.duration", "rpc.response.status_code"))
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

// What is refused before there is a call leaves nothing.
func TestInvalidInputIsNoCall(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, err := s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.Empty(t, s.exporter.GetSpans())
		require.Empty(t, s.metrics())
	})
}

// closedPacer lets nothing pass.
type closedPacer struct{}

func (closedPacer) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return nil, ecsreboot.ErrThrottled
}

// A call may end without any request, from which its server would be known.
func TestCallsWithoutARequest(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(s *stage) (context.Context, *ecsreboot.Client)
		kind    string
	}{
		"held back": {func(s *stage) (context.Context, *ecsreboot.Client) {
			client, err := s.NewClient(s.telemetry.ClientOption(), ecsreboot.WithPacer("RebootInstance", closedPacer{}))
			require.NoError(s.t, err)
			return s.t.Context(), client
		}, "throttled"},
		"canceled": {func(s *stage) (context.Context, *ecsreboot.Client) {
			ctx, cancel := context.WithCancel(s.t.Context())
			cancel()
			return ctx, s.client
		}, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				ctx, client := test.prepare(s)
				_, err := client.RebootInstance(ctx, request)
				require.ErrorIs(t, err, ecsreboot.ErrNotSent)
				call := s.span("Ecs.RebootInstance")
				require.Empty(t, s.spans("POST"))
				require.Equal(t, codes.Error, call.Status.Code)
				require.Equal(t, test.kind, attr(call.Attributes, "error.type"))
				require.Equal(t, "0", attr(call.Attributes, "ecs.reboot.attempts"))
				require.Equal(t, "not sent", attr(call.Attributes, "ecs.reboot.outcome"))
				require.Equal(t, "127.0.0.1", attr(call.Attributes, "server.address"))
				require.Equal(t, "cn-hangzhou", attr(call.Attributes, "cloud.region"))
				require.Equal(t, map[string]float64{"not sent": 1}, s.points("ecs.reboot.sends", "outcome"))
				require.Equal(t, map[string]float64{test.kind: 1}, s.points("rpc.client.call.duration", "error.type"))
				require.Empty(t, s.points("http.client.request.duration", ""))
			})
		})
	}
}

// A dry run that passes is answered with an error, which is none of the call.
func TestDryRun(t *testing.T) {
	dryRun := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, err := s.client.RebootInstance(t.Context(), dryRun)
		require.NoError(t, err)
		require.NoError(t, s.SetStatus(id, ecsreboot.StatusStopped))
		_, err = s.client.RebootInstance(t.Context(), dryRun)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		calls, requests := s.spans("Ecs.RebootInstance"), s.spans("POST")
		require.Len(t, calls, 2)
		for i, call := range calls {
			require.Equal(t, []codes.Code{codes.Unset, codes.Error}[i], call.Status.Code)
			require.Equal(t, []string{"", "IncorrectInstanceStatus"}[i], attr(call.Attributes, "error.type"))
			require.Equal(t, "true", attr(call.Attributes, "ecs.reboot.dry_run"))
			require.Empty(t, attr(call.Attributes, "ecs.reboot.outcome"))
			require.Equal(t, codes.Error, requests[i].Status.Code) // of HTTP it is one
		}
		require.Empty(t, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1, "IncorrectInstanceStatus": 1}, s.points("rpc.client.call.duration", "error.type"))
	})
}

// A dry run that the service took for a restart is one.
func TestDryRunThatWasIgnored(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: `{"RequestId":"5ED67409-F3E7-48DB-BBB8-40F3D1CD2B8E"}`})
		_, err := s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
		require.ErrorIs(t, err, ecsreboot.ErrDryRunIgnored)
		call := s.span("Ecs.RebootInstance")
		require.Equal(t, "accepted", attr(call.Attributes, "ecs.reboot.outcome"))
		require.Equal(t, "dry_run_ignored", attr(call.Attributes, "error.type"))
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
	})
}

// One telemetry serves clients that differ, and one option several clients.
func TestOptionOfSeveralClients(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		option := s.telemetry.ClientOption()
		for range 2 {
			client, err := s.NewClient(option)
			require.NoError(t, err)
			t.Cleanup(client.CloseIdleConnections)
			_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			require.NoError(t, err)
		}
		calls, requests := s.spans("Ecs.RebootInstance"), s.spans("POST")
		require.Len(t, calls, 2)
		require.Len(t, requests, 2)
		isChild(t, requests[0], calls[0])
		isChild(t, requests[1], calls[1])
	})
}
