package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// Follower has the functions that Follow calls.
type Follower struct {
	// Events gets the events of the run that are new since the last call.
	Events func(events []fleet.Event)
	// History, if not nil, gets the history whenever it has grown. It must not be changed.
	History func(history *fleet.History)
	// Awaits is called when a canary stage begins to wait for approval.
	Awaits func(stage int)
	// Note is called when there is a new problem in following the run.
	Note func(format string, args ...any)
}

const (
	// pollInterval is the time between two polls of a run, or leisure times as long as a
	// poll takes, if that is longer: the history of a large run is some megabytes.
	pollInterval = 2 * time.Second
	leisure      = 10
	// pollPatience limits a poll.
	pollPatience = 30 * time.Second
)

// Follow follows a run until it ends, and returns its history then. If ctx ends before,
// Follow returns the cause, and the run continues.
func Follow(ctx context.Context, c client.Client, workflowID string, follower Follower) (*fleet.History, error) {
	f := &following{Follower: follower, seen: map[eventKey]bool{}}
	ended := make(chan error, 1)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- c.GetWorkflow(waiting, workflowID, "").Get(waiting, nil) }()
	for {
		begin := time.Now()
		f.poll(ctx, c, workflowID)
		select {
		case err := <-ended:
			if err != nil && ctx.Err() == nil {
				return nil, fmt.Errorf("run %s ended without a result: %w", workflowID, err)
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			history, err := ecstemporal.GetHistory(ctx, c, workflowID)
			if err == nil {
				f.take(history)
			}
			return history, err
		case <-time.After(max(pollInterval, leisure*time.Since(begin))):
		}
	}
}

type following struct {
	Follower

	seen    map[eventKey]bool
	awaited int
	problem string
}

// eventKey identifies an event of a history. A history that is read while restarts are in
// flight ends with intents that are not recorded yet, and that look different later.
type eventKey struct {
	kind    fleet.EventKind
	id      string
	attempt int
	at      int64
}

func keyOf(e fleet.Event) eventKey {
	if e.Kind == fleet.EventIntent {
		return eventKey{kind: e.Kind, id: e.InstanceID, attempt: e.Attempt}
	}
	return eventKey{e.Kind, e.InstanceID, e.Stage, e.At.UnixNano()}
}

// poll gets the history, and reports what is new.
func (f *following) poll(ctx context.Context, c client.Client, workflowID string) {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	history, err := ecstemporal.GetHistory(ctx, c, workflowID)
	var progress ecstemporal.Progress
	if err == nil {
		f.take(history)
		progress, err = ecstemporal.GetProgress(ctx, c, workflowID)
	}
	switch {
	case errors.Is(err, ecstemporal.ErrNoWorker):
		f.hinder("no worker polls the task queue of the run; the run continues when a worker starts")
	case err != nil && errors.Is(context.Cause(ctx), context.Canceled): // the caller leaves
	case err != nil:
		f.hinder(err.Error())
	default:
		f.problem = ""
		if progress.Awaiting > f.awaited {
			f.awaited = progress.Awaiting
			f.Awaits(f.awaited)
		}
	}
}

func (f *following) hinder(problem string) {
	if problem != f.problem {
		f.problem = problem
		f.Note("%s", problem)
	}
}

func (f *following) take(history *fleet.History) {
	var fresh []fleet.Event
	for _, e := range history.Events {
		if key := keyOf(e); !f.seen[key] {
			f.seen[key] = true
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return
	}
	f.Events(fresh)
	if f.History != nil {
		f.History(history)
	}
}
