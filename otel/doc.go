// Package ecsotel reports the calls of package ecsreboot and the runs of package fleet to
// OpenTelemetry, as spans and metrics, named by the semantic conventions where these
// define a name.
//
//	telemetry, err := ecsotel.New(ecsotel.Options{})
//	…
//	client, err := ecsreboot.NewClient("cn-hangzhou", telemetry.ClientOption())
//
// The parts of the package are:
//
//   - [Telemetry.ClientOption] records a span for each API call, whether your program, a
//     RebootAndWait or a fleet run makes the call, with a child span for each request. It
//     also records the metrics rpc.client.call.duration, http.client.request.duration,
//     ecs.reboot.sends and ecs.reboot.unknown.
//   - [Telemetry.Wrap] adds a span for each RebootAndWait.
//   - [Telemetry.FleetEvents] adds a span for a run and a span for each of its instances,
//     and the metrics fleet.unavailable and fleet.settle.duration.
//   - [Telemetry.ObservePace] adds the metrics ecs.api.throttled and ecs.gate.rate, which
//     show how the service throttles a client.
//
// With Wrap or FleetEvents, a restart of unknown outcome is added to ecs.reboot.unknown
// only if the wait or the run ends without resolving it.
//
// No secret gets into a span or a metric, and no ID into a metric. The query of a URL is
// left out, because it may contain a signature. Nothing is added to requests: trace
// contexts are not propagated to the service.
package ecsotel
