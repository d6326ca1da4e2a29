package check

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/advice"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Result is the outcome of the check of one instance. Its JSON is what scripts read:
// the keys and the values of Verdict do not change.
type Result struct {
	InstanceID  string    `json:"instanceId,omitempty"`
	Verdict     string    `json:"verdict"`
	Status      string    `json:"status,omitempty"` // empty if the service does not list the instance, or was not asked
	Locks       []string  `json:"locks,omitempty"`
	StartTime   time.Time `json:"startTime,omitzero"`
	ExpiredTime time.Time `json:"expiredTime,omitzero"`
	Zone        string    `json:"zone,omitempty"`
	// Events are the system events that are scheduled for the instance. EventsError says why
	// the events could not be read.
	Events      []ecsreboot.ScheduledEvent `json:"events,omitempty"`
	EventsError string                     `json:"eventsError,omitempty"`
	RequestID   string                     `json:"requestId,omitempty"`
	Code        string                     `json:"code,omitempty"`
	HTTPStatus  int                        `json:"httpStatus,omitempty"`
	Error       string                     `json:"error,omitempty"`
	Advice      string                     `json:"advice,omitempty"`
	ExitCode    int                        `json:"exitCode"`
}

// The verdicts.
const (
	WouldBeAccepted = "would be accepted"
	WouldBeRefused  = "would be refused"
	NotFoundOut     = "not found out"
	DryRunIgnored   = "restarted" // the service answered the dry run as a real restart
)

// NewResult returns the result of a check. Program is the name of the program that the
// advice refers to for its -h page. The instance is what is known of it if the
// check fails; checked is nil then.
func NewResult(program string, instance ecsreboot.Instance, checked *ecsreboot.CheckResult, err error) Result {
	if checked != nil {
		instance = checked.Instance
	}
	r := Result{
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
		r.RequestID, r.Events, r.EventsError = checked.RequestID, checked.Events, checked.EventsError
		if checked.EventsDenied {
			r.EventsError += "; the permission ecs:DescribeInstancesFullStatus may be missing"
		}
		return r
	}
	r.Error, r.Advice = err.Error(), advice.OnCheck(err, program)
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		r.RequestID, r.Code, r.HTTPStatus = answer.RequestID, string(answer.Code), answer.StatusCode
	}
	return r
}

// verdict classifies the error of a check. A refusal has the service's code: in its
// response to the dry run, or, with StatusCode 0, derived by the client from the poll.
func verdict(err error) string {
	answer, answered := errors.AsType[*ecsreboot.APIError](err)
	switch {
	case err == nil:
		return WouldBeAccepted
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return DryRunIgnored
	case errors.Is(err, ecsreboot.ErrThrottled), errors.Is(err, context.Canceled):
		return NotFoundOut
	case errors.Is(err, ecsreboot.ErrRejected), answered && answer.StatusCode == 0 && answer.Code != "":
		return WouldBeRefused
	}
	return NotFoundOut
}

// JSON returns the result as a line of JSON.
func (r Result) JSON() string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(r)
	return text.String()
}

// Line returns the result as a line for people.
func (r Result) Line() string {
	parts := make([]string, 0, 4)
	if r.Status != "" {
		status := r.Status
		if !r.StartTime.IsZero() {
			status += ", started " + view.Minute(r.StartTime)
		}
		parts = append(parts, status, r.locks())
		if !r.ExpiredTime.IsZero() {
			parts = append(parts, r.expiry(time.Now()))
		}
	} else if r.Verdict == WouldBeAccepted {
		parts = append(parts, "not listed, perhaps because the permission to read it is missing")
	}
	for _, e := range r.Events {
		event := "scheduled: " + e.Type + " (" + e.ID + ")"
		if !e.NotBefore.IsZero() {
			event += " not before " + view.Minute(e.NotBefore)
		}
		parts = append(parts, event)
	}
	if r.EventsError != "" {
		parts = append(parts, "scheduled events are not known: "+r.EventsError)
	}
	text := "a restart " + r.Verdict
	switch r.Verdict {
	case NotFoundOut:
		text = "it is unknown whether a restart would be accepted"
	case DryRunIgnored:
		text = "restarted, although it was a dry run"
	}
	if r.Code != "" {
		text += ": " + r.Code
	}
	return r.InstanceID + ": " + strings.Join(append(parts, text), "; ") + "\n"
}

func (r Result) locks() string {
	if len(r.Locks) == 0 {
		return "no locks"
	}
	return "locked: " + strings.Join(r.Locks, ", ")
}

// expiry leaves out the far future, which means never.
func (r Result) expiry(now time.Time) string {
	switch {
	case r.ExpiredTime.Before(now):
		return "expired " + view.Minute(r.ExpiredTime)
	case r.ExpiredTime.Year() >= 2099:
		return "does not expire"
	}
	return "expires " + view.Minute(r.ExpiredTime)
}
