package ecsotel_test

import (
	"context"
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
		require.Equal(t, []string{"baseline", "sending", "sending", "accepted", "status", "status"}, events(wait)) // Starting, Running
		require.Equal(t, "Starting", attr(wait.Events[4].Attributes, "aliyun.ecs.status"))
		require.Equal(t, []string{"baseline", "sending", "sending", "accepted"}, told[:4])
		require.Greater(t, len(told), 6, "the caller gets events of polls without news too")

		require.Equal(t, "cn-hangzhou", attr(wait.Attributes, "cloud.region"))

		send, reads := s.span("Ecs.RebootInstance"), s.spans("Ecs.DescribeInstances")
		require.NotEmpty(t, reads)
		for _, span := range append(reads, send) {
			isChild(t, span, wait)
		}
		resends := 0
		for _, span := range s.spans("POST") {
			if attr(span.Attributes, "http.request.resend_count") != "" {
				isChild(t, span, send)
				resends++
			}
		}
		require.Equal(t, 1, resends)
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
	})
}

// refusing is a witness that finds that the service refused the request.
type refusing struct{}

func (refusing) Testify(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	return ecsreboot.Testimony{Witness: "Trail", Finding: ecsreboot.FindingRefused, Code: "DiskError"}, nil
}

func TestWitnessIsAnEvent(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop, Refuse: "DiskError"})
		_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: refusing{}})
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		found := map[string]string{}
		for _, e := range s.span("ecsreboot.RebootAndWait").Events {
			for _, key := range []string{"ecs.reboot.send_id", "ecs.reboot.witness", "ecs.reboot.finding", "error.type"} {
				if value := attr(e.Attributes, key); value != "" {
					found[e.Name+" "+key] = value
				}
			}
		}
		require.Len(t, found["sending ecs.reboot.send_id"], 26)
		require.Equal(t, found["sending ecs.reboot.send_id"], found["witness ecs.reboot.send_id"])
		require.Equal(t, []string{"Trail", "refused", "DiskError"},
			[]string{found["witness ecs.reboot.witness"], found["witness ecs.reboot.finding"], found["witness error.type"]})
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
		status      ecsreboot.Status
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
			status: ecsreboot.StatusStopped, outcome: "not sent", sends: map[string]float64{}, unknown: map[string]float64{}, description: ecsreboot.ErrIncorrectInstanceStatus,
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

// A plain client's wait has calls like any other. What it finds out is not told.
func TestWaitOfAPlainClient(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop, Act: true})
		_, err := s.client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		require.False(t, s.span("Ecs.RebootInstance").Parent.IsValid())
		require.Equal(t, map[string]float64{"unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

// Both sends of a wait are counted, and that nobody found out once.
func TestSecondSendOfAWait(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop, Times: 2})
		_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.Len(t, s.spans("Ecs.RebootInstance"), 2)
		for _, span := range s.spans("Ecs.RebootInstance") {
			isChild(t, span, s.span("ecsreboot.RebootAndWait"))
		}
		require.Equal(t, map[string]float64{"unknown": 2}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

// The calls that a hook of a wait makes have spans below the call that ran the hook, and
// their own metrics.
func TestCallsOfHooks(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		const another = "i-00001"
		require.NoError(t, s.AddInstance(ecstest.Instance{ID: another}))
		s.Inject(ecstest.Fault{Action: "RebootInstance", InstanceID: another, Kind: ecstest.FaultDrop})
		client := s.telemetry.Wrap(s.client)
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{BeforeSend: func(ctx context.Context, _ ecsreboot.SendIntent) error {
			_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: another})
			assert.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
			return nil
		}})
		require.NoError(t, err)
		sends := s.spans("Ecs.RebootInstance")
		require.Len(t, sends, 2)
		require.Equal(t, another, attr(sends[0].Attributes, "aliyun.ecs.instance_id"))
		isChild(t, sends[0], sends[1])
		isChild(t, sends[1], s.span("ecsreboot.RebootAndWait"))
		for _, request := range s.spans("POST") {
			require.Empty(t, attr(request.Attributes, "http.request.resend_count"))
		}
		require.Equal(t, map[string]float64{"accepted": 1, "unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

// The first of two waits that share a restart goes before it is sent. It was the one
// to tell what becomes of it.
func TestRestartOfAWaitThatLeft(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop, Delay: 10 * time.Second})
		client := s.telemetry.Wrap(s.client)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		calls.Go(func() {
			time.Sleep(time.Second)
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			assert.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		})
		calls.Wait()
		require.Len(t, s.spans("ecsreboot.RebootAndWait"), 2)
		require.Len(t, s.spans("Ecs.RebootInstance"), 1)
		require.Equal(t, map[string]float64{"unknown": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

// A hook that panics ends the wait and its span. What was lost stays lost.
func TestWaitThatPanics(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultDrop})
		options := ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventStatus {
				panic("broken")
			}
		}}
		require.PanicsWithValue(t, "broken", func() { _, _ = s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), request, options) })
		wait := s.span("ecsreboot.RebootAndWait")
		require.Equal(t, codes.Error, wait.Status.Code)
		require.Equal(t, "_OTHER", attr(wait.Attributes, "error.type"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

func TestWaitWithInvalidInput(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, err := s.telemetry.Wrap(s.client).RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{}, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		require.Equal(t, "invalid_input", attr(s.span("ecsreboot.RebootAndWait").Attributes, "error.type"))
		require.Len(t, s.exporter.GetSpans(), 1)
		require.Empty(t, s.metrics())
	})
}
