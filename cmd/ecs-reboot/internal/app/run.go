package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"golang.org/x/term"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

func runCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [flags] [ID... | --plan FILE | --emulate N]",
		Short: "Restart a fleet, a few instances at a time",
		Long: `run selects instances or takes a plan, runs the preflight, asks for confirmation,
and restarts the instances: first the canaries, then as many at once as
--max-unavailable allows. It halts when more instances than --max-failed have failed
or are unknown. With --plan, the flags that plan was given apply, unless a flag of run
changes them.

The journal records the run. The intent to restart an instance is in the journal, on
disk, before the request leaves. After a crash, resume does not send a second request
for an instance whose restart may have been sent. Without --journal, the journal is in
the state directory, and run prints its path first.

With --temporal, the run is a workflow on a Temporal server, and workers carry it out;
see worker. The run survives this command and this machine, and has no journal file.
The workers have the hooks; --hook names the hooks that the run needs.

With --emulate, the instances belong to an emulated service in this process. The
defaults are then --min-ready 0, --max-unavailable 25% and --group-by zone, so that
the run takes seconds.

The first SIGINT, SIGTERM or SIGHUP stops the run: it sends nothing more, and ends
when everything in flight has reached its end. A second one, at least a second later,
ends the program at once. SIGUSR1 pauses the run, and SIGUSR2 unpauses it.`,
		Example: `  ecs-reboot run --emulate 200
  ecs-reboot run --region cn-hangzhou --tag role=web --journal web.journal
  ecs-reboot run --plan web.plan --health-url 'http://{name}:8080/healthz'`,
		Annotations: short("region", "tag", "plan", "journal", "health-url"),
	}
	s := newSettings(cmd)
	s.addTarget()
	s.add(groupWhich, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.planFile, "plan", "", "carry out the plan that plan -o wrote to this `file`, after verifying its checksum")
		flags.IntVar(&s.emulate, "emulate", 0, "practise on this `number` of instances of an emulated service")
	})
	s.addSelection()
	s.addRules()
	s.addHealth()
	s.addWitness()
	s.addHooks()
	s.addSend()
	s.addConfirm()
	s.addPreflight()
	s.addWaivers()
	s.addWatch()
	s.addDurableRun()
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.journal, "journal", "", "record the run in this new `file`. Default: a file in the state directory")
	})
	s.addWrite()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.args = args
		p.show(s)
		if err := s.checkRun(); err != nil {
			return p.end(s, &result{err: err})
		}
		return p.end(s, p.runPlan(cmd.Context(), s))
	}
	return cmd
}

// runPlan carries out a plan: one from a file, or a new one.
func (p *program) runPlan(ctx context.Context, s *settings) *result {
	if err := p.checkTerminal(s); err != nil {
		return &result{err: err}
	}
	var plan *fleet.Plan // of the file
	if s.planFile != "" {
		read, err := readPlan(s.planFile)
		if err == nil {
			err = s.takePlan(read)
		}
		if err != nil {
			return &result{err: err}
		}
		plan = &read
		if s.temporal.Given() && s.asks(witnessConsole) { // by a label of the plan
			p.note("the plan has --witness console, but a durable run keeps no console output")
		}
	}
	if err := p.checkNew(s); err != nil {
		return &result{err: err}
	}
	if s.Emulate {
		if err := errors.Join(s.practise(), s.takeTemporaryFiles()); err != nil {
			return &result{err: err}
		}
	} else if s.journal == "" && !s.temporal.Given() {
		var err error
		if s.journal, err = p.newJournal("run"); err != nil {
			return &result{err: err}
		}
		p.note("journal: %s", s.journal)
	}
	var durable client.Client
	if s.temporal.Given() {
		c, err := p.dial(ctx, s)
		if err != nil {
			return &result{err: err}
		}
		defer c.Close()
		durable = c
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
	if s.Emulate {
		p.note("defaults of --emulate: --min-ready 0, --max-unavailable %d%%, --group-by zone", emulatedWidth)
	}
	r := p.runNew(ctx, s, clients, plan, w, durable)
	if clients.Server != nil {
		n := clients.Server.TotalReboots()
		r.restarts = func() int { return n }
	}
	return r
}

// takePlan applies the labels and regions of a plan, and checks that its hooks are given.
func (s *settings) takePlan(plan fleet.Plan) error {
	if err := s.recall(plan); err != nil {
		return err
	}
	if err := s.checkWitnessTimeout(true); err != nil {
		return err
	}
	if err := s.checkHooks("the plan", plan.Hooks); err != nil {
		return err
	}
	if err := s.checkWaived(); err != nil {
		return err
	}
	return s.takePlaces(plan)
}

// checkNew rejects a journal that exists, because only resume continues a run that has
// begun, and files that cannot be written.
func (p *program) checkNew(s *settings) error {
	if s.journal != "" {
		if _, err := os.Stat(s.journal); err == nil {
			return s.existing()
		}
	}
	if err := checkWritable("journal", s.journal); err != nil {
		return err
	}
	return checkWritable("report", s.htmlFile)
}

// existing returns the error for a journal that exists. The error says what to do.
func (s *settings) existing() error {
	history, err := fleet.Load(s.journal)
	switch {
	case errors.Is(err, journal.ErrNoRecords): // its run was killed as it began
		return cmdline.Errorf("--journal %s exists but has no record, so its run has sent nothing: remove the file, or choose another one", s.journal)
	case err != nil:
		return cmdline.Errorf("--journal %s exists, and is not the journal of a run: %v; choose another file", s.journal, err)
	case history.Finished():
		return fmt.Errorf("--journal %s exists, and its run is finished: %w; choose another journal for a new run", s.journal, fleet.ErrFinished)
	}
	return cmdline.Errorf("--journal %s exists; to resume its run: %s", s.journal, s.byJournal("resume", standing(history)))
}

// takeTemporaryFiles puts the files of a practice run into a temporary directory.
func (s *settings) takeTemporaryFiles() error {
	dir := ""
	for file, name := range map[*string]string{&s.journal: "run.journal", &s.htmlFile: "report.html"} {
		if *file != "" || file == &s.journal && s.temporal.Given() {
			continue
		}
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "ecs-reboot-"); err != nil {
				return err
			}
		}
		*file = filepath.Join(dir, name)
	}
	return nil
}

// runNew begins a run of a plan, or of the instances that the flags select: it runs the
// preflight, asks for confirmation, and restarts.
func (p *program) runNew(ctx context.Context, s *settings, clients *connections, planned *fleet.Plan, w *watch, durable client.Client) *result {
	var plan fleet.Plan
	var err error
	if planned != nil {
		plan = *planned
		s.label(&plan)
	} else if plan, err = p.makePlan(ctx, s, clients); err != nil {
		return &result{err: err}
	}
	options, err := p.options(ctx, s, clients)
	if err != nil {
		return &result{err: err}
	}
	options.Without = s.without(plan.Hooks, plan.Settings.Window != nil)
	forecast, err := s.preflight(ctx, clients, plan, options)
	if err != nil {
		return &result{err: err}
	}
	p.note("%s", strings.TrimSuffix(forecast.String(), "\n"))
	if len(forecast.Problems) > 0 && !s.despite {
		return &result{err: errProblems}
	}
	if err := s.checkURLs(forecast); err != nil {
		return &result{err: err}
	}
	if err := p.confirm(ctx, s, fmt.Sprintf("Restart them at %s?", s.where(clients))); err != nil {
		return &result{err: err}
	}
	if durable != nil {
		return p.runDurable(ctx, s, durable, clients, plan)
	}
	return p.carryOut(ctx, s, session{client: clients.Client, plan: plan, options: options, begin: fleet.Run}, w)
}

// carryOut runs a session and shows it.
func (p *program) carryOut(ctx context.Context, s *settings, run session, w *watch) *result {
	tracker, err := run.tracker()
	if err != nil {
		return &result{err: s.inFlags(err)}
	}
	view := p.newView(s, tracker)
	before := p.setView(view)
	defer func() {
		view.Close()
		p.setView(before)
	}()
	w.begin(run.plan, run.history)
	if w.metrics != nil {
		if err := w.metrics.Observe(run.clients()...); err != nil {
			return &result{err: err}
		}
	}
	w.resolving = s.command == "resolve"
	ctx, options := w.follow(ctx, run.options, view)
	options.Health = tracker.WatchHealth(options.Health)
	if s.command == "resolve" { // resolve has nothing in flight, so it may end at once
		s.Timeout = s.timeout
		var cancel context.CancelFunc
		ctx, cancel = s.Limit(ctx)
		defer cancel()
	} else {
		p.supervisor.begin(options.Control, view.Note)
		if s.timeout > 0 {
			timer := time.AfterFunc(s.timeout, func() { p.supervisor.stop(fmt.Sprintf("--timeout %v is over", s.timeout)) })
			defer timer.Stop()
		}
	}
	begin := time.Now()
	report, err := run.begin(ctx, run.client, run.plan, options)
	return &result{
		report: report, err: s.inFlags(err), took: time.Since(begin), stopped: p.supervisor.stopped(), hooks: run.hooks(s),
		resolved: w.resolving && err == nil && report.Reason == fleet.ReasonUser,
	}
}

// newView begins to show a run.
func (p *program) newView(s *settings, t *screen.Tracker) screen.View {
	return screen.New(screen.Choose(s.progress, p.screen, p.getenv), p.canvas(), t, p.getenv("NO_COLOR") == "")
}

// canvas returns stderr, as the file itself if that is a terminal of known size: lines
// are redrawn in the size of the terminal only if the file is not wrapped. Some serial
// lines and containers report a size of zero.
func (p *program) canvas() io.Writer {
	if c, ok := p.stderr.(*checkedWriter); ok {
		if file, ok := c.w.(*os.File); ok {
			if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 && height > 0 {
				return file
			}
		}
	}
	return p.stderr
}
