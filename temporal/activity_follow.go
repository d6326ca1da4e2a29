package ecstemporal

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// followInput says which instance to follow, and how.
type followInput struct {
	work

	Settings Settings           `json:"settings"`
	Before   ecsreboot.Baseline `json:"before"`
	SentAt   time.Time          `json:"sentAt,omitzero"`
	Accepted bool               `json:"accepted,omitempty"`
	// Late follows an instance that is failed or unknown, until it is healthy. Others
	// follows one that is not Running when its turn has come.
	Late   bool `json:"late,omitempty"`
	Others bool `json:"others,omitempty"`
}

// followResult has the events that were observed; the last is the end.
type followResult struct {
	Events []fleet.Event `json:"events"`
	// Running is set if there is no end, because the instance is Running after all; see
	// [driver.Driver.AwaitOthers].
	Running bool `json:"running,omitempty"`
}

const (
	// heartbeatTimeout is how long a worker may be silent until the server gives its
	// activity to another worker.
	heartbeatTimeout  = 20 * time.Second
	heartbeatInterval = 5 * time.Second
)

// Follow follows a restart that was or may have been sent, or one by others, until its
// end. It sends nothing, so it is retried without a limit, and resumes from its last
// heartbeat. All activities of a worker share their polls.
func (a *activities) Follow(ctx context.Context, in followInput) (followResult, error) {
	in.Settings.Blocker = false // which is not called here
	if unfit := a.unfit(in.work, in.Settings); unfit != nil {
		return followResult{}, temporal.NewApplicationError(unfit.Event.Error, "Unfit")
	}
	options := fleet.Options{MinReady: in.Settings.MinReady, ReadyTimeout: in.Settings.ReadyTimeout, UnknownGrace: in.Settings.UnknownGrace}
	if in.Settings.Health {
		options.Health = a.hooks.Health
	}
	// If no worker has watched since the request, or the clocks of two workers disagree,
	// the time starts now.
	since := time.Since(in.SentAt)
	switch {
	case in.Late:
		options.ReadyTimeout = -1
	case activity.GetInfo(ctx).Attempt == 1 && since > 0 && since < min(heartbeatTimeout, options.ReadyTimeout-options.MinReady):
		options.ReadyTimeout -= since
	}
	drive, err := driver.New(a.client, options)
	if err != nil {
		return followResult{}, err
	}
	var seen seen
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &seen.events) != nil {
		seen.events = nil // from the beginning
	}
	down := slices.ContainsFunc(seen.events, func(e fleet.Event) bool { return e.Kind == fleet.EventDown })
	limited, cancel := untilStop(ctx)
	defer cancel()
	ended, running := false, false
	tell := func(e fleet.Event) {
		if ended || in.Late && e.Kind != fleet.EventHealthy || in.Others && !isEnd(e.Kind) && e.Kind != fleet.EventHalt || !in.Others && e.Kind == fleet.EventHalt {
			return
		}
		e.Error = shorten(e.Error)
		seen.mu.Lock()
		seen.events = append(seen.events, e)
		seen.mu.Unlock()
		if ended = isEnd(e.Kind); ended {
			cancel()
		}
	}
	var heartbeats sync.WaitGroup
	heartbeats.Go(func() { seen.heartbeat(limited) })
	if in.Others {
		running, err = drive.AwaitOthers(limited, in.Target, tell)
	} else {
		err = drive.Follow(limited, driver.Sent{Target: in.Target, Before: in.Before, At: in.SentAt, Accepted: in.Accepted, Down: down}, tell)
	}
	cancel()
	heartbeats.Wait()
	switch {
	case err != nil: // invalid input
		return followResult{}, temporal.NewNonRetryableApplicationError(err.Error(), "InvalidInput", err)
	case ended, running:
		return followResult{Events: seen.events, Running: running}, nil
	case ctx.Err() != nil:
		return followResult{}, ctx.Err() // canceled, or out of time
	}
	return followResult{}, errStopping
}

// seen is what was observed of an instance.
type seen struct {
	mu     sync.Mutex
	events []fleet.Event
}

// heartbeat sends heartbeats, with what was observed, until ctx ends.
func (s *seen) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		s.mu.Lock()
		activity.RecordHeartbeat(ctx, s.events)
		s.mu.Unlock()
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}
