package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// RebootInstanceRequest asks for one restart.
type RebootInstanceRequest struct {
	// InstanceID names the instance: "i-bp67acfmxazb4ph0001".
	InstanceID string `json:"instanceId"`
	// ForceStop restarts like a power cut: data that the guest has not written to disk
	// is lost. By default, the guest shuts down cleanly.
	ForceStop bool `json:"forceStop,omitempty"`
	// DryRun only checks whether the restart would be accepted: parameters,
	// permissions, status, locks. Nothing restarts.
	DryRun bool `json:"dryRun,omitempty"`
}

// LogValue gives slog the fields of the JSON.
func (r RebootInstanceRequest) LogValue() slog.Value {
	r.InstanceID = redact.Line(r.InstanceID, maxInstanceIDLength)
	return logvalue.Of(r)
}

// RebootInstanceResponse is the response of a service that accepted the restart, or whose
// dry run passed.
type RebootInstanceResponse struct {
	RequestID string `json:"requestId"`        // the vendor's support asks for it
	DryRun    bool   `json:"dryRun,omitempty"` // the request was a dry run, and the dry run passed
}

// LogValue gives slog the fields of the JSON.
func (r *RebootInstanceResponse) LogValue() slog.Value { return logvalue.Of(r) }

// RebootInstance asks the service to restart a running instance, and returns when the
// service has accepted the restart. The restart itself takes seconds to minutes more;
// after the call, the instance may still show the status Running from before the restart.
//
// RebootInstance retries only if the restart certainly did not happen. If the error is
// [ErrNotSent] or [ErrRejected], the restart did not happen; if it is
// [ErrOutcomeUnknown], the restart may have happened. If a dry run passes, the service
// responds with the error DryRunOperation, and RebootInstance returns a response with
// DryRun set and a nil error.
//
// Every error is an [OperationError]. RebootInstance needs the RAM action
// ecs:RebootInstance.
func (c *Client) RebootInstance(ctx context.Context, request RebootInstanceRequest) (*RebootInstanceResponse, error) {
	if err := checkCall(ctx, request.InstanceID); err != nil {
		return nil, &OperationError{Operation: "RebootInstance", InstanceID: request.InstanceID, Outcome: OutcomeNotSent, Err: err}
	}
	res, err := c.do(ctx, c.rebootOperation(request), hooks{})
	if err != nil {
		return nil, err
	}
	return &RebootInstanceResponse{RequestID: res.requestID, DryRun: request.DryRun}, nil
}

func (c *Client) rebootOperation(request RebootInstanceRequest) operation {
	return operation{
		action:     "RebootInstance",
		instanceID: request.InstanceID,
		params: []field{
			{"DryRun", strconv.FormatBool(request.DryRun)},
			{"ForceStop", strconv.FormatBool(request.ForceStop)},
			{"InstanceId", request.InstanceID},
		},
		repeatable: request.DryRun,
		dryRun:     request.DryRun,
		forceStop:  request.ForceStop,
		id:         c.operationID,
		attempts:   c.retry.MaxAttempts,
		gate:       &c.rebootGate,
	}
}

// checkCall refuses what every call of one instance refuses.
func checkCall(ctx context.Context, instanceID string) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	return checkInstanceID(instanceID)
}

// checkContext refuses a nil context, which would panic deep inside a call.
func checkContext(ctx context.Context) error {
	if ctx == nil {
		return &InputError{Field: "ctx", Problem: "is nil"}
	}
	return nil
}

// maxInstanceIDLength is generous: ids have some 22 characters.
const maxInstanceIDLength = 128

// checkInstanceID refuses what cannot be an instance id. The service judges the
// rest.
func checkInstanceID(id string) error {
	if problem := instanceIDProblem(id); problem != "" {
		return &InputError{Field: "InstanceID", Problem: problem}
	}
	return nil
}

func instanceIDProblem(id string) string {
	switch {
	case id == "":
		return "is empty"
	case len(id) > maxInstanceIDLength:
		return fmt.Sprintf("is %d bytes long, the limit is %d", len(id), maxInstanceIDLength)
	case !utf8.ValidString(id):
		return "is not valid UTF-8"
	}
	for _, c := range id {
		var what string
		switch {
		case unicode.IsSpace(c):
			what = "white space"
		case unicode.IsControl(c):
			what = "a control character"
		case !unicode.IsPrint(c):
			what = "a character that cannot be printed"
		default:
			continue
		}
		return fmt.Sprintf("holds %s (%q)", what, c)
	}
	return ""
}

// CheckResult is the result of a [Client.Check] that passed.
type CheckResult struct {
	// Instance is the current state of the instance. Its Listed method may report false
	// although the service would accept the restart, because reading needs a separate
	// permission, ecs:DescribeInstances.
	Instance  Instance `json:"instance"`
	RequestID string   `json:"requestId"` // of the dry run
	// Events are the system events that the service has scheduled for the instance. If the
	// events could not be read, Events is empty and EventsError says why. EventsDenied
	// reports that the permission ecs:DescribeInstancesFullStatus is probably missing: the
	// service denied the request or listed nothing.
	Events       []ScheduledEvent `json:"events,omitempty"`
	EventsError  string           `json:"eventsError,omitempty"`
	EventsDenied bool             `json:"eventsDenied,omitempty"`
}

// LogValue gives slog the fields of the JSON.
func (r *CheckResult) LogValue() slog.Value { return logvalue.Of(r) }

// Check determines whether the service would accept a restart now. Check reads the
// instance's status, locks and expiry, and sends the restart as a dry run; nothing
// restarts.
//
// Every error is an [OperationError]. If the service would refuse the restart, the
// OperationError wraps an [APIError] whose Code.Advice says what to do. The StatusCode of
// the APIError is 0 if the state of the instance already rules the restart out, so that no
// dry run was sent. The text of the OperationError names every lock of the instance,
// including those that are not known to prevent a restart. If there is no error, the locks
// are in the result's Instance. Check ignores the request's DryRun.
//
// If the dry run passes, Check also reads the scheduled system events of the instance. The
// events do not affect the result: Check passes even if it cannot read them.
//
// Check needs the RAM action ecs:RebootInstance for the dry run, ecs:DescribeInstances
// to read the instance and ecs:DescribeInstancesFullStatus to read its events. Without
// ecs:DescribeInstances, the service lists nothing and reports no error, so only the dry
// run decides: Check can pass, but the Instance of the result has only its ID.
func (c *Client) Check(ctx context.Context, request RebootInstanceRequest) (*CheckResult, error) {
	const operation = "Check"
	fail := func(err error) (*CheckResult, error) {
		failed := &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeOf(err), Err: causeOf(err)}
		return nil, failed
	}
	if err := checkCall(ctx, request.InstanceID); err != nil {
		return fail(err)
	}
	instance, page, err := c.lookUp(ctx, request.InstanceID, c.retry.MaxAttempts)
	if err != nil {
		return fail(err)
	}
	result := &CheckResult{Instance: instance}
	if instance.Listed() {
		if err = instance.Refusal(page.now()); err != nil {
			return fail(err)
		}
	}
	request.DryRun = true
	response, err := c.RebootInstance(ctx, request)
	if err != nil {
		failed := &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeOf(err), Err: withLocks(causeOf(err), instance.Locks)}
		return nil, failed
	}
	result.RequestID = response.RequestID
	result.readEvents(ctx, c)
	return result, nil
}

// readEvents reads the scheduled events of the instance of the result.
func (r *CheckResult) readEvents(ctx context.Context, c *Client) {
	for event, err := range c.ScheduledEvents(ctx, ScheduledEventsRequest{InstanceIDs: []string{r.Instance.ID}}) {
		switch {
		case err != nil:
			r.Events, r.EventsError, r.EventsDenied = nil, err.Error(), errors.Is(err, ErrAccessDenied)
		case !event.Listed():
			r.EventsError, r.EventsDenied = "the service does not list the status of "+event.InstanceID, true
		default:
			r.Events = append(r.Events, event)
		}
	}
}
