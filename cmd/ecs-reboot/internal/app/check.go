package app

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/internal/cli/check"
)

func checkCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [flags] ID...",
		Short: "Check whether instances could be restarted now",
		Long: `check polls the instances and sends a dry run of the restart for each of them. It
shows the status, the locks and the expiry of the instance, and whether the service
would accept a restart. It restarts nothing. The result is valid only now: a moment
later, the service may decide otherwise.

check also shows the system events that the service has scheduled for the instance,
such as a restart for maintenance, with their deadline.

check needs permission for the RAM actions ecs:DescribeInstances and
ecs:RebootInstance. Without ecs:DescribeInstances, the service lists nothing.
ecs:DescribeInstancesFullStatus is for the scheduled events; without it, check goes on
without them.`,
		Example: `  ecs-reboot check --emulate i-bp67acfmxazb4ph0001
  ecs-reboot check --region cn-hangzhou i-bp67acfmxazb4ph0001 --force
  ecs-reboot check --region cn-hangzhou --ids-file ids.txt --json`,
		Annotations: short("region", "ids-file", "force", "json", "emulate"),
	}
	s := newSettings(cmd)
	checked := check.Settings{Program: Name + " check"}
	goFlags := checked.Flags()
	s.addGo(groupWhere, goFlags, "region", "profile", "vpc", "endpoint", "signature", "debug", "emulate")
	s.addIDsFile()
	s.addGo(groupWhich, goFlags, "force", "timeout")
	s.addGo(groupWrite, goFlags, "json", "quiet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := check.NewPrinter(checked, p.stdout, p.stderr)
		ids, err := p.ids(cmd.Context(), s, args)
		if err == nil {
			err = checked.Check()
		}
		if err != nil {
			return exit(out.Failed(err))
		}
		checked.InstanceIDs = ids
		return exit(p.check(cmd.Context(), checked))
	}
	return cmd
}

// check checks instances, and returns the exit code.
func (p *program) check(ctx context.Context, s check.Settings) int {
	out := check.NewPrinter(s, p.stdout, p.stderr)
	connection, err := p.connector.Connect(s.Target, Name, s.Emulation(), out.Progress)
	if err != nil {
		return out.Failed(err)
	}
	defer connection.Close()
	return check.All(ctx, s, connection.Client, out)
}

// addIDsFile adds the flag of commands that take IDs as arguments.
func (s *settings) addIDsFile() {
	s.add(groupWhich, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.idsFile, "ids-file", "", "read IDs from this `file`, or from stdin for -. IDs are separated by white space or commas; # starts a comment")
	})
}
