package once

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
)

// errNoAttempt refuses a request that cannot be watched.
var errNoAttempt = errors.New("refused to send: a RoundTripper dropped the context of the request")

// guard stands between the wrappers and the transport.
type guard struct {
	restarts, reads http.RoundTripper // the same one if it is the caller's
	ours            bool              // they are http.Transports under our rules
	wrapped         bool              // wrappers stand above
}

// RoundTrip passes the request on unless it is the second one of a restart's attempt.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*Attempt)
	if !ok {
		closeBody(req)
		return nil, errNoAttempt
	}
	if err := a.enter(g.ours); err != nil {
		closeBody(req)
		return nil, err
	}
	if req.Context() != a.ctx || a.once && g.wrapped {
		req = req.WithContext(a.adopt(req.Context()))
	}
	base := g.reads
	if a.once {
		base = g.restarts
	}
	resp, err := base.RoundTrip(withoutRepeatMarks(req))
	if err != nil {
		a.noteFailure(err)
	}
	return resp, err
}

// adopt returns the context for the transport: with a hook that no wrapper can have
// replaced, changed or hidden, and ending with the attempt even if a wrapper detached the
// given context. The hooks that are on the given context are kept.
func (a *Attempt) adopt(given context.Context) context.Context {
	ctx := given
	if given != a.ctx {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(given)
		context.AfterFunc(a.ctx, func() { cancel(context.Cause(a.ctx)) })
	}
	var trace httptrace.ClientTrace
	if found := httptrace.ContextClientTrace(given); found != nil {
		trace = *found
	}
	pass := trace.GotConn
	trace.GotConn = func(info httptrace.GotConnInfo) { a.gotGuardedConn(info, pass) }
	// Composing would call the hooks that were found a second time.
	return httptrace.WithClientTrace(untraced{ctx}, &trace)
}

// untraced is a context without the hooks of net/http.
type untraced struct{ context.Context } //nolint:containedctx // it is one

// Value returns nil for the hooks.
func (c untraced) Value(key any) any {
	value := c.Context.Value(key)
	if _, hooks := value.(*httptrace.ClientTrace); hooks {
		return nil
	}
	return value
}

// withoutRepeatMarks removes the headers by which net/http takes a POST for
// repeatable, whatever their values. A RoundTripper must not change the request that
// it is given.
func withoutRepeatMarks(req *http.Request) *http.Request {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, marked := req.Header[name]; marked {
			req = req.WithContext(req.Context())
			req.Header = req.Header.Clone()
			delete(req.Header, name)
		}
	}
	return req
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
