package ecsotel

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
)

// call is one call of the API, in its span.
type call struct {
	*Telemetry
	ctx      context.Context //nolint:containedctx // with the span
	of       ecsreboot.Call
	begin    time.Time
	waiting  *wait // that it is a part of, or nil
	inRun    bool
	requests atomic.Int64
}

type callKey struct{}

// observe begins the span of a call. It is beneath the wait or the run that makes
// the call; what hooks of these call is beneath the call that asked the hook.
func (t *Telemetry) observe(ctx context.Context, of ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
	c := &call{Telemetry: t, of: of, begin: time.Now()}
	if _, nested := ctx.Value(callKey{}).(*call); !nested {
		c.waiting, _ = ctx.Value(waitKey{}).(*wait)
		if r, ok := ctx.Value(runKey{}).(*run); ok && c.waiting == nil {
			ctx, c.inRun = r.around(ctx, of)
		}
	}
	attributes := append(c.standard(), semconv.CloudProviderAlibabaCloud, semconv.CloudRegion(of.Region))
	if of.InstanceID != "" {
		attributes = append(attributes, instanceIDKey.String(of.InstanceID))
	}
	if of.Operation == rebootInstance {
		attributes = append(attributes, dryRunKey.Bool(of.DryRun), forceStopKey.Bool(of.ForceStop))
	}
	ctx, _ = t.tracer.Start(context.WithValue(ctx, callKey{}, c), "Ecs."+of.Operation,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.begin), trace.WithAttributes(attributes...))
	c.ctx = ctx
	return ctx, c.end
}

// standard returns the attributes of the conventions, for span and metric alike.
func (c *call) standard() []attribute.KeyValue {
	attributes := []attribute.KeyValue{semconv.RPCSystemNameKey.String(rpcSystem), semconv.RPCMethod("Ecs/" + c.of.Operation)}
	if server, err := url.Parse(c.of.Endpoint); err == nil { // as it always is
		attributes = append(attributes, serverAttributes(server)...)
	}
	return attributes
}

func (c *call) end(became ecsreboot.CallResult) {
	span := trace.SpanFromContext(c.ctx)
	standard := c.standard()
	if became.Err != nil {
		kind := errorType(became.Err)
		standard = append(standard, semconv.ErrorTypeKey.String(kind))
		if answer, ok := errors.AsType[*ecsreboot.APIError](became.Err); ok && answer.Code != "" {
			standard = append(standard, semconv.RPCResponseStatusCode(word(string(answer.Code))))
		}
		description := became.Err.Error()
		if c.inRun { // it may be the text of a blocker
			description = kind
		}
		span.SetStatus(codes.Error, description)
	}
	span.SetAttributes(append(standard, attemptsKey.Int(became.Attempts))...)
	if attr, ok := requestIDOf(became.RequestID); ok {
		span.SetAttributes(attr)
	}
	// A dry run is no restart, unless the service took it for one.
	if c.of.Operation == rebootInstance && (!c.of.DryRun || became.Outcome == ecsreboot.OutcomeAccepted) {
		span.SetAttributes(outcomeKey.String(became.Outcome.String()))
		c.count(became.Outcome)
	}
	took := time.Since(c.begin)
	c.calls.RecordSet(c.ctx, took.Seconds(), attribute.NewSet(standard...))
	span.End(trace.WithTimestamp(c.begin.Add(took)))
}

// count counts a restart. Whether one of unknown outcome is ever found out is for the
// wait or the run to tell that it belongs to.
func (c *call) count(outcome ecsreboot.Outcome) {
	c.sends.Add(c.ctx, 1, metric.WithAttributes(resultKey.String(outcome.String())))
	if outcome == ecsreboot.OutcomeUnknown && !c.inRun && !c.waiting.settles() {
		c.unknown.Add(c.ctx, 1)
	}
}
