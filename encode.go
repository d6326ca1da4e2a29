package ecsreboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// The JSON of this package has keys in lower camel case. A duration is a number of
// seconds under a key that ends in "Seconds", and an error is its text. What is empty is
// left out where that loses nothing. Log records have the same fields, see
// [logvalue.Of]. Most types need no more than their tags; this file has the others.
//
// Each plain type is its namesake without methods, so that encoding/json goes by
// the tags.

// unmarshalWord reads a word that one of the known values is written as.
func unmarshalWord[T fmt.Stringer](value *T, text []byte, known ...T) error {
	for _, k := range known {
		if k.String() == string(text) {
			*value = k
			return nil
		}
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", *value), "ecsreboot.")
	return fmt.Errorf("%sinvalid %s %q", prefix, name, text)
}

type plainRestartResult RestartResult

type jsonRestartResult struct {
	plainRestartResult

	Elapsed seconds.Duration `json:"elapsedSeconds"`
}

func (r *RestartResult) forJSON() jsonRestartResult {
	return jsonRestartResult{plainRestartResult(*r), seconds.Duration(r.Elapsed)}
}

// MarshalJSON writes Elapsed as elapsedSeconds.
func (r RestartResult) MarshalJSON() ([]byte, error) { return json.Marshal(r.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *RestartResult) UnmarshalJSON(text []byte) error {
	decoded := r.forJSON()
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*r = RestartResult(decoded.plainRestartResult)
	r.Elapsed = time.Duration(decoded.Elapsed)
	return nil
}

type plainRetryPolicy RetryPolicy

type jsonRetryPolicy struct {
	plainRetryPolicy

	BaseDelay       seconds.Duration `json:"baseDelaySeconds,omitzero"`
	MaxDelay        seconds.Duration `json:"maxDelaySeconds,omitzero"`
	MaxThrottleWait seconds.Duration `json:"maxThrottleWaitSeconds,omitzero"`
}

func (p RetryPolicy) forJSON() jsonRetryPolicy {
	return jsonRetryPolicy{plainRetryPolicy(p), seconds.Duration(p.BaseDelay), seconds.Duration(p.MaxDelay), seconds.Duration(p.MaxThrottleWait)}
}

// MarshalJSON writes the durations as baseDelaySeconds, maxDelaySeconds and
// maxThrottleWaitSeconds.
func (p RetryPolicy) MarshalJSON() ([]byte, error) { return json.Marshal(p.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (p *RetryPolicy) UnmarshalJSON(text []byte) error {
	decoded := p.forJSON()
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*p = RetryPolicy(decoded.plainRetryPolicy)
	p.BaseDelay, p.MaxDelay = time.Duration(decoded.BaseDelay), time.Duration(decoded.MaxDelay)
	p.MaxThrottleWait = time.Duration(decoded.MaxThrottleWait)
	return nil
}

type plainEvent Event

type jsonEvent struct {
	plainEvent

	Error string `json:"error,omitempty"`
}

// MarshalJSON writes the text of Err as error.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonEvent{plainEvent(e), errorText(e.Err)})
}

type plainCallResult CallResult

type jsonCallResult struct {
	plainCallResult

	Elapsed seconds.Duration `json:"elapsedSeconds"`
	Error   string           `json:"error,omitempty"`
}

func (r CallResult) forJSON() jsonCallResult {
	return jsonCallResult{plainCallResult(r), seconds.Duration(r.Elapsed), errorText(r.Err)}
}

// MarshalJSON writes Elapsed as "elapsedSeconds", and the text of Err as "error".
func (r CallResult) MarshalJSON() ([]byte, error) { return json.Marshal(r.forJSON()) }

type jsonForeignError struct {
	Source string `json:"source"`
	Error  string `json:"error"`
}

// MarshalJSON writes the source and the text of the error. It never writes Err.
func (e ForeignError) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonForeignError{e.Source, e.text})
}

type plainAPIError APIError

type jsonAPIError struct {
	plainAPIError

	RetryAfter seconds.Duration `json:"retryAfterSeconds,omitzero"`
}

func (e *APIError) forJSON() jsonAPIError {
	return jsonAPIError{plainAPIError(*e), seconds.Duration(e.RetryAfter)}
}

// MarshalJSON writes RetryAfter as retryAfterSeconds.
func (e APIError) MarshalJSON() ([]byte, error) { return json.Marshal(e.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (e *APIError) UnmarshalJSON(text []byte) error {
	decoded := e.forJSON()
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*e = APIError(decoded.plainAPIError)
	e.RetryAfter = time.Duration(decoded.RetryAfter)
	return nil
}

// storedError is a cause that was read from JSON.
type storedError struct {
	text  string
	cause error // the APIError or WaitError in it, or nil
}

func (e *storedError) Error() string { return e.text }
func (e *storedError) Unwrap() error { return e.cause }

type plainWaitError WaitError

type jsonWaitError struct {
	plainWaitError

	At     time.Time `json:"at,omitzero"`
	Answer *APIError `json:"answer,omitempty"`
	Error  string    `json:"error"`
}

func (e *WaitError) forJSON() jsonWaitError {
	answer, _ := errors.AsType[*APIError](e.Err)
	return jsonWaitError{plainWaitError(*e), e.at, answer, errorText(e.Err)}
}

// MarshalJSON writes the text of Err as "error", the [APIError] in Err as "answer", and
// the time when the wait ended as "at".
func (e WaitError) MarshalJSON() ([]byte, error) { return json.Marshal(e.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes. It restores the text of Err, and the
// [APIError] in Err.
func (e *WaitError) UnmarshalJSON(text []byte) error {
	var decoded jsonWaitError
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*e = WaitError(decoded.plainWaitError)
	e.at = decoded.At
	stored := &storedError{text: decoded.Error}
	if decoded.Answer != nil {
		stored.cause = decoded.Answer
	}
	e.Err = stored
	return nil
}

type plainOperationError OperationError

type jsonOperationError struct {
	plainOperationError

	Answer *APIError  `json:"answer,omitempty"`
	Wait   *WaitError `json:"wait,omitempty"`
	Error  string     `json:"error"`
}

func (e *OperationError) forJSON() jsonOperationError {
	encoded := jsonOperationError{plainOperationError: plainOperationError(*e), Error: errorText(e.Err)}
	if waited, ok := errors.AsType[*WaitError](e.Err); ok {
		encoded.Wait = waited
	} else if answer, ok := errors.AsType[*APIError](e.Err); ok {
		encoded.Answer = answer
	}
	return encoded
}

// MarshalJSON writes the text of Err as "error", and the [APIError] or the [WaitError] in
// Err as "answer" or "wait".
func (e OperationError) MarshalJSON() ([]byte, error) { return json.Marshal(e.forJSON()) }

// UnmarshalJSON reads what MarshalJSON writes. It restores the text of Err, and the
// [APIError] and the [WaitError] in Err, so that another process can call
// [Client.Resolve] with the error.
func (e *OperationError) UnmarshalJSON(text []byte) error {
	var decoded jsonOperationError
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*e = OperationError(decoded.plainOperationError)
	stored := &storedError{text: decoded.Error}
	switch {
	case decoded.Wait != nil:
		stored.cause = decoded.Wait
	case decoded.Answer != nil:
		stored.cause = decoded.Answer
	}
	e.Err = stored
	return nil
}

// errorText is the text of an error, or empty if there is none.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return textOf(err)
}

// started describes the StartTime of an instance, which is to the minute.
func started(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", started " + t.UTC().Format("2006-01-02T15:04Z")
}

// statusText is a status as a word, including that of an instance that the service did
// not list.
func statusText(s Status) string {
	if s == "" {
		return "not listed"
	}
	return string(s)
}

// LogValue gives slog the fields of the JSON, but of the observations only their number.
func (e *WaitError) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	return logvalue.Of(e.forJSON())
}

// LogValue gives slog the fields of the JSON.
func (b Baseline) LogValue() slog.Value { return logvalue.Of(b) }

// String describes the baseline in a line, such as
// "i-1: Running, started 2026-01-02T03:04Z".
func (b Baseline) String() string {
	return b.InstanceID + ": " + statusText(b.Status) + started(b.StartTime) + locksText(b.Locks)
}

// LogValue gives slog the fields of the JSON.
func (i SendIntent) LogValue() slog.Value { return logvalue.Of(i) }

// LogValue gives slog the fields of the JSON.
func (o Observation) LogValue() slog.Value { return logvalue.Of(o) }

// String describes the observation in a line, such as
// "Running, started 2026-01-02T03:04Z".
func (o Observation) String() string { return statusText(o.Status) + started(o.StartTime) }

// LogValue gives slog the fields of the JSON.
func (e Event) LogValue() slog.Value { return logvalue.Of(jsonEvent{plainEvent(e), errorText(e.Err)}) }

// String describes the event in a line, such as "accepted (request R)".
func (e Event) String() string {
	text := string(e.Kind)
	switch {
	case e.Err != nil:
		text += ": " + errorText(e.Err)
	case e.Kind == EventBaseline || e.Kind == EventStatus:
		text += ": " + statusText(e.Status) + started(e.StartTime)
	case e.Kind == EventWitness:
		text = e.Testimony.String()
	}
	return text + requestText(e.RequestID)
}

// requestText names a request id at the end of a text.
func requestText(id string) string {
	if id == "" {
		return ""
	}
	return " (request " + id + ")"
}

// LogValue gives slog the fields of the JSON, but of the observations only their number.
func (r *RestartResult) LogValue() slog.Value {
	if r == nil {
		return slog.Value{}
	}
	return logvalue.Of(r.forJSON())
}

// String describes the result in a line, such as
// "i-1 restarted, proven by status after 42s (request R)".
func (r *RestartResult) String() string {
	return fmt.Sprintf("%s restarted, proven by %s after %v", r.InstanceID, r.Proof, r.Elapsed.Round(time.Millisecond)) + requestText(r.RequestID)
}
