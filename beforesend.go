package ecsreboot

import (
	"context"
	"errors"
	"fmt"
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
		return fmt.Errorf("called off by BeforeSend: %w", foreign("BeforeSend", err, scrubForeign))
	}
	return nil
}
