package ecstemporal

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// sightings are what was seen of an instance, and what heartbeats tell.
type sightings struct {
	resumed bool // an earlier try did not come to an end

	mu     sync.Mutex
	events []fleet.Event
}

func (s *sightings) add(e fleet.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Error = shorten(e.Error)
	s.events = append(s.events, e)
}

func (s *sightings) all() []fleet.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *sightings) has(kind fleet.EventKind) bool {
	return slices.ContainsFunc(s.all(), func(e fleet.Event) bool { return e.Kind == kind })
}

// beat tells the server, from now on, that somebody is at work. It returns what ends
// that.
func (s *sightings) beat(ctx context.Context) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			activity.RecordHeartbeat(ctx, s.all())
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

// result is what to return; over tells that there was an end.
func (s *sightings) result(ctx context.Context, over bool) (waitResult, error) {
	switch {
	case over:
		return waitResult{Events: s.all()}, nil
	case ctx.Err() != nil:
		return waitResult{}, ctx.Err() // called off, or out of time
	}
	return waitResult{}, errStopping
}

// temporalError is of a worker that cannot do the work, which another one may.
func temporalError(kind, message string) error {
	return temporal.NewApplicationError(message, kind)
}
