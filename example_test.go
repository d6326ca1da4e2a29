package ecsreboot_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The whole of a program, against a service that runs inside it.
func Example() {
	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if err = server.AddInstance(ecstest.Instance{ID: "i-bp67acfmxazb4ph0001"}); err != nil {
		fmt.Println(err)
		return
	}
	client, err := server.NewClient() // for the real one: ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"})
	fmt.Println("error:", err)
	fmt.Println("restarts:", server.Reboots("i-bp67acfmxazb4ph0001"))
	// Output:
	// error: <nil>
	// restarts: 1
}

// A client with keys of its own, on a machine inside the region's VPC.
func ExampleNewClient() {
	credential, err := credentials.NewCredential(new(credentials.Config).
		SetType("access_key").
		SetAccessKeyId("LTAI5tExample").
		SetAccessKeySecret("secret"))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := ecsreboot.NewClient("cn-hangzhou",
		ecsreboot.WithCredential(credential),
		ecsreboot.WithVPCEndpoint(),
		ecsreboot.WithAttemptTimeout(20*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Endpoint())
	// Output: https://ecs-vpc.cn-hangzhou.aliyuncs.com
}

// The answer to a restart is lost: the client says so and does not send it again.
func ExampleClient_RebootInstance_outcomeUnknown() {
	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if err = server.AddInstance(ecstest.Instance{ID: "i-1"}); err != nil {
		fmt.Println(err)
		return
	}
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
	client, err := server.NewClient()
	if err != nil {
		fmt.Println(err)
		return
	}

	_, err = client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"})
	switch {
	case err == nil:
		fmt.Println("accepted")
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		fmt.Println("it may have restarted: look before sending again")
	default:
		fmt.Println("it did not restart:", err)
	}
	fmt.Println("restarts:", server.Reboots("i-1"))
	// Output:
	// it may have restarted: look before sending again
	// restarts: 1
}

// A dry run asks whether the restart would be accepted now.
func ExampleClient_RebootInstance_dryRun() {
	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if err = server.AddInstance(ecstest.Instance{ID: "i-1", Locks: []string{"security"}}); err != nil {
		fmt.Println(err)
		return
	}
	client, err := server.NewClient()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1", DryRun: true})
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		fmt.Println(string(answer.Code))
		fmt.Println(answer.Code.Advice())
	}
	// Output:
	// InstanceLockedForSecurity
	// Have the lock lifted in the Security Center; do not stop the instance, it could not be started again.
}

// A restart and its proof. The answer is lost here, and the wait finds out by
// looking.
func ExampleClient_RebootAndWait() { //nolint:testableexamples // is compiled but not run: it takes seconds

	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if err = server.AddInstance(ecstest.Instance{ID: "i-1", Reboot: ecstest.RebootProfile{Graceful: 1500 * time.Millisecond}}); err != nil {
		fmt.Println(err)
		return
	}
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Action: "RebootInstance"})
	client, err := server.NewClient()
	if err != nil {
		fmt.Println(err)
		return
	}

	result, err := client.RebootAndWait(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}, ecsreboot.WaitOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("proven by:", result.Proof)                                   // status
	fmt.Println("sent:", result.Requests, "restarts:", server.Reboots("i-1")) // 1 and 1
}
