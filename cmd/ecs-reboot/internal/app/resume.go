package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func resumeCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume [flags] JOURNAL",
		Short: "Resume a run after a crash, a stop or a halt",
		Long: `resume continues the run of a journal. JOURNAL is a path, or the name of a run in the
state directory; status lists these names.

If a restart may have been sent already, resume does not send another one for that
instance; it polls the instance to resolve the outcome. An instance that certainly was
not restarted gets another turn, even if it was refused, locked or not Running before.

The region, the endpoint, the profile and the signature are those that the run began
with. The limits, the durations and the window are those of the session before, unless
a flag changes them. The journal does not hold the commands and URLs of hooks: give
them again, or continue without them, for example with --no-health.

If the service shows that instances have started since the run began, and the journal
does not have their restarts, resume sends nothing: the journal may be a copy, or an
old version. If somebody has restarted these instances by hand, mark them.

The exit code is 7 if another process holds the journal, and 8 if the run is finished.`,
		Example: `  ecs-reboot resume web.journal
  ecs-reboot resume web.journal --health-url 'http://{name}:8080/healthz' --yes
  ecs-reboot resume web.journal --max-failed 5`,
		Annotations: short("health-url", "health-cmd", "max-failed", "yes", "json"),
		Args:        oneJournal,
	}
	s := newSettings(cmd)
	s.addIdentity()
	s.add(groupWhich, func(flags *pflag.FlagSet) {
		flags.Var(&s.exclude, "exclude", "do not restart instances with these `IDs`, separated by commas, from now on. Repeatable")
		flags.BoolVar(&s.moved, "moved", false, "resume from this file although the journal still exists at its old path")
	})
	s.addRules()
	s.addHealth()
	s.addWitness()
	s.addHooks()
	s.addSend()
	s.addConfirm()
	s.addWaivers()
	s.addWatch()
	s.addWrite()
	cmd.RunE = p.journalCommand(s, func(ctx context.Context) error {
		if err := p.checkTerminal(s); err != nil {
			return p.end(s, &result{err: err})
		}
		return p.end(s, p.goOn(ctx, s, fleet.Resume))
	})
	return cmd
}

func resolveCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resolve [flags] JOURNAL",
		Short: "Resolve unknown restarts of a run; send nothing",
		Long: `resolve polls the instances that are restarting, unknown or failed according to the
journal, and records what it finds. It sends no restart.

The exit code is 0 if no instance stays unknown; resume continues the run. It is 3 if
an instance stays unknown or unproven, and 8 if the run was finished before.

The first SIGINT, SIGTERM or SIGHUP ends resolve at once, and so does --timeout.`,
		Example: `  ecs-reboot resolve web.journal
  ecs-reboot resolve web.journal --unknown-grace 10m
  ecs-reboot resolve web.journal --health-url 'http://{name}:8080/healthz'`,
		Annotations: short("unknown-grace", "health-url", "health-cmd", "timeout", "json"),
		Args:        oneJournal,
	}
	s := newSettings(cmd)
	s.addIdentity()
	s.addHealth()
	s.addWitness()
	s.addHooks()
	s.addWaivers()
	s.addWatch()
	s.addWrite()
	cmd.RunE = p.journalCommand(s, func(ctx context.Context) error { return p.end(s, p.goOn(ctx, s, fleet.Resolve)) })
	return cmd
}

// journalCommand returns a command that goes by a journal, the only argument.
func (p *program) journalCommand(s *settings, run func(ctx context.Context) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s.journal = p.findJournal(args[0])
		p.show(s)
		if err := s.checkResumed(); err != nil {
			return p.end(s, &result{err: err})
		}
		return run(cmd.Context())
	}
}

func (p *program) goOn(ctx context.Context, s *settings, begin func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error)) *result {
	if err := checkWritable("report", s.htmlFile); err != nil {
		return &result{err: err}
	}
	history, err := fleet.Load(s.journal)
	if err != nil {
		return &result{err: err}
	}
	if history.Finished() {
		return &result{report: history.Report(), err: fleet.ErrFinished}
	}
	hooks, window := lastSession(history)
	named := s.has("witness")
	if err := s.recall(history.Plan); err != nil {
		return &result{err: err}
	}
	if err := s.checkWitnessTimeout(true); err != nil {
		return &result{err: err}
	}
	s.noHeartbeat = !named && !slices.Contains(hooks, fleet.HookHealth)
	again := s.mustGive(history.Plan, hooks)
	if err := s.checkHooks("the session before", again); err != nil {
		return &result{err: err}
	}
	if len(again) < len(hooks) {
		p.note("the heartbeat is the health check; if the session before had another one, give --health-cmd or --health-url again")
	}
	if err := s.takePlaces(history.Plan); err != nil {
		return &result{err: err}
	}
	w, err := p.newWatch(s)
	if err != nil {
		return &result{err: err}
	}
	defer w.close()
	clients, err := p.connect(s, w.clientOptions()...)
	if err != nil {
		return &result{err: err}
	}
	defer clients.Close()
	options, err := p.options(ctx, s, clients)
	if err != nil {
		return &result{err: err}
	}
	if err := s.checkURLsAgain(history.Report()); err != nil {
		return &result{err: err}
	}
	options.Without = s.without(hooks, window)
	p.note("%s of %s: %s", s.journal, regionsOf(history.Plan), countRecords(history.Report().Records))
	if s.command == "resume" {
		if err := p.confirm(ctx, s, fmt.Sprintf("Resume at %s?", s.where(clients))); err != nil {
			return &result{err: err}
		}
	}
	return p.carryOut(ctx, s, session{client: clients.Client, plan: history.Plan, options: options, history: history, begin: begin}, w)
}

// regionsOf names the regions of a plan.
func regionsOf(plan fleet.Plan) string {
	var names []string
	for _, region := range plan.Regions() {
		names = append(names, region.Region)
	}
	return strings.Join(names, ", ")
}
