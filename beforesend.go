package ecsreboot

import (
	"context"
	"errors"
)

// askFirst asks the caller's hook for leave to send.
func (w *watch) askFirst(ctx context.Context) error {
	if w.ask == nil {
		return nil
	}
	w.mu.Lock()
	before := w.known.before
	w.mu.Unlock()
	err := w.ask(ctx, before)
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return contextEnd(ctx) // nobody waits any more
	case err != nil:
		return &calledOffError{err}
	}
	return nil
}

// calledOffError is the error of a BeforeSend. It is all that the caller's error is,
// but for what became of another restart: a hook may have looked at the instance
// with a call of its own.
type calledOffError struct{ cause error }

func (e *calledOffError) Error() string { return "called off by BeforeSend: " + e.cause.Error() }

func (e *calledOffError) Is(target error) bool {
	switch target {
	case ErrNotSent, ErrRejected, ErrOutcomeUnknown, ErrAccepted:
		return false
	}
	return errors.Is(e.cause, target)
}

func (e *calledOffError) As(target any) bool {
	switch target.(type) {
	case **OperationError, **WaitError:
		return false
	}
	return errors.As(e.cause, target)
}
