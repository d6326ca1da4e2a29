package ecsreboot

import (
	"context"
	"fmt"
	"time"
)

// throttleError is what a call returns that was held back before it was sent: the
// service throttles the client, or too many calls wait for their turn.
type throttleError struct {
	why   string
	cause error // of a Pacer of the caller's; or nil
}

func (e *throttleError) Error() string { return "held back: " + e.why }

func (e *throttleError) Is(target error) bool { return target == ErrThrottled }
func (e *throttleError) Unwrap() error        { return e.cause }

// heldBack is the error of a call that the gate did not let through: before is
// what its last attempt came to, if it had one.
func heldBack(before, err error) error {
	if before != nil {
		return fmt.Errorf("%w; then %w", before, err)
	}
	return err
}

// closing is for how long nothing will be sent, as far as that is known.
type closing struct {
	wait  time.Duration
	asked bool // by the service, or else it is what its minutes make likely
}

// tooLong reports that a closing lasts for longer than a call may wait.
func tooLong(ctx context.Context, c closing, budget time.Duration) error {
	var beyond string
	if deadline, ok := ctx.Deadline(); ok && c.wait > time.Until(deadline) {
		beyond = "the context's deadline"
	} else if c.wait > budget {
		beyond = "MaxThrottleWait"
	} else {
		return nil
	}
	why := "the service throttles, presumably for another "
	if c.asked {
		why = "the service asks to wait "
	}
	return &throttleError{why: why + roundUp(c.wait).String() + ", beyond " + beyond}
}

// roundUp makes a wait readable without making it shorter.
func roundUp(d time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return (d + step - 1).Truncate(step)
}
