// Command wait proves a restart that another program or a person sends: it takes a
// baseline, runs the command after "--", if there is one, and waits until the
// instance has restarted since the baseline. It sends no restart itself.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

const usage = `wait waits until an ECS instance has restarted, whoever restarts it.

Usage:
  wait -emulate [flags] <instance-id> [-- <command>...]
  wait -region <region> [flags] <instance-id> [-- <command>...]

  A command that fails may have restarted the instance: wait then waits 1m.
  The command finds ENDPOINT in its environment.

Flags:
  -region <id>     region of the instance, such as cn-hangzhou
  -emulate         practise without an account; no command is needed
  -timeout <time>  how long to wait for the proof; default 25m

Examples:
  wait -emulate i-bp67acfmxazb4ph0001
  wait -region cn-hangzhou i-bp67acfmxazb4ph0001 -- ssh web-1 sudo reboot
  wait -region cn-hangzhou i-bp67acfmxazb4ph0001 # then use the console

Exit codes: 0 restarted, 3 not proven; with any other, the command did not run.
`

func main() { command.Main("wait", usage, run) }

func run(ctx context.Context, c *command.Command) int {
	var restarter []string // the command after "--"
	if i := slices.Index(c.Args, "--"); i >= 0 {
		c.Args, restarter = c.Args[:i], c.Args[i+1:]
	}
	timeout := c.Flags.Duration("timeout", 25*time.Minute, "")
	id, err := c.ParseID()
	if err != nil {
		return c.Fail(err)
	}
	instance := ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: 4 * time.Second}}
	connection, err := c.Connect(service.Emulation{Instances: []ecstest.Instance{instance}})
	if err != nil {
		return c.Fail(err)
	}
	defer connection.Close()

	// The baseline comes first: Running after the restart proves nothing, only a
	// change since the baseline does.
	baseline, err := connection.TakeBaseline(ctx, id)
	if err != nil {
		return c.Fail(err)
	}
	if baseline.Status != ecsreboot.StatusRunning {
		return c.Fail(fmt.Errorf("%s is %s: only of a Running instance a restart can be proven", id, baseline.Status))
	}
	show := view.Stopwatch(c.Stderr)
	show("baseline: %s, started %s", baseline.Status, view.Minute(baseline.StartTime))
	if err := restart(ctx, c, connection, id, restarter); err != nil {
		show("%v; this proves nothing, waiting a minute", err)
		*timeout = min(*timeout, time.Minute)
	}
	result, err := connection.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{
		Timeout: *timeout, OnEvent: view.Lines(show).Event,
	})
	if err != nil {
		c.Fail(err)
		return exitcode.Unknown // whatever the error is, the instance may have restarted
	}
	return c.Succeed("%s: restarted, proven by its %s", id, result.Proof)
}

// restart stands for whoever restarts the instance.
func restart(ctx context.Context, c *command.Command, connection *service.Connection, id string, restarter []string) error {
	switch {
	case len(restarter) > 0:
		cmd := exec.CommandContext(ctx, restarter[0], restarter[1:]...) //nolint:gosec // the user's
		cmd.Env = append(os.Environ(), connection.Environ()...)
		cmd.Stdout, cmd.Stderr = c.Stderr, c.Stderr
		return cmd.Run()
	case connection.Server != nil:
		return connection.Server.Restart(id, false)
	}
	fmt.Fprintln(c.Stderr, "restart the instance now")
	return nil
}
