package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

const groupTemporal = "Durable runs, on Temporal"

// addTemporal adds the flags that find a Temporal server.
func (s *settings) addTemporal() {
	s.add(groupTemporal, s.temporal.AddFlags)
}

// askPatience is how long a command waits for the response of a durable run.
const askPatience = 30 * time.Second

// dial connects to the Temporal server of the flags.
func (p *program) dial(ctx context.Context, s *settings) (client.Client, error) {
	if err := s.temporal.Check(); err != nil {
		return nil, err
	}
	return s.temporal.Dial(ctx, slog.New(slog.DiscardHandler))
}

// durableHistory gets the history of a durable run.
func (p *program) durableHistory(ctx context.Context, s *settings) (*fleet.History, error) {
	c, err := p.dial(ctx, s)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return ecstemporal.GetHistory(ctx, c, s.run)
}

// durableStanding returns the state of a durable run as a result.
func durableStanding(history *fleet.History) *result {
	r := &result{report: history.Report()}
	switch ended := r.report.Ended; {
	case ended.IsZero():
		r.running = "on Temporal"
		r.held = heldNow(history)
	default:
		r.took = ended.Sub(r.report.Begun)
	}
	for _, e := range history.Events {
		if e.Kind == fleet.EventRun {
			r.hooks = e.Hooks
		}
	}
	return r
}

// oneRun takes the only argument of a command: the ID of a durable run, or a journal.
func (p *program) oneRun(s *settings, args []string) error {
	if !s.temporal.Given() {
		s.journal = p.findJournal(args[0])
		return nil
	}
	s.run = args[0]
	return s.temporal.Check()
}

// historyOf gets the history of a run from its journal, or from Temporal.
func (p *program) historyOf(ctx context.Context, s *settings) (*fleet.History, error) {
	if s.temporal.Given() {
		return p.durableHistory(ctx, s)
	}
	return fleet.Load(s.journal)
}

// localOnly are the flags of run that contradict --temporal, because the workers have them.
var localOnly = []string{
	"health-cmd", "health-url", "blocker-cmd", "blocker-url", "block-on-alerts", "alerts-query", "drain-cmd", "drain-url", "undrain-cmd", "undrain-url",
	"failed-cmd", "failed-url", "notify-cmd", "notify-url", "rate-hint", "metrics", "witness",
}

// checkDurable refuses flags that contradict --temporal, or that need it.
func (s *settings) checkDurable() error {
	if !s.temporal.Given() {
		for _, name := range []string{"run-id", "detach", "notify", "search-attributes", "task-queue"} {
			if s.has(name) {
				return cmdline.Errorf("--%s is for durable runs; it needs --temporal", name)
			}
		}
		return nil
	}
	if err := s.checkConsole(); err != nil {
		return err
	}
	for _, name := range localOnly {
		if s.has(name) {
			if name == "witness" {
				return cmdline.Errorf("--witness and --temporal contradict each other: give the flag to the workers")
			}
			return cmdline.Errorf("--%s and --temporal contradict each other: give the flag to the workers, and --hook or --notify here", name)
		}
	}
	for _, name := range []string{"journal", "timeout"} {
		if s.has(name) {
			return cmdline.Errorf("--%s and --temporal contradict each other: a durable run has no journal file, and continues without this command", name)
		}
	}
	switch {
	case s.detach && (s.pageAddress != "" || s.htmlFile != ""):
		return cmdline.Errorf("--detach contradicts --page and --report, which need this command to follow the run")
	case s.detach && s.has("emulate"):
		return cmdline.Errorf("--detach and --emulate contradict each other: the emulated service ends with this command")
	case s.has("emulate") && len(s.hookNamed) > 0:
		return cmdline.Errorf("--emulate and --hook contradict each other: the worker in this process has no hooks")
	case s.has("emulate") && s.has("task-queue"):
		return cmdline.Errorf("--emulate and --task-queue contradict each other: the worker in this process has its own task queue")
	}
	return s.temporal.Check()
}

func (s *settings) addDurableRun() {
	s.addTemporal()
	s.add(groupTemporal, s.temporal.AddTaskQueue)
	s.add(groupTemporal, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.run, "run-id", "", "`ID` of the durable run. Default: an ID derived from the plan, so that a plan has one run at a time")
		flags.BoolVar(&s.detach, "detach", false, "exit when the run has begun; status --temporal shows the run")
		flags.BoolVar(&s.notified, "notify", false, "let the workers notify by their --notify-cmd and --notify-url")
		flags.BoolVar(&s.searchAttributes, "search-attributes", false, "set the search attributes EcsrebootPlanDigest and EcsrebootGroup, which must be registered")
	})
}

// writeReport writes the report of a history, as HTML and as JSON.
func writeReport(s *settings, history *fleet.History) error {
	var err error
	if s.out != "" {
		err = writeHistory(s.out, s.journal, history)
	}
	if s.jsonFile != "" {
		err = errors.Join(err, writeFile(s.jsonFile, func(w io.Writer) error { return report.JSON(w, history) }))
	}
	return err
}
