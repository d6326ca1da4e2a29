package app

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func planCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [flags] [ID...]",
		Short: "Show what a run would do, and write it to a file",
		Long: `plan selects instances and shows what a run would do. It polls the instances and
sends a few dry runs. It restarts nothing.

With --maintenance, plan selects the instances that must restart: those for which the
service has scheduled a restart of its own. A restart before the deadline of such an
event ends the event as avoided. This needs permission for the RAM action
ecs:DescribeInstancesFullStatus.

With -o, plan writes the plan to a file for run --plan. The file also holds the flags
that plan was given: limits, durations, window, region, endpoint, profile, and the
names of hooks. It does not hold the commands and URLs of hooks, such as the value of
--health-cmd; give them to run again.

The exit code is 1 if the preflight found problems.`,
		Example: `  ecs-reboot plan --region cn-hangzhou --tag role=web -o web.plan
  ecs-reboot plan --region cn-hangzhou --zone cn-hangzhou-h --max-unavailable 2%
  ecs-reboot plan --region cn-hangzhou --ids-file ids.txt
  ecs-reboot plan --region cn-hangzhou --maintenance --before 2026-12-01`,
		Annotations: short("region", "tag", "zone", "max-unavailable", "output"),
	}
	s := newSettings(cmd)
	s.addTarget()
	s.addSelection()
	s.addRules()
	s.addHealth()
	s.addWitness()
	s.addHooks()
	s.addSend()
	s.add(groupSend, func(flags *pflag.FlagSet) {
		flags.IntVar(&s.dryRuns, "dry-runs", 0, dryRunsUsage)
	})
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.StringVarP(&s.out, "output", "o", "", "write the plan to a `file`, for run --plan")
		flags.BoolVar(&s.json, "json", false, "print the forecast as one JSON object")
		flags.DurationVar(&s.timeout, "timeout", 0, "limit of the whole command. Default: no limit")
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.args = args
		if err := s.checkPlan(); err != nil {
			return p.end(s, &result{err: err})
		}
		return p.plan(cmd.Context(), s)
	}
	return cmd
}

// plan makes a plan and shows what a run would do.
func (p *program) plan(ctx context.Context, s *settings) error {
	if err := checkWritable("output", s.out); err != nil {
		return p.end(s, &result{err: err})
	}
	clients, err := p.connect(s)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	defer clients.Close()
	s.Timeout = s.timeout
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	plan, err := p.makePlan(ctx, s, clients)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	options, err := p.options(ctx, s, clients)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	forecast, err := s.preflight(ctx, clients, plan, options)
	if err == nil {
		err = s.checkURLs(forecast)
	}
	if err == nil && s.out != "" {
		err = writePlan(s.out, plan)
	}
	if err == nil && len(forecast.Problems) > 0 {
		err = errProblems
	}
	return p.endPlan(s, forecast, err)
}

func (p *program) makePlan(ctx context.Context, s *settings, clients *connections) (fleet.Plan, error) {
	selection, err := p.selection(ctx, s, clients.clients())
	if err != nil {
		return fleet.Plan{}, err
	}
	plan, err := fleet.NewPlan(ctx, clients.Client, selection)
	if err != nil {
		return fleet.Plan{}, s.inFlags(err)
	}
	s.remember(&plan)
	return plan, nil
}

// preflight runs the preflight, and names flags in its result.
func (s *settings) preflight(ctx context.Context, clients *connections, plan fleet.Plan, options fleet.Options) (*fleet.Forecast, error) {
	forecast, err := fleet.Preflight(ctx, clients.Client, plan, options)
	if err != nil {
		return nil, s.inFlags(err)
	}
	for i, problem := range forecast.Problems {
		forecast.Problems[i] = withFlags(problem)
	}
	return forecast, nil
}

var errProblems = errors.New("preflight found problems, see above; nothing was sent")

// endPlan prints what a run would do.
func (p *program) endPlan(s *settings, forecast *fleet.Forecast, err error) error {
	code := exitcode.Of(err)
	next := ""
	if err == nil && s.out != "" {
		next = commandLine(append([]string{"run", "--plan", s.out}, s.hookArgs("run", s.hookNames())...)...)
	}
	switch {
	case s.json:
		text := ""
		if err != nil {
			text = err.Error()
		}
		p.printJSON(struct {
			Command  string          `json:"command"`
			ExitCode int             `json:"exitCode"`
			Error    string          `json:"error,omitempty"`
			Forecast *fleet.Forecast `json:"forecast,omitempty"`
			Plan     string          `json:"planFile,omitempty"`
			Next     string          `json:"next,omitempty"`
		}{s.command, code, text, forecast, s.out, next})
	case forecast != nil:
		text := screen.Clean(forecast.String())
		if s.out != "" {
			text += "plan: " + s.out + "\n"
		}
		if next != "" {
			text += "next:\n      " + next + "\n"
		}
		p.print(text)
	}
	if err != nil {
		p.note("%s", errorLine(err))
	}
	return exit(code)
}
