// Command resolve restarts one ECS instance and, if the response is lost, resolves
// the outcome by looking at the instance. It never sends the restart again. With
// -emulate the response, or the request, does get lost.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

const usage = `resolve restarts an ECS instance and resolves the outcome if it is unknown.

Usage:
  resolve -emulate [-lost response|request] <instance-id>
  resolve -region <region> [flags] <instance-id>

Flags:
  -region <id>     region of the instance, such as cn-hangzhou
  -emulate         practise without an account
  -lost <what>     with -emulate, what is lost: the response, by default, or the
                   request, so that nothing restarts
  -grace <time>    how long to look for signs of the restart; default 1m

Examples:
  resolve -emulate i-bp67acfmxazb4ph0001
  resolve -emulate -lost request -grace 5s i-bp67acfmxazb4ph0001
  resolve -region cn-hangzhou i-bp67acfmxazb4ph0001

Exit codes: 0 accepted or restarted, 3 still unknown; with any other, nothing
restarted.
`

func main() { command.Main("resolve", usage, run) }

func run(ctx context.Context, c *command.Command) int {
	lost := c.Flags.String("lost", "response", "")
	grace := c.Flags.Duration("grace", time.Minute, "")
	id, err := c.ParseID()
	if err == nil && *lost != "response" && *lost != "request" {
		err = cmdline.Errorf("invalid -lost %q, want response or request", *lost)
	}
	if err != nil {
		return c.Fail(err)
	}
	connection, err := c.Connect(service.Emulation{
		Instances: []ecstest.Instance{{ID: id, Reboot: ecstest.RebootProfile{Graceful: 4 * time.Second}}},
		// The connection breaks; with Act, after the service has restarted the instance.
		Faults: []ecstest.Fault{{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: *lost == "response"}},
	})
	if err != nil {
		return c.Fail(err)
	}
	defer connection.Close()
	outcome, err := restart(ctx, connection.Client, id, ecsreboot.WaitOptions{
		UnknownGrace: *grace, OnEvent: view.Lines(view.Stopwatch(c.Stderr)).Event,
	})
	if connection.Server != nil {
		fmt.Fprintf(c.Stderr, "the service restarted the instance %s\n", view.Times(connection.Server.Reboots(id)))
	}
	if err != nil {
		return c.Fail(err)
	}
	return c.Succeed("%s: %s", id, outcome)
}

// restart sends the restart once. If the outcome is unknown, it resolves the outcome.
func restart(ctx context.Context, client *ecsreboot.Client, id string, options ecsreboot.WaitOptions) (string, error) {
	_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id})
	if !errors.Is(err, ecsreboot.ErrOutcomeUnknown) {
		return "restart accepted", err // any other error means that nothing restarted
	}
	// Resolve sends nothing. An error of it leaves the outcome unknown: it does not
	// mean that the instance did not restart.
	result, err := client.Resolve(ctx, err, options)
	if err != nil {
		return "", err
	}
	return "response lost, but restarted, proven by its " + string(result.Proof), nil
}
