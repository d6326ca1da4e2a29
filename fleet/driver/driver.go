// Package driver lets other engines handle single instances as a run of package fleet
// does. Such an engine drives a [fleet.Planner] by its own means: a workflow of Temporal,
// a controller, a queue.
//
// An engine keeps the planner and gives it events. This package never sends a restart;
// the engine does. For each [fleet.ActionRestart]:
//
//  1. The engine records the intent durably, and calls [fleet.Departure.Leave] as the last
//     step before the request leaves.
//  2. If the service accepted the restart, or its outcome is unknown, [Driver.Follow]
//     follows the restart to its end.
//  3. If the restart certainly did not happen, because the request did not leave, the
//     service refused it, or Follow returned the refusal that a witness found, [Driver.Judge]
//     classifies the error. If the instance was not Running, [Driver.AwaitOthers] determines
//     why.
//
// Give the planner all the events that these methods report or return.
package driver

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/internal/bridge"
)

var newSingle = bridge.Borrow[fleet.Options, fleet.Target, fleet.Event, fleet.Reason]()

// Driver polls and judges instances as a run does. It sends no restart, and is safe for
// concurrent use.
type Driver struct {
	single bridge.Single[fleet.Target, fleet.Event, fleet.Reason]
}

// New returns a Driver. The Driver applies Health, MinReady, ReadyTimeout,
// StoppedTimeout, UnknownGrace, Witness, WitnessTimeout, Undrain, Failed and HookTimeout of
// the options, with their defaults, and ignores all other options. The error of New is an
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
	// Before is the baseline of the instance, taken before the restart; zero if no
	// baseline was taken.
	Before ecsreboot.Baseline
	// At is when UnknownGrace begins, if the outcome of the restart is unknown.
	At time.Time
	// SentAt is when the request was sent, or the earliest time at which it may have been
	// sent. WitnessTimeout begins at SentAt. If SentAt is zero, At is used.
	SentAt time.Time
	// SendID identifies the request for Options.Witness; see [ecsreboot.SentRequest].
	SendID string
	// Accepted reports whether the service accepted the restart. If false, the outcome of
	// the restart is unknown.
	Accepted bool
	// Down reports whether a poll has since shown the instance Stopping, Stopped or
	// Starting.
	Down bool
}

// Follow follows a restart and reports its end: [fleet.EventHealthy],
// [fleet.EventFailed] or [fleet.EventUnknown]. Follow calls tell with each event, in the
// goroutine that called Follow. It returns after fleet.EventHealthy, and if Undrain
// failed. After any other end, it keeps polling until ctx ends, because the instance may
// come back; if the instance does, Follow reports fleet.EventHealthy.
//
// ReadyTimeout is counted from the call of Follow. If ctx ends before the end of the
// restart is known, Follow returns without reporting an end. A panic in a hook panics in
// the goroutine that called Follow.
//
// While Follow waits for Options.Witness, it reports [fleet.EventAwaiting]. If the witness
// finds that the service refused the request, Follow reports no end, calls no hook, and
// returns an error whose outcome is [ecsreboot.OutcomeRejected], for [Driver.Judge]. Any
// other error of Follow is an [ecsreboot.InputError], for example if the baseline is of
// another instance.
func (d *Driver) Follow(ctx context.Context, sent Sent, tell func(fleet.Event)) error {
	return d.single.Follow(ctx, bridge.Sent[fleet.Target](sent), tell)
}

// AwaitOthers determines why an instance is not Running when its turn has come. If
// others are restarting the instance, AwaitOthers waits until the instance is healthy.
// AwaitOthers reports [fleet.EventHeld] while it waits, and [fleet.EventSkipped] or
// [fleet.EventFailed] at the end. If the instance is Running after all, AwaitOthers
// returns true and reports no end. The error of AwaitOthers is an [ecsreboot.InputError].
func (d *Driver) AwaitOthers(ctx context.Context, target fleet.Target, tell func(fleet.Event)) (running bool, err error) {
	return d.single.AwaitOthers(ctx, target, tell)
}

// Judgement says what an error that prevented a restart means for the instance.
type Judgement struct {
	// Event is the event that ends the instance's turn if the engine does not retry; its
	// Kind is [fleet.EventFailed], [fleet.EventSkipped] or [fleet.EventUnsent].
	Event fleet.Event
	// Retry is why a later retry may succeed; empty if no retry would.
	Retry fleet.Reason
	// RetryAfter is how long the engine must wait before it retries, if Retry is
	// [fleet.ReasonThrottled]: the time that the service requested, or the time until the
	// client's pacer opens. Zero if neither is known.
	RetryAfter time.Duration
	// NotRunning reports whether the instance is not Running; see [Driver.AwaitOthers].
	NotRunning bool
	// ForAll reports whether every instance would meet the error, so that the run must
	// halt. ForAll is false if the restart of the instance was denied: the planner halts
	// after three denials in a row.
	ForAll bool
}

// Judge classifies the error of a restart that did not happen, as a run does. The
// outcome of the error must be [ecsreboot.OutcomeNotSent] or
// [ecsreboot.OutcomeRejected]; otherwise Judge returns an [ecsreboot.InputError]. Judge
// may poll the instance.
func (d *Driver) Judge(ctx context.Context, target fleet.Target, err error) (Judgement, error) {
	j, err := d.single.Judge(ctx, target, err)
	return Judgement(j), err
}

// CallHook calls a hook of an instance, such as [fleet.Options].Drain, as a run does:
// HookTimeout limits the call, and the text of the error is shortened and shows nothing
// that looks like a secret. The engine records [fleet.EventHook] before the call, and
// [fleet.EventHooked] after it.
func (d *Driver) CallHook(ctx context.Context, call func(context.Context) error) error {
	return d.single.CallHook(ctx, call)
}

// Permitted sends a dry run of a restart, and reports whether the permission to restart
// the instance is there. If known is false, the dry run did not show it. After the restart
// of an instance was denied, an engine calls Permitted for another instance of the run:
// if that one is permitted, the engine sets Alone in the event of the denied instance; if
// it is denied too, the run halts with [fleet.ReasonAccess].
func (d *Driver) Permitted(ctx context.Context, instanceID string, forceStop bool) (permitted, known bool) {
	return d.single.Permitted(ctx, instanceID, forceStop)
}
