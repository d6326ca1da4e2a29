package target

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// logger returns a logger that turns the client's records into notes for a person: one
// for each retry and, for --debug, one for each change of the credentials.
func logger(note func(format string, args ...any), debug bool) *slog.Logger {
	return slog.New(notes{note, debug})
}

type notes struct {
	note  func(format string, args ...any)
	debug bool
}

func (n notes) Enabled(_ context.Context, level slog.Level) bool {
	return n.note != nil && (level >= slog.LevelWarn || n.debug)
}
func (n notes) WithAttrs([]slog.Attr) slog.Handler { return n }
func (n notes) WithGroup(string) slog.Handler      { return n }

func (n notes) Handle(ctx context.Context, record slog.Record) error {
	switch {
	case record.Message == "ecsreboot: credentials":
		return n.credentials(record)
	case record.Level < slog.LevelWarn:
		return nil
	}
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
	if dry, _ := ctx.Value(dryRunKey{}).(bool); dry {
		n.note("dry run, which restarts nothing: %s\nretrying the dry run in %s\n", why, wait)
		return nil
	}
	n.note("%s\nretrying in %s\n", why, wait)
	return nil
}

// dryRunKey is the key of the context of a call that is a dry run.
type dryRunKey struct{}

// markDryRun is an observer that marks the context of dry runs. The record of a retry does
// not say that it is one, and a lost response would read as if a restart were retried.
func markDryRun(ctx context.Context, call ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
	if call.DryRun {
		ctx = context.WithValue(ctx, dryRunKey{}, true)
	}
	return ctx, nil
}

// credentials notes where credentials come from. The record has the masked key id.
func (n notes) credentials(record slog.Record) error {
	var source, keys string
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "source":
			source = a.Value.String()
		case "credentials":
			keys = a.Value.String()
		}
		return true
	})
	n.note("credentials from %s: %s\n", source, keys)
	return nil
}
