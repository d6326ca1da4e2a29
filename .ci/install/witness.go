//go:build ignore

// Command witness is a small program that uses module witness.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

func main() {
	server, err := ecstest.NewInMemoryServer(ecstest.Options{AuditDelay: -1})
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
	trail, err := witness.NewActionTrail(witness.Options{Credential: client.Credential(), Endpoint: server.URL, HTTPClient: server.HTTPClient()})
	if err != nil {
		log.Fatal(err)
	}
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
	_, err = client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"})
	lost, ok := errors.AsType[*ecsreboot.OperationError](err)
	if !ok {
		log.Fatal("the response was not lost")
	}
	testimony, err := trail.Testify(context.Background(), ecsreboot.SentRequest{
		SendID: lost.SendID, InstanceID: "i-1", Region: "cn-hangzhou", SentAt: lost.SentAt.Add(-10 * time.Minute),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the restart whose response was lost:", testimony.Finding)
}
