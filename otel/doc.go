// Package ecsotel gives the calls of package ecsreboot and the runs of package
// fleet to OpenTelemetry: spans and metrics, by the semantic conventions where
// these have a name for a thing.
//
//	telemetry, err := ecsotel.New(ecsotel.Options{})
//	…
//	client, err := ecsreboot.NewClient("cn-hangzhou", telemetry.ClientOption())
//
// [Telemetry.ClientOption] makes each call of the API a span, with a span for each of
// its requests beneath it, whoever makes the call: the program, a wait, a run.
// [Telemetry.Wrap] adds a span for a wait as a whole, [Telemetry.FleetEvents] those of
// a run and its instances, and [Telemetry.ObservePace] how the service throttles a
// client.
//
// No secret gets into a span or a metric, and no id into a metric. Of an address
// the query is left out, as it may hold a signature. Nothing is added to the
// requests: trace contexts stay here.
package ecsotel
