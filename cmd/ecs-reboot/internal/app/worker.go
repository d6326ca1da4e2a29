package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/notify"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

func workerCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker [flags]",
		Short: "Carry out durable runs",
		Long: `worker carries out the durable runs of its regions: it restarts and polls instances
when a workflow on the Temporal server requests it. Start at least two workers on
different machines, with the same flags: if one dies, another takes over.

The hooks of durable runs are flags of the worker. A run names the hooks that it needs
with --hook, and halts if a worker lacks one of them. Hooks run at least once: if a
worker dies during a call, another worker repeats the call.

The first SIGINT, SIGTERM or SIGHUP stops the worker: it takes no more work, waits for
the responses to its restarts and for its hooks, for a minute at most, and leaves the
rest to other workers. A second signal ends the worker at once, like a crash: the run
resolves a restart that the worker was sending, and does not resend it.`,
		Example: `  ecs-reboot worker --temporal 127.0.0.1:7233 --region cn-hangzhou
  ecs-reboot worker --temporal env --region cn-hangzhou --drain-cmd ./drain
  ecs-reboot worker --temporal env --region cn-hangzhou --rate 60`,
		Annotations: short("temporal", "region", "drain-cmd", "undrain-cmd", "rate"),
		Args:        cobra.NoArgs,
	}
	s := newSettings(cmd)
	rate, quiet := 0.0, false
	s.addTemporal()
	s.add(groupTemporal, s.temporal.AddTaskQueue)
	s.addTarget()
	s.addHooks()
	s.addWitness()
	s.add(groupSend, func(flags *pflag.FlagSet) {
		flags.Float64Var(&rate, "rate", 0, "limit all workers of the task queue together to this number of `restarts` per minute. All workers must have the same value. Default: no limit")
		flags.Float64Var(&s.rateHint, "rate-hint", 0, rateHintUsage)
	})
	s.addNotify()
	s.addMetrics()
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.BoolVar(&quiet, "quiet", false, "log only warnings and errors on stderr")
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !s.temporal.Given() {
			return cmdline.Errorf("missing --temporal")
		}
		if err := s.checkConsole(); err != nil {
			return err
		}
		if !(rate >= 0 && rate <= math.MaxInt32) {
			return cmdline.Errorf("--rate %v: want a number of restarts a minute; 0 means none", rate)
		}
		if err := s.checkPlaces(); err != nil {
			return err
		}
		if err := s.checkRunning(); err != nil {
			return err
		}
		level := slog.LevelInfo
		if quiet {
			level = slog.LevelWarn
		}
		logger := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
		return p.work(cmd.Context(), s, rate, logger)
	}
	return cmd
}

// work serves the task queue until ctx ends.
func (p *program) work(ctx context.Context, s *settings, rate float64, logger *slog.Logger) error {
	s.hook.Region = s.Region
	hooks, err := s.hook.Hooks()
	if err != nil {
		return err
	}
	sender, err := notify.NewSender(s.notify)
	if err != nil {
		return err
	}
	more := []ecsreboot.Option{ecsreboot.WithLogger(logger)}
	served, err := p.listenMetrics(s)
	if err != nil {
		return err
	}
	if served != nil {
		defer served.Close() //nolint:errcheck // nobody scrapes any more
		more = append(more, served.ClientOption())
	}
	clients, err := p.connect(s, more...)
	if err != nil {
		return err
	}
	defer clients.Close()
	if served != nil {
		if err := served.Observe(append(clients.clients(), clients.Client)...); err != nil {
			return err
		}
	}
	if err := tryCredentials(ctx, clients.Client, logger); err != nil {
		return err
	}
	temporal, err := s.temporal.Dial(ctx, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	asked, err := p.newWitnesses(s, clients, func(format string, args ...any) { logger.Warn(strings.TrimSpace(fmt.Sprintf(format, args...))) })
	if err != nil {
		return err
	}
	options := ecstemporal.WorkerOptions{
		TaskQueue: s.temporal.TaskQueue, RestartsPerMinute: rate, Clients: clients.clients(),
		Health: asked.health(hooks.Health), Witness: asked.asked(), Blocker: hooks.Blocker, Drain: hooks.Drain, Undrain: hooks.Undrain, Failed: hooks.Failed,
	}
	if sender != nil {
		options.Notify = func(ctx context.Context, n ecstemporal.Notice) error {
			if message, ok := messageOf(n); ok {
				return sender.Send(ctx, message)
			}
			return nil
		}
	}
	worker, err := ecstemporal.NewWorker(temporal, clients.Client, options)
	if err != nil {
		return err
	}
	logger.Info("worker started", "taskQueue", s.temporal.TaskQueue, "service", s.where(clients))
	if err := worker.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	logger.Info("worker stopped; other workers take over what it followed")
	return nil
}

// kinds are what notifications are about, by the events of the notices.
var kinds = map[fleet.EventKind]notify.Kind{
	"": notify.Approval, fleet.EventRun: notify.Start, fleet.EventStage: notify.Stage, fleet.EventStop: notify.Halt, fleet.EventHalt: notify.Halt,
	fleet.EventEnd: notify.End,
}

// messageOf returns the notification of a notice. A notice of a single instance has none.
func messageOf(n ecstemporal.Notice) (notify.Message, bool) {
	kind, ok := kinds[n.Event.Kind]
	return notify.Message{
		Kind: kind, Run: n.WorkflowID, At: n.Event.At, Regions: n.Regions, Plan: notify.ShortDigest(n.Progress.Digest), Instances: n.Progress.Targets, Counts: n.Progress.Counts,
		Stage: n.Event.Stage, Reason: n.Event.Reason, Error: n.Event.Error,
	}.Complete(), ok && n.Event.InstanceID == ""
}

// tryCredentials makes sure that the service accepts the credentials: a worker without
// them would take work, and halt the runs. Other problems may have passed when there is
// work.
func tryCredentials(ctx context.Context, ecs *ecsreboot.Client, logger *slog.Logger) error {
	for _, err := range ecs.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{"i-none"}}) {
		switch {
		case errors.Is(err, ecsreboot.ErrCredentials), errors.Is(err, ecsreboot.ErrUnauthenticated), errors.Is(err, ecsreboot.ErrAccessDenied):
			return err
		case err != nil && ctx.Err() == nil:
			logger.Warn("failed to check the credentials; the worker tries again when there is work", "error", err)
		}
		break
	}
	return nil
}
