package app

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

func markCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mark [flags] JOURNAL | RUN --reason TEXT",
		Short: "Record what an operator knows about instances",
		Long: `mark records an operator's statement about instances in the journal of a run that is
not in progress. The next session acts on the statement:

  --gone           the instance does not exist any more; the run skips it, and
                   it is not unavailable
  --restarted      the instance has restarted and is healthy
  --not-restarted  a restart of unknown outcome did not happen; the instance
                   waits again, and resume restarts it

With --temporal, RUN is the ID of a durable run, which may be in progress.

mark checks all statements before it records the first one. The journal keeps the
reason.`,
		Example: `  ecs-reboot mark web.journal --gone i-bp67acfmxazb4ph01 --reason OPS-12
  ecs-reboot mark web.journal --restarted i-bp67acfmxazb4ph02 --reason rebooted
  ecs-reboot mark web --not-restarted i-bp67acfmxazb4ph03 --reason uptime`,
		Annotations: short("gone", "restarted", "not-restarted", "reason", "json"),
		Args:        oneJournal,
	}
	s := newSettings(cmd)
	var gone, restarted, notRestarted listFlag
	var reason string
	s.add("What is known", func(flags *pflag.FlagSet) {
		flags.Var(&gone, "gone", "instances with these `IDs` do not exist any more. Repeatable")
		flags.Var(&restarted, "restarted", "instances with these `IDs` have restarted. Repeatable")
		flags.Var(&notRestarted, "not-restarted", "instances with these `IDs` have not restarted. Repeatable")
		flags.StringVar(&reason, "reason", "", "`text` that says how the operator knows this")
	})
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.BoolVar(&s.json, "json", false, "print the result as one JSON object")
	})
	s.addTemporal()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.oneRun(s, args); err != nil {
			return err
		}
		var markings []fleet.Marking
		for _, of := range []struct {
			mark fleet.Mark
			ids  []string
		}{{fleet.MarkGone, gone}, {fleet.MarkRestarted, restarted}, {fleet.MarkNotRestarted, notRestarted}} {
			for _, id := range of.ids {
				markings = append(markings, fleet.Marking{InstanceID: id, Mark: of.mark, Note: reason})
			}
		}
		err := checkIDs(slices.Concat(gone, restarted, notRestarted))
		switch {
		case len(markings) == 0:
			err = cmdline.Errorf("missing --gone, --restarted or --not-restarted")
		case err == nil && reason == "":
			err = cmdline.Errorf("missing --reason")
		}
		if err != nil {
			return p.end(s, &result{err: err})
		}
		return p.mark(cmd.Context(), s, markings)
	}
	return cmd
}

// mark records marks, and shows where the run stands then.
func (p *program) mark(ctx context.Context, s *settings, markings []fleet.Marking) error {
	if s.temporal.Given() {
		return p.markDurable(ctx, s, markings)
	}
	if _, err := fleet.MarkInstances(s.journal, markings...); err != nil {
		return p.end(s, &result{err: s.inFlags(err)})
	}
	history, err := fleet.Load(s.journal)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	return p.endMark(s, standing(history))
}

func (p *program) markDurable(ctx context.Context, s *settings, markings []fleet.Marking) error {
	c, err := p.dial(ctx, s)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if err := ecstemporal.Mark(ctx, c, s.run, markings...); err != nil {
		return p.end(s, &result{err: s.inFlags(err)})
	}
	history, err := ecstemporal.GetHistory(ctx, c, s.run)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	return p.endMark(s, durableStanding(history))
}

// endMark prints where the run stands. The marks are recorded, so the exit code is 0
// whatever the run still needs.
func (p *program) endMark(s *settings, r *result) error {
	if s.json {
		p.printJSON(summarize(s, r, 0))
	} else {
		p.print(text(s, r))
	}
	return nil
}
