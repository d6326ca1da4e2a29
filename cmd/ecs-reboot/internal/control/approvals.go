package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrNobody is returned by an [Ask] that can get no answer, such as at the end of the
// standard input. It neither approves nor disapproves.
var ErrNobody = errors.New("no answer")

// Errors of [Approvals.Approve], which become the details of the run's end.
var (
	errDeclined    = errors.New("rejected at the terminal")
	errDisapproved = errors.New("rejected by another command or on the live page")
)

// Ask asks somebody whether a canary stage is approved. It must return when ctx ends,
// which happens when the answer has come from elsewhere.
type Ask func(ctx context.Context, stage int) (bool, error)

// Approvals collect the answers to canary stages that wait for approval. The first answer
// applies, whether it comes from the terminal or by [Approvals.Answer], from a socket or a
// page.
type Approvals struct {
	ask     Ask
	pending func(stage int)

	mu     sync.Mutex
	stage  int       // that waits for approval; 0 if none does
	answer chan bool // of the stage, with room for one
}

// NewApprovals returns approvals. ask may be nil if there is no terminal, and pending, if
// not nil, is called when a stage begins to wait for approval.
func NewApprovals(ask Ask, pending func(stage int)) *Approvals {
	return &Approvals{ask: ask, pending: pending}
}

// Approve waits for the answer to a stage; use it as Approve in [fleet.Options].
func (a *Approvals) Approve(ctx context.Context, stage int) error {
	answer := a.begin(stage)
	defer a.end()
	if a.pending != nil {
		a.pending(stage)
	}
	asking, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait() // so that no question is left on the terminal
	defer cancel()
	var failed chan error
	if a.ask != nil {
		failed = make(chan error, 1)
		asked.Go(func() {
			approved, err := a.ask(asking, stage)
			switch {
			case errors.Is(err, ErrNobody):
				return // the answer may come from elsewhere
			case err == nil && !approved:
				err = errDeclined
			}
			failed <- err
		})
	}
	select {
	case approved := <-answer:
		if !approved {
			return errDisapproved
		}
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *Approvals) begin(stage int) <-chan bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.answer = stage, make(chan bool, 1)
	return a.answer
}

func (a *Approvals) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage = 0
}

// Answer answers the stage that waits for approval. The stage must be the one that waits,
// so that an answer that comes late, or twice, does not approve a stage that nobody has
// seen. The error is [ErrNotPending].
func (a *Approvals) Answer(stage int, approved bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stage == 0:
		return fmt.Errorf("%w: no stage waits for approval", ErrNotPending)
	case a.stage != stage:
		return fmt.Errorf("%w: stage %d waits for approval, not stage %d", ErrNotPending, a.stage, stage)
	}
	a.answer <- approved
	a.stage = 0
	return nil
}

// Pending returns the stage that waits for approval; 0 if none does.
func (a *Approvals) Pending() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stage
}
