package ecsotel

import (
	"cmp"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// instance follows one instance of a run.
type instance struct {
	id          string
	span        trace.Span // nil before its turn, and when it is done
	intended    time.Time  // when the last intent event arrived
	sentAt      time.Time  // of that intent, once it is known to have been carried out
	unavailable bool
}

// open returns the span of the instance, a new one if there is none.
func (i *instance) open(r *run, options ...trace.SpanStartOption) trace.Span {
	if i.span == nil {
		_, i.span = r.telemetry.tracer.Start(r.ctx, "fleet.reboot.instance",
			append(options, trace.WithAttributes(semconv.CloudProviderAlibabaCloud, instanceIDKey.String(i.id)))...)
	}
	return i.span
}

func (i *instance) take(r *run, e fleet.Event) {
	at := trace.WithTimestamp(e.At)
	span := i.open(r, at)
	switch e.Kind {
	case fleet.EventIntent:
		span.AddEvent("send", at, trace.WithAttributes(append(sendIDOf(e.SendID), attemptKey.Int(e.Attempt))...))
		i.intended = e.At
		i.occupy(r, true)
	case fleet.EventAccepted:
		var attributes []attribute.KeyValue
		if attr, ok := requestIDOf(e.RequestID); ok {
			attributes = append(attributes, attr)
		}
		attributes = append(attributes, witnessOf(e)...)
		span.AddEvent("accepted", at, trace.WithAttributes(attributes...))
		i.sentAt = i.intended
	case fleet.EventDoubt:
		span.AddEvent("answer lost", at)
		i.sentAt = i.intended
	case fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent:
		i.end(r, e)
	default:
		span.AddEvent(string(e.Kind), at, trace.WithAttributes(reasonOf(e)...))
	}
}

// end takes in what became of the instance.
func (i *instance) end(r *run, e fleet.Event) {
	i.span.SetAttributes(append(append(reasonOf(e), witnessOf(e)...), stateKey.String(string(e.Kind)))...)
	switch e.Kind {
	case fleet.EventHealthy:
		i.span.SetAttributes(proofKey.String(string(e.Proof)))
		i.occupy(r, false)
	case fleet.EventUnsent:
		i.occupy(r, false)
	case fleet.EventSkipped:
		i.occupy(r, e.Unavailable)
	case fleet.EventFailed, fleet.EventUnknown:
		why := cmp.Or(word(string(e.Code)), string(e.Reason))
		i.span.SetAttributes(semconv.ErrorTypeKey.String(why))
		i.span.SetStatus(codes.Error, why)
		i.occupy(r, true)
		if e.Kind == fleet.EventUnknown {
			r.telemetry.unknown.Add(r.ctx, 1)
		}
	default:
	}
	if attr, ok := requestIDOf(e.RequestID); ok {
		i.span.SetAttributes(attr)
	}
	if !i.sentAt.IsZero() {
		r.telemetry.settle.Record(r.ctx, e.At.Sub(i.sentAt).Seconds(), metric.WithAttributes(resultKey.String(string(e.Kind))))
	}
	i.span.End(trace.WithTimestamp(e.At))
	i.span, i.intended, i.sentAt = nil, time.Time{}, time.Time{}
}

// reasonOf returns the reason of an event as an attribute, or none.
func reasonOf(e fleet.Event) []attribute.KeyValue {
	if e.Reason == "" {
		return nil
	}
	return []attribute.KeyValue{reasonKey.String(string(e.Reason))}
}

// witnessOf returns the witness of an event as an attribute, or none.
func witnessOf(e fleet.Event) []attribute.KeyValue {
	if e.Witness == "" {
		return nil
	}
	return []attribute.KeyValue{witnessKey.String(e.Witness)}
}

// occupy makes the instance one of those that are unavailable, or none of them.
func (i *instance) occupy(r *run, unavailable bool) {
	switch {
	case unavailable == i.unavailable:
	case unavailable:
		r.telemetry.unavailable.Add(r.ctx, 1)
	default:
		r.telemetry.unavailable.Add(r.ctx, -1)
	}
	i.unavailable = unavailable
}
