package ecsotel_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

func TestWaitIsASpanWithItsSteps(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultThrottle, Hint: time.Second})
		var told []string
		options := ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) { told = append(told, string(e.Kind)) }}
		result, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, options)
		require.NoError(t, err)

		wait := s.span("ecsreboot.RebootAndWait")
		require.Equal(t, trace.SpanKindInternal, wait.SpanKind)
		require.Equal(t, codes.Unset, wait.Status.Code)
		require.Equal(t, "status", attr(wait.Attributes, "ecs.reboot.proof"))
		require.Equal(t, result.RequestID, attr(wait.Attributes, "aliyun.request_id"))
		require.Equal(t, []string{"baseline", "sending", "accepted", "status", "status"}, events(wait)) // Starting, Running
		require.Equal(t, "Starting", attr(wait.Events[3].Attributes, "aliyun.ecs.status"))
		require.Equal(t, []string{"baseline", "sending", "accepted"}, told[:3])
		require.Greater(t, len(told), 5, "readings without news are told to the caller")

		sends := s.spans("Ecs.RebootInstance")
		require.Len(t, sends, 2)
		for _, span := range append(sends, s.spans("Ecs.DescribeInstances")...) {
			isChild(t, span, wait)
		}
		for _, span := range s.spans("POST") {
			if span.Parent.SpanID() == sends[1].SpanContext.SpanID() {
				require.Equal(t, "1", attr(span.Attributes, "http.request.resend_count"))
			} else {
				require.Empty(t, attr(span.Attributes, "http.request.resend_count"))
			}
		}
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
	})
}

func TestLostAnswerThatIsSettled(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop, Act: true})
		_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		wait := s.span("ecsreboot.RebootAndWait")
		require.Contains(t, events(wait), "outcome unknown")
		require.Equal(t, codes.Unset, wait.Status.Code)
		require.Equal(t, map[string]float64{"unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Empty(t, s.points("ecs.reboot.unknown", ""), "it was found out")
	})
}

func TestFailedWaits(t *testing.T) {
	for name, test := range map[string]struct {
		fault       ecstest.Fault
		status      string
		outcome     string
		sends       map[string]float64
		unknown     map[string]float64
		description error
	}{
		"never settled": {
			fault:   ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop},
			outcome: "unknown", sends: map[string]float64{"unknown": 1}, unknown: map[string]float64{"": 1}, description: ecsreboot.ErrNotProven,
		},
		"refused": {
			fault:   ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultError, Code: "Forbidden.RAM"},
			outcome: "rejected", sends: map[string]float64{"rejected": 1}, unknown: map[string]float64{}, description: ecsreboot.ErrAccessDenied,
		},
		"refused early": {
			status: ecstest.Stopped, outcome: "not sent", sends: map[string]float64{}, unknown: map[string]float64{}, description: ecsreboot.ErrIncorrectInstanceStatus,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				if test.status != "" {
					require.NoError(t, s.SetStatus(id, test.status))
				} else {
					s.Inject(test.fault)
				}
				_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				require.ErrorIs(t, err, test.description)
				wait := s.span("ecsreboot.RebootAndWait")
				require.Equal(t, codes.Error, wait.Status.Code)
				require.Equal(t, test.outcome, attr(wait.Attributes, "ecs.reboot.outcome"))
				require.Equal(t, test.sends, s.points("ecs.reboot.sends", "outcome"))
				require.Equal(t, test.unknown, s.points("ecs.reboot.unknown", ""))
			})
		})
	}
}

// Of calls that share a restart, one has sent it.
func TestSharedRestartCountsOnce(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		require.Equal(t, 1, s.Reboots(id))
		require.Len(t, s.spans("ecsreboot.RebootAndWait"), 5)
		require.Len(t, s.spans("Ecs.RebootInstance"), 1)
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
	})
}
