package target

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// retryLogger returns a logger that turns the client's warnings, one for each retry,
// into notes for a person.
func retryLogger(note func(format string, args ...any)) *slog.Logger {
	return slog.New(retryNotes{note})
}

type retryNotes struct {
	note func(format string, args ...any)
}

func (n retryNotes) Enabled(_ context.Context, level slog.Level) bool {
	return n.note != nil && level >= slog.LevelWarn
}
func (n retryNotes) WithAttrs([]slog.Attr) slog.Handler { return n }
func (n retryNotes) WithGroup(string) slog.Handler      { return n }

func (n retryNotes) Handle(_ context.Context, record slog.Record) error {
	var why, wait string
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error":
			if err, ok := a.Value.Any().(error); ok {
				why = strings.TrimPrefix(err.Error(), "ecsreboot: ")
			}
		case "wait":
			wait = a.Value.Duration().Round(time.Millisecond).String()
		}
		return true
	})
	n.note("%s\nretrying in %s\n", why, wait)
	return nil
}
