// Package ecsotel gives the calls of package ecsreboot and the runs of package
// fleet to OpenTelemetry: spans and metrics, by the semantic conventions where
// these have a name for a thing.
//
//	telemetry, err := ecsotel.New(ecsotel.Options{})
//	…
//	client, err := ecsreboot.NewClient("cn-hangzhou", telemetry.ClientOption())
//	…
//	response, err := telemetry.Wrap(client).RebootInstance(ctx, request)
//
// [Telemetry.ClientOption] makes each request a span; [Telemetry.Wrap] makes one of
// a call with all its requests. [Telemetry.FleetEvents] follows a run,
// [Telemetry.ObservePace] how the service throttles a client.
//
// No secret gets into a span or a metric, and no id into a metric. Of an address
// the query is left out, as it may hold a signature. Nothing is added to the
// requests: trace contexts stay here.
package ecsotel
