package ecsotel_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	ecsotel "github.com/ecsreboot/ecsreboot/otel"
)

// TestMain makes sure that no test finds credentials or asks the metadata service.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasPrefix(name, "OTEL_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	os.Exit(m.Run())
}

const id = "i-bp67acfmxazb4ph0001"

var request = ecsreboot.RebootInstanceRequest{InstanceID: id}

// stage is a service with an instance, a client of it, and what its telemetry told.
type stage struct {
	*ecstest.Server

	t         testing.TB
	telemetry *ecsotel.Telemetry
	client    *ecsreboot.Client
	exporter  *tracetest.InMemoryExporter
	reader    *metric.ManualReader
}

// inBubble runs a test on a stage, in a bubble.
func inBubble(t *testing.T, options ecstest.Options, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second) // StartTime is a matter of minutes
		test(t, newStage(t, options))
	})
}

func newStage(tb testing.TB, options ecstest.Options, more ...ecsreboot.Option) *stage {
	tb.Helper()
	server, err := ecstest.NewInMemoryServer(options)
	require.NoError(tb, err)
	tb.Cleanup(server.Close)
	require.NoError(tb, server.AddInstance(ecstest.Instance{ID: id}))
	s := &stage{Server: server, t: tb, exporter: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	s.telemetry, err = ecsotel.New(ecsotel.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.exporter)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(s.reader)),
	})
	require.NoError(tb, err)
	s.client, err = server.NewClient(append(more, s.telemetry.ClientOption())...)
	require.NoError(tb, err)
	tb.Cleanup(s.client.CloseIdleConnections)
	return s
}

// spans returns the ended spans of a name, in the order of their ends.
func (s *stage) spans(name string) []tracetest.SpanStub {
	var found []tracetest.SpanStub
	for _, span := range s.exporter.GetSpans() {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// span returns the one ended span of a name.
func (s *stage) span(name string) tracetest.SpanStub {
	s.t.Helper()
	found := s.spans(name)
	require.Len(s.t, found, 1, name)
	return found[0]
}

// attr returns an attribute as text, "" if there is none.
func attr(attributes []attribute.KeyValue, key string) string {
	for _, a := range attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// events returns the names of a span's events.
func events(span tracetest.SpanStub) []string {
	var names []string
	for _, e := range span.Events {
		names = append(names, e.Name)
	}
	return names
}

func isChild(t *testing.T, child, parent tracetest.SpanStub) {
	t.Helper()
	require.Equal(t, parent.SpanContext.SpanID(), child.Parent.SpanID(), "%s is not a child of %s", child.Name, parent.Name)
	require.Equal(t, parent.SpanContext.TraceID(), child.SpanContext.TraceID())
}

func (s *stage) metrics() []metricdata.Metrics {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(context.Background(), &all))
	var found []metricdata.Metrics
	for _, of := range all.ScopeMetrics {
		require.Equal(s.t, ecsreboot.Version, of.Scope.Version)
		found = append(found, of.Metrics...)
	}
	return found
}

// points returns the points of a metric by the value of one of its attributes:
// sums, gauges and, for histograms, counts.
func (s *stage) points(name, key string) map[string]float64 {
	s.t.Helper()
	points := map[string]float64{}
	add := func(attributes attribute.Set, value float64) {
		v, _ := attributes.Value(attribute.Key(key))
		points[v.String()] += value
	}
	for _, m := range s.metrics() {
		if m.Name != name {
			continue
		}
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, float64(p.Value))
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, float64(p.Count))
			}
		default:
			s.t.Fatalf("%s is a %T", name, data)
		}
	}
	return points
}
