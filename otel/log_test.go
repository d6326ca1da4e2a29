package ecsotel_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// logHandler keeps records and the spans that they belong to.
type logHandler struct {
	records []slog.Record
	spans   []trace.SpanContext
}

func (*logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	h.records = append(h.records, record)
	h.spans = append(h.spans, trace.SpanContextFromContext(ctx))
	return nil
}

func (h *logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *logHandler) WithGroup(string) slog.Handler      { return h }

// A handler that adds the ids of traces to records finds them: what the client logs
// belongs to the span of the call. The names are those to build alerts on.
func TestLogRecordsBelongToTheCall(t *testing.T) {
	inBubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		var h logHandler
		client, err := s.NewClient(ecsreboot.WithLogger(slog.New(&h)), s.telemetry.ClientOption())
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 2 * time.Second}, ecstest.Fault{Kind: ecstest.FaultDrop, Skip: 1})
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		_, err = client.RebootInstance(t.Context(), request)
		require.Error(t, err)

		inError := []string{"error", "error.operation", "error.instance_id", "error.outcome", "error.attempts", "error.sent_at", "error.send_id"}
		again := append([]string{"operation", "instance_id", "attempts", "wait"}, inError...)
		called := []string{"operation", "instance_id", "force_stop", "dry_run", "attempts", "outcome", "request_id", "elapsed"}
		calls := s.spans("Ecs.RebootInstance")
		require.Len(t, calls, 2)
		require.Len(t, h.records, 3)
		for i, want := range []struct {
			level slog.Level
			text  string
			names []string
			of    int
		}{
			{slog.LevelWarn, "ecsreboot: sending again", append(again, "error.answer", "error.error"), 0},
			{slog.LevelDebug, "ecsreboot: called", called, 0},
			{slog.LevelDebug, "ecsreboot: called", append(append(called, inError...), "error.error"), 1},
		} {
			require.Equal(t, want.level, h.records[i].Level)
			require.Equal(t, want.text, h.records[i].Message)
			require.Equal(t, want.names, names(h.records[i]))
			require.Equal(t, calls[want.of].SpanContext.SpanID(), h.spans[i].SpanID())
		}
	})
}

// names returns the names of a record's attributes, and of the parts of its error.
func names(record slog.Record) []string {
	var names []string
	record.Attrs(func(a slog.Attr) bool {
		names = append(names, a.Key)
		if a.Key == "error" {
			for _, part := range a.Value.Resolve().Group() {
				names = append(names, "error."+part.Key)
			}
		}
		return true
	})
	return names
}
