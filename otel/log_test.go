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
		client, err := s.NewClient(s.telemetry.ClientOption(), ecsreboot.WithLogger(slog.New(&h)))
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		s.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 2 * time.Second})
		_, err = s.telemetry.Wrap(client).RebootInstance(t.Context(), request)
		require.NoError(t, err)

		require.Len(t, h.records, 1)
		record := h.records[0]
		require.Equal(t, slog.LevelWarn, record.Level)
		require.Equal(t, "ecsreboot: sending again", record.Message)
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
		require.Equal(t, []string{
			"operation", "instance_id", "attempts", "wait",
			"error", "error.operation", "error.instance_id", "error.outcome", "error.attempts", "error.sent_at", "error.answer", "error.error",
		}, names)
		require.Equal(t, s.span("Ecs.RebootInstance").SpanContext.SpanID(), h.spans[0].SpanID())
	})
}
