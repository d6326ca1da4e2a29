package ecsotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
)

// RebootAndWait is the client's. The call is a span ecsreboot.RebootAndWait with an
// event for each step, and its requests are beneath it. Of calls that share a
// restart, the one that began it has the requests and counts them.
func (c *Client) RebootAndWait(ctx context.Context, request ecsreboot.RebootInstanceRequest, options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	ctx, span := c.telemetry.tracer.Start(ctx, "ecsreboot.RebootAndWait", trace.WithAttributes(c.attributes(request)...))
	defer span.End()
	w := &wait{telemetry: c.telemetry, span: span, call: new(call), next: options.OnEvent}
	ctx = context.WithValue(ctx, callKey{}, w.call)
	options.OnEvent = func(e ecsreboot.Event) { w.event(ctx, e) }
	result, err := c.Client.RebootAndWait(ctx, request, options)
	w.end(ctx, result, err)
	return result, err
}

// wait follows one call of RebootAndWait.
type wait struct {
	telemetry *Telemetry
	span      trace.Span
	call      *call
	next      func(ecsreboot.Event)
	status    ecsreboot.Status // the last one told
	counted   bool
}

func (w *wait) event(ctx context.Context, e ecsreboot.Event) {
	var attributes []attribute.KeyValue
	switch e.Kind {
	case ecsreboot.EventStatus, ecsreboot.EventBaseline:
		attributes = append(attributes, statusKey.String(string(e.Status)))
	case ecsreboot.EventAccepted:
		w.count(ctx, ecsreboot.OutcomeAccepted)
		if attr, ok := requestIDOf(e.RequestID); ok {
			attributes = append(attributes, attr)
		}
	case ecsreboot.EventOutcomeUnknown:
		w.count(ctx, ecsreboot.OutcomeUnknown)
	default:
	}
	if e.Err != nil {
		attributes = append(attributes, semconv.ErrorTypeKey.String(errorType(e.Err)))
	}
	// A span holds some hundred events: readings without news have no room.
	if e.Kind != ecsreboot.EventStatus || e.Status != w.status {
		w.span.AddEvent(string(e.Kind), trace.WithTimestamp(e.At), trace.WithAttributes(attributes...))
	}
	w.status = e.Status
	if w.next != nil {
		w.next(e)
	}
}

// count counts a send that this call has made.
func (w *wait) count(ctx context.Context, outcome ecsreboot.Outcome) {
	if w.call.sends.Load() > 0 {
		w.counted = true
		w.telemetry.countSend(ctx, outcome)
	}
}

func (w *wait) end(ctx context.Context, result *ecsreboot.RestartResult, err error) {
	if err == nil {
		w.span.SetAttributes(proofKey.String(string(result.Proof)))
		if attr, ok := requestIDOf(result.RequestID); ok {
			w.span.SetAttributes(attr)
		}
		return
	}
	outcome := ecsreboot.OutcomeOf(err)
	setError(w.span, err)
	w.span.SetAttributes(outcomeKey.String(outcome.String()))
	if !w.counted {
		w.count(ctx, outcome)
	}
	if w.call.sends.Load() > 0 {
		w.telemetry.countUnknown(ctx, outcome)
	}
}

// requestIDIn returns the request id that an error carries, or nothing.
func requestIDIn(err error) string {
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok && waited.RequestID != "" {
		return waited.RequestID
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		return answer.RequestID
	}
	return ""
}
