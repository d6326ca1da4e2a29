package ecsotel

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
)

// ObservePace adds a client to the metrics ecs.api.throttled and ecs.gate.rate, until
// Unregister is called on the registration. If several clients share a pacer, observe only
// one of them. For a client whose [pace.Pacer] has no State method, ecs.api.throttled is
// zero and ecs.gate.rate is not reported.
func (t *Telemetry) ObservePace(client *ecsreboot.Client) (metric.Registration, error) {
	return t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, api := range [...]pace.Operation{pace.RebootInstance, pace.DescribeInstances} {
			state := client.Pace(api)
			of := metric.WithAttributes(apiKey.String(string(api)), semconv.CloudRegion(client.Region()))
			o.ObserveInt64(t.throttled, int64(state.Throttled), of) //nolint:gosec // a count of requests
			if state.RatePerMinute > 0 {
				o.ObserveFloat64(t.rate, state.RatePerMinute, of)
			}
		}
		return nil
	}, t.throttled, t.rate)
}
