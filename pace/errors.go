package pace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
)

// ErrThrottled is the error of a call that a rate limit held back: the service throttles
// the client, or too many calls are waiting for their turn.
var ErrThrottled = errors.New("ecsreboot: throttled")

// FieldError is an argument that this package refuses.
type FieldError struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

var errNilContext = &FieldError{"ctx", "is nil"}

// LogValue gives slog the fields of the JSON.
func (e *FieldError) LogValue() slog.Value { return logvalue.Of(e) }

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// throttleError is an [ErrThrottled] that says why.
type throttleError struct{ why string }

func (e *throttleError) Error() string { return "held back: " + e.why }

func (e *throttleError) Is(target error) bool { return target == ErrThrottled }

// contextEnd returns the cause with which a context ended. The error always matches
// context.Canceled or context.DeadlineExceeded, although a context of another type than
// those of package context may return any error.
func contextEnd(ctx context.Context) error {
	plain, cause := context.Canceled, context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		plain = context.DeadlineExceeded
	}
	if errors.Is(cause, plain) {
		return cause
	}
	return fmt.Errorf("%w: %w", plain, cause)
}
