// Package control controls runs from outside: it pauses, unpauses and aborts a run, and
// approves its canary stages.
//
// [Controls] has the operations that every run supports. [Local] implements it for a run of
// this process. Package durable implements it for a durable run by the signals of the
// workflow. A [Server] offers the controls of a run on a Unix socket, so that other
// processes of the same user find the run with [Find]. The live page has the same controls.
package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Controls control a run. Their methods may be called from any goroutine.
type Controls interface {
	// Pause makes the run send nothing more until Unpause.
	Pause(ctx context.Context) error
	// Unpause ends a pause.
	Unpause(ctx context.Context) error
	// Abort makes the run send nothing more and end when all restarts that were sent have
	// reached their end.
	Abort(ctx context.Context) error
	// Approve and Disapprove answer a canary stage that waits for approval.
	Approve(ctx context.Context, stage int) error
	Disapprove(ctx context.Context, stage int) error
	// State returns what the run is doing.
	State(ctx context.Context) (State, error)
}

// State is what a run is doing.
type State struct {
	Run     string `json:"run"`               // the ID of the run
	Process int    `json:"process,omitempty"` // the ID of its process; 0 for a durable run
	Journal string `json:"journal,omitempty"` // the absolute path of its journal, if it has one
	// Pauses holds the reasons for which the run is paused: [fleet.ReasonUser] and
	// [fleet.ReasonWindow].
	Pauses []fleet.Reason `json:"pauses,omitempty"`
	// Ending is why the run sends nothing more, if it does not: it was aborted, has halted,
	// or has ended.
	Ending fleet.Reason `json:"ending,omitempty"`
	Ended  bool         `json:"ended,omitempty"`
	// Stage is the canary stage that waits for approval, from 1; 0 if none does.
	Stage int `json:"stage,omitempty"`
}

// Paused reports whether the run is paused for a reason.
func (s State) Paused(reason fleet.Reason) bool { return slices.Contains(s.Pauses, reason) }

// withPause returns the state with or without a reason to be paused. It leaves the slice
// of other copies as it is.
func (s State) withPause(reason fleet.Reason, paused bool) State {
	pauses := slices.DeleteFunc(slices.Clone(s.Pauses), func(r fleet.Reason) bool { return r == reason })
	if paused {
		pauses = append(pauses, reason)
	}
	s.Pauses = pauses
	return s
}

// The errors of controls that do not fit the state of the run.
var (
	ErrEnding     = errors.New("the run is ending already")
	ErrNotPending = errors.New("not waiting for this approval")
)

// Local controls a run of this process.
type Local struct {
	control   *fleet.Control
	approvals *Approvals

	mu    sync.Mutex
	state State
}

// NewLocal returns the controls of a run. The control is that of the run's options, and
// [Local.OnEvent] must get the events of the run. If approvals is nil, no stage waits for
// approval. The ID of a run that begins may be empty: it becomes known by the first event.
func NewLocal(run, journal string, control *fleet.Control, approvals *Approvals) *Local {
	return &Local{
		control: control, approvals: approvals,
		state: State{Run: run, Process: os.Getpid(), Journal: journal},
	}
}

// OnEvent keeps the state of the run up to date. It returns at once.
func (l *Local) OnEvent(e fleet.Event) {
	if e.InstanceID != "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case fleet.EventRun:
		l.state.Run = cmp.Or(l.state.Run, e.Session)
	case fleet.EventPause:
		l.state = l.state.withPause(e.Reason, true)
	case fleet.EventContinue:
		l.state = l.state.withPause(e.Reason, false)
	case fleet.EventStop, fleet.EventHalt:
		if l.state.Ending == "" {
			l.state.Ending = e.Reason
		}
	case fleet.EventEnd:
		l.state.Ending, l.state.Ended = e.Reason, true
	default: // it changes nothing that a control depends on
	}
}

// Pause implements [Controls].
func (l *Local) Pause(context.Context) error { return l.setPaused(true) }

// Unpause implements [Controls].
func (l *Local) Unpause(context.Context) error { return l.setPaused(false) }

// setPaused changes the state at once, before the run's event does: the answer to a
// request shows what the request has done.
func (l *Local) setPaused(paused bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Ending != "" {
		return fmt.Errorf("%w: %s", ErrEnding, l.state.Ending)
	}
	if paused {
		l.control.Pause()
	} else {
		l.control.Unpause()
	}
	l.state = l.state.withPause(fleet.ReasonUser, paused)
	return nil
}

// Abort implements [Controls]. It may be repeated.
func (l *Local) Abort(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control.Stop()
	if l.state.Ending == "" {
		l.state.Ending = fleet.ReasonUser
	}
	return nil
}

// Approve implements [Controls].
func (l *Local) Approve(_ context.Context, stage int) error { return l.answer(stage, true) }

// Disapprove implements [Controls].
func (l *Local) Disapprove(_ context.Context, stage int) error { return l.answer(stage, false) }

func (l *Local) answer(stage int, approved bool) error {
	if l.approvals == nil {
		return fmt.Errorf("%w: the run needs no approval", ErrNotPending)
	}
	return l.approvals.Answer(stage, approved)
}

// State implements [Controls].
func (l *Local) State(context.Context) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.state
	if l.approvals != nil {
		state.Stage = l.approvals.Pending()
	}
	return state, nil
}
