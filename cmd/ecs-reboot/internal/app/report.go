package app

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

func reportCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report [flags] JOURNAL | RUN",
		Short: "Write the report of a run as HTML or JSON",
		Long: `report writes the report of a run from its journal, even while the run is in progress.
With --temporal, it writes the report of the durable run with the ID RUN.`,
		Example: `  ecs-reboot report web.journal -o web.html
  ecs-reboot report web.journal --json-file web.json
  ecs-reboot report web.journal --json-file /dev/stdout`,
		Annotations: short("output", "json-file"),
		Args:        oneJournal,
	}
	s := newSettings(cmd)
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.StringVarP(&s.out, "output", "o", "", "write the report to an HTML `file`")
		flags.StringVar(&s.jsonFile, "json-file", "", "write the data of the report to a JSON `file`")
	})
	s.addTemporal()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.oneRun(s, args); err != nil {
			return err
		}
		return p.report(cmd.Context(), s)
	}
	return cmd
}

// report writes the report of a run.
func (p *program) report(ctx context.Context, s *settings) error {
	if s.out == "" && s.jsonFile == "" {
		return cmdline.Errorf("missing -o for HTML, or --json-file for JSON")
	}
	if err := errors.Join(checkWritable("output", s.out), checkWritable("json-file", s.jsonFile)); err != nil {
		return err
	}
	history, err := p.historyOf(ctx, s)
	if err == nil {
		err = writeReport(s, history)
	}
	if err != nil {
		return p.end(s, &result{err: err})
	}
	return nil
}
