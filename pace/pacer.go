// Package pace decides when the requests of a client may be sent, so that the client
// stays below the rate limit of the service.
//
// A client asks a [Pacer] before each request of an operation, including retries, and
// reports the result of the request:
//
//	reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Minute})
//	if err != nil {
//		return err // the request is not sent
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

// Operation is an operation of the API with a separate rate limit.
type Operation string

// The operations whose pace can be set. Each client adapts the pace of its reads of system
// events by itself.
const (
	RebootInstance    Operation = "RebootInstance"
	DescribeInstances Operation = "DescribeInstances"
)

// Pacer decides when a client may send the requests of one operation. It must be safe
// for concurrent use.
//
// A Pacer may also have a method State() [State]; Client.Pace returns its result.
type Pacer interface {
	// Acquire waits until a request may be sent. The client calls Acquire before each
	// request, including retries, and reports to each [Reservation] that Acquire
	// returns. A nil Reservation needs no reports.
	//
	// If Acquire returns an error, the request is not sent and the call ends with that
	// error. The call is throttled only if the error is [ErrThrottled]. A Pacer
	// may itself call a client, and Acquire may return the error of that call. The
	// outcome of the Pacer's own call is not mistaken for the outcome of the call that
	// waits in Acquire.
	//
	// Acquire should return ErrThrottled at once if it knows that the request must wait
	// for longer than request.MaxWait or until after the deadline of ctx; see
	// [State.Refusal].
	//
	// Acquire must return when ctx ends. The client stops waiting at that moment, and
	// reports [Unanswered] to a Reservation that Acquire returns later. A panic in
	// Acquire is an error of the call.
	Acquire(ctx context.Context, request Request) (Reservation, error)
}

// Reservation is the permission to send one request. The client holds it from Acquire
// until the outcome of the request is known. Meanwhile the client fetches credentials.
// The client may also poll the instance again and run the caller's hook; it calls Delay
// before polling or running the hook, and Proceed afterwards. The client calls the methods one after another, from any
// goroutine.
//
// A panic in a method is ignored, because the request may have restarted an instance
// and its outcome must not be lost.
type Reservation interface {
	// Report receives the result of the request. It is called exactly once, last.
	Report(result Result)
	// Delay reports that the request is not sent yet, because the call runs a hook
	// of its caller or polls the instance again. If other calls wait for the result of
	// this request, the Pacer may let one of those calls go first. The hook may make
	// calls that ask the same Pacer, so a Pacer that holds back all other calls during
	// a Delay should do so for a few seconds at most. An [Adaptive] does so for two.
	Delay()
	// Proceed follows a Delay and reports that the call does not wait any more: the client
	// sends the request now, or gives it up.
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

// Request is what a Pacer needs to know about a request that is about to be sent.
type Request struct {
	// MaxWait is how long the call may still wait while the service throttles.
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

// Result is the result of a request, as the client reports it to a [Reservation].
type Result struct {
	Response Response `json:"response"`
	// RetryAfter is how long a service that throttles asks to wait; 0 if the service
	// does not say.
	RetryAfter time.Duration `json:"-"`
	// ServiceTime is the time by the service's clock, in whole seconds; zero if
	// unknown.
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

// Response classifies the response to a request by what it means for the pace.
type Response int

// The responses to requests.
const (
	Unanswered Response = iota // the request was not sent, or the service sent no response
	Answered                   // the service processed the request; it may have refused the request for other reasons
	Throttled                  // the service throttled the request, which does not count towards the quota
)

// String returns "unanswered", "answered" or "throttled".
func (r Response) String() string {
	switch r {
	case Unanswered:
		return "unanswered"
	case Answered:
		return "answered"
	case Throttled:
		return "throttled"
	}
	return fmt.Sprintf("Response(%d)", int(r))
}

// MarshalText returns what [Response.String] returns.
func (r Response) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts the texts of [Unanswered], [Answered] and [Throttled]; any other
// text is an error.
func (r *Response) UnmarshalText(text []byte) error {
	for known := Unanswered; known <= Throttled; known++ {
		if known.String() == string(text) {
			*r = known
			return nil
		}
	}
	return fmt.Errorf("invalid response %q", text)
}
