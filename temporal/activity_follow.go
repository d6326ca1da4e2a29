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

	Before       ecsreboot.Baseline `json:"before"`
	SentAt       time.Time          `json:"sentAt"`
	Accepted     bool               `json:"accepted,omitempty"`
	MinReady     time.Duration      `json:"minReady"`
	ReadyTimeout time.Duration      `json:"readyTimeout"`
	UnknownGrace time.Duration      `json:"unknownGrace"`
	Health       bool               `json:"health,omitempty"`
	// Late follows an instance that is failed or unknown, until it is healthy.
	Late bool `json:"late,omitempty"`
}

// followResult has the events that were observed; the last is the end.
type followResult struct {
	Events []fleet.Event `json:"events"`
	// Running is set if there is no end, because the instance is Running after all; see
	// [driver.Driver.AwaitOthers].
	Running bool `json:"running,omitempty"`
}

const (
	// heartbeatTimeout is after how long a silence the server gives the activity of a
	// worker that died to another.
	heartbeatTimeout  = 20 * time.Second
	heartbeatInterval = 5 * time.Second
)

// Follow follows a restart that was or may have been sent, until the end is known. It
// sends nothing, so it is retried for ever, from where its heartbeats had come. All
// activities of a worker share their polls.
func (a *activities) Follow(ctx context.Context, in followInput) (followResult, error) {
	f, err := a.newFollowing(ctx, in)
	if err != nil {
		return followResult{}, err
	}
	sent := driver.Sent{Target: in.Target, Before: in.Before, At: in.SentAt, Accepted: in.Accepted, Down: f.isDown()}
	return f.run(ctx, func(ctx context.Context, end context.CancelFunc) (running bool) {
		f.drive.Follow(ctx, sent, func(e fleet.Event) {
			if f.ended || e.Kind == fleet.EventHalt || in.Late && e.Kind != fleet.EventHealthy {
				return
			}
			f.add(e)
			if f.ended {
				end()
			}
		})
		return false
	})
}

// AwaitOthers waits for an instance that was not Running when its turn came, because
// others may be restarting it.
func (a *activities) AwaitOthers(ctx context.Context, in followInput) (followResult, error) {
	f, err := a.newFollowing(ctx, in)
	if err != nil {
		return followResult{}, err
	}
	return f.run(ctx, func(ctx context.Context, end context.CancelFunc) (running bool) {
		return f.drive.AwaitOthers(ctx, in.Target, func(e fleet.Event) {
			if isEnd(e.Kind) || e.Kind == fleet.EventHalt {
				f.add(e)
			}
			if f.ended {
				end()
			}
		})
	})
}

// following is one attempt of an activity that follows an instance.
type following struct {
	drive *driver.Driver
	ended bool // the events have the end

	mu     sync.Mutex
	events []fleet.Event // which the heartbeats report
}

// newFollowing checks that this worker can follow the instance, and takes up what an
// earlier attempt has observed.
func (a *activities) newFollowing(ctx context.Context, in followInput) (*following, error) {
	options := fleet.Options{MinReady: in.MinReady, ReadyTimeout: in.ReadyTimeout, UnknownGrace: in.UnknownGrace}
	if v := a.misplaced(in.work); v != nil {
		return nil, temporal.NewApplicationError(v.Event.Error, "Misplaced")
	}
	if in.Health {
		if options.Health = a.health; options.Health == nil {
			return nil, temporal.NewApplicationError("the run needs Health, which this worker does not have", "NoHealth")
		}
	}
	// If nobody has watched since the request, the time starts now; likewise if the
	// clocks of two workers disagree.
	since := time.Since(in.SentAt)
	resumed := activity.GetInfo(ctx).Attempt > 1
	switch {
	case in.Late:
		options.ReadyTimeout = -1
	case !resumed && since > 0 && since < min(heartbeatTimeout, options.ReadyTimeout-in.MinReady):
		options.ReadyTimeout -= since
	}
	drive, err := driver.New(a.client, options)
	if err != nil {
		return nil, err
	}
	f := &following{drive: drive}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &f.events); err != nil {
			f.events = nil // from the beginning
		}
	}
	return f, nil
}

// run follows the instance until its end, the end of ctx, or the worker's stop.
func (f *following) run(ctx context.Context, follow func(ctx context.Context, end context.CancelFunc) (running bool)) (followResult, error) {
	limited, cancel := untilStop(ctx)
	defer cancel()
	stop := f.heartbeat(ctx)
	running := follow(limited, cancel)
	stop()
	switch {
	case f.ended, running:
		return followResult{Events: f.all(), Running: running}, nil
	case ctx.Err() != nil:
		return followResult{}, ctx.Err() // canceled, or out of time
	}
	return followResult{}, errStopping
}

func (f *following) add(e fleet.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Error = shorten(e.Error)
	f.events = append(f.events, e)
	f.ended = f.ended || isEnd(e.Kind)
}

func (f *following) all() []fleet.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

func (f *following) isDown() bool {
	return slices.ContainsFunc(f.all(), func(e fleet.Event) bool { return e.Kind == fleet.EventDown })
}

// heartbeat sends heartbeats, with what was observed, until stop is called.
func (f *following) heartbeat(ctx context.Context) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			activity.RecordHeartbeat(ctx, f.all())
			select {
			case <-ticker.C:
			case <-over:
				return
			}
		}
	}()
	return func() {
		close(over)
		<-done
	}
}
