package ecsreboot

import "errors"

// hookError is the error of a hook of the caller's: a BeforeSend or a Pacer. It is
// all that the caller's error is, but for what became of another restart: a hook may
// make calls of its own.
type hookError struct {
	what  string // it came to
	cause error
}

func (e *hookError) Error() string { return e.what + ": " + e.cause.Error() }

func (e *hookError) Is(target error) bool {
	switch target {
	case ErrNotSent, ErrRejected, ErrOutcomeUnknown, ErrAccepted:
		return false
	}
	return errors.Is(e.cause, target)
}

func (e *hookError) As(target any) bool {
	switch target.(type) {
	case **OperationError, **WaitError:
		return false
	}
	return errors.As(e.cause, target)
}
