package ecsreboot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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

// practise calls an example with a client of a service in memory, in virtual time: the
// seconds and minutes that a restart takes pass at once. For the real service, use
// NewClient.
func practise(example func(server *ecstest.Server, client *ecsreboot.Client), instances ...ecstest.Instance) {
	synctest.Test(new(testing.T), func(*testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		if err != nil {
			panic(err)
		}
		defer server.Close()
		for _, instance := range instances {
			if err := server.AddInstance(instance); err != nil {
				panic(err)
			}
		}
		client, err := server.NewClient()
		if err != nil {
			panic(err)
		}
		defer client.CloseIdleConnections()
		example(server, client)
	})
}

// A restart and its proof. The response is lost here, and the wait resolves the
// outcome.
func ExampleClient_RebootAndWait() {
	practise(func(server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Action: "RebootInstance"})
		request := ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}
		result, err := client.RebootAndWait(context.Background(), request, ecsreboot.WaitOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("proven by:", result.Proof)
		fmt.Println("requests:", result.Requests, "restarts:", server.Reboots("i-1"))
	}, ecstest.Instance{ID: "i-1"})
	// Output:
	// proven by: status
	// requests: 1 restarts: 1
}

// A check before a maintenance window: the service would refuse one of the restarts.
func ExampleClient_Check() {
	practise(func(server *ecstest.Server, client *ecsreboot.Client) {
		for _, id := range []string{"i-1", "i-2"} {
			checked, err := client.Check(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: id})
			switch {
			case err == nil:
				fmt.Println(id, "would restart; it is", checked.Instance.Status)
			case errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus):
				fmt.Println(id, "would be refused: it is not Running")
			default:
				fmt.Println(id, err)
			}
		}
		fmt.Println("restarts:", server.TotalReboots())
	}, ecstest.Instance{ID: "i-1"}, ecstest.Instance{ID: "i-2", Status: ecsreboot.StatusStopped})
	// Output:
	// i-1 would restart; it is Running
	// i-2 would be refused: it is not Running
	// restarts: 0
}

// A response is lost, and Resolve looks for the restart. It sends nothing.
func ExampleClient_Resolve() {
	practise(func(server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})

		ctx := context.Background()
		_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: "i-1"})
		if errors.Is(err, ecsreboot.ErrOutcomeUnknown) {
			result, err := client.Resolve(ctx, err, ecsreboot.WaitOptions{})
			if err != nil {
				fmt.Println("look at the instance:", err) // still unknown: do not send it again
				return
			}
			fmt.Println("it has restarted, proven by its", result.Proof)
		}
		fmt.Println("restarts:", server.Reboots("i-1"))
	}, ecstest.Instance{ID: "i-1"})
	// Output:
	// it has restarted, proven by its status
	// restarts: 1
}

// A probe proves a restart that the status and the start time do not show. The boot
// id of a Linux guest is in /proc/sys/kernel/random/boot_id.
func ExampleWaitOptions_probe() {
	hidden := ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}
	practise(func(server *ecstest.Server, client *ecsreboot.Client) {
		bootID := func(context.Context) (string, error) { // in real life, it asks the guest
			return fmt.Sprint("boot-", server.Reboots("i-1")), nil
		}

		ctx := context.Background()
		before, err := bootID(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		result, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}, ecsreboot.WaitOptions{
			Probe: func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				now, err := bootID(ctx)
				if err != nil || now == before {
					return ecsreboot.ProbePending, err // ask again after the next poll
				}
				return ecsreboot.ProbeRestarted, nil
			},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("proven by:", result.Proof)
	}, ecstest.Instance{ID: "i-1", Reboot: hidden})
	// Output: proven by: probe
}

// The list of the instances with a tag, page by page.
func ExampleClient_DescribeInstances() {
	web := map[string]string{"role": "web"}
	practise(func(_ *ecstest.Server, client *ecsreboot.Client) {
		for instance, err := range client.DescribeInstances(context.Background(), ecsreboot.DescribeInstancesRequest{Tags: web}) {
			if err != nil {
				fmt.Println(err) // ends the list
				return
			}
			fmt.Println(instance.ID, instance.Status)
		}
	}, ecstest.Instance{ID: "i-1", Tags: web}, ecstest.Instance{ID: "i-2", Tags: web, Status: ecsreboot.StatusStopped}, ecstest.Instance{ID: "i-3"})
	// Unordered output:
	// i-1 Running
	// i-2 Stopped
}
