//go:build ignore

// Command otel is what a user of module otel may write first.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	ecsotel "github.com/ecsreboot/ecsreboot/otel"
)

func main() {
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.AddInstance(ecstest.Instance{ID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	telemetry, err := ecsotel.New(ecsotel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	client, err := server.NewClient(telemetry.ClientOption())
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if _, err := client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("restarts of the emulated instance, observed:", server.Reboots("i-1"))
}
