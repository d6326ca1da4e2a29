package ecsotel

import (
	"context"
	"errors"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
)

// Client is a client whose restarts are spans as a whole. Its other methods are
// those of the client within, which is also the one to give to package fleet.
type Client struct {
	*ecsreboot.Client

	telemetry *Telemetry
	server    *url.URL
}

// Wrap returns a client that makes spans of calls. The client should have been made
// with [Telemetry.ClientOption], or their requests are missing.
func (t *Telemetry) Wrap(client *ecsreboot.Client) *Client {
	server, err := url.Parse(client.Endpoint())
	if err != nil {
		server = new(url.URL) // cannot be: the client was made with it
	}
	return &Client{Client: client, telemetry: t, server: server}
}

// RebootInstance is the client's. The call is a span Ecs.RebootInstance, and each of
// its requests one beneath it. Its outcome is counted unless it was a dry run.
func (c *Client) RebootInstance(ctx context.Context, request ecsreboot.RebootInstanceRequest) (*ecsreboot.RebootInstanceResponse, error) {
	t := c.telemetry
	begin := time.Now()
	standard := rpcAttributes(rebootInstance, c.server)
	ctx, span := t.tracer.Start(ctx, "Ecs."+rebootInstance,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(begin), trace.WithAttributes(append(c.attributes(request), standard...)...))
	defer span.End()
	under := &call{isSpan: true}
	response, err := c.Client.RebootInstance(context.WithValue(ctx, callKey{}, under), request)
	outcome := ecsreboot.OutcomeAccepted
	if err != nil {
		outcome = ecsreboot.OutcomeOf(err)
		kind := setError(span, err)
		standard = append(standard, kind)
	} else if attr, ok := requestIDOf(response.RequestID); ok {
		span.SetAttributes(attr)
	}
	span.SetAttributes(attemptsKey.Int64(under.sends.Load()))
	if !request.DryRun && !errors.Is(err, ecsreboot.ErrInvalidInput) {
		span.SetAttributes(outcomeKey.String(outcome.String()))
		t.countSend(ctx, outcome)
		t.countUnknown(ctx, outcome)
	}
	t.calls.RecordSet(ctx, time.Since(begin).Seconds(), attribute.NewSet(standard...))
	return response, err
}

// attributes are those of a span about one restart.
func (c *Client) attributes(request ecsreboot.RebootInstanceRequest) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.CloudProviderAlibabaCloud, semconv.CloudRegion(c.Region()), instanceIDKey.String(request.InstanceID),
		dryRunKey.Bool(request.DryRun), forceStopKey.Bool(request.ForceStop),
	}
}

// setError puts an error of the client on a span, and returns its type. Its text is
// free of secrets.
func setError(span trace.Span, err error) attribute.KeyValue {
	kind := semconv.ErrorTypeKey.String(errorType(err))
	span.SetAttributes(kind)
	if attr, ok := requestIDOf(requestIDIn(err)); ok {
		span.SetAttributes(attr)
	}
	span.SetStatus(codes.Error, err.Error())
	return kind
}

// countSend counts a restart that was sent, with all its requests, by its outcome.
func (t *Telemetry) countSend(ctx context.Context, outcome ecsreboot.Outcome) {
	t.sends.Add(ctx, 1, metric.WithAttributes(resultKey.String(outcome.String())))
}

// countUnknown counts a restart of which nobody will find out.
func (t *Telemetry) countUnknown(ctx context.Context, outcome ecsreboot.Outcome) {
	if outcome == ecsreboot.OutcomeUnknown {
		t.unknown.Add(ctx, 1)
	}
}
