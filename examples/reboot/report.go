package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

// result is the line that -json prints.
type result struct {
	InstanceID string    `json:"instanceId,omitempty"`
	Operation  string    `json:"operation"`
	Outcome    string    `json:"outcome"`
	RequestID  string    `json:"requestId,omitempty"`
	DryRun     bool      `json:"dryRun,omitempty"`
	ForceStop  bool      `json:"forceStop,omitempty"`
	Attempts   int       `json:"attempts,omitempty"` // of a failed call
	SentAt     time.Time `json:"sentAt,omitzero"`    // likewise
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
)

func newResult(s settings, resp *ecsreboot.RebootInstanceResponse, err error) result {
	r := result{
		InstanceID: s.instanceID,
		Operation:  "RebootInstance",
		DryRun:     s.dryRun,
		ForceStop:  s.force,
		ExitCode:   exitCode(err),
	}
	if err == nil {
		r.Outcome, r.RequestID = outcomeAccepted, resp.RequestID
		if resp.DryRun {
			r.Outcome = outcomeDryRunPassed
		}
		return r
	}
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

func exitCode(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitcode.Usage
	}
	return exitcode.Of(err)
}

// report prints what came of the call: the result on stdout, an error and what to
// do about it on stderr. It returns the exit code.
func (p *program) report(s settings, resp *ecsreboot.RebootInstanceResponse, err error) int {
	r := newResult(s, resp, err)
	if err != nil {
		_, _ = fmt.Fprintln(p.stderr, r.Error)
		if r.Advice != "" {
			_, _ = fmt.Fprintln(p.stderr, r.Advice)
		}
	}
	switch {
	case s.json:
		encoder := json.NewEncoder(p.stdout)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(r)
	case r.ExitCode != exitcode.Usage: // a bad command line has no result
		_, _ = fmt.Fprintln(p.stdout, r.line())
	}
	return r.ExitCode
}

// line is the result for people.
func (r result) line() string {
	var b strings.Builder
	b.WriteString(r.InstanceID + ": ")
	switch {
	case r.Error != "" && r.Outcome == outcomeAccepted:
		b.WriteString("restart accepted, against what was asked")
	case r.Error != "":
		b.WriteString(r.outcomeInWords())
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

func (r result) outcomeInWords() string {
	switch r.Outcome {
	case ecsreboot.OutcomeUnknown.String():
		return "unknown, it may have restarted"
	case ecsreboot.OutcomeNone.String():
		return "dry run without an answer, nothing restarted"
	case ecsreboot.OutcomeRejected.String():
		return "rejected"
	}
	return r.Outcome
}
