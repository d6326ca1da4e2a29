package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// hostileKind is one kind of misbehaviour of a caller, a network or a service. A run
// has any number of kinds of each class, except dialers: at most one.
type hostileKind struct {
	name  string
	class string
	apply func(h *hostileRun)
}

const (
	ofWrapper = "wrapper"
	ofDialer  = "dialer"
	ofFault   = "fault"
	ofContext = "context"
)

// roundTripOf is what a wrapper does with a request.
type roundTripOf func(next http.RoundTripper, req *http.Request) (*http.Response, error)

func hostileWrapper(name string, wrapper func(h *hostileRun) roundTripOf) hostileKind {
	return hostileKind{name, ofWrapper, func(h *hostileRun) {
		roundTrip, onlyRestarts := wrapper(h), h.is()
		h.options = append(h.options, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
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

func hostileFault(name string, fault func(h *hostileRun) ecstest.Fault) hostileKind {
	return hostileKind{name, ofFault, func(h *hostileRun) {
		f := fault(h)
		if f.Action == "" {
			f.Action = "RebootInstance"
		}
		h.faults = append(h.faults, f)
	}}
}

func hostileContext(name string, cause func(h *hostileRun) error) hostileKind {
	return hostileKind{name, ofContext, func(h *hostileRun) { h.cause, h.leaves = cause(h), h.soon() }}
}

// traceKeyOf is the key under which net/http asks a context for its trace.
type traceKeyOf struct {
	context.Context
	key *any
}

func (a traceKeyOf) Value(key any) any { *a.key = key; return nil }

var netTraceKey = func() (key any) {
	httptrace.ContextClientTrace(traceKeyOf{context.Background(), &key})
	return key
}()

// traceless is a context in which net/http finds no trace.
type traceless struct{ context.Context }

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

var hostileKinds = []hostileKind{
	hostileWrapper("composes traces", func(*hostileRun) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}, WroteRequest: func(httptrace.WroteRequestInfo) {}}
			return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		}
	}),
	hostileWrapper("detaches the context", func(*hostileRun) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
		}
	}),
	hostileWrapper("hides the trace", func(h *hostileRun) roundTripOf {
		h.hidesTrace = true
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(traceless{req.Context()}))
		}
	}),
	hostileWrapper("replaces the trace", func(h *hostileRun) roundTripOf {
		h.hidesTrace = true
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(context.WithValue(req.Context(), netTraceKey, &httptrace.ClientTrace{})))
		}
	}),
	hostileWrapper("repeats", func(h *hostileRun) roundTripOf {
		times, pause := 1+h.upTo(3), h.oneTime(0, 0, time.Second)
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
	hostileWrapper("falls back to a transport of its own", func(h *hostileRun) roundTripOf {
		h.bringsTransport = true
		own := h.ownTransport()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil && resp.StatusCode < 400 {
				return resp, nil
			}
			drain(resp)
			return own.RoundTrip(copyOf(req.Context(), req))
		}
	}),
	hostileWrapper("prefers a transport of its own", func(h *hostileRun) roundTripOf {
		h.bringsTransport = true
		own := h.ownTransport()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := own.RoundTrip(copyOf(req.Context(), req))
			if err == nil && resp.StatusCode < 400 {
				return resp, nil
			}
			drain(resp)
			return next.RoundTrip(req)
		}
	}),
	hostileWrapper("hedges", func(h *hostileRun) roundTripOf {
		copies, after := 2+h.upTo(2), h.oneTime(0, 0, 50*time.Millisecond, 2*time.Second)
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
	hostileWrapper("swallows the answer", func(*hostileRun) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			drain(resp)
			return nil, errors.Join(errSwallowed, err)
		}
	}),
	hostileWrapper("prints the request in its error", func(*hostileRun) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			drain(resp)
			return nil, fmt.Errorf("%s %s with %v: %w", req.Method, req.URL, req.Header, errors.Join(errSwallowed, err))
		}
	}),
	hostileWrapper("returns another call's error", func(h *hostileRun) roundTripOf {
		other, sends := h.anotherError(), h.is()
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if sends {
				resp, _ := next.RoundTrip(req)
				drain(resp)
			}
			return nil, fmt.Errorf("cached: %w", other)
		}
	}),
	hostileWrapper("sleeps", func(h *hostileRun) roundTripOf {
		before, after := h.oneTime(0, 0, time.Second, 70*time.Second), h.oneTime(100*time.Millisecond, 40*time.Second, 5*minute)
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			time.Sleep(before)
			resp, err := next.RoundTrip(req)
			time.Sleep(after)
			return resp, err
		}
	}),
	hostileWrapper("leaves a copy behind", func(h *hostileRun) roundTripOf {
		sender, after := http.RoundTripper(nil), h.oneTime(time.Millisecond, time.Second, 40*time.Second)
		if h.is() {
			h.bringsTransport = true
			sender = h.ownTransport()
		}
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			left := copyOf(context.WithoutCancel(req.Context()), req)
			via := next
			if sender != nil {
				via = sender
			}
			h.behind.Go(func() {
				time.Sleep(after)
				resp, _ := via.RoundTrip(left)
				drain(resp)
			})
			return next.RoundTrip(req)
		}
	}),
	hostileWrapper("adds an Idempotency-Key", func(*hostileRun) roundTripOf {
		return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			clone := copyOf(req.Context(), req)
			clone.Header.Set("Idempotency-Key", "1")
			return next.RoundTrip(clone)
		}
	}),

	{"queues what it does not own up to", ofDialer, func(h *hostileRun) {
		h.conn = conduct{from: 1 + h.upTo(3), times: 1 + h.upTo(2), later: h.oneTime(time.Millisecond, 500*time.Millisecond, 50*time.Second), err: errStalled}
	}},
	{"delivers and reports an error", ofDialer, func(h *hostileRun) {
		h.conn = conduct{from: 1 + h.upTo(3), times: 1 + h.upTo(2), err: syscall.EPIPE, honest: h.is()}
	}},
	{"loses connections that are idle", ofDialer, func(h *hostileRun) {
		h.conn = conduct{idle: h.oneTime(300*time.Millisecond, time.Second, 4*time.Second), silent: h.is()}
	}},
	{"dials slowly", ofDialer, func(h *hostileRun) {
		h.dialTime, h.dialDeaf = h.oneTime(time.Second, 20*time.Second, 45*time.Second), h.is()
	}},
	{"fails to dial", ofDialer, func(h *hostileRun) { h.dialFrom, h.dialFails = h.upTo(3), 1+h.upTo(5) }},

	hostileFault("loses the answer", func(h *hostileRun) ecstest.Fault {
		f := ecstest.Fault{Kind: choose(h, ecstest.FaultDrop, ecstest.FaultFIN, ecstest.FaultHalfStatusLine), Act: h.is(), Skip: h.upTo(2), Times: 1 + h.upTo(2)}
		if !f.Act && h.is() {
			f.Late = h.oneTime(time.Second, 20*time.Second, 3*minute)
		}
		return f
	}),
	hostileFault("hangs", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultHang, Act: h.is(), Action: choose(h, "RebootInstance", "DescribeInstances"), Skip: h.upTo(2)}
	}),
	hostileFault("fails", func(h *hostileRun) ecstest.Fault {
		code := choose(h, "InternalError", "ServiceUnavailable", "UnknownError", "SignatureNonceUsed")
		return ecstest.Fault{Kind: ecstest.FaultError, Code: code, Act: h.is(), Times: 1 + h.upTo(2)}
	}),
	hostileFault("throttles", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultThrottle, Status: choose(h, 0, 503, 429), Hint: h.oneTime(0, time.Second, 20*time.Second), Times: 1 + h.upTo(4)}
	}),
	hostileFault("answers garbage", func(h *hostileRun) ecstest.Fault {
		f := choose(h, ecstest.Fault{}, ecstest.Fault{Body: "<html>Sign in"}, ecstest.Fault{Status: 403, Body: "<html>"}, ecstest.Fault{Status: 302},
			ecstest.Fault{Status: 400, Body: "<Error><!--<Code>DiskError</Code>--><RequestId>A-1</RequestId></Error>"})
		f.Kind, f.Act = ecstest.FaultAnswer, h.is()
		return f
	}),
	hostileFault("cuts the answer short", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: choose(h, ecstest.FaultTruncate, ecstest.FaultStall), Action: choose(h, "RebootInstance", "DescribeInstances")}
	}),
	hostileFault("is slow", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultDelay, Delay: h.oneTime(time.Second, 29*time.Second, 2*minute), Act: h.is()}
	}),
	hostileFault("refuses", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultError, Code: choose(h, "DiskError", "IncorrectInstanceStatus", "Forbidden.RAM")}
	}),
	hostileFault("refuses the clock", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultError, Code: "IllegalTimestamp", Status: 400, Times: 1 + h.upTo(2)}
	}),
	hostileFault("cannot be read", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: choose(h, ecstest.FaultDrop, ecstest.FaultError, ecstest.FaultAnswer), Action: "DescribeInstances", Skip: h.upTo(4), Times: h.upTo(9) - 1}
	}),
	hostileFault("echoes the token", func(h *hostileRun) ecstest.Fault {
		echo := choose(h, func(s string) string { return s }, func(s string) string { return strings.TrimRight(s, "=+") },
			strings.NewReplacer("+", "-", "/", "_").Replace, strings.NewReplacer("+", " ").Replace, strings.ToLower,
			func(s string) string { return s[:len(s)/2] + "\n" + s[len(s)/2:] }, func(s string) string { return s[:len(s)/2+3] })
		return ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Message: "The token " + echo(canaryToken) + " is malformed."}
	}),

	hostileContext("ends with a plain cause", func(*hostileRun) error { return errors.New("enough") }),
	hostileContext("ends with one of our sentinels", func(h *hostileRun) error {
		return fmt.Errorf("the other one was: %w", choose(h, ecsreboot.ErrNotSent, ecsreboot.ErrRejected, ecsreboot.ErrAccepted, ecsreboot.ErrOutcomeUnknown))
	}),
	hostileContext("ends with another call's error", func(h *hostileRun) error { return h.anotherError() }),
	hostileContext("ends with two other calls' errors", func(h *hostileRun) error { return errors.Join(h.anotherError(), h.anotherError()) }),
}
