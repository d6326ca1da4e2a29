package ecstemporal

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// waitInput says what to follow.
type waitInput struct {
	work

	Before       ecsreboot.Baseline `json:"before"`
	SentAt       time.Time          `json:"sentAt"`
	MinReady     time.Duration      `json:"minReady"`
	ReadyTimeout time.Duration      `json:"readyTimeout"`
	UnknownGrace time.Duration      `json:"unknownGrace"`
	Health       bool               `json:"health,omitempty"`
	// Late follows an instance that is given up: it may come back.
	Late bool `json:"late,omitempty"`
}

// waitResult is what was seen, the last of it the end.
type waitResult struct {
	Events []fleet.Event `json:"events"`
	// Running tells AwaitOthers' caller that there is no end, as the instance is
	// Running after all.
	Running bool `json:"running,omitempty"`
}

const (
	// heartbeatTimeout is after what silence the server gives the work of a worker
	// that died to another.
	heartbeatTimeout  = 20 * time.Second
	heartbeatInterval = 5 * time.Second
)

// Wait follows a restart that was accepted until the instance is healthy or has
// failed. It reads and nothing else, so it is tried again for ever; it goes on from
// what its heartbeats had told. All waits of a worker share their readings.
func (a *activities) Wait(ctx context.Context, in waitInput) (waitResult, error) {
	return a.follow(ctx, in, true)
}

// Resolve is Wait for a restart that may have been sent: if nothing of it shows
// within UnknownGrace, its outcome is unknown.
func (a *activities) Resolve(ctx context.Context, in waitInput) (waitResult, error) {
	return a.follow(ctx, in, false)
}

func (a *activities) follow(ctx context.Context, in waitInput, accepted bool) (waitResult, error) {
	seen, options, err := a.begin(ctx, in)
	if err != nil {
		return waitResult{}, err
	}
	// If nobody was there to look since the send, the time begins now; so it does if
	// the clocks of two workers do not agree.
	if since := time.Since(in.SentAt); !seen.resumed && since > 0 && since < min(heartbeatTimeout, options.ReadyTimeout-in.MinReady) {
		options.ReadyTimeout -= since
	}
	drive, err := driver.New(a.client, options)
	if err != nil {
		return waitResult{}, err
	}
	sent := driver.Sent{Target: in.Target, Before: in.Before, At: in.SentAt, Accepted: accepted, Down: seen.has(fleet.EventDown)}
	watched, cancel := untilStop(ctx)
	defer cancel()
	stopBeating := seen.beat(ctx)
	over := false
	err = drive.Follow(watched, sent, func(e fleet.Event) {
		switch {
		case over, e.Kind == fleet.EventHalt, in.Late && e.Kind != fleet.EventHealthy:
			return
		case isEnd(e.Kind):
			over = true
			cancel()
		}
		seen.add(e)
	})
	stopBeating()
	if err != nil {
		return waitResult{}, err
	}
	return seen.result(ctx, over)
}

// AwaitOthers waits for an instance that was not Running when its turn came, as
// others restart it maybe.
func (a *activities) AwaitOthers(ctx context.Context, in waitInput) (waitResult, error) {
	seen, options, err := a.begin(ctx, in)
	if err != nil {
		return waitResult{}, err
	}
	drive, err := driver.New(a.client, options)
	if err != nil {
		return waitResult{}, err
	}
	watched, cancel := untilStop(ctx)
	defer cancel()
	stopBeating := seen.beat(ctx)
	over := false
	running := drive.AwaitOthers(watched, in.Target, func(e fleet.Event) {
		over = over || isEnd(e.Kind)
		if isEnd(e.Kind) || e.Kind == fleet.EventHalt {
			seen.add(e)
		}
		if isEnd(e.Kind) {
			cancel()
		}
	})
	stopBeating()
	result, err := seen.result(ctx, over || running)
	result.Running = running
	return result, err
}

// begin checks that this worker can do the work, and takes up what an earlier try
// has seen.
func (a *activities) begin(ctx context.Context, in waitInput) (*sightings, fleet.Options, error) {
	options := fleet.Options{MinReady: in.MinReady, ReadyTimeout: in.ReadyTimeout, UnknownGrace: in.UnknownGrace}
	if v := a.misplaced(in.work); v != nil {
		return nil, options, temporalError("Misplaced", v.Event.Error)
	}
	if in.Health {
		if options.Health = a.health; options.Health == nil {
			return nil, options, temporalError("NoHealth", "the worker has no Health, which the run asks for")
		}
	}
	if in.Late {
		options.ReadyTimeout = -1
	}
	seen := &sightings{resumed: activity.GetInfo(ctx).Attempt > 1}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &seen.events); err != nil {
			seen.events = nil // it begins anew
		}
	}
	return seen, options, nil
}

// reading is what fleet keeps of a baseline.
func reading(b ecsreboot.Baseline) fleet.Reading {
	return fleet.Reading{Status: b.Status, StartTime: b.StartTime, Locks: b.Locks, At: b.TakenAt, ServiceTime: b.ServiceTime}
}

// text is an error's, as fleet has it, and not too long for a history.
func text(err error) string {
	if err == nil {
		return ""
	}
	return shorten(strings.TrimPrefix(err.Error(), "ecsreboot: "))
}
