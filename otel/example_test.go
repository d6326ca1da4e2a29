package ecsotel_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	ecsotel "github.com/ecsreboot/ecsreboot/otel"
)

func Example() {
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	if err := server.AddInstance(ecstest.Instance{ID: "i-bp67acfmxazb4ph0001"}); err != nil {
		panic(err)
	}

	exporter := tracetest.NewInMemoryExporter() // in a program: OTLP, by the global provider
	telemetry, err := ecsotel.New(ecsotel.Options{TracerProvider: trace.NewTracerProvider(trace.WithSyncer(exporter))})
	if err != nil {
		panic(err)
	}
	client, err := server.NewClient(telemetry.ClientOption()) // in a program: ecsreboot.NewClient
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()

	request := ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"}
	if _, err := client.RebootInstance(context.Background(), request); err != nil {
		panic(err)
	}
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.SpanKind, span.Name)
	}
	// Output:
	// client POST
	// client Ecs.RebootInstance
}
