package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// advice says what to do about an error, or "".
func advice(err error) string {
	if _, ok := errors.AsType[*usageError](err); ok {
		return "Run ecs-reboot -h for its manual."
	}
	failed, _ := errors.AsType[*ecsreboot.OperationError](err)
	switch {
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return "Look at the instance, then for what stands between this program and the service."
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		return afterUnknown(failed)
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok && answer.Code.Advice() != "" {
		return answer.Code.Advice()
	}
	switch {
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ecsreboot.ErrorCode("Throttling").Advice()
	case errors.Is(err, ecsreboot.ErrCredentials):
		return "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or see -h for the other sources."
	case errors.Is(err, ecsreboot.ErrInvalidInput):
		return "Run ecs-reboot -h for its manual."
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		return ecsreboot.ErrForbiddenRAM.Advice()
	case errors.Is(err, context.Canceled), failed == nil:
		return ""
	case failed.Outcome == ecsreboot.OutcomeNotSent:
		return "Nothing reached the service. Check the region, the network and the proxy; inside a VPC without a way out, use -vpc."
	case failed.Outcome == ecsreboot.OutcomeNone:
		return "A dry run changes nothing; run it again."
	}
	return ""
}

// afterUnknown says how to find out. StartTime has minutes on the wire, and
// whether a restart moves it is not documented, so its standing still proves
// nothing.
func afterUnknown(failed *ecsreboot.OperationError) string {
	first := "Look at the instance before sending again."
	if answer, ok := errors.AsType[*ecsreboot.APIError](failed.Err); ok && answer.Code.Advice() != "" {
		first = answer.Code.Advice()
	}
	return first + " Starting or Stopping, or a start time after " + failed.SentAt.UTC().Format(time.RFC3339) +
		", speaks for a restart; Running alone proves nothing."
}

// retryLogger makes the client's log records notes to whoever watches.
func (p *program) retryLogger() *slog.Logger { return slog.New(retryNotes{p}) }

type retryNotes struct{ *program }

func (n retryNotes) Enabled(context.Context, slog.Level) bool { return !n.quiet }
func (n retryNotes) WithAttrs([]slog.Attr) slog.Handler       { return n }
func (n retryNotes) WithGroup(string) slog.Handler            { return n }

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
	n.progress("%s\nsending again in %s\n", why, wait)
	return nil
}
