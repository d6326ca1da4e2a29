package ecsotel_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// run runs a plan of n instances more, two at a time and without canaries unless
// the options say otherwise.
func (s *stage) run(ctx context.Context, n int, options fleet.Options, settings ...func(*ecstest.Instance)) *fleet.Report {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		instance := ecstest.Instance{ID: fmt.Sprintf("i-%05d", i+1)}
		for _, set := range settings {
			set(&instance)
		}
		require.NoError(s.t, s.AddInstance(instance))
		ids[i] = instance.ID
	}
	plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{InstanceIDs: ids})
	require.NoError(s.t, err)
	s.exporter.Reset()
	if options.MaxUnavailable == (fleet.Rules{}).MaxUnavailable {
		options.MaxUnavailable, options.AllowWide, options.Canary = fleet.Count(2), true, []int{}
	}
	ctx, options.OnEvent = s.telemetry.FleetEvents(ctx, options.OnEvent)
	report, err := fleet.Run(ctx, s.client, plan, options)
	if ctx.Err() == nil {
		require.NoError(s.t, err)
	}
	return report
}

func (s *stage) byInstance() map[string]tracetest.SpanStub {
	s.t.Helper()
	found := map[string]tracetest.SpanStub{}
	for _, span := range s.spans("fleet.reboot.instance") {
		id := attr(span.Attributes, "aliyun.ecs.instance_id")
		require.NotContains(s.t, found, id)
		found[id] = span
	}
	return found
}

func TestFleetRun(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		most, told := 0.0, 0
		options := fleet.Options{Settings: fleet.Settings{MinReady: 10 * time.Second}, OnEvent: func(fleet.Event) {
			told++
			most = max(most, s.points("fleet.unavailable", "")[""])
		}}
		begin := time.Now()
		report := s.run(t.Context(), 5, options)
		require.Equal(t, 5, report.Count(fleet.StateHealthy))

		run := s.span("fleet.reboot")
		require.Equal(t, codes.Unset, run.Status.Code)
		require.Equal(t, begin, run.StartTime)
		require.Equal(t, report.Ended, run.EndTime)
		require.Equal(t, "5", attr(run.Attributes, "fleet.targets"))
		require.Equal(t, "cn-hangzhou", attr(run.Attributes, "cloud.region"))
		require.Equal(t, "done", attr(run.Attributes, "fleet.reason"))
		instances := s.byInstance()
		require.Len(t, instances, 5)
		for _, record := range report.Records {
			span := instances[record.ID]
			isChild(t, span, run)
			require.Equal(t, []string{"send", "accepted", "down", "up"}, events(span))
			require.Equal(t, record.DownAt, span.Events[2].Time)
			require.Equal(t, record.UpAt, span.Events[3].Time)
			require.Equal(t, record.EndedAt, span.EndTime)
			require.Equal(t, "healthy", attr(span.Attributes, "fleet.state"))
			require.Equal(t, record.RequestID, attr(span.Attributes, "aliyun.request_id"))
		}
		sends := s.spans("Ecs.RebootInstance")
		require.Len(t, sends, 5)
		for _, send := range sends {
			isChild(t, send, instances[attr(send.Attributes, "aliyun.ecs.instance_id")])
		}
		require.NotEmpty(t, s.spans("Ecs.DescribeInstances"))
		for _, read := range s.spans("Ecs.DescribeInstances") {
			isChild(t, read, run)
		}

		require.Greater(t, told, 20)
		require.InDelta(t, 2, most, 0)
		require.Equal(t, map[string]float64{"": 0}, s.points("fleet.unavailable", ""))
		require.Equal(t, map[string]float64{"accepted": 5}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"healthy": 5}, s.points("fleet.settle.duration", "outcome"))
		for _, m := range s.metrics() {
			if m.Name == "fleet.settle.duration" {
				longest, _ := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Max.Value()
				require.Greater(t, longest, 40.0) // 30 s to restart, 10 s to be ready
				require.Less(t, longest, 70.0)
			}
		}
	})
}

func TestFleetRunWithFailures(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(
			ecstest.Fault{Action: "RebootInstance", InstanceID: "i-00001", Kind: ecstest.FaultDrop, Act: true},
			ecstest.Fault{Action: "RebootInstance", InstanceID: "i-00002", Kind: ecstest.FaultDrop},
			ecstest.Fault{Action: "RebootInstance", InstanceID: "i-00003", Kind: ecstest.FaultError, Code: "DiskError"},
		)
		options := fleet.Options{Settings: fleet.Settings{MinReady: -1, ReadyTimeout: 2 * time.Minute}}
		options.MaxUnavailable, options.AllowWide, options.MaxFailed, options.Canary = fleet.Count(6), true, fleet.Count(6), []int{}
		atEnd := 0.0
		options.OnEvent = func(e fleet.Event) {
			if e.Kind != fleet.EventEnd {
				atEnd = s.points("fleet.unavailable", "")[""]
			}
		}
		s.run(t.Context(), 6, options, func(i *ecstest.Instance) {
			switch i.ID {
			case "i-00004":
				i.Reboot.Hang = true
			case "i-00005":
				i.Status = ecsreboot.StatusStopped
			case "i-00006":
				i.Locks = []string{"security"}
			}
		})
		instances := s.byInstance()
		for _, want := range []struct {
			id, state, reason, kind string
			code                    codes.Code
			events                  []string
		}{
			{"i-00001", "healthy", "", "", codes.Unset, []string{"send", "answer lost", "down", "up"}},
			{"i-00002", "unknown", "not proven", "not proven", codes.Error, []string{"send", "answer lost"}},
			{"i-00003", "failed", "refused", "DiskError", codes.Error, []string{"send"}},
			{"i-00004", "failed", "not back", "not back", codes.Error, []string{"send", "accepted", "down"}},
			{"i-00005", "skipped", "not running", "", codes.Unset, nil},
			{"i-00006", "skipped", "locked", "", codes.Unset, nil},
		} {
			span := instances[want.id]
			require.Equal(t, want.state, attr(span.Attributes, "fleet.state"), want.id)
			require.Equal(t, want.reason, attr(span.Attributes, "fleet.reason"), want.id)
			require.Equal(t, want.kind, attr(span.Attributes, "error.type"), want.id)
			require.Equal(t, want.code, span.Status.Code, want.id)
			require.Equal(t, want.events, events(span), want.id)
		}
		require.Equal(t, map[string]float64{"accepted": 1, "unknown": 2, "rejected": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
		require.Equal(t, map[string]float64{"healthy": 1, "failed": 1, "unknown": 1}, s.points("fleet.settle.duration", "outcome"))
		require.InDelta(t, 4, atEnd, 0) // 2, 3, 4 and 5
		require.Equal(t, map[string]float64{"": 0}, s.points("fleet.unavailable", ""))
	})
}

// Requests look up the span of their instance while events arrive.
func TestFleetManyAtOnce(t *testing.T) {
	inBubble(t, ecstest.Options{LimitPerMinute: 40}, func(t *testing.T, s *stage) {
		s.run(t.Context(), 60, fleet.Options{Settings: fleet.Settings{MinReady: -1, Rules: fleet.Rules{MaxUnavailable: fleet.Count(60), AllowWide: true, Canary: []int{}}}})
		instances := s.byInstance()
		require.Len(t, instances, 60)
		sends := s.spans("Ecs.RebootInstance")
		require.Len(t, sends, 60)
		throttled := 0
		for _, send := range sends {
			isChild(t, send, instances[attr(send.Attributes, "aliyun.ecs.instance_id")])
			if attr(send.Attributes, "ecs.reboot.attempts") != "1" {
				throttled++
			}
		}
		require.Positive(t, throttled)
		require.Equal(t, map[string]float64{"accepted": 60}, s.points("ecs.reboot.sends", "outcome"))
	})
}

// The intents of one send that was throttled are one send.
func TestFleetSendThatIsThrottled(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultThrottle, Hint: 2 * time.Second})
		s.run(t.Context(), 1, fleet.Options{Settings: fleet.Settings{MinReady: -1}})
		require.Equal(t, []string{"send", "send", "accepted", "down", "up"}, events(s.span("fleet.reboot.instance")))
		require.Equal(t, "2", attr(s.span("Ecs.RebootInstance").Attributes, "ecs.reboot.attempts"))
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
	})
}

// A blocker is asked again right before a request that had to wait. The call that it
// calls off was a call, and its text is on no span.
func TestFleetSendThatIsCalledOff(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultThrottle, Hint: 20 * time.Second})
		asked := 0
		report := s.run(t.Context(), 1, fleet.Options{Settings: fleet.Settings{MinReady: -1}, Blocker: func(ctx context.Context, _ fleet.Target) error {
			_, err := s.client.TakeBaseline(ctx, id)
			assert.NoError(t, err)
			if asked++; asked == 2 {
				return errors.New("secret of a blocker")
			}
			return nil
		}})
		require.Equal(t, 1, report.Count(fleet.StateHealthy))
		require.Equal(t, []string{"send", "held", "send", "accepted", "down", "up"}, events(s.span("fleet.reboot.instance")))
		sends := s.spans("Ecs.RebootInstance")
		require.Len(t, sends, 2)
		for i, send := range sends {
			isChild(t, send, s.span("fleet.reboot.instance"))
			require.Equal(t, []string{"not sent", "accepted"}[i], attr(send.Attributes, "ecs.reboot.outcome"))
		}
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "not_sent"}, sends[0].Status)
		var looks []tracetest.SpanStub
		for _, read := range s.spans("Ecs.DescribeInstances") {
			if attr(read.Attributes, "aliyun.ecs.instance_id") == id {
				looks = append(looks, read)
			}
		}
		require.Len(t, looks, 3)
		isChild(t, looks[0], s.span("fleet.reboot"))
		isChild(t, looks[1], sends[0])
		isChild(t, looks[2], s.span("fleet.reboot"))
		require.NotContains(t, fmt.Sprintf("%+v", s.exporter.GetSpans()), "secret of a blocker")
		require.Equal(t, map[string]float64{"not sent": 1, "accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Equal(t, map[string]float64{"healthy": 1}, s.points("fleet.settle.duration", "outcome"))
	})
}

// What was called off is not measured: it did not have to settle.
func TestFleetSendThatIsRefused(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		s.Inject(ecstest.Fault{Action: "RebootInstance", Kind: ecstest.FaultError, Code: "DiskError"})
		s.run(t.Context(), 1, fleet.Options{Settings: fleet.Settings{MinReady: -1}})
		require.Equal(t, []string{"send"}, events(s.span("fleet.reboot.instance")))
		require.Equal(t, map[string]float64{"rejected": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Empty(t, s.points("fleet.settle.duration", "outcome"))
	})
}

// The calls of a run that nobody follows are those of a plain client.
func TestFleetRunWithoutEvents(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		plan, err := fleet.NewPlan(t.Context(), s.client, fleet.Selection{InstanceIDs: []string{id}})
		require.NoError(t, err)
		_, err = fleet.Run(t.Context(), s.client, plan, fleet.Options{Settings: fleet.Settings{MinReady: -1, Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), AllowWide: true, Canary: []int{}}}})
		require.NoError(t, err)
		require.False(t, s.span("Ecs.RebootInstance").Parent.IsValid())
		require.Equal(t, map[string]float64{"accepted": 1}, s.points("ecs.reboot.sends", "outcome"))
		require.Empty(t, s.spans("fleet.reboot"))
	})
}

func TestHaltedAndInterruptedRuns(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		sick := func(context.Context, fleet.Target) error { return errors.New("sick") }
		s.run(t.Context(), 3, fleet.Options{Settings: fleet.Settings{ReadyTimeout: 5 * time.Minute, Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), AllowWide: true, Canary: []int{1}}}, Health: sick})
		run := s.span("fleet.reboot")
		require.Equal(t, codes.Error, run.Status.Code)
		require.Equal(t, "canary failed", attr(run.Attributes, "error.type"))
		require.Contains(t, events(run), "halt")
	})
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		s.run(ctx, 3, fleet.Options{Settings: fleet.Settings{MinReady: -1}})
		run := s.span("fleet.reboot")
		require.Equal(t, codes.Error, run.Status.Code)
		require.Equal(t, "interrupted", attr(run.Attributes, "error.type"))
		instances := s.byInstance()
		require.Len(t, instances, 2) // the third had no turn
		for _, span := range instances {
			require.Contains(t, events(span), "not followed any more")
			require.Equal(t, run.EndTime, span.EndTime)
		}
		require.Equal(t, map[string]float64{"": 0}, s.points("fleet.unavailable", ""))
	})
}

func TestResumedRunGoesOn(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		journal := filepath.Join(t.TempDir(), "run.journal")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		plan := s.run(ctx, 3, fleet.Options{Settings: fleet.Settings{MinReady: -1}, Journal: journal}).Plan
		s.exporter.Reset()

		options := fleet.Options{Settings: fleet.Settings{MinReady: -1, Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}}, Journal: journal}
		resumed, hook := s.telemetry.FleetEvents(t.Context(), nil)
		options.OnEvent = hook
		report, err := fleet.Resume(resumed, s.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, 3, report.Count(fleet.StateHealthy))
		require.Equal(t, "true", attr(s.span("fleet.reboot").Attributes, "fleet.resumed"))
		instances := s.byInstance()
		require.Len(t, instances, 3)
		for _, span := range instances {
			isChild(t, span, s.span("fleet.reboot"))
			require.Equal(t, "healthy", attr(span.Attributes, "fleet.state"))
		}
		require.Len(t, s.spans("Ecs.RebootInstance"), 1)
		require.Equal(t, map[string]float64{"": 0}, s.points("fleet.unavailable", ""))
	})
}

// A failed instance may become healthy later: the recovery has its own span, and no
// second duration is recorded. Events of unknown kinds end nothing.
func TestFleetEventsByHand(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		_, hook := s.telemetry.FleetEvents(t.Context(), nil)
		begin := time.Now()
		tell := func(after time.Duration, kind fleet.EventKind, reason fleet.Reason) {
			hook(fleet.Event{Kind: kind, At: begin.Add(after), InstanceID: id, Reason: reason})
		}
		hook(fleet.Event{Kind: fleet.EventResume, At: begin})
		tell(time.Second, "new kind", fleet.ReasonBlocked)
		tell(2*time.Second, fleet.EventIntent, "")
		tell(3*time.Second, fleet.EventAccepted, "")
		require.Empty(t, s.spans("fleet.reboot.instance"))
		tell(62*time.Second, fleet.EventFailed, fleet.ReasonNotBack)
		require.Equal(t, map[string]float64{"": 1}, s.points("fleet.unavailable", ""))
		tell(90*time.Second, fleet.EventUp, "")
		tell(100*time.Second, fleet.EventHealthy, "")
		require.Equal(t, map[string]float64{"": 0}, s.points("fleet.unavailable", ""))
		hook(fleet.Event{Kind: fleet.EventEnd, At: begin.Add(2 * time.Minute), Reason: fleet.ReasonDone})

		spans := s.spans("fleet.reboot.instance")
		require.Len(t, spans, 2)
		require.Equal(t, []string{"new kind", "send", "accepted"}, events(spans[0]))
		require.Equal(t, "blocked", attr(spans[0].Events[0].Attributes, "fleet.reason"))
		require.Equal(t, "failed", attr(spans[0].Attributes, "fleet.state"))
		require.Equal(t, []string{"up"}, events(spans[1]))
		require.Equal(t, "healthy", attr(spans[1].Attributes, "fleet.state"))
		require.Equal(t, 10*time.Second, spans[1].EndTime.Sub(spans[1].StartTime))
		require.Equal(t, map[string]float64{"failed": 1}, s.points("fleet.settle.duration", "outcome"))
	})
}

// A hook that is asked before or after a run, or never, keeps nothing open, and calls
// are those of a plain client.
func TestCallsOutsideOfTheRun(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		ctx, hook := s.telemetry.FleetEvents(t.Context(), nil)
		hook(fleet.Event{Kind: fleet.EventIntent, InstanceID: id, At: time.Now(), Attempt: 1})
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop})
		_, err := s.client.RebootInstance(ctx, request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.False(t, s.span("Ecs.RebootInstance").Parent.IsValid())
		require.Empty(t, s.points("fleet.unavailable", ""))
		require.Equal(t, map[string]float64{"": 1}, s.points("ecs.reboot.unknown", ""))
	})
}

// Calls beside those of the run itself find a place as well.
func TestOtherCallsWithinTheRun(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		ctx, hook := s.telemetry.FleetEvents(t.Context(), nil)
		hook(fleet.Event{Kind: fleet.EventRun, At: time.Now()})
		_, err := s.client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
		require.NoError(t, err)
		_, err = s.telemetry.Wrap(s.client).RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		hook(fleet.Event{Kind: fleet.EventEnd, At: time.Now(), Reason: fleet.ReasonDone})
		calls := s.spans("Ecs.RebootInstance")
		require.Len(t, calls, 2)
		isChild(t, calls[0], s.span("fleet.reboot"))
		isChild(t, calls[1], s.span("ecsreboot.RebootAndWait"))
		require.Empty(t, s.spans("fleet.reboot.instance"))
	})
}
