package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/durable"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// whichRun says which run a command controls, for its manual.
const whichRun = `RUN is the ID of a run of this user on this machine, its name in the state
directory, or the path of its journal. RUN may be left out if only one run is in
progress. With --temporal, RUN is the ID of a durable run and is required.`

func pauseCommand(p *program) *cobra.Command {
	return p.controlCommand(controlling{
		use: "pause", short: "Pause a run: it sends nothing more until unpause",
		long: `pause makes a run send nothing more until unpause. The run follows restarts in flight
to their end.`,
		do: func(ctx context.Context, c control.Controls, _ int) (string, error) {
			return "paused; nothing is sent until unpause", c.Pause(ctx)
		},
	})
}

func unpauseCommand(p *program) *cobra.Command {
	return p.controlCommand(controlling{
		use: "unpause", short: "End the pause of a run",
		long: `unpause ends a pause that the command pause, the live page or SIGUSR1 began. A run
that waits for its maintenance window sends nothing until the window opens.`,
		do: func(ctx context.Context, c control.Controls, _ int) (string, error) {
			return "unpaused", c.Unpause(ctx)
		},
	})
}

func abortCommand(p *program) *cobra.Command {
	return p.controlCommand(controlling{
		use: "abort", short: "Stop a run early; let restarts in flight finish",
		long: `abort makes a run send nothing more and end when all restarts in flight have reached
their end. A run with a journal can be resumed later; a durable run cannot.`,
		do: func(ctx context.Context, c control.Controls, _ int) (string, error) {
			return "aborted; the run ends when everything in flight has reached its end", c.Abort(ctx)
		},
	})
}

func approveCommand(p *program) *cobra.Command {
	var reject bool
	return p.controlCommand(controlling{
		use: "approve", short: "Approve the canary stage that a run waits for",
		long: `approve approves a canary stage of a run with --approve. Without --stage, it approves
the stage that waits for approval.`,
		stage: true,
		flags: func(flags *pflag.FlagSet) {
			flags.BoolVar(&reject, "reject", false, "halt the run instead of approving; not for durable runs")
		},
		do: func(ctx context.Context, c control.Controls, stage int) (string, error) {
			if reject {
				return fmt.Sprintf("stage %d is rejected; the run halts", stage), c.Disapprove(ctx, stage)
			}
			return fmt.Sprintf("stage %d is approved", stage), c.Approve(ctx, stage)
		},
	})
}

// controlling is a command that controls a run.
type controlling struct {
	use, short, long string
	stage            bool // it is about a canary stage
	flags            func(*pflag.FlagSet)
	do               func(ctx context.Context, c control.Controls, stage int) (done string, err error)
}

func (p *program) controlCommand(is controlling) *cobra.Command {
	cmd := &cobra.Command{
		Use: is.use + " [flags] [RUN]", Short: is.short, Long: is.long + "\n\n" + whichRun,
		Example: strings.Join([]string{
			"  " + commandLine(is.use), "  " + commandLine(is.use, "web.journal"),
			"  " + commandLine(is.use, "--temporal", "127.0.0.1:7233", "web-2026-11"),
		}, "\n"),
		Annotations: short("stage", "reject", "temporal"),
		Args:        cobra.MaximumNArgs(1),
	}
	s := newSettings(cmd)
	stage := 0
	if is.stage {
		s.add("What to do", func(flags *pflag.FlagSet) {
			flags.IntVar(&stage, "stage", 0, "`number` of the stage, from 1")
		})
	}
	if is.flags != nil {
		s.add("What to do", is.flags)
	}
	s.addTemporal()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case s.has("stage") && stage < 1:
			return cmdline.Errorf("--stage %d: stages are numbered from 1", stage)
		case s.temporal.Given() && len(args) == 0:
			return cmdline.Errorf("missing RUN, the ID of the durable run")
		}
		ctx := cmd.Context()
		run := strings.Join(args, "")
		controls, end, err := p.controlsOf(ctx, s, run)
		if err != nil {
			return err
		}
		defer end()
		// To ask a durable run for its state takes a worker; a signal takes only the server.
		if is.stage || !s.temporal.Given() {
			state, err := controls.State(ctx)
			switch {
			case err != nil:
				return err
			case is.stage && stage == 0 && state.Stage == 0:
				return errors.New("no canary stage waits for approval")
			case stage == 0:
				stage = state.Stage
			}
			run = state.Run
		}
		done, err := is.do(ctx, controls, stage)
		if err != nil {
			return err
		}
		p.print(fmt.Sprintf("%s: %s\n", run, done))
		return nil
	}
	return cmd
}

// controlsOf finds the controls of a run: of one on Temporal, or of one of this user.
func (p *program) controlsOf(ctx context.Context, s *settings, name string) (control.Controls, func(), error) {
	if s.temporal.Given() {
		c, err := p.dial(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		return durable.NewControls(c, name), c.Close, nil
	}
	if name != "" {
		name = p.findJournal(name)
	}
	c, err := control.Find(ctx, p.places, name)
	if err != nil {
		return nil, nil, err
	}
	return c, func() {}, nil
}
