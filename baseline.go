package ecsreboot

import (
	"context"
	"time"
)

// readBaseline reads an instance before it is restarted, and returns with it the
// error with which the service would refuse a restart now, if any. One that is not
// listed is asked for twice: a list can be late.
func (c *Client) readBaseline(ctx context.Context, id string) (baseline Baseline, refusal, err error) {
	for again := range 2 {
		if again > 0 {
			sleep(ctx, time.Second)
		}
		if ctx.Err() != nil {
			return Baseline{}, nil, contextEnd(ctx)
		}
		seen, err := c.await(ctx, c.askSoon(ctx, id, true))
		switch i := seen.instance; {
		case err != nil:
			return Baseline{}, nil, err
		case i.Listed():
			baseline = Baseline{InstanceID: id, Status: i.Status, StartTime: i.StartTime, Locks: i.Locks, TakenAt: seen.left, ServiceTime: seen.clock}
			return baseline, i.Refusal(seen.now()), nil
		}
	}
	return Baseline{}, nil, notListed()
}
