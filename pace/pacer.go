// Package pace decides when the requests of a client may be sent, so that the client
// stays below the rate limit of the service.
//
// A client asks a [Pacer] before each request of an operation, retries included, and
// reports what came of the request:
//
//	reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Minute})
//	if err != nil {
//		return err // it is not sent
//	}
//	result := send()
//	reservation.Report(result)
//
// [Adaptive] is the Pacer that clients use by default. A Pacer of another kind, such as
// one that several processes share over a store, needs no more than Acquire and a
// [ReportFunc].
package pace

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// Operation is an operation of the API that has a rate limit of its own.
type Operation string

// The operations that clients call.
const (
	RebootInstance    Operation = "RebootInstance"
	DescribeInstances Operation = "DescribeInstances"
)

// Pacer decides when a client may send the requests of one operation. It must be safe
// for concurrent use.
//
// A Pacer can have a method State() [State], which the client returns from its method
// Pace.
type Pacer interface {
	// Acquire waits until a request may be sent. The client calls it before each
	// request, also before a retry, and reports to each [Reservation] that it gets. A
	// nil Reservation is one that needs no reports.
	//
	// If Acquire returns an error, the request is not sent and the call ends with that
	// error. The call is throttled only if the error is [ErrThrottled]. Outcomes of
	// other calls in the error do not apply to this call.
	//
	// Acquire should return ErrThrottled at once if it knows that the request must wait
	// for longer than request.MaxWait or until after the deadline of ctx; see
	// [State.Refusal].
	//
	// Acquire must return when ctx ends. The client does not wait for it then, and
	// reports [Unanswered] to a Reservation that comes late. A panic in Acquire is an
	// error of the call.
	Acquire(ctx context.Context, request Request) (Reservation, error)
}

// Reservation is the permission to send one request. The client holds it from Acquire
// until the request is decided. Between the two the client fetches credentials, and can
// then run code of its caller: Delay and Proceed say so. The client calls the methods
// one after another, from any goroutine.
//
// What a method panics with is ignored, because the request may have restarted an
// instance and that must not be lost.
type Reservation interface {
	// Report says what came of the request. It is called exactly once, last.
	Report(result Result)
	// Delay says that the request is not sent yet, because the call waits for a hook
	// of its caller or reads the instance anew. If others wait for what comes of this
	// request, the Pacer may let one of them go in its place. The hook may make calls
	// that ask the same Pacer, so a Pacer that lets no other call go should not wait
	// for longer than a few seconds. An [Adaptive] waits for two.
	Delay()
	// Proceed follows a Delay and says that the call does not wait any more: its
	// request is sent now, or is given up.
	Proceed()
}

// ReportFunc is a [Reservation] for which delays do not matter. It may be nil.
type ReportFunc func(result Result)

// Report calls f.
func (f ReportFunc) Report(result Result) {
	if f != nil {
		f(result)
	}
}

// Delay does nothing.
func (ReportFunc) Delay() {}

// Proceed does nothing.
func (ReportFunc) Proceed() {}

// Request is a request that is to be sent, as far as a Pacer needs to know it.
type Request struct {
	// MaxWait is how long the call of the request may still wait for a service that
	// throttles.
	MaxWait time.Duration `json:"-"`
	// Throttled is how many requests of the call were throttled already.
	Throttled int `json:"throttled"`
}

// LogValue gives slog the fields of the JSON.
func (r Request) LogValue() slog.Value { return logvalue.Of(r.forJSON()) }

type plainRequest Request

type requestJSON struct {
	plainRequest

	MaxWait seconds.Duration `json:"maxWaitSeconds"`
}

func (r Request) forJSON() requestJSON {
	return requestJSON{plainRequest(r), seconds.Duration(r.MaxWait)}
}

// MarshalJSON writes MaxWait as maxWaitSeconds.
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Request) UnmarshalJSON(text []byte) error {
	decoded := r.forJSON()
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*r = Request(decoded.plainRequest)
	r.MaxWait = time.Duration(decoded.MaxWait)
	return nil
}

// Result is what came of a request.
type Result struct {
	Response Response `json:"response"`
	// RetryAfter is how long the service asks to wait when it throttles; 0 if it does
	// not say.
	RetryAfter time.Duration `json:"-"`
	// ServiceTime is the time by the service's clock, in whole seconds; zero if it is
	// not known.
	ServiceTime time.Time `json:"serviceTime,omitzero"`
}

// LogValue gives slog the fields of the JSON.
func (r Result) LogValue() slog.Value { return logvalue.Of(r.forJSON()) }

type plainResult Result

type resultJSON struct {
	plainResult

	RetryAfter seconds.Duration `json:"retryAfterSeconds,omitzero"`
}

func (r Result) forJSON() resultJSON {
	return resultJSON{plainResult(r), seconds.Duration(r.RetryAfter)}
}

// MarshalJSON writes RetryAfter as retryAfterSeconds.
func (r Result) MarshalJSON() ([]byte, error) { return json.Marshal(r.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Result) UnmarshalJSON(text []byte) error {
	decoded := r.forJSON()
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*r = Result(decoded.plainResult)
	r.RetryAfter = time.Duration(decoded.RetryAfter)
	return nil
}

// Response is what the response to a request, or its lack, means for the pace.
type Response int

// The responses to requests.
const (
	Unanswered Response = iota // not sent, or without a response of the service
	Accepted                   // the service processed it, and may have refused it for other reasons
	Throttled                  // the service throttled it, and does not count it
)

// String returns "unanswered", "accepted" or "throttled".
func (r Response) String() string {
	switch r {
	case Unanswered:
		return "unanswered"
	case Accepted:
		return "accepted"
	case Throttled:
		return "throttled"
	}
	return fmt.Sprintf("Response(%d)", int(r))
}

// MarshalText returns what [Response.String] returns.
func (r Response) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [Response.MarshalText] writes for the responses that exist.
func (r *Response) UnmarshalText(text []byte) error {
	for known := Unanswered; known <= Throttled; known++ {
		if known.String() == string(text) {
			*r = known
			return nil
		}
	}
	return fmt.Errorf("invalid response %q", text)
}
