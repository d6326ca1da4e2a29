package ecsreboot

import "context"

// CheckResult is what a restart would find.
type CheckResult struct {
	// Instance is the instance as it is now. It may be not Listed although the
	// restart would be accepted: the permission to read is another one.
	Instance  Instance
	RequestID string // of the dry run
}

// Check asks whether a restart would be accepted now. It reads the instance's
// status, locks and expiry, and sends the restart as a dry run; nothing restarts.
//
// The error is the one that the restart would meet: an [APIError] whose
// Code.Advice says what to do about it, with StatusCode 0 if the instance's state
// told already. Its text names every lock of the instance, those included that are not
// known to refuse a restart; without an error, the result's Instance has them. The request's DryRun makes no difference. Needs the RAM actions
// ecs:DescribeInstances and ecs:RebootInstance.
func (c *Client) Check(ctx context.Context, request RebootInstanceRequest) (*CheckResult, error) {
	const operation = "Check"
	fail := func(err error) (*CheckResult, error) {
		failed := &OperationError{Operation: operation, InstanceID: request.InstanceID, Outcome: OutcomeOf(err), Err: causeOf(err)}
		return nil, failed
	}
	if err := checkInstanceID(request.InstanceID); err != nil {
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
	return result, nil
}
