// Package ecsreboot restarts Alibaba Cloud ECS instances and reports the outcome of
// each restart.
//
//	client, err := ecsreboot.NewClient("cn-hangzhou")
//	if err != nil {
//		return err
//	}
//	_, err = client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"})
//	switch {
//	case err == nil: // accepted
//	case errors.Is(err, ecsreboot.ErrOutcomeUnknown): // it may have happened: call client.Resolve
//	case errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus): // not running
//	default: // it did not happen
//	}
//
// # When a restart is retried
//
// The service has no idempotency token for a restart: a request that is sent twice
// restarts the instance twice. So, unless [WaitOptions].ResendUnknown is set, the client
// retries a restart only if the previous request certainly did nothing. Each retry has
// fresh credentials, nonce, time and signature. The client retries if:
//
//   - nothing was sent, because there was no connection, or the credentials could not
//     be fetched at that time;
//   - the service throttled the request: after the wait that the service asks for;
//   - the service refused the time stamp of the request: once, with the clock corrected;
//   - the service refused credentials of the default chain: once, if the chain has new
//     credentials.
//
// After a lost response, a timeout while waiting for one, a 5xx status, a redirect or a
// proxy's page, the client does not know whether the instance restarts. RebootInstance
// then returns [ErrOutcomeUnknown] and does not retry. A dry run is not meant to change
// anything, so the client retries it in those cases too. If the service accepts a dry run
// as a real restart, the call returns [ErrDryRunIgnored].
//
// Every failed call returns an [OperationError]. The error of a restart has one
// [Outcome]: not sent, rejected, unknown or accepted.
//
// # Proof
//
// RebootInstance returns when the service has accepted. [Client.RebootAndWait]
// follows the restart to its end and returns the evidence:
//
//	result, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"}, ecsreboot.WaitOptions{})
//
// The status Running proves nothing, because the instance was Running before. So
// RebootAndWait takes a baseline of the instance before it sends the restart, and then
// waits for a change: Stopping, Stopped or Starting and then Running, or Running with a
// later StartTime. If the response is lost, RebootAndWait polls for the same change; it
// does not resend the restart unless [WaitOptions].ResendUnknown is set. If there is no
// proof, the call returns [ErrNotProven]; it never reports success.
//
// The other calls about restarts are:
//
//   - [Client.Check] determines whether the service would accept a restart now.
//   - [Client.Resolve] determines the outcome of a restart after [ErrOutcomeUnknown].
//   - [Client.TakeBaseline] and [Client.WaitUntilRestarted] follow a restart that was
//     sent by any other means, or by an earlier call.
//
// # Errors
//
// errors.Is finds, in the same error, the service's code ([ErrorCode]), its class
// ([ErrThrottled], [ErrUnauthenticated], [ErrAccessDenied], …), the outcome
// ([ErrNotSent], [ErrRejected], [ErrOutcomeUnknown], [ErrAccepted]), and context.Canceled
// or context.DeadlineExceeded if the context ended the call. errors.AsType finds the
// [APIError] with the request id.
//
// No error text, log record or printed value of this package holds a secret: neither the
// access key secret nor a token, signature or signed URL. Key ids are masked. The one
// exception is the field Err of a [ForeignError]. Err is the original error from other
// code, and its text may hold secrets; the text of the ForeignError itself does not.
//
// # Testing
//
// Package ecstest is an ECS service that runs inside a test, counts the restarts that
// really happened, and loses responses on demand.
package ecsreboot
