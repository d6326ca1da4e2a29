package ecsotel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"
)

// transport makes spans of requests. It changes nothing about them, and passes
// what it is given on as it is.
type transport struct {
	*Telemetry
	next http.RoundTripper
}

// RoundTrip sends the request within its span, which ends with the answer's body.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x := t.begin(req)
	returned := false
	defer func() {
		if !returned { // a RoundTripper beneath panicked
			x.end(other)
		}
	}()
	resp, err := t.next.RoundTrip(req.WithContext(x.ctx))
	returned = true
	switch {
	case err != nil:
		x.end(transportErrorType(x.ctx, err))
	case resp == nil: // which the client has an error for
		x.end(other)
	case resp.Body == nil:
		x.answer(resp)
		x.end("")
	default:
		x.answer(resp)
		resp.Body = &watchedBody{ReadCloser: resp.Body, exchange: x}
	}
	return resp, err
}

// exchange is one request, in its span.
type exchange struct {
	*Telemetry
	ctx        context.Context //nolint:containedctx // the request's, with the span
	server     *url.URL
	begin      time.Time
	status     int                  // of the answer; 0 if there was none
	attributes []attribute.KeyValue // of span and metric
	once       sync.Once
}

func (t *transport) begin(req *http.Request) *exchange {
	x := &exchange{Telemetry: t.Telemetry, server: req.URL, begin: time.Now(), attributes: []attribute.KeyValue{semconv.URLScheme(req.URL.Scheme)}}
	attributes := append(serverAttributes(req.URL), semconv.HTTPRequestMethodKey.String(req.Method), semconv.URLFull(address(req.URL)))
	if c, ok := req.Context().Value(callKey{}).(*call); ok {
		if before := c.requests.Add(1) - 1; before > 0 {
			attributes = append(attributes, semconv.HTTPRequestResendCount(int(before)))
		}
	}
	x.ctx, _ = t.tracer.Start(req.Context(), req.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(x.begin),
		trace.WithAttributes(append(attributes, x.attributes...)...))
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

// answer takes in the head of the answer.
func (x *exchange) answer(resp *http.Response) {
	x.status = resp.StatusCode
	x.attributes = append(x.attributes, semconv.HTTPResponseStatusCode(x.status), semconv.NetworkProtocolVersion("1.1"))
	if attr, ok := requestIDOf(resp.Header.Get("X-Acs-Request-Id")); ok {
		trace.SpanFromContext(x.ctx).SetAttributes(attr)
	}
}

// end ends the span and records the metric, once. Failure is the type of the error
// that there was in place of an answer or of a part of it.
func (x *exchange) end(failure string) {
	x.once.Do(func() {
		took := time.Since(x.begin)
		span := trace.SpanFromContext(x.ctx)
		if failure == "" && x.status >= http.StatusBadRequest {
			failure = strconv.Itoa(x.status)
		}
		if failure != "" {
			x.attributes = append(x.attributes, semconv.ErrorTypeKey.String(failure))
			span.SetStatus(codes.Error, "")
		}
		span.SetAttributes(x.attributes...)
		x.requests.Record(x.ctx, took.Seconds(), httpconv.RequestMethodPost, x.server.Hostname(), portOf(x.server), x.attributes...)
		span.End(trace.WithTimestamp(x.begin.Add(took)))
	})
}

// watchedBody ends the exchange when its reader is done.
type watchedBody struct {
	io.ReadCloser
	*exchange
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.end(transportErrorType(b.ctx, err))
	}
	return n, err
}

// Close closes the body. The client does so once it has read what it wants.
func (b *watchedBody) Close() error {
	b.end("")
	return b.ReadCloser.Close()
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
