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
	SentAt   time.Time          `json:"sentAt,omitzero"` // or the earliest time at which the request can have been sent
	Since    time.Time          `json:"since,omitzero"`  // when UnknownGrace begins
	SendID   string             `json:"sendId,omitempty"`
	Accepted bool               `json:"accepted,omitempty"`
	// The next fields are what earlier activities have observed, which followed the same
	// restart: polls showed the instance down, the run knows that the instance waits for the
	// witness, the witness says that the restart was accepted, and for how long they followed.
	Down     bool          `json:"down,omitempty"`
	Awaiting bool          `json:"awaiting,omitempty"`
	Lifted   bool          `json:"lifted,omitempty"`
	Followed time.Duration `json:"followed,omitempty"`
	// Late follows an instance that is failed or unknown, until it is healthy. Others
	// follows one that is not Running when its turn has come.
	Late   bool `json:"late,omitempty"`
	Others bool `json:"others,omitempty"`
}

// followResult has the events that were observed; the last is the end, unless the run must
// know of it at once and the restart must be followed further.
type followResult struct {
	Events []fleet.Event `json:"events"`
	// Running is set if there is no end, because the instance is Running after all; see
	// [driver.Driver.AwaitOthers].
	Running bool `json:"running,omitempty"`
	// Refusal is set if there is no end, because the witness says that the service refused
	// the request.
	Refusal  *driver.Judgement `json:"refusal,omitempty"`
	Followed time.Duration     `json:"followed,omitempty"` // see followInput
}

// isOpen reports whether the restart must be followed further.
func (r followResult) isOpen() bool {
	return r.Refusal == nil && !r.Running && len(r.Events) > 0 && !isEnd(r.Events[len(r.Events)-1].Kind)
}

// isNews reports whether an event ends the activity, because the run must know of it at
// once: an end, or a change of whether the instance is unavailable.
//
// An instance that waits for the witness and was last seen Running is not unavailable, and
// others take its place. It is again once it is down, or the restart was accepted.
func (in followInput) isNews(e fleet.Event) bool {
	switch e.Kind {
	case fleet.EventAwaiting:
		return true
	case fleet.EventDown, fleet.EventAccepted:
		return in.Awaiting
	default:
		return isEnd(e.Kind)
	}
}

// isKnown reports whether an earlier activity has observed the same.
func (in followInput) isKnown(e fleet.Event) bool {
	return e.Kind == fleet.EventAwaiting && (in.Awaiting || in.Lifted) || e.Kind == fleet.EventAccepted && in.Lifted
}

// isDropped reports whether an event is of no interest.
func (in followInput) isDropped(e fleet.Event) bool {
	switch {
	case in.Late:
		return e.Kind != fleet.EventHealthy
	case in.Others:
		return !isEnd(e.Kind) && e.Kind != fleet.EventHalt
	}
	return e.Kind == fleet.EventHalt || in.isKnown(e)
}

// after returns the input of the activity that goes on after a result without an end.
func (in followInput) after(result followResult) followInput {
	in.Followed = result.Followed
	for _, e := range result.Events {
		switch e.Kind {
		case fleet.EventAwaiting:
			in.Awaiting = true
		case fleet.EventDown:
			in.Down, in.Awaiting = true, false
		case fleet.EventAccepted:
			in.Lifted, in.Awaiting = true, false
		default:
		}
	}
	return in
}

// readyTimeout returns what is left of ReadyTimeout, and how much was used before. If no
// worker has watched since the request, or the clocks of two workers disagree, the time
// starts now.
func (in followInput) readyTimeout(attempt int32) (left, used time.Duration) {
	limit, since := in.Settings.ReadyTimeout, time.Since(in.Since)
	least := max(0, in.Settings.MinReady) + time.Second
	switch {
	case in.Late:
		return -1, 0
	case limit < 0 || attempt > 1:
	case in.Followed > 0:
		return max(least, limit-in.Followed), in.Followed
	case since > 0 && since < min(heartbeatTimeout, limit-in.Settings.MinReady):
		return limit - since, since
	}
	return limit, 0
}

// heartbeatTimeout is how long a worker may be silent until the server gives its activity
// to another worker. Tests change it: the SDK's environment sends a heartbeat every 30 s.
var heartbeatTimeout = 20 * time.Second

// heartbeatInterval is how often a worker says that it is there.
const heartbeatInterval = 5 * time.Second

// Follow follows a restart that was or may have been sent, or one by others, until its
// end. It sends nothing, so it is retried without a limit, and resumes from its last
// heartbeat. All activities of a worker share their polls.
func (a *activities) Follow(ctx context.Context, in followInput) (followResult, error) {
	if unfit := a.unfit(in.work, Settings{Health: in.Settings.Health}); unfit != nil { // no other hook is called here
		return followResult{}, unfitError(unfit)
	}
	options := fleet.Options{Settings: in.Settings.Settings, Witness: a.hooks.Witness}
	if in.Settings.Health {
		options.Health = func(ctx context.Context, _ fleet.Target) error { return a.hooks.Health(ctx, in.forHooks()) }
	}
	begin := time.Now()
	left, used := in.readyTimeout(activity.GetInfo(ctx).Attempt)
	options.ReadyTimeout = left
	drive, err := driver.New(a.of(in.Region), options)
	if err != nil {
		return followResult{}, err
	}
	var seen seen
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &seen.events) != nil {
		seen.events = nil // from the beginning
	}
	if n := len(seen.events); n > 0 && in.isNews(seen.events[n-1]) { // the server did not get the result
		return followResult{Events: seen.events}, nil
	}
	known := in.after(followResult{Events: seen.events})
	limited, cancel := untilStop(ctx)
	defer cancel()
	ended, running := false, false
	tell := func(e fleet.Event) {
		if ended || known.isDropped(e) {
			return
		}
		e.Error = shorten(e.Error)
		seen.mu.Lock()
		seen.events = append(seen.events, e)
		seen.mu.Unlock()
		if ended = in.isNews(e); ended {
			cancel()
		}
	}
	var heartbeats sync.WaitGroup
	heartbeats.Go(func() { beat(ctx, limited.Done(), seen.details) })
	if in.Others {
		running, err = drive.AwaitOthers(limited, in.Target, tell)
	} else {
		err = drive.Follow(limited, driver.Sent{
			Target: in.Target, Before: in.Before, At: in.Since, SentAt: in.SentAt, SendID: in.SendID, Accepted: in.Accepted, Down: known.Down,
		}, tell)
	}
	cancel()
	heartbeats.Wait()
	result := followResult{Events: seen.events, Running: running, Followed: used + time.Since(begin)}
	switch {
	case ended, running:
		return result, nil
	case ecsreboot.OutcomeOf(err) == ecsreboot.OutcomeRejected && ctx.Err() == nil:
		result.Refusal, err = a.judge(ctx, in.work, err)
		return result, err
	case err != nil: // invalid input
		return followResult{}, temporal.NewNonRetryableApplicationError(err.Error(), "InvalidInput", err)
	case ctx.Err() != nil:
		return followResult{}, ctx.Err() // canceled, or out of time
	}
	return followResult{}, errStopping
}

// beat sends heartbeats until done is closed, so that the server notices a worker that
// died. Here ctx must be that of the activity, not one that ends with done: if a heartbeat
// fails, because its context ends for example, the SDK cancels the activity.
func beat(ctx context.Context, done <-chan struct{}, details func() any) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		activity.RecordHeartbeat(ctx, details())
		select {
		case <-ticker.C:
		case <-done:
			return
		}
	}
}

// seen is what was observed of an instance.
type seen struct {
	mu     sync.Mutex
	events []fleet.Event
}

// details are what a heartbeat has for the next worker.
func (s *seen) details() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}
