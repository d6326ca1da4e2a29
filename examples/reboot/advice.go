package main

import (
	"context"
	"errors"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

const seeManual = "Run ecs-reboot -h for its manual."

// advice says what to do about an error, or "".
func advice(err error) string {
	if _, ok := errors.AsType[*exitcode.UsageError](err); ok {
		return seeManual
	}
	failed, _ := errors.AsType[*ecsreboot.OperationError](err)
	switch {
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return "Look at the instance, then for what stands between this program and the service."
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		return afterUnknown(failed)
	case errors.Is(err, ecsreboot.ErrAccepted):
		return afterAccepted(failed)
	}
	if advice := adviceOnAnswer(err); advice != "" {
		return advice
	}
	switch {
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ecsreboot.ErrorCode("Throttling").Advice()
	case errors.Is(err, ecsreboot.ErrCredentials):
		return "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or see -h for the other sources."
	case errors.Is(err, ecsreboot.ErrInvalidInput):
		return seeManual
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		return ecsreboot.ErrForbiddenRAM.Advice()
	case errors.Is(err, context.Canceled), failed == nil:
		return ""
	case failed.Outcome == ecsreboot.OutcomeNotSent:
		return "Nothing reached the service. Check the region, the network and the proxy; inside a VPC without a way out, use -vpc."
	case failed.Outcome == ecsreboot.OutcomeNone:
		return "A dry run changes nothing; run it again."
	}
	return ""
}

// adviceOnAnswer is the advice on the service's code.
func adviceOnAnswer(err error) string {
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		return answer.Code.Advice()
	}
	return ""
}

// afterUnknown says how to find out. StartTime has minutes on the wire, and
// whether a restart moves it is not documented, so its standing still proves
// nothing.
func afterUnknown(failed *ecsreboot.OperationError) string {
	first := "Look at the instance before sending again."
	if advice := adviceOnAnswer(failed.Err); advice != "" {
		first = advice
	}
	return first + " " + signs(failed)
}

// afterAccepted is for a wait that ended too early.
func afterAccepted(failed *ecsreboot.OperationError) string {
	text := "Do not send it again, the service has accepted it: look at the instance."
	waited, ok := errors.AsType[*ecsreboot.WaitError](failed)
	switch {
	case ok && waited.LastStatus != "" && waited.LastStatus != ecsreboot.StatusRunning:
		text += " It is restarting; once it is Running it is done."
	default:
		text += " " + signs(failed)
	}
	if advice := adviceOnAnswer(failed.Err); advice != "" {
		text += " " + advice
	}
	return text
}

// signs says what speaks for a restart.
func signs(failed *ecsreboot.OperationError) string {
	since := failed.SentAt
	if waited, ok := errors.AsType[*ecsreboot.WaitError](failed); ok && !waited.Before.StartTime.IsZero() {
		since = waited.Before.StartTime // by the service's own clock
	}
	return "Starting or Stopping, or a start time after " + since.UTC().Format(time.RFC3339) +
		", speaks for a restart; Running alone proves nothing."
}
