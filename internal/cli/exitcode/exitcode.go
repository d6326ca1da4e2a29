// Package exitcode is the table of exit codes that all programs share, so that a
// script learns the outcome of a restart without parsing text.
package exitcode

import (
	"context"
	"errors"
	"slices"

	"github.com/ecsreboot/ecsreboot"
)

// The exit codes. After Unknown, a script must look at the instance before it
// sends another restart. Every other code except Done, Halted and Finished means that the
// call restarted nothing.
const (
	Done          = 0   // the service accepted the restart, the restart is proven, or the check passed
	Failed        = 1   // refused, declined or not sent: the restart did not happen
	Usage         = 2   // invalid usage: nothing was sent
	Unknown       = 3   // the restart may have happened, or happened although it was a dry run: look at the instance
	Throttled     = 4   // held back by a rate limit: the restart did not happen
	NoCredentials = 5   // no usable credentials: nothing was sent
	Halted        = 6   // a run over several instances halted early; some of them may have restarted
	Busy          = 7   // another process has the journal: nothing was done
	Finished      = 8   // the run is finished: there was nothing to do
	Interrupted   = 130 // SIGINT, SIGTERM or SIGHUP, and the restart did not happen
)

// UsageError is an invalid command line. Nothing was sent.
type UsageError struct{ Problem string }

// Error returns the problem.
func (e *UsageError) Error() string { return e.Problem }

// Of returns the exit code of the error of a call, and Done for nil.
//
// If an error fits several codes, Of returns the first of Unknown, Interrupted,
// Throttled, NoCredentials, Usage and Failed: a call that was interrupted after
// the request left is Unknown. An accepted restart that is an error nevertheless,
// such as [ecsreboot.ErrDryRunIgnored] or a wait that was interrupted, is Unknown
// too, and so is [ecsreboot.ErrNotProven]. Of never returns Halted,
// Busy or Finished.
func Of(err error) int {
	_, usage := errors.AsType[*UsageError](err)
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown), errors.Is(err, ecsreboot.ErrAccepted),
		errors.Is(err, ecsreboot.ErrDryRunIgnored), errors.Is(err, ecsreboot.ErrNotProven):
		return Unknown
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, ecsreboot.ErrThrottled):
		return Throttled
	case errors.Is(err, ecsreboot.ErrCredentials):
		return NoCredentials
	case usage, errors.Is(err, ecsreboot.ErrInvalidInput):
		return Usage
	}
	return Failed
}

// byWeight lists the codes in the order of [Of], the last one first.
var byWeight = []int{Done, Failed, Usage, NoCredentials, Throttled, Interrupted, Unknown}

// Worst returns the code of a program that made several calls: the one of their
// codes that comes first in the order of [Of], and Done if there is none. Failed
// therefore means that no call was throttled, interrupted or without credentials.
// Worst ignores codes that Of never returns.
func Worst(codes ...int) int {
	worst := 0
	for _, code := range codes {
		worst = max(worst, slices.Index(byWeight, code))
	}
	return byWeight[worst]
}
