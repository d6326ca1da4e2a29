// Package advice says what a person can do about an error of the client.
package advice

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

const (
	onDryRunIgnored = "Look at the instance, then look for a proxy between this program and the service."
	onCredentials   = "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or see the manual for the other sources." //nolint:gosec // names of variables
)

// OnRestart returns the advice on the error of a restart, or "". Program is the name
// of the program that the advice refers to for its -h page.
func OnRestart(err error, program string) string {
	if isUsage(err) {
		return seeHelp(program)
	}
	failed, _ := errors.AsType[*ecsreboot.OperationError](err)
	switch {
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return onDryRunIgnored
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		return onUnknown(failed)
	case errors.Is(err, ecsreboot.ErrAccepted):
		return onAccepted(failed)
	}
	if advice := onClass(err, program); advice != "" {
		return advice
	}
	switch {
	case errors.Is(err, context.Canceled), failed == nil:
		return ""
	case failed.Outcome == ecsreboot.OutcomeNone && strings.HasPrefix(failed.Operation, "Describe"): // before the restart
		return "No restart was sent. Check the region, the network and the proxy; inside a VPC without internet access, use --vpc."
	case failed.Outcome == ecsreboot.OutcomeNotSent:
		return "Nothing reached the service. Check the region, the network and the proxy; inside a VPC without internet access, use --vpc."
	case failed.Outcome == ecsreboot.OutcomeNone:
		return "A dry run changes nothing; run it again."
	}
	return ""
}

// OnCheck returns the advice on the error of a check, or "". Program is the name of
// the program that the advice refers to for its -h page.
func OnCheck(err error, program string) string {
	if errors.Is(err, ecsreboot.ErrDryRunIgnored) {
		return onDryRunIgnored
	}
	if isUsage(err) {
		return seeHelp(program)
	}
	if advice := onClass(err, program); advice != "" {
		return advice
	}
	if _, answered := errors.AsType[*ecsreboot.APIError](err); answered || errors.Is(err, context.Canceled) {
		return ""
	}
	return "A check changes nothing; run it again. If it fails again, check the region, the network and the proxy."
}

func seeHelp(program string) string { return "Run " + program + " -h for help." }

func isUsage(err error) bool {
	_, ok := errors.AsType[*exitcode.UsageError](err)
	return ok
}

// onClass is the advice on the service's code, or else on the class of the error.
func onClass(err error, program string) string {
	if advice := onCode(err); advice != "" {
		return advice
	}
	switch {
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ecsreboot.ErrorCode("Throttling").Advice()
	case errors.Is(err, ecsreboot.ErrCredentials):
		return onCredentials
	case errors.Is(err, ecsreboot.ErrInvalidInput):
		return seeHelp(program)
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		return ecsreboot.ErrForbiddenRAM.Advice()
	}
	return ""
}

// onCode is the advice on the service's code.
func onCode(err error) string {
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		return answer.Code.Advice()
	}
	return ""
}

// onUnknown says how to resolve the outcome. A start time that stays the same proves
// nothing: it has minutes on the wire, and the vendor does not document whether a
// restart changes it.
func onUnknown(failed *ecsreboot.OperationError) string {
	first := "Look at the instance before you send another restart."
	if advice := onCode(failed.Err); advice != "" {
		first = advice
	}
	return first + " " + signs(failed)
}

// onAccepted is for a wait that ended too early.
func onAccepted(failed *ecsreboot.OperationError) string {
	text := "Do not resend the restart, because the service has accepted it: look at the instance."
	waited, ok := errors.AsType[*ecsreboot.WaitError](failed)
	switch {
	case ok && waited.LastStatus != "" && waited.LastStatus != ecsreboot.StatusRunning:
		text += " It is restarting; the restart is complete once it is Running."
	default:
		text += " " + signs(failed)
	}
	if advice := onCode(failed.Err); advice != "" {
		text += " " + advice
	}
	return text
}

// signs says what is a sign of a restart.
func signs(failed *ecsreboot.OperationError) string {
	since := failed.SentAt
	if waited, ok := errors.AsType[*ecsreboot.WaitError](failed); ok && !waited.Before.StartTime.IsZero() {
		since = waited.Before.StartTime // by the service's own clock
	}
	return "Starting or Stopping, or a start time after " + since.UTC().Format(time.RFC3339) +
		", is a sign of a restart; Running alone proves nothing."
}
