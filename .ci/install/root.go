//go:build ignore

// Command root is what a user of the root module may write first.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
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
	client, err := server.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if _, err := client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("restarts of the emulated instance:", server.Reboots("i-1"))
}
