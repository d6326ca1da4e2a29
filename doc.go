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
//	case errors.Is(err, ecsreboot.ErrOutcomeUnknown): // it may have happened: look before sending again
//	case errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus): // not running
//	default: // it did not happen
//	}
//
// # When a restart is sent again
//
// The service has no idempotency token for a restart: what is sent twice restarts
// twice. So a restart is sent again only when the last one certainly did not
// happen, always with fresh credentials, nonce, time and signature:
//
//   - nothing was sent: no connection, or credentials could not be fetched for the
//     moment;
//   - the service throttled it: after the wait that the service asks for;
//   - the service refused its time stamp: once, with the clock corrected.
//
// After a lost response, a timeout while waiting for one, a 5xx status, a redirect or a
// proxy's page, the client does not know whether the instance restarts. RebootInstance
// then returns [ErrOutcomeUnknown] and does not retry. Dry runs change nothing, so the
// client retries them in those cases too.
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
// waits for a change: another status and then Running, or a later StartTime. If the
// response is lost, it polls for the same change instead of sending the restart again.
// A restart without proof is [ErrNotProven], never a success.
//
// The other calls about restarts are:
//
//   - [Client.Check] asks whether the service would accept a restart now.
//   - [Client.Resolve] determines the outcome of a restart after [ErrOutcomeUnknown].
//   - [Client.TakeBaseline] and [Client.WaitUntilRestarted] follow a restart that
//     something other than this client sends.
//
// # Errors
//
// errors.Is finds, in the same error, the service's code ([ErrorCode]), its class
// ([ErrThrottled], [ErrUnauthenticated], [ErrAccessDenied], …), the outcome
// ([ErrNotSent], [ErrRejected], [ErrOutcomeUnknown], [ErrAccepted]) and the end of
// the context. errors.AsType finds the [APIError] with the request id.
//
// No error, log record or printed value holds a secret: not the access key
// secret, token, signature or signed URL. Key ids are masked.
//
// # Testing
//
// Package ecstest is an ECS service that runs inside a test, counts the restarts
// that really happened, and loses answers on demand.
package ecsreboot
