package ecsotel

import (
	"errors"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecsreboot/ecsreboot"
)

// Options configure where spans and metrics go.
type Options struct {
	TracerProvider trace.TracerProvider // nil means the global provider
	MeterProvider  metric.MeterProvider // nil means the global provider
}

// Telemetry records spans and metrics. It is safe for concurrent use. One Telemetry can
// serve all clients and runs of a program.
type Telemetry struct {
	tracer trace.Tracer
	meter  metric.Meter

	requests    httpconv.ClientRequestDuration
	calls       rpcconv.ClientCallDuration
	sends       metric.Int64Counter
	unknown     metric.Int64Counter
	unavailable metric.Int64UpDownCounter
	settle      metric.Float64Histogram
	throttled   metric.Int64ObservableCounter
	rate        metric.Float64ObservableGauge
}

const scope = "github.com/ecsreboot/ecsreboot/otel"

// New returns a Telemetry that uses the given providers. It fails if the meter cannot
// create an instrument.
func New(options Options) (*Telemetry, error) {
	tracers, meters := options.TracerProvider, options.MeterProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	t := &Telemetry{
		tracer: tracers.Tracer(scope, trace.WithInstrumentationVersion(ecsreboot.Version), trace.WithSchemaURL(semconv.SchemaURL)),
		meter:  meters.Meter(scope, metric.WithInstrumentationVersion(ecsreboot.Version), metric.WithSchemaURL(semconv.SchemaURL)),
	}
	if err := t.makeInstruments(); err != nil {
		return nil, err
	}
	return t, nil
}

// makeInstruments names the metrics. The durations of requests and calls have the
// names and buckets of the conventions, which know nothing of restarts.
func (t *Telemetry) makeInstruments() error {
	var errs [8]error
	t.requests, errs[0] = httpconv.NewClientRequestDuration(t.meter, durationBuckets)
	t.calls, errs[1] = rpcconv.NewClientCallDuration(t.meter, durationBuckets)
	t.sends, errs[2] = t.meter.Int64Counter("ecs.reboot.sends", metric.WithUnit("{send}"),
		metric.WithDescription("Calls for a restart, however many requests each took, by what became of them."))
	t.unknown, errs[3] = t.meter.Int64Counter("ecs.reboot.unknown", metric.WithUnit("{restart}"),
		metric.WithDescription("Restarts of which it was not found out whether they happened."))
	t.unavailable, errs[4] = t.meter.Int64UpDownCounter("fleet.unavailable", metric.WithUnit("{instance}"),
		metric.WithDescription("Instances of runs under way that were sent a restart and are not healthy yet, have failed, or were found not running."))
	t.settle, errs[5] = t.meter.Float64Histogram("fleet.settle.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the send of a restart until the instance was healthy, or was given up."),
		metric.WithExplicitBucketBoundaries(5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200))
	t.throttled, errs[6] = t.meter.Int64ObservableCounter("ecs.api.throttled", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that the service throttled."))
	t.rate, errs[7] = t.meter.Float64ObservableGauge("ecs.gate.rate", metric.WithUnit("{request}/min"),
		metric.WithDescription("Requests a minute that the client lets go at present; absent while it does not limit them."))
	return errors.Join(errs[:]...)
}

var durationBuckets = metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

// ClientOption records spans and metrics for all API calls of a client, including those
// of its waits and of package fleet. Each call is a span named Ecs.RebootInstance or
// Ecs.DescribeInstances, with a child span for each request. Use the option only once for
// each client.
func (t *Telemetry) ClientOption() ecsreboot.Option {
	return ecsreboot.WithOptions(
		ecsreboot.WithCallObserver(t.observe),
		ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
			return &transport{Telemetry: t, next: next}
		}),
	)
}
