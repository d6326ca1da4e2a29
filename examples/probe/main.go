// Command probe restarts one ECS instance and lets the guest prove the restart: it
// reads the guest's boot id, which Linux makes anew at each boot, before and after.
// That proves restarts that the status of the instance does not show.
package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

const usage = `probe restarts an ECS instance and proves it by the boot id of the guest.

Usage:
  probe -emulate <instance-id>
  probe -region <region> -boot-id <command> [flags] <instance-id>

Flags:
  -region <id>         region of the instance, such as cn-hangzhou
  -emulate             practise without an account
  -boot-id <command>   shell command that prints the boot id, and fails until
                       the guest is back; it gets 10 s
  -wait-timeout <t>    limit of the restart and the wait together; default 25m

Examples:
  probe -emulate i-bp67acfmxazb4ph0001
  probe -region cn-hangzhou -boot-id \
    'ssh web-1 cat /proc/sys/kernel/random/boot_id' i-bp67acfmxazb4ph0001
  probe -region cn-hangzhou -boot-id 'curl -sf http://web-1/boot_id' \
    i-bp67acfmxazb4ph0001

Exit codes are those of the example reboot -wait.
`

func main() { command.Main("probe", usage, run) }

func run(ctx context.Context, c *command.Command) int {
	script := c.Flags.String("boot-id", "", "")
	timeout := c.Flags.Duration("wait-timeout", 25*time.Minute, "")
	id, err := c.ParseID()
	if err == nil && *script == "" && !c.Target.Emulate {
		err = cmdline.Errorf("missing -boot-id")
	}
	if err != nil {
		return c.Fail(err)
	}
	// This restart takes no time and keeps the start time: polls show nothing of it.
	hidden := ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}}
	connection, err := c.Connect(service.Emulation{Instances: []ecstest.Instance{hidden}})
	if err != nil {
		return c.Fail(err)
	}
	defer connection.Close()
	bootID := func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		output, err := exec.CommandContext(ctx, "sh", "-c", *script).Output() //nolint:gosec // the user's
		return strings.TrimSpace(string(output)), err
	}
	if *script == "" { // there is no guest: a new id for each restart
		bootID = func(context.Context) (string, error) { return fmt.Sprint("boot-", connection.Server.Reboots(id)), nil }
	}
	result, err := restart(ctx, connection.Client, id, bootID, ecsreboot.WaitOptions{
		Timeout: *timeout, OnEvent: view.Lines(view.Stopwatch(c.Stderr)).Event,
	})
	if err != nil {
		return c.Fail(err)
	}
	return c.Succeed("%s: restarted, proven by its %s", id, result.Proof)
}

// restart restarts the instance and waits until the guest has another boot id.
func restart(ctx context.Context, client *ecsreboot.Client, id string, bootID func(context.Context) (string, error), options ecsreboot.WaitOptions) (*ecsreboot.RestartResult, error) {
	before, err := bootID(ctx)
	if err == nil && before == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("nothing was sent: failed to read the boot id: %w", err)
	}
	options.Probe = func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
		now, err := bootID(ctx)
		if err != nil || now == "" || now == before {
			return ecsreboot.ProbePending, err // not back yet, or not restarted yet: ask again after the next poll
		}
		return ecsreboot.ProbeRestarted, nil
	}
	return client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id}, options)
}
