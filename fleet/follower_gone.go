package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// goneTime is for how long the service must not list an instance that it listed before
// until the instance is gone. Its place in MaxUnavailable is free from then on, so one
// incomplete list must not be enough.
const goneTime = time.Minute

// isGone reports whether the service does not list the instance for goneTime. A poll
// that fails is no answer.
func (f *follower) isGone(ctx context.Context) bool {
	for begin := time.Now(); ; {
		status, err := f.status(ctx)
		switch {
		case err == nil && status != "":
			return false
		case err == nil && time.Since(begin) >= goneTime:
			return true
		case time.Since(begin) >= goneTime+sendPatience:
			return false
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return false
		}
	}
}

// followListed decides what it means that a wait ended because the service did not list
// the instance. If the service lists it again within goneTime, the wait goes on, and
// ReadyTimeout applies anew. It returns err if there is nothing to go on with.
func (f *follower) followListed(ctx context.Context, err error) error {
	outcome := outcomeOf(err)
	wait := f.waitUntilRestarted
	switch {
	case !errors.Is(err, ecsreboot.ErrInvalidInstanceIDNotFound):
		return err
	case outcome == ecsreboot.OutcomeUnknown:
		wait = f.lookForRestart
	case outcome != ecsreboot.OutcomeAccepted:
		return err
	}
	if f.gone = f.isGone(ctx); f.gone || ctx.Err() != nil {
		return err
	}
	f.settled, f.earlier = true, true
	return f.await(ctx, outcome, wait)
}
