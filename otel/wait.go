package ecsotel

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
)

// Client is an [ecsreboot.Client] that records a span for each RebootAndWait. All its other
// methods are those of the wrapped client. Functions of package fleet take the wrapped
// client.
type Client struct {
	*ecsreboot.Client

	telemetry *Telemetry
}

// Wrap returns a client that records a span for each RebootAndWait. Make the given client
// with [Telemetry.ClientOption]; otherwise the spans of the API calls are missing.
func (t *Telemetry) Wrap(client *ecsreboot.Client) *Client {
	return &Client{Client: client, telemetry: t}
}

// RebootAndWait calls the wrapped client's RebootAndWait within a span named
// ecsreboot.RebootAndWait. The span has an event for each step, and the spans of the API
// calls are its children. If several waits share a restart, the API calls appear under the
// span of the wait that began the restart.
func (c *Client) RebootAndWait(ctx context.Context, request ecsreboot.RebootInstanceRequest, options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	ctx, span := c.telemetry.tracer.Start(ctx, "ecsreboot.RebootAndWait", trace.WithAttributes(
		semconv.CloudProviderAlibabaCloud, semconv.CloudRegion(c.Region()), instanceIDKey.String(request.InstanceID), forceStopKey.Bool(request.ForceStop)))
	w := &wait{telemetry: c.telemetry, span: span, next: options.OnEvent}
	var result *ecsreboot.RestartResult
	err := errBrokenOff
	defer func() { w.end(ctx, result, err) }() // also if a hook of the caller's panics
	options.OnEvent = w.event
	result, err = c.Client.RebootAndWait(context.WithValue(ctx, waitKey{}, w), request, options)
	return result, err
}

var errBrokenOff = errors.New("broken off by a panic")

type waitKey struct{}

// wait follows one call of RebootAndWait.
type wait struct {
	telemetry *Telemetry
	span      trace.Span
	next      func(ecsreboot.Event)
	status    ecsreboot.Status // of the last event

	mu    sync.Mutex // never held across a wait
	doubt bool       // the answer to a restart of its own was lost
	over  bool
}

// settles takes over a restart whose answer was lost, unless the wait is over: others
// may share its work.
func (w *wait) settles() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubt = w.doubt || !w.over
	return !w.over
}

func (w *wait) event(e ecsreboot.Event) {
	var attributes []attribute.KeyValue
	if e.Status != "" {
		attributes = append(attributes, statusKey.String(string(e.Status)))
	}
	if attr, ok := requestIDOf(e.RequestID); ok {
		attributes = append(attributes, attr)
	}
	attributes = append(append(attributes, sendIDOf(e.SendID)...), testimonyOf(e.Testimony)...)
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

func (w *wait) end(ctx context.Context, result *ecsreboot.RestartResult, err error) {
	defer w.span.End()
	w.mu.Lock()
	w.over = true
	doubt := w.doubt
	w.mu.Unlock()
	if err == nil {
		w.span.SetAttributes(proofKey.String(string(result.Proof)))
		if attr, ok := requestIDOf(result.RequestID); ok {
			w.span.SetAttributes(attr)
		}
		return
	}
	outcome := ecsreboot.OutcomeOf(err)
	w.span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)), outcomeKey.String(outcome.String()))
	if attr, ok := requestIDOf(requestIDIn(err)); ok {
		w.span.SetAttributes(attr)
	}
	w.span.SetStatus(codes.Error, err.Error()) // which is free of secrets
	if doubt && (outcome == ecsreboot.OutcomeUnknown || errors.Is(err, errBrokenOff)) {
		w.telemetry.unknown.Add(ctx, 1)
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
