// Package driver does for single instances what a run of package fleet does, for
// engines that drive a [fleet.Planner] by other means: a workflow of Temporal, a
// controller, a queue.
//
// An engine keeps the planner and gives it events. For each [fleet.ActionRestart] it
// sends the restart itself, which the package never does:
//
//  1. It records the intent durably, and passes a [fleet.Departure] as the last thing
//     before the request leaves.
//  2. If the restart was or may have been sent, [Driver.Follow] follows it to its end.
//  3. If it certainly was not sent, [Driver.Judge] says what the error means. If the
//     instance was not Running, [Driver.AwaitOthers] finds out why.
//
// All that they tell are events for the planner.
package driver

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/internal/bridge"
)

var newSingle = bridge.Borrow[fleet.Options, fleet.Target, fleet.Event, fleet.Reason]()

// Driver reads instances as a run does. It sends no restart. It is safe for
// concurrent use.
type Driver struct {
	single bridge.Single[fleet.Target, fleet.Event, fleet.Reason]
}

// New returns a Driver. It applies Health, MinReady, ReadyTimeout, StoppedTimeout,
// UnknownGrace, Undrain, Failed and HookTimeout of the options, with their defaults, and ignores the others. Its error is an
// [ecsreboot.InputError] that names the field whose value is invalid.
func New(client *ecsreboot.Client, options fleet.Options) (*Driver, error) {
	if client == nil {
		return nil, &ecsreboot.InputError{Field: "client", Problem: "is nil"}
	}
	single, err := newSingle(client, options)
	if err != nil {
		return nil, err
	}
	return &Driver{single: single}, nil
}

// Sent is a restart that an engine sent, or may have sent.
type Sent struct {
	Target fleet.Target
	// Before is the baseline of the instance, read before the restart; zero if nothing
	// was read.
	Before ecsreboot.Baseline
	// At is from when UnknownGrace applies to a restart of unknown outcome.
	At time.Time
	// Accepted reports that the service accepted the restart. If false, its outcome
	// is unknown.
	Accepted bool
	// Down reports that the instance was seen in a status of a restart since.
	Down bool
}

// Follow follows a restart until its end, and calls tell with each event, in the
// goroutine of the call. The end is [fleet.EventHealthy], [fleet.EventFailed] or
// [fleet.EventUnknown]. After one of the last two, Follow keeps polling until ctx
// ends, because the instance may come back; if it does, Follow reports
// fleet.EventHealthy.
//
// ReadyTimeout applies from the call. If ctx ends before the end is known, Follow
// returns without reporting one. A panic in Health panics in the goroutine of the call.
// The error of Follow is an [ecsreboot.InputError], such as for a baseline of another
// instance.
func (d *Driver) Follow(ctx context.Context, sent Sent, tell func(fleet.Event)) error {
	return d.single.Follow(ctx, bridge.Sent[fleet.Target](sent), tell)
}

// AwaitOthers determines why an instance is not Running when its turn has come. If
// others are restarting the instance, AwaitOthers waits until the instance is healthy.
// It reports [fleet.EventHeld] while it waits, and [fleet.EventSkipped] or
// [fleet.EventFailed] at the end. If the instance is Running after all, AwaitOthers
// returns true and reports no end. Its error is an [ecsreboot.InputError].
func (d *Driver) AwaitOthers(ctx context.Context, target fleet.Target, tell func(fleet.Event)) (running bool, err error) {
	return d.single.AwaitOthers(ctx, target, tell)
}

// Judgement is what an error means for an instance that it kept from being
// restarted.
type Judgement struct {
	// Event is the kind of end that the instance has if the engine does not retry:
	// [fleet.EventFailed], [fleet.EventSkipped], or [fleet.EventUnsent].
	Event fleet.Event
	// Retry is why a later retry may succeed; empty if none would.
	Retry fleet.Reason
	// RetryAfter is how long the service is to be left alone if Retry is
	// [fleet.ReasonThrottled]: what the service asked for, or until the client's pacer
	// opens. Zero if neither is known.
	RetryAfter time.Duration
	// NotRunning reports that the instance is not Running; see [Driver.AwaitOthers].
	NotRunning bool
	// ForAll reports that every instance would meet the error, so that the run must
	// halt. It is false for an instance whose restart was denied: the planner halts after
	// three in a row.
	ForAll bool
}

// Judge classifies the error of a restart that did not happen, as a run does. The
// outcome of the error must be [ecsreboot.OutcomeNotSent] or
// [ecsreboot.OutcomeRejected]; any other is an [ecsreboot.InputError]. Judge may read
// the instance.
func (d *Driver) Judge(ctx context.Context, target fleet.Target, err error) (Judgement, error) {
	j, err := d.single.Judge(ctx, target, err)
	return Judgement(j), err
}
