package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/check"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/reboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
	"github.com/ecsreboot/ecsreboot/internal/console"
)

func restartCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart [flags] ID...",
		Short: "Restart one or several instances",
		Long: `restart shows the name, the zone and the status of the instances, asks for
confirmation, and restarts them. It waits until each restart is proven and the
instance is Running again.

For one instance, the result is one line on stdout. With --no-wait, the command exits
when the service has accepted the restart; the restart itself takes some minutes.

Several instances are restarted as a run: by default one at a time, or 2% at a time if
there are 100 or more. A journal in the state directory records the run. The command
prints its path first, and after a crash, resume continues the run from it.

A restart is proven if the status was Stopping, Stopped or Starting and is then
Running, or if the instance is Running with a start time after the request. A restart
is retried only if the previous request certainly did nothing. If the outcome of a
restart is unknown, the exit code is 3: look at the instance.

To read the IDs from stdin, give - in place of the IDs. Scripts need --yes.`,
		Example: `  ecs-reboot restart --emulate i-bp67acfmxazb4ph0001
  ecs-reboot restart --region cn-hangzhou i-bp67acfmxazb4ph0001
  ecs-reboot restart --region cn-hangzhou --ids-file ids.txt --yes`,
		Annotations: short("region", "no-wait", "force", "yes", "json"),
	}
	r := &restart{program: p, one: &reboot.Settings{}, several: newSettings(cmd)}
	r.one.Program = Name + " restart"
	s, goFlags := r.several, r.one.Flags()
	goFlags.Lookup("json").Usage = "print the result as one line of JSON, on failure too; for one instance, after a line for each event"
	goFlags.Lookup("yes").Usage = "do not ask; scripts need it"
	s.addGo(groupWhere, goFlags, "region", "profile", "vpc", "endpoint", "signature", "debug", "emulate")
	s.addIDsFile()
	s.addGo("What to do", goFlags, "dry-run", "force", "yes", "timeout")
	s.add("Waiting", func(flags *pflag.FlagSet) {
		flags.BoolVar(&r.noWait, "no-wait", false, "exit when the service has accepted the restart; for one instance only")
	})
	s.addGo("Waiting", goFlags, "wait-timeout", "unknown-grace", "resend-unknown")
	s.addWitness()
	s.add("Several instances", func(flags *pflag.FlagSet) {
		flags.TextVar(&s.rules.MaxUnavailable, "max-unavailable", fleet.Limit{}, "how many instances may be unavailable at once: a `limit` such as 3 or 2%. Default: 2%, at least 1")
		flags.BoolVar(&s.rules.AllowWide, "allow-wide", false, "allow a limit of more than 25% of the instances")
		flags.DurationVar(&s.minReady, "min-ready", 0, "how long an instance must stay Running before the next one restarts. Default: 30s, or 0 with --emulate")
		flags.StringVar(&s.journal, "journal", "", "record the run in this new `file`. Default: a file in the state directory")
		flags.StringVar(&s.progress, "progress", "auto", "`mode` of the progress on stderr: auto, tty, plain, json or none")
	})
	s.addGo(groupWrite, goFlags, "json", "quiet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) }
	return cmd
}

// restart is the command line of the command of this name.
type restart struct {
	*program

	one     *reboot.Settings // also of several, where the flags are the same
	several *settings
	noWait  bool
	console func(context.Context, fleet.Target) (string, error) // of one instance; nil: is not read
}

func (r *restart) run(ctx context.Context, args []string) error {
	ids, err := r.check(ctx, args)
	if err != nil {
		return r.printer().fail(err)
	}
	switch {
	case r.one.Request.DryRun && len(ids) > 1:
		return exit(r.program.check(ctx, check.Settings{
			Target: r.one.Target, InstanceIDs: ids, ForceStop: r.one.Request.ForceStop, JSON: r.one.JSON, Quiet: r.one.Quiet, Program: Name,
		}))
	case len(ids) > 1:
		return r.end(r.several, r.restartSeveral(ctx, ids))
	}
	return r.restartOne(ctx)
}

// check checks the command line, and returns the IDs.
func (r *restart) check(ctx context.Context, args []string) ([]string, error) {
	ids, err := r.ids(ctx, r.several, args)
	if err != nil {
		return nil, err
	}
	one := r.one
	one.Request.InstanceID = ids[0]
	one.Wait = !r.noWait && !one.Request.DryRun
	if err := one.Check(); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	r.several.flags.Visit(func(f *pflag.Flag) { given[f.Name] = true })
	for _, name := range []string{"wait-timeout", "unknown-grace", "resend-unknown", "witness", "witness-timeout"} {
		if given[name] && !one.Wait {
			return nil, cmdline.Errorf("--%s contradicts --no-wait and --dry-run, which do not wait", name)
		}
	}
	if err := one.CheckWait(given); err != nil {
		return nil, err
	}
	if len(ids) == 1 {
		for _, name := range []string{"max-unavailable", "allow-wide", "min-ready", "journal"} {
			if r.several.has(name) {
				return nil, cmdline.Errorf("--%s is for several instances", name)
			}
		}
	} else if r.noWait || one.WaitOptions.ResendUnknown {
		return nil, cmdline.Errorf("--no-wait and --resend-unknown are for one instance")
	}
	s := r.several
	s.Target, s.force, s.json, s.yes = one.Target, one.Request.ForceStop, one.JSON, one.Yes
	if err := s.checkRunning(); err != nil {
		return nil, err
	}
	one.WaitOptions.WitnessTimeout = s.duration("witness-timeout", s.witnessTimeout)
	if one.Request.DryRun {
		return ids, nil
	}
	return ids, r.checkTerminal(s)
}

// ids returns the instance IDs of a command line: its arguments, or those of --ids-file.
func (p *program) ids(ctx context.Context, s *settings, args []string) ([]string, error) {
	if len(args) == 1 && args[0] == "-" {
		if s.idsFile != "" {
			return nil, cmdline.Errorf("- and --ids-file contradict each other")
		}
		args, s.idsFile = nil, "-"
	}
	switch {
	case s.idsFile != "" && len(args) > 0:
		return nil, cmdline.Errorf("instance IDs and --ids-file contradict each other")
	case s.idsFile != "":
		ids, err := p.readIDs(ctx, s.idsFile)
		if err != nil {
			return nil, err
		}
		return ids, checkIDs(ids)
	case len(args) == 0:
		return nil, cmdline.Errorf("missing instance ID")
	}
	return args, checkIDs(args)
}

// streams are the streams of the program for the display of one restart.
func (r *restart) streams() *terminal.Streams {
	s := terminal.NewStreams(r.stdin, r.stdout, r.stderr)
	s.Interactive = r.interactive
	s.Live = screen.Choose(r.several.progress, r.screen, r.getenv) == "tty"
	s.Color = s.Live && r.getenv("NO_COLOR") == ""
	return s
}

type onePrinter struct{ *reboot.Printer }

func (r *restart) printer() onePrinter { return onePrinter{reboot.NewPrinter(*r.one, r.streams())} }

// fail prints an error as the result of one restart.
func (o onePrinter) fail(err error) error {
	if !strings.HasPrefix(err.Error(), "ecsreboot: ") {
		err = fmt.Errorf("%s: %w", Name, err)
	}
	return exit(o.Failed(err))
}

// restartOne restarts one instance.
func (r *restart) restartOne(ctx context.Context) error {
	out := r.printer()
	if r.one.Emulate {
		practice, err := reboot.Practise(*r.one, out.Printer, r.connector, 0)
		if err != nil {
			return out.fail(err)
		}
		defer practice.Close()
		if err := r.watchOne(practice.Connection, out); err != nil {
			return out.fail(err)
		}
		result := reboot.Restart(ctx, *r.one, practice.Client, out.Printer)
		r.printConsole(ctx, result)
		practice.Finish(ctx, result)
		return exit(result.ExitCode)
	}
	connection, err := r.connector.Connect(r.one.Target, Name, service.Emulation{}, out.Progress)
	if err != nil {
		return out.fail(err)
	}
	defer connection.Close()
	if err := r.watchOne(connection, out); err != nil {
		return out.fail(err)
	}
	if !r.one.Request.DryRun {
		if err := r.confirmAll(ctx, &connections{Connection: connection}, []string{r.one.Request.InstanceID}); err != nil {
			return out.fail(err)
		}
	}
	result := reboot.Restart(ctx, *r.one, connection.Client, out.Printer)
	r.printConsole(ctx, result)
	return exit(result.ExitCode)
}

// consoleTimeout is how long restart waits for the console output of one instance.
const consoleTimeout = 30 * time.Second

// printConsole prints the console output of an instance that did not come back on stderr:
// there is no report that has it.
func (r *restart) printConsole(ctx context.Context, result view.Result) {
	if r.console == nil || ctx.Err() != nil || !isAway(result) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, consoleTimeout)
	defer cancel()
	id := r.one.Request.InstanceID
	output, err := r.console(limited, fleet.Target{ID: id})
	output, _ = console.Clean(output) // as a run does
	lines := consoleLines(output)
	switch {
	case errors.Is(err, ecsreboot.ErrAccessDenied): // the witness has said so
	case err != nil:
		r.note("failed to read the console output of %s: %v", id, err)
	case len(lines) == 0:
		r.note("the console output of %s is empty", id)
	default:
		fmt.Fprintf(r.stderr, "the end of the console output of %s:\n%s", id, indented(lines))
	}
}

// isAway reports whether the restart failed, and polls have shown the instance in a status
// of a restart.
func isAway(r view.Result) bool {
	sent := r.Outcome == ecsreboot.OutcomeAccepted.String() || r.Outcome == ecsreboot.OutcomeUnknown.String()
	if r.Error == "" || !sent || r.Evidence == nil {
		return false
	}
	return slices.ContainsFunc(r.Readings, func(reading view.Reading) bool {
		return reading.Status != "" && reading.Status != string(ecsreboot.StatusRunning)
	})
}

// watchOne adds the witnesses to the options of the wait.
func (r *restart) watchOne(connection *service.Connection, out onePrinter) error {
	if !r.one.Wait {
		return nil
	}
	w, err := r.newWitnesses(r.several, &connections{Connection: connection}, out.Progress)
	if err != nil {
		return err
	}
	r.one.WaitOptions.Witness, r.one.WaitOptions.Probe = w.asked(), w.probe(r.one.Request.InstanceID)
	r.console = w.console()
	return nil
}

// confirmAll shows the instances, and asks whether to restart them. A program without the
// permission to list them may restart them even so.
func (r *restart) confirmAll(ctx context.Context, clients *connections, ids []string) error {
	found := map[string]ecsreboot.Instance{}
	for instance, err := range clients.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: ids}) {
		if errors.Is(err, ecsreboot.ErrAccessDenied) {
			break
		}
		if err != nil {
			return err
		}
		found[instance.ID] = instance
	}
	if !r.one.Quiet {
		r.note("%s", strings.TrimSuffix(listing(ids, found), "\n"))
	}
	how := "Restart"
	if r.one.Request.ForceStop {
		how = "Restart like a power cut, so that what the guest has not written to disk is lost,"
	}
	r.several.RegionFrom = r.one.RegionFrom
	return r.confirm(ctx, r.several, fmt.Sprintf("%s %s at %s?", how, screen.Plural(len(ids), "instance"), r.several.where(clients)))
}

// listing lists instances with name, zone and status.
func listing(ids []string, found map[string]ecsreboot.Instance) string {
	var b strings.Builder
	for _, id := range ids {
		instance := found[id]
		if !instance.Listed() {
			fmt.Fprintf(&b, "  %s  not listed: it does not exist in the region, or the permission ecs:DescribeInstances is missing\n", id)
			continue
		}
		name := instance.Name
		if name == id { // of an instance that was given no name
			name = ""
		}
		words := []string{id, name, instance.Zone, string(instance.Status)}
		fmt.Fprintf(&b, "  %s\n", strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), "  "))
	}
	return b.String()
}

// restartSeveral restarts several instances as a small fleet.
func (r *restart) restartSeveral(ctx context.Context, ids []string) *result {
	s := r.several
	s.args = ids
	s.readyTimeout, s.unknownGrace = r.one.WaitOptions.Timeout, r.one.WaitOptions.UnknownGrace
	if err := errors.Join(s.checkSettings(), r.checkNew(s)); err != nil {
		return &result{err: err}
	}
	if s.journal == "" {
		var err error
		if s.journal, err = r.newJournal("restart"); err != nil {
			return &result{err: err}
		}
	}
	if r.one.Quiet {
		s.progress = "none"
	}
	r.show(s)
	r.note("journal: %s", s.journal)
	emulation := service.Emulation{Options: service.EmulatedRecords()}
	if s.Emulate {
		for i, id := range ids {
			instance := emulated(i)
			instance.ID = id
			emulation.Instances = append(emulation.Instances, instance)
		}
		if !s.has("min-ready") {
			if err := s.flags.Set("min-ready", "0"); err != nil {
				return &result{err: err}
			}
		}
	}
	w, err := r.newWatch(s)
	if err != nil {
		return &result{err: err}
	}
	defer w.close()
	client, err := r.connector.Connect(s.Target, Name, emulation, r.note)
	if err != nil {
		return &result{err: err}
	}
	clients := &connections{Connection: client}
	defer clients.Close()
	plan, err := r.makePlan(ctx, s, clients)
	if err != nil {
		return &result{err: err}
	}
	options, err := r.options(ctx, s, clients)
	if err != nil {
		return &result{err: err}
	}
	if err := r.confirmAll(ctx, clients, ids); err != nil {
		return &result{err: err}
	}
	result := r.carryOut(ctx, s, session{client: client.Client, plan: plan, options: options, begin: fleet.Run}, w)
	if client.Server != nil {
		n := client.Server.TotalReboots()
		result.restarts = func() int { return n }
	}
	return result
}
