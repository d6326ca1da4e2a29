package app

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/emulator"
)

func emulatorCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "emulator [flags]",
		Short: "Serve a fake ECS service, to practise on",
		Long: `emulator serves a fake ECS service on a loopback port until it is interrupted. It
prints its URL as the first line on stdout, and logs calls on stderr. To use the
service, give other commands --endpoint URL and set
ALIBABA_CLOUD_ACCESS_KEY_ID=testid and ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret.

Values of --fault:
` + strings.TrimSuffix(emulator.Faults, "\n"),
		Example: `  ecs-reboot emulator --addr 127.0.0.1:8080
  ecs-reboot emulator --count 12 --tag role=web --reboot-time 5s
  ecs-reboot emulator --fault drop,act,real,action=RebootInstance`,
		Annotations: short("addr", "count", "tag", "reboot-time", "fault"),
		Args:        cobra.NoArgs,
	}
	s := newSettings(cmd)
	served := new(emulator.Settings)
	goFlags := served.Flags()
	s.addGo("Service", goFlags, "addr", "region", "key-id", "key-secret", "security-token", "bearer-token", "limit", "audit-delay", "deny")
	s.addGo("Instances", goFlags, "instances", "count", "zones", "tag", "reboot-time", "reboot-jitter", "stopped", "locked", "expired")
	s.addGo("Faults", goFlags, "fault")
	s.addGo(groupWrite, goFlags, "restart-log", "quiet")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return nil } // --bearer-token "" is valid
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if s.has("restart-log") && served.RestartLog == "" {
			return cmdline.Errorf("empty value of --restart-log")
		}
		if err := served.Complete(s.has("instances")); err != nil {
			return err
		}
		return emulator.Serve(cmd.Context(), served, p.stdout, p.stderr)
	}
	return cmd
}
