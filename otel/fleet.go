package ecsotel

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	targetsKey = attribute.Key("fleet.targets")
	resumedKey = attribute.Key("fleet.resumed")
	reasonKey  = attribute.Key("fleet.reason")
	stageKey   = attribute.Key("fleet.stage")
	attemptKey = attribute.Key("fleet.attempt")
	stateKey   = attribute.Key("fleet.state")
)

// FleetEvents returns a context and a hook that trace one run. Use the hook as OnEvent
// in the options of the run; the hook passes each event on to next unless next is nil. Use
// the context for the run: API calls find their parent spans through the context.
//
// The span of a session of a run is fleet.reboot, a child of the span of ctx. Its children
// are spans fleet.reboot.instance, one for each instance. The span of an instance begins
// with its first event or with the call that restarts the instance, and ends when the
// instance is healthy, has failed, or is unknown.
//
//	ctx, options.OnEvent = telemetry.FleetEvents(ctx, options.OnEvent)
//	report, err := fleet.Run(ctx, client, plan, options)
//
// The hook gets no events of earlier sessions, so the metric fleet.unavailable does not
// include instances that have been unavailable since an earlier session. A skipped
// instance has a span too. An instance that becomes healthy after it failed has a
// second span. All spans, including those of API calls, carry reasons and codes, but
// not the error texts of health checks, blockers and other hooks; those texts are in
// the report.
func (t *Telemetry) FleetEvents(ctx context.Context, next func(fleet.Event)) (context.Context, func(fleet.Event)) {
	r := &run{telemetry: t, parent: ctx, instances: make(map[string]*instance)}
	return context.WithValue(ctx, runKey{}, r), func(e fleet.Event) {
		r.take(e)
		if next != nil {
			next(e)
		}
	}
}

type runKey struct{}

// run follows a session of a run. Calls look up their parent spans here while the hook
// delivers events.
type run struct {
	telemetry *Telemetry
	parent    context.Context //nolint:containedctx // of the run's span

	mu        sync.Mutex      // never held across a wait
	ctx       context.Context //nolint:containedctx // with the run's span; nil unless it is under way
	span      trace.Span
	instances map[string]*instance
}

// around returns the context of a call, and whether the run is under way: a restart
// belongs to its instance, all else to the run.
func (r *run) around(ctx context.Context, of ecsreboot.Call) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ctx == nil:
		return ctx, false
	case of.Operation == rebootInstance && !of.DryRun:
		return trace.ContextWithSpan(ctx, r.instance(of.InstanceID).open(r)), true
	}
	return trace.ContextWithSpan(ctx, r.span), true
}

func (r *run) take(e fleet.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Kind == fleet.EventRun || e.Kind == fleet.EventResume:
		r.begin(e)
	case r.ctx == nil: // not a run
	case e.InstanceID != "":
		r.instance(e.InstanceID).take(r, e)
	default:
		r.event(e)
	}
}

func (r *run) begin(e fleet.Event) {
	attributes := []attribute.KeyValue{semconv.CloudProviderAlibabaCloud, resumedKey.Bool(e.Kind == fleet.EventResume)}
	if e.Plan != nil {
		attributes = append(attributes, semconv.CloudRegion(e.Plan.Region), targetsKey.Int(len(e.Plan.Targets)), forceStopKey.Bool(e.Plan.ForceStop))
	}
	r.ctx, r.span = r.telemetry.tracer.Start(r.parent, "fleet.reboot", trace.WithTimestamp(e.At), trace.WithAttributes(attributes...))
}

func (r *run) event(e fleet.Event) {
	at := trace.WithTimestamp(e.At)
	reason := trace.WithAttributes(reasonOf(e)...)
	switch e.Kind {
	case fleet.EventStage:
		r.span.AddEvent(string(e.Kind), at, trace.WithAttributes(stageKey.Int(e.Stage)))
	case fleet.EventPause, fleet.EventContinue, fleet.EventStop:
		r.span.AddEvent(string(e.Kind), at, reason)
	case fleet.EventHalt:
		r.span.AddEvent(string(e.Kind), at, reason)
		r.fail(e.Reason)
	case fleet.EventEnd:
		r.span.SetAttributes(reasonOf(e)...)
		if e.Reason == fleet.ReasonInterrupted {
			r.fail(e.Reason)
		}
		r.end(at)
	default: // the pace has metrics of its own
	}
}

func (r *run) fail(why fleet.Reason) {
	r.span.SetAttributes(semconv.ErrorTypeKey.String(string(why)))
	r.span.SetStatus(codes.Error, string(why))
}

// end ends all spans that are open. What is unavailable now is so outside of any run.
func (r *run) end(at trace.SpanEventOption) {
	for _, i := range r.instances {
		i.occupy(r, false)
		if i.span != nil {
			i.span.AddEvent("not followed any more", at)
			i.span.End(at)
		}
	}
	clear(r.instances)
	r.span.End(at)
	r.ctx = nil
}

func (r *run) instance(id string) *instance {
	i := r.instances[id]
	if i == nil {
		i = &instance{id: id}
		r.instances[id] = i
	}
	return i
}
