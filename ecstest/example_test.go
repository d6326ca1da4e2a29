package ecstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// restartAll stands for the code under test: it restarts instances and stops at
// the first whose fate is unknown.
func restartAll(ctx context.Context, client *ecsreboot.Client, ids ...string) error {
	for _, id := range ids {
		if _, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id}); errors.Is(err, ecsreboot.ErrOutcomeUnknown) {
			return err
		}
	}
	return nil
}

// A test of one's own code: the answer to the second restart is lost after the
// service has acted.
func Example() {
	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	for _, id := range []string{"i-1", "i-2", "i-3"} {
		if err = server.AddInstance(ecstest.Instance{ID: id}); err != nil {
			fmt.Println(err)
			return
		}
	}
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, InstanceID: "i-2"})
	client, err := server.NewClient()
	if err != nil {
		fmt.Println(err)
		return
	}

	err = restartAll(context.Background(), client, "i-1", "i-2", "i-3")
	fmt.Println("unknown:", errors.Is(err, ecsreboot.ErrOutcomeUnknown))
	fmt.Println("restarts:", server.Reboots("i-1"), server.Reboots("i-2"), server.Reboots("i-3"))
	// Output:
	// unknown: true
	// restarts: 1 1 0
}

// A restart takes minutes. In a bubble of testing/synctest, over connections in
// memory, they pass at once.
func ExampleNewInMemoryServer() {
	t := new(testing.T) // a test gets its own
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		slow := ecstest.RebootProfile{Graceful: 15 * time.Minute}
		if err := server.AddInstance(ecstest.Instance{ID: "i-1", Reboot: slow}); err != nil {
			t.Fatal(err)
		}
		client, err := server.NewClient()
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseIdleConnections()

		request := ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("proven by its", result.Proof, "after", result.Elapsed.Round(time.Minute))
	})
	// Output: proven by its status after 15m0s
}
