// Package exitcode is the table of exit codes that all example programs share,
// so that a script can tell what became of a restart without reading text.
package exitcode

import (
	"context"
	"errors"
	"slices"

	"github.com/ecsreboot/ecsreboot"
)

// The exit codes. After Unknown, a script must look at the instance before it
// sends again; every other code but Done means that the call restarted nothing.
// (Halted is of the run as a whole; some of its instances may have restarted.)
const (
	Done          = 0   // accepted by the service, or proven where that was waited for; or the check passed
	Failed        = 1   // refused, declined or not sent: the restart did not happen
	Usage         = 2   // the command line makes no sense; nothing was sent
	Unknown       = 3   // the restart may have happened, is not proven, or was not to be: look at the instance
	Throttled     = 4   // held back by flow control: the restart did not happen
	NoCredentials = 5   // no usable credentials: nothing was sent
	Halted        = 6   // a run over several instances ended early, its failure budget spent
	Interrupted   = 130 // SIGINT, SIGTERM or SIGHUP, and the restart did not happen
)

// UsageError is a command line that makes no sense. Nothing was sent.
type UsageError struct{ Problem string }

// Error returns the problem.
func (e *UsageError) Error() string { return e.Problem }

// Of returns the exit code for the error of a call, and Done for nil.
//
// An error may fit several codes: a call interrupted after the request left is
// unknown as well. Of returns the one that matters most to whoever has to act:
// Unknown, then Interrupted, Throttled, NoCredentials, Usage, and Failed for
// the rest. An accepted restart that nevertheless is an error, such as
// [ecsreboot.ErrDryRunIgnored] or a wait that was interrupted, is Unknown, and
// so is [ecsreboot.ErrNotProven]. Of never returns Halted.
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

// byWeight is the order of [Of], the least first.
var byWeight = []int{Done, Failed, Usage, NoCredentials, Throttled, Interrupted, Unknown}

// Worst returns the code for several calls: of their codes the one that [Of]
// would prefer. So Failed says that each call was answered, or failed in itself,
// while Throttled, NoCredentials and Interrupted say that it is worth trying
// again. Done is the code for none. Codes that Of never returns are ignored.
func Worst(codes ...int) int {
	worst := 0
	for _, code := range codes {
		worst = max(worst, slices.Index(byWeight, code))
	}
	return byWeight[worst]
}
