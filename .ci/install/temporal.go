//go:build ignore

// Command temporal is what a user of module temporal may write first.
package main

import (
	"fmt"
	"log"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/ecstest"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

func main() {
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ecs, err := server.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	defer ecs.CloseIdleConnections()
	c, err := client.NewLazyClient(client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := ecstemporal.NewWorker(c, ecs, ecstemporal.WorkerOptions{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a worker for the task queue", ecstemporal.DefaultTaskQueue)
}
