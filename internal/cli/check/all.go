package check

import (
	"context"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

// Emulation describes the service of -emulate: running instances with the IDs of the
// command line.
func (s *Settings) Emulation() service.Emulation {
	var emulation service.Emulation
	for _, id := range s.InstanceIDs {
		emulation.Instances = append(emulation.Instances, ecstest.Instance{ID: id})
	}
	return emulation
}

// All checks the instances one after the other, prints the results, and returns the exit
// code. It lists all instances first, so that it can show those that fail the check, too.
func All(ctx context.Context, s Settings, client *ecsreboot.Client, out *Printer) int {
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	found := make(map[string]ecsreboot.Instance, len(s.InstanceIDs))
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: s.InstanceIDs}) {
		if err != nil {
			return out.Failed(err)
		}
		found[instance.ID] = instance // an ID that the service does not list has an empty Status
	}
	codes := make([]int, len(s.InstanceIDs))
	for i, id := range s.InstanceIDs {
		checked, err := client.Check(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: s.ForceStop})
		codes[i] = out.Print(NewResult(s.program(), found[id], checked, err))
	}
	return exitcode.Worst(codes...)
}
