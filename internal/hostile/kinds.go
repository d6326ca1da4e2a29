package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Class is what misbehaves.
type Class string

// The classes. A run has any number of wrappers, and one dialer at most.
const (
	OfWrapper Class = "wrapper"
	OfDialer  Class = "dialer"
)

// Kind is one kind of misbehaviour of a caller's code or a network.
type Kind struct {
	Name  string
	Class Class

	apply func(r *Run)
}

// Kinds returns all kinds, the wrappers first.
func Kinds() []Kind { return slices.Clone(kinds) }

// Apply draws how a kind misbehaves. It returns false, and does nothing, if the kind
// makes a transport that the client's hooks cannot watch of another one: that is beyond
// what the client promises.
func (r *Run) Apply(kind Kind) bool {
	if r.hidesTrace && bringTransports[kind.Name] || r.bringsTransport && hideTraces[kind.Name] {
		return false
	}
	r.Names = append(r.Names, kind.Name)
	kind.apply(r)
	return true
}

var (
	hideTraces = map[string]bool{"hides the trace": true, "replaces the trace": true}
	// These may bring a transport of their own.
	bringTransports = map[string]bool{
		"falls back to a transport of its own": true, "prefers a transport of its own": true, "leaves a copy behind": true,
	}
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func wrapped(roundTrip roundTripOf) ecsreboot.Option {
	return ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return roundTrip(next, req) })
	})
}

// roundTripOf is what a wrapper does with a request.
type roundTripOf func(next http.RoundTripper, req *http.Request) (*http.Response, error)

func wrapper(name string, draw func(r *Run) roundTripOf) Kind {
	return Kind{name, OfWrapper, func(r *Run) {
		roundTrip, onlyRestarts := draw(r), r.Is()
		r.Options = append(r.Options, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if onlyRestarts && !asksForRestart(req) {
				return next.RoundTrip(req)
			}
			return roundTrip(next, req)
		}))
	}}
}

func asksForRestart(req *http.Request) bool {
	return req.Header.Get("X-Acs-Action") == "RebootInstance" || req.URL.Query().Get("Action") == "RebootInstance"
}

// traceKeyOf is the key under which net/http asks a context for its trace.
type traceKeyOf struct {
	context.Context //nolint:containedctx // it stands in the place of a context

	key *any
}

func (a traceKeyOf) Value(key any) any { *a.key = key; return nil }

var netTraceKey = func() (key any) {
	httptrace.ContextClientTrace(traceKeyOf{context.Background(), &key})
	return key
}()

// traceless is a context in which net/http finds no trace.
type traceless struct {
	context.Context //nolint:containedctx // it stands in the place of a context
}

func (c traceless) Value(key any) any {
	if key == netTraceKey {
		return nil
	}
	return c.Context.Value(key)
}

func copyOf(ctx context.Context, req *http.Request) *http.Request {
	clone := req.Clone(ctx)
	if req.GetBody != nil {
		clone.Body, _ = req.GetBody()
	}
	return clone
}

func drain(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
		_ = resp.Body.Close()
	}
}

var errSwallowed = errors.New("the wrapper does not like the answer")

var kinds = []Kind{
	wrapper("composes traces", func(*Run) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}, WroteRequest: func(httptrace.WroteRequestInfo) {}}
			return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		}
	}),
	wrapper("detaches the context", func(*Run) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
		}
	}),
	wrapper("hides the trace", func(r *Run) roundTripOf {
		r.hidesTrace = true
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(traceless{req.Context()}))
		}
	}),
	wrapper("replaces the trace", func(r *Run) roundTripOf {
		r.hidesTrace = true
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(context.WithValue(req.Context(), netTraceKey, &httptrace.ClientTrace{})))
		}
	}),
	wrapper("repeats", func(r *Run) roundTripOf {
		times, pause := 1+r.UpTo(3), r.oneTime(0, 0, time.Second)
		return func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
			for range 1 + times {
				drain(resp)
				if resp, err = next.RoundTrip(copyOf(req.Context(), req)); err == nil && resp.StatusCode < 400 {
					break
				}
				time.Sleep(pause)
			}
			return resp, err
		}
	}),
	wrapper("falls back to a transport of its own", func(r *Run) roundTripOf {
		r.bringsTransport = true
		own := r.OwnTransport()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil && resp.StatusCode < 400 {
				return resp, nil
			}
			drain(resp)
			return own.RoundTrip(copyOf(req.Context(), req))
		}
	}),
	wrapper("prefers a transport of its own", func(r *Run) roundTripOf {
		r.bringsTransport = true
		own := r.OwnTransport()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := own.RoundTrip(copyOf(req.Context(), req))
			if err == nil && resp.StatusCode < 400 {
				return resp, nil
			}
			drain(resp)
			return next.RoundTrip(req)
		}
	}),
	wrapper("hedges", func(r *Run) roundTripOf {
		copies, after := 2+r.UpTo(2), r.oneTime(0, 0, 50*time.Millisecond, 2*time.Second)
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			type reply struct {
				resp *http.Response
				err  error
			}
			replies := make(chan reply, copies)
			for range copies {
				go func() {
					resp, err := next.RoundTrip(copyOf(context.WithoutCancel(req.Context()), req))
					replies <- reply{resp, err}
				}()
				time.Sleep(after)
			}
			first := <-replies
			go func() {
				for range copies - 1 {
					drain((<-replies).resp)
				}
			}()
			return first.resp, first.err
		}
	}),
	wrapper("swallows the answer", func(*Run) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			drain(resp)
			return nil, errors.Join(errSwallowed, err)
		}
	}),
	wrapper("prints the request in its error", func(*Run) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			drain(resp)
			return nil, fmt.Errorf("%s %s with %v: %w", req.Method, req.URL, req.Header, errors.Join(errSwallowed, err))
		}
	}),
	wrapper("returns another call's error", func(r *Run) roundTripOf {
		other, sends := r.otherError(), r.Is()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if sends {
				resp, _ := next.RoundTrip(req)
				drain(resp)
			}
			return nil, fmt.Errorf("cached: %w", other)
		}
	}),
	wrapper("sleeps", func(r *Run) roundTripOf {
		before, after := r.oneTime(0, 0, time.Second, 70*time.Second), r.oneTime(100*time.Millisecond, 40*time.Second, 5*time.Minute)
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			time.Sleep(before)
			resp, err := next.RoundTrip(req)
			time.Sleep(after)
			return resp, err
		}
	}),
	wrapper("leaves a copy behind", func(r *Run) roundTripOf {
		sender, after := http.RoundTripper(nil), r.oneTime(time.Millisecond, time.Second, 40*time.Second)
		if r.Is() {
			r.bringsTransport = true
			sender = r.OwnTransport()
		}
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			left := copyOf(context.WithoutCancel(req.Context()), req)
			via := next
			if sender != nil {
				via = sender
			}
			r.Behind.Go(func() {
				time.Sleep(after)
				resp, _ := via.RoundTrip(left)
				drain(resp)
			})
			return next.RoundTrip(req)
		}
	}),
	wrapper("adds an Idempotency-Key", func(*Run) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			clone := copyOf(req.Context(), req)
			clone.Header.Set("Idempotency-Key", "1")
			return next.RoundTrip(clone)
		}
	}),

	{"queues what it does not own up to", OfDialer, func(r *Run) {
		r.conn = conduct{from: 1 + r.UpTo(3), times: 1 + r.UpTo(2), later: r.oneTime(time.Millisecond, 500*time.Millisecond, 50*time.Second), err: errStalled}
	}},
	{"delivers and reports an error", OfDialer, func(r *Run) {
		r.conn = conduct{from: 1 + r.UpTo(3), times: 1 + r.UpTo(2), err: syscall.EPIPE, honest: r.Is()}
	}},
	{"loses connections that are idle", OfDialer, func(r *Run) {
		r.conn = conduct{idle: r.oneTime(300*time.Millisecond, time.Second, 4*time.Second), silent: r.Is()}
	}},
	{"dials slowly", OfDialer, func(r *Run) {
		r.dialTime, r.dialDeaf = r.oneTime(time.Second, 20*time.Second, 45*time.Second), r.Is()
	}},
	{"fails to dial", OfDialer, func(r *Run) { r.dialFrom, r.dialFails = r.UpTo(3), 1+r.UpTo(5) }},
}
