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
//   - [Telemetry.ClientOption] records a span for each API call, whether the program, a
//     wait or a run makes the call, with a child span for each request.
//   - [Telemetry.Wrap] adds a span for each wait.
//   - [Telemetry.FleetEvents] adds a span for a run and a span for each of its instances.
//   - [Telemetry.ObservePace] adds metrics that show how the service throttles a client.
//
// No secret gets into a span or a metric, and no ID into a metric. The query of a URL is
// left out, because it may contain a signature. Nothing is added to requests: trace
// contexts are not propagated to the service.
package ecsotel
