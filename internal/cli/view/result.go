// Package view shows one restart: each step while it goes on, on a terminal, as
// lines or as JSON, and the result at the end.
package view

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/advice"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// Command is the restart that a program was asked for.
type Command struct {
	Program string // as the user calls it, for texts
	Request ecsreboot.RebootInstanceRequest
	Wait    bool // follow the restart until it is proven
}

// Operation returns the method of the client that executes the command.
func (c Command) Operation() string {
	if c.Wait {
		return "RebootAndWait"
	}
	return "RebootInstance"
}

// String returns the command in words.
func (c Command) String() string {
	text := c.Operation() + " " + c.Request.InstanceID
	if c.Request.ForceStop {
		text += " by force"
	}
	if c.Request.DryRun {
		text += ", dry run"
	}
	return text
}

// Result is the outcome of a command. Its JSON is what scripts read: the keys and
// the values of Outcome do not change.
type Result struct {
	Type       string    `json:"type,omitempty"` // "result" with --wait, where other lines come before it
	InstanceID string    `json:"instanceId,omitempty"`
	Operation  string    `json:"operation"`
	Outcome    string    `json:"outcome"`
	RequestID  string    `json:"requestId,omitempty"`
	DryRun     bool      `json:"dryRun,omitempty"`
	ForceStop  bool      `json:"forceStop,omitempty"`
	Attempts   int       `json:"attempts,omitempty"` // of a failed call that did not wait
	SentAt     time.Time `json:"sentAt,omitzero"`    // of a failed call, or with --wait
	*Evidence            // with --wait, once a request was sent
	Code       string    `json:"code,omitempty"`
	HTTPStatus int       `json:"httpStatus,omitempty"`
	Error      string    `json:"error,omitempty"`
	Advice     string    `json:"advice,omitempty"`
	ExitCode   int       `json:"exitCode"`
}

// The outcomes of a command that succeeded. Those of a failed one are the words of
// [ecsreboot.Outcome].
const (
	outcomeAccepted     = "accepted"
	outcomeDryRunPassed = "dry run passed"
	outcomeRestarted    = "restarted"
)

// NewResult returns the result of a command that did not wait. The response is nil
// if there is an error.
func NewResult(c Command, response *ecsreboot.RebootInstanceResponse, err error) Result {
	r := newResult(c, err)
	switch {
	case response == nil:
	case response.DryRun:
		r.Outcome, r.RequestID = outcomeDryRunPassed, response.RequestID
	default:
		r.Outcome, r.RequestID = outcomeAccepted, response.RequestID
	}
	return r
}

// newResult has what an error says, and leaves out what a success says.
func newResult(c Command, err error) Result {
	r := Result{
		InstanceID: c.Request.InstanceID,
		Operation:  c.Operation(),
		DryRun:     c.Request.DryRun,
		ForceStop:  c.Request.ForceStop,
		ExitCode:   exitcode.Of(err),
	}
	if c.Wait {
		r.Type = "result"
	}
	if err == nil {
		return r
	}
	r.Outcome = ecsreboot.OutcomeNotSent.String()
	r.Error, r.Advice = err.Error(), advice.OnRestart(err, c.Program)
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		r.Outcome = failed.Outcome.String()
		r.Attempts, r.SentAt = failed.Attempts, failed.SentAt.UTC()
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		r.RequestID, r.Code, r.HTTPStatus = answer.RequestID, string(answer.Code), answer.StatusCode
	}
	return r
}

// Restarts reports whether the instance restarts, or has restarted, as the command
// asked for.
func (r Result) Restarts() bool {
	return r.Error == "" && !r.DryRun
}

// JSON returns the result as a line of JSON.
func (r Result) JSON() string { return jsonLine(r) }

func jsonLine(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
	return text.String()
}

// Line returns the result as a line for people.
func (r Result) Line() string {
	var b strings.Builder
	b.WriteString(r.InstanceID + ": ")
	switch {
	case r.Error != "":
		b.WriteString(r.failure())
	case r.Outcome == outcomeRestarted:
		b.WriteString(r.proof())
	case r.Outcome == outcomeAccepted && r.ForceStop:
		b.WriteString("forced restart accepted")
	case r.Outcome == outcomeAccepted:
		b.WriteString("restart accepted")
	default:
		b.WriteString("dry run passed, nothing restarted")
	}
	if r.Code != "" {
		b.WriteString(": " + r.Code)
	}
	if r.RequestID != "" {
		b.WriteString(" (request " + r.RequestID + ")")
	}
	return b.String() + "\n"
}

// failure is the outcome of a failed command in words.
func (r Result) failure() string {
	switch r.Outcome {
	case ecsreboot.OutcomeAccepted.String():
		if r.Type != "" {
			return "restart accepted, not proven"
		}
		return "restart accepted, although it was a dry run"
	case ecsreboot.OutcomeUnknown.String():
		return "unknown, it may have restarted"
	case ecsreboot.OutcomeNone.String():
		if !r.DryRun { // the poll before the request failed
			return "not sent, the instance could not be read"
		}
		return "dry run without a response, nothing restarted"
	}
	return r.Outcome
}
