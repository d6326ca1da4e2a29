// Command worker does the work of durable fleet runs: it restarts instances and
// follows them, as the runs on the Temporal server ask for. Its -h page is its
// manual.
//
//	go -C temporal build -o ecsreboot-worker ./cmd/worker
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	_ "time/tzdata" // maintenance windows name their time zone

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/pace"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
	"github.com/ecsreboot/ecsreboot/temporal/cmd/connect"
)

const programName = "worker"

func main() {
	process.Main(programName, func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Stdout, os.Stderr) })
}

// settings are the command line.
type settings struct {
	target.Target

	temporal             connect.Flags
	rate, rateHint       float64
	healthURL, healthCmd string
	blockerCmd           string
	notifyCmd            string
	quiet                bool
}

// run works until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, help)
		return exitcode.Done
	}
	if len(args) == 1 && strings.TrimLeft(args[0], "-") == "version" {
		_, _ = fmt.Fprintf(stdout, "%s %s %s\n", programName, ecsreboot.Version, runtime.Version())
		return exitcode.Done
	}
	if err == nil {
		err = s.work(ctx, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", programName, strings.TrimPrefix(err.Error(), "ecsreboot: "))
	}
	return exitcode.Of(err)
}

func parse(args []string) (*settings, error) {
	s := new(settings)
	flags := flag.NewFlagSet(programName, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	s.temporal.Add(flags)
	all := flag.NewFlagSet("", flag.ContinueOnError)
	s.AddFlags(all)
	for _, name := range []string{"region", "endpoint", "vpc", "signature"} {
		flags.Var(all.Lookup(name).Value, name, "")
	}
	flags.Float64Var(&s.rate, "rate", 0, "")
	flags.Float64Var(&s.rateHint, "rate-hint", 0, "")
	flags.StringVar(&s.healthURL, "health-url", "", "")
	flags.StringVar(&s.healthCmd, "health-cmd", "", "")
	flags.StringVar(&s.blockerCmd, "blocker-cmd", "", "")
	flags.StringVar(&s.notifyCmd, "notify-cmd", "", "")
	flags.BoolVar(&s.quiet, "quiet", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, cmdline.Errorf("%v; -h describes the flags", err)
	case flags.NArg() > 0:
		return nil, cmdline.Errorf("%q stands behind the flags; a worker takes no arguments", flags.Arg(0))
	}
	if err := cmdline.RejectEmpty(flags); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check refuses invalid usage.
func (s *settings) check() error {
	if s.Region == "" {
		return cmdline.Errorf("where? Give -region; a worker serves one")
	}
	for name, rate := range map[string]float64{"rate": s.rate, "rate-hint": s.rateHint} {
		if !(rate >= 0 && rate <= math.MaxInt32) {
			return cmdline.Errorf("-%s %v: it is a number a minute; 0 means none", name, rate)
		}
	}
	if s.healthURL != "" {
		if err := checkHealthURL(s.healthURL); err != nil {
			return err
		}
	}
	if err := s.Check(); err != nil {
		return err
	}
	return s.temporal.Check()
}

// work serves the task queue until ctx ends.
func (s *settings) work(ctx context.Context, stderr io.Writer) error {
	level := slog.LevelInfo
	if s.quiet {
		level = slog.LevelWarn
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	options := append(s.Options("temporal-worker", nil), ecsreboot.WithLogger(logger))
	if s.rateHint > 0 {
		options = append(options, ecsreboot.WithRateHint(pace.RebootInstance, s.rateHint))
	}
	ecs, err := ecsreboot.NewClient(s.Region, options...)
	if err != nil {
		return err
	}
	defer ecs.CloseIdleConnections()
	if err := tryCredentials(ctx, ecs, logger); err != nil {
		return err
	}
	temporal, err := s.temporal.Dial(ctx, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	worker, err := ecstemporal.NewWorker(temporal, ecs, ecstemporal.WorkerOptions{
		TaskQueue: s.temporal.TaskQueue, RestartsPerMinute: s.rate, Health: s.health(), Blocker: s.blocker(), Notify: s.notify(),
	})
	if err != nil {
		return err
	}
	logger.Info("The worker begins.", "taskQueue", s.temporal.TaskQueue, "endpoint", ecs.Endpoint())
	if err := worker.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	logger.Info("The worker has ended; what it followed is given to others.")
	return nil
}

// tryCredentials makes sure that there are credentials which the service accepts: a
// worker without them would take work, and halt the runs that it is of. What else
// goes wrong may have passed when there is work.
func tryCredentials(ctx context.Context, ecs *ecsreboot.Client, logger *slog.Logger) error {
	for _, err := range ecs.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{"i-none"}}) {
		switch {
		case errors.Is(err, ecsreboot.ErrCredentials), errors.Is(err, ecsreboot.ErrUnauthenticated), errors.Is(err, ecsreboot.ErrAccessDenied):
			return err
		case err != nil && ctx.Err() == nil:
			logger.Warn("The service could not be read; trying again when there is work.", "error", err)
		}
		break
	}
	return nil
}
