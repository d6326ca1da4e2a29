// Command check checks whether ECS instances could be restarted now: their status,
// locks and expiry, and the service's response to a dry run. It restarts nothing. The
// lesson is in checkAll; the packages of internal/cli parse the command line and print.
// Scripts build it, as go run turns every failure into 1:
//
//	go build -o ecs-check ./examples/check
package main

import (
	"context"
	"io"
	"os"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/check"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

func main() {
	process.Main(check.Program, func(ctx context.Context) int {
		return run(ctx, service.Connector{}, os.Args[1:], os.Stdout, os.Stderr)
	})
}

func run(ctx context.Context, connector service.Connector, args []string, stdout, stderr io.Writer) int {
	s, err := check.Parse(args)
	out := check.NewPrinter(s, stdout, stderr)
	if err != nil {
		return out.Failed(err)
	}
	if s.Page != "" { // -h, help or -version
		return out.Page()
	}
	var emulation service.Emulation
	for _, id := range s.InstanceIDs {
		emulation.Instances = append(emulation.Instances, ecstest.Instance{ID: id})
	}
	connection, err := connector.Connect(s.Target, check.Program, emulation, out.Progress)
	if err != nil {
		return out.Failed(err)
	}
	defer connection.Close()
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	return checkAll(ctx, s, connection.Client, out)
}

// checkAll checks the instances one after the other. It lists all of them first, so
// that it has something to show for those that fail the check, too.
func checkAll(ctx context.Context, s check.Settings, client *ecsreboot.Client, out *check.Printer) int {
	found := make(map[string]ecsreboot.Instance, len(s.InstanceIDs))
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: s.InstanceIDs}) {
		if err != nil {
			return out.Failed(err)
		}
		found[instance.ID] = instance // an id that the service does not list has an empty Status
	}
	codes := make([]int, len(s.InstanceIDs))
	for i, id := range s.InstanceIDs {
		checked, err := client.Check(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: s.ForceStop})
		codes[i] = out.Print(check.NewResult(found[id], checked, err))
	}
	return exitcode.Worst(codes...)
}
