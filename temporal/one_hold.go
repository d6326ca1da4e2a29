package ecstemporal

import (
	"hash/fnv"
	"strconv"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

const (
	// holdTimeout is how long an instance that is throttled keeps its turn.
	holdTimeout = time.Hour
	// leastPatience is the least BlockerPatience, as in package fleet.
	leastPatience = 10 * time.Second
	// maxHeld limits the reports of a turn that only the text of Blocker's error
	// distinguishes: a status repeats all of them.
	maxHeld = 20
)

// isHeldTooLong reports whether an instance that is held back loses its turn.
func (o *one) isHeldTooLong(ctx workflow.Context, why fleet.Reason, begin time.Time) bool {
	if workflow.GetInfo(ctx).GetContinueAsNewSuggested() { // its history is long
		return true
	}
	now := workflow.Now(ctx)
	if why == fleet.ReasonThrottled {
		return now.Sub(begin) > holdTimeout
	}
	return !o.blocked.IsZero() && now.Sub(o.blocked) >= max(o.in.Settings.BlockerPatience, leastPatience)
}

// hold waits before the next attempt, and reports why.
func (o *one) hold(ctx workflow.Context, why *driver.Judgement, attempt int) {
	wait := retryInterval
	switch why.Retry {
	case fleet.ReasonBlocked:
		wait = max(0, o.in.Settings.BlockerInterval)
		if o.blocked.IsZero() {
			o.blocked = workflow.Now(ctx)
		}
	case fleet.ReasonThrottled:
		o.status.Throttled++
		wait = max(wait, why.RetryAfter)
		// Instances that were throttled together must not come back together.
		wait += wait * time.Duration(spread(o.in.Target.ID, attempt)) / 100
	default:
	}
	o.tellHeld(ctx, why.Retry, why.Event.Error)
	limited, done := o.revocable(ctx)
	defer done()
	_ = workflow.Sleep(limited, wait)
}

// tellHeld reports why the restart is held back, unless the run knows. Of texts that
// change, such as those of throttled requests, only those of Blocker are news.
func (o *one) tellHeld(ctx workflow.Context, why fleet.Reason, text string) {
	news := why == fleet.ReasonBlocked && shorten(text) != o.held.Error && o.holds < maxHeld
	if why == o.held.Reason && !news {
		return
	}
	o.held = fleet.Event{Kind: fleet.EventHeld, Reason: why, Error: shorten(text)}
	o.holds++
	o.add(ctx, o.held)
	o.report(ctx, o.in.Run)
}

// spread is a number below 50 that is the same whenever the history is replayed.
func spread(id string, attempt int) int {
	h := fnv.New32a()
	h.Write([]byte(id + strconv.Itoa(attempt)))
	return int(h.Sum32() % 50)
}
