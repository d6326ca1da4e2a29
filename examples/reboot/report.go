package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

// result is the line that -json prints.
type result struct {
	Type       string    `json:"type,omitempty"` // "result" with -wait, where it is not the only line
	InstanceID string    `json:"instanceId,omitempty"`
	Operation  string    `json:"operation"`
	Outcome    string    `json:"outcome"`
	RequestID  string    `json:"requestId,omitempty"`
	DryRun     bool      `json:"dryRun,omitempty"`
	ForceStop  bool      `json:"forceStop,omitempty"`
	Attempts   int       `json:"attempts,omitempty"` // of a failed call that did not wait
	SentAt     time.Time `json:"sentAt,omitzero"`    // of a failed call, or with -wait
	*evidence            // with -wait, once something was sent
	Code       string    `json:"code,omitempty"`
	HTTPStatus int       `json:"httpStatus,omitempty"`
	Error      string    `json:"error,omitempty"`
	Advice     string    `json:"advice,omitempty"`
	ExitCode   int       `json:"exitCode"`
}

// The outcomes of a call that did not fail. Those of one that did are
// [ecsreboot.Outcome]'s words.
const (
	outcomeAccepted     = "accepted"
	outcomeDryRunPassed = "dry run passed"
	outcomeRestarted    = "restarted"
)

func newResult(s settings, resp *ecsreboot.RebootInstanceResponse, err error) result {
	r := result{
		InstanceID: s.instanceID,
		Operation:  s.operation(),
		DryRun:     s.dryRun,
		ForceStop:  s.force,
		ExitCode:   exitcode.Of(err),
	}
	if s.wait {
		r.Type = "result"
	}
	switch {
	case err != nil:
		return r.failed(err)
	case resp == nil: // it waited
	case resp.DryRun:
		r.Outcome, r.RequestID = outcomeDryRunPassed, resp.RequestID
	default:
		r.Outcome, r.RequestID = outcomeAccepted, resp.RequestID
	}
	return r
}

func (r result) failed(err error) result {
	r.Outcome = ecsreboot.OutcomeNotSent.String()
	r.Error, r.Advice = err.Error(), advice(err)
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		r.Outcome = failed.Outcome.String()
		r.Attempts, r.SentAt = failed.Attempts, failed.SentAt.UTC()
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		r.RequestID, r.Code, r.HTTPStatus = answer.RequestID, string(answer.Code), answer.StatusCode
	}
	return r
}

// report prints what came of the call: the result on stdout, an error and what to
// do about it on stderr. It returns the exit code.
func (p *program) report(s settings, r result) int {
	if r.Error != "" {
		_, _ = fmt.Fprintln(p.stderr, r.Error)
		if r.Advice != "" {
			_, _ = fmt.Fprintln(p.stderr, r.Advice)
		}
	}
	switch {
	case s.json:
		target.PrintResult(p.stdout, p.stderr, "ecs-reboot", jsonText(r))
	case r.ExitCode != exitcode.Usage: // a bad command line has no result
		target.PrintResult(p.stdout, p.stderr, "ecs-reboot", r.line()+"\n")
	}
	return r.ExitCode
}

// line is the result for people.
func (r result) line() string {
	var b strings.Builder
	b.WriteString(r.InstanceID + ": ")
	switch {
	case r.Error != "":
		b.WriteString(r.outcomeInWords())
	case r.Outcome == outcomeRestarted:
		b.WriteString(r.proofInWords())
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
	return b.String()
}

// outcomeInWords is the outcome of a call that failed.
func (r result) outcomeInWords() string {
	switch r.Outcome {
	case ecsreboot.OutcomeAccepted.String():
		if r.Type != "" {
			return "restart accepted, not proven"
		}
		return "restart accepted, against what was asked"
	case ecsreboot.OutcomeUnknown.String():
		return "unknown, it may have restarted"
	case ecsreboot.OutcomeNone.String():
		return "dry run without an answer, nothing restarted"
	}
	return r.Outcome
}
