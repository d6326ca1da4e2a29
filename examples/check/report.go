package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

// result is the line that -json prints for an instance.
type result struct {
	InstanceID  string    `json:"instanceId,omitempty"`
	Verdict     string    `json:"verdict"`
	Status      string    `json:"status,omitempty"` // empty if the service does not list the instance, or was not asked
	Locks       []string  `json:"locks,omitempty"`
	StartTime   time.Time `json:"startTime,omitzero"`
	ExpiredTime time.Time `json:"expiredTime,omitzero"`
	Zone        string    `json:"zone,omitempty"`
	RequestID   string    `json:"requestId,omitempty"`
	Code        string    `json:"code,omitempty"`
	HTTPStatus  int       `json:"httpStatus,omitempty"`
	Error       string    `json:"error,omitempty"`
	Advice      string    `json:"advice,omitempty"`
	ExitCode    int       `json:"exitCode"`
}

// The verdicts.
const (
	wouldBeAccepted = "would be accepted"
	wouldBeRefused  = "would be refused"
	notFoundOut     = "not found out"
	dryRunIgnored   = "restarted" // as the service answered the dry run as if it had been none
)

func newResult(instance ecsreboot.Instance, checked *ecsreboot.CheckResult, err error) result {
	r := result{
		InstanceID:  instance.ID,
		Verdict:     verdict(err),
		Status:      string(instance.Status),
		Locks:       instance.Locks,
		StartTime:   instance.StartTime,
		ExpiredTime: instance.ExpiredTime,
		Zone:        instance.Zone,
		ExitCode:    exitcode.Of(err),
	}
	if err == nil {
		r.RequestID = checked.RequestID
		return r
	}
	r.Error, r.Advice = err.Error(), advice(err)
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		r.RequestID, r.Code, r.HTTPStatus = answer.RequestID, string(answer.Code), answer.StatusCode
	}
	return r
}

// verdict says what an error of a check means. A refusal has the service's code:
// in its answer to the dry run, or, with StatusCode 0, found by the client in what
// it had read.
func verdict(err error) string {
	answer, answered := errors.AsType[*ecsreboot.APIError](err)
	switch {
	case err == nil:
		return wouldBeAccepted
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return dryRunIgnored
	case errors.Is(err, ecsreboot.ErrThrottled), errors.Is(err, context.Canceled):
		return notFoundOut
	case errors.Is(err, ecsreboot.ErrRejected), answered && answer.StatusCode == 0 && answer.Code != "":
		return wouldBeRefused
	}
	return notFoundOut
}

// advice says what to do about an error, or "".
func advice(err error) string {
	answer, answered := errors.AsType[*ecsreboot.APIError](err)
	_, usage := errors.AsType[*exitcode.UsageError](err)
	switch {
	case usage, errors.Is(err, ecsreboot.ErrInvalidInput):
		return "Run ecs-check -h for its manual."
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return "Look at the instance, then for what stands between this program and the service."
	case answered && answer.Code.Advice() != "":
		return answer.Code.Advice()
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ecsreboot.ErrorCode("Throttling").Advice()
	case errors.Is(err, ecsreboot.ErrCredentials):
		return "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or see -h for the other sources."
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		return ecsreboot.ErrForbiddenRAM.Advice()
	case errors.Is(err, context.Canceled), answered:
		return ""
	}
	return "A check changes nothing; run it again. If it fails again, check the region, the network and the proxy."
}

// report prints what came of a check: the result on stdout, an error and what to
// do about it on stderr. It returns the exit code.
func (p *program) report(s settings, r result) int {
	if r.Error != "" {
		p.complain(r)
	}
	p.print(s, r)
	return r.ExitCode
}

// failAll is for an error that concerns all instances alike: it is told once, and
// each instance has its line of result nevertheless.
func (p *program) failAll(s settings, err error) int {
	r := newResult(ecsreboot.Instance{}, nil, err)
	p.complain(r)
	if len(s.instanceIDs) == 0 && s.json {
		p.print(s, r)
	}
	if r.ExitCode == exitcode.Usage && !s.json {
		return r.ExitCode // a bad command line has no result
	}
	for _, id := range s.instanceIDs {
		r.InstanceID = id
		p.print(s, r)
	}
	return r.ExitCode
}

func (p *program) complain(r result) {
	_, _ = fmt.Fprintln(p.stderr, r.Error)
	if r.Advice != "" {
		_, _ = fmt.Fprintln(p.stderr, r.Advice)
	}
}

func (p *program) print(s settings, r result) {
	var text strings.Builder
	if s.json {
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(r)
	} else {
		text.WriteString(r.line() + "\n")
	}
	target.PrintResult(p.stdout, p.stderr, "ecs-check", text.String())
}

// line is the result for people.
func (r result) line() string {
	parts := make([]string, 0, 4)
	if r.Status != "" {
		status := r.Status
		if !r.StartTime.IsZero() {
			status += ", started " + minute(r.StartTime)
		}
		parts = append(parts, status, r.locks())
		if !r.ExpiredTime.IsZero() {
			parts = append(parts, r.expiry(time.Now()))
		}
	} else if r.Verdict == wouldBeAccepted {
		parts = append(parts, "not listed, perhaps for want of the permission to read it")
	}
	text := "a restart " + r.Verdict
	switch r.Verdict {
	case notFoundOut:
		text = "whether a restart would be accepted was not found out"
	case dryRunIgnored:
		text = "restarted, against what was asked"
	}
	if r.Code != "" {
		text += ": " + r.Code
	}
	return r.InstanceID + ": " + strings.Join(append(parts, text), "; ")
}

func (r result) locks() string {
	if len(r.Locks) == 0 {
		return "no locks"
	}
	return "locked: " + strings.Join(r.Locks, ", ")
}

// expiry leaves out the far future, which stands for never.
func (r result) expiry(now time.Time) string {
	switch {
	case r.ExpiredTime.Before(now):
		return "expired " + minute(r.ExpiredTime)
	case r.ExpiredTime.Year() >= 2099:
		return "does not expire"
	}
	return "expires " + minute(r.ExpiredTime)
}

// minute is how the service tells times.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
