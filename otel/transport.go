package ecsotel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"
)

// call is what the requests of one call through a [Client] know of it.
type call struct {
	isSpan bool         // the call has an Ecs.RebootInstance of its own
	sends  atomic.Int64 // requests to restart; 0 in a wait that joined another's
}

type callKey struct{}

// transport makes spans of requests. It changes nothing about them, and passes
// what it is given on as it is.
type transport struct {
	*Telemetry
	next http.RoundTripper
}

// RoundTrip sends the request within its spans.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x := t.begin(req)
	returned := false
	defer func() {
		if !returned { // a RoundTripper beneath panicked
			x.end(answer{}, semconv.ErrorTypeOther.Value.AsString())
		}
	}()
	resp, err := t.next.RoundTrip(req.WithContext(x.ctx))
	returned = true
	if err != nil {
		x.end(answer{}, transportErrorType(x.ctx, err))
		return resp, err
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: x.ctx, answer: answer{status: resp.StatusCode, header: resp.Header}, end: x.end}
	return resp, nil
}

// exchange is one request, in its spans.
type exchange struct {
	*Telemetry
	ctx       context.Context //nolint:containedctx // the request's
	call      trace.Span      // nil if the call has one of its own
	request   trace.Span
	server    *url.URL
	action    string
	dryRun    bool
	beginning time.Time
}

func (t *transport) begin(req *http.Request) *exchange {
	query := req.URL.Query()
	action := req.Header.Get("X-Acs-Action")
	if action == "" {
		action = query.Get("Action") // of the older signature
	}
	x := &exchange{
		Telemetry: t.Telemetry, ctx: req.Context(), server: req.URL,
		action: action, dryRun: query.Get("DryRun") == "true", beginning: time.Now(),
	}
	restart := action == rebootInstance && !x.dryRun
	id := query.Get("InstanceId")
	around, _ := x.ctx.Value(callKey{}).(*call)
	resend := int64(0)
	if around != nil && action == rebootInstance {
		resend = around.sends.Add(1) - 1
	}
	if around == nil || !around.isSpan || action != rebootInstance {
		if run, ok := x.ctx.Value(runKey{}).(*run); ok {
			x.ctx = run.around(x.ctx, id, restart)
		}
		attributes := append(rpcAttributes(action, x.server), semconv.CloudProviderAlibabaCloud)
		if id != "" {
			attributes = append(attributes, instanceIDKey.String(id))
		}
		if action == rebootInstance {
			attributes = append(attributes, dryRunKey.Bool(x.dryRun))
		}
		x.ctx, x.call = t.tracer.Start(x.ctx, "Ecs."+action, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(x.beginning), trace.WithAttributes(attributes...))
	}
	attributes := append(serverAttributes(x.server),
		semconv.HTTPRequestMethodKey.String(req.Method), semconv.URLFull(address(x.server)), semconv.URLScheme(x.server.Scheme))
	if resend > 0 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(int(resend)))
	}
	x.ctx, x.request = t.tracer.Start(x.ctx, req.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(x.beginning), trace.WithAttributes(attributes...))
	return x
}

// address is a URL without what may be secret in it: a signature, a key id, a token.
func address(u *url.URL) string {
	text := u.Scheme + "://" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		text += "?*"
	}
	return text
}

// end ends the spans and records the metrics of the request. Failure is the type of
// the error that there was in place of an answer or of a part of it.
func (x *exchange) end(a answer, failure string) {
	took := time.Since(x.beginning)
	ending := trace.WithTimestamp(x.beginning.Add(took))
	x.endRequest(a, failure, took, ending)
	if x.call == nil {
		return
	}
	attributes := rpcAttributes(x.action, x.server)
	word := failure
	if a.status != 0 {
		code, requestID, problem := a.read(x.dryRun)
		if word == "" {
			word = problem
		}
		if code != "" {
			attributes = append(attributes, semconv.RPCResponseStatusCode(code))
			x.call.SetAttributes(semconv.RPCResponseStatusCode(code))
		}
		if attr, ok := requestIDOf(requestID); ok {
			x.call.SetAttributes(attr)
		}
	}
	if word != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(word))
		x.call.SetAttributes(semconv.ErrorTypeKey.String(word))
		x.call.SetStatus(codes.Error, word)
	}
	x.calls.RecordSet(trace.ContextWithSpan(x.ctx, x.call), took.Seconds(), attribute.NewSet(attributes...))
	x.call.End(ending)
}

func (x *exchange) endRequest(a answer, failure string, took time.Duration, ending trace.SpanEndEventOption) {
	attributes := []attribute.KeyValue{semconv.URLScheme(x.server.Scheme)}
	if a.status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(a.status), semconv.NetworkProtocolVersion("1.1"))
		if attr, ok := requestIDOf(a.header.Get("X-Acs-Request-Id")); ok {
			x.request.SetAttributes(attr)
		}
		if failure == "" && a.status >= http.StatusBadRequest {
			failure = strconv.Itoa(a.status)
		}
	}
	if failure != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(failure))
		x.request.SetStatus(codes.Error, "")
	}
	x.request.SetAttributes(attributes...)
	x.requests.Record(x.ctx, took.Seconds(), httpconv.RequestMethodPost, x.server.Hostname(), portOf(x.server), attributes...)
	x.request.End(ending)
}

// transportErrorType says in a word why there is no answer. The text of the error is
// not of use: it may hold the URL, and what a RoundTripper puts into it.
func transportErrorType(ctx context.Context, err error) string {
	switch word := errorType(err); {
	case word == "timeout" || word == "canceled":
		return word
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "timeout"
	case ctx.Err() != nil: // by the caller, or by the client as the attempt took too long
		return "canceled"
	}
	return semconv.ErrorType(err).Value.AsString()
}
