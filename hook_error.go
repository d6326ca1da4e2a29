package ecsreboot

import (
	"errors"
	"reflect"
)

// hookError is the error of a hook of the caller's: a BeforeSend or a Pacer. It is
// all that the caller's error is, but for what became of another restart: a hook may
// make calls of its own.
type hookError struct {
	what  string // it came to
	cause error
}

func (e *hookError) Error() string {
	return e.what + ": " + safeText(e.cause.Error(), nil, maxErrorText)
}

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
	return as(e.cause, target)
}

// as is [errors.As] by the reflection that net/http brings along: errors.As has its
// own, which programs that do not call it need not link.
func as(err error, target any) bool {
	to := reflect.ValueOf(target).Elem()
	for err != nil {
		if value := reflect.ValueOf(err); value.Type().AssignableTo(to.Type()) {
			to.Set(value)
			return true
		}
		if own, ok := err.(interface{ As(target any) bool }); ok && own.As(target) {
			return true
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				if as(one, target) {
					return true
				}
			}
		}
		err = errors.Unwrap(err)
	}
	return false
}
