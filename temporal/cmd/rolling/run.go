package main

import (
	"context"
	"errors"
	"strings"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

var (
	errProblems = errors.New("rolling: preflight found problems, see above; nothing was sent")
	errDeclined = errors.New("rolling: not confirmed, nothing was sent")
)

// begin starts a run: it plans, looks ahead, asks, and starts.
func (p *program) begin(ctx context.Context, s *settings) (int, error) {
	if !s.Emulate && !s.yes && (!p.terminal || s.idsFile == "-") {
		return 0, cmdline.Errorf("without a terminal to confirm the run, -yes is needed")
	}
	temporal, err := s.temporal.Dial(ctx, silent())
	if err != nil {
		return 0, err
	}
	defer temporal.Close()
	if s.Emulate {
		return p.practise(ctx, s, temporal)
	}
	ecs, err := ecsreboot.NewClient(s.Region, s.Options(programName, p.note)...)
	if err != nil {
		return 0, err
	}
	defer ecs.CloseIdleConnections()
	run, err := p.start(ctx, s, temporal, ecs)
	if err != nil {
		return 0, err
	}
	if s.wait {
		return p.follow(ctx, s, temporal)
	}
	p.note("The run goes on by itself, as long as there are workers of the task queue %s:", s.temporal.TaskQueue)
	p.note("  %s status -run %s -wait", programName, s.workflow)
	if s.json {
		p.printJSON(summary{Command: s.command, WorkflowID: run.GetID(), RunID: run.GetRunID()})
		return exitcode.Done, nil
	}
	process.PrintResult(p.stdout, p.stderr, programName, run.GetID()+"\n")
	return exitcode.Done, nil
}

// start starts the run after the preflight and the confirmation. Its id
// is that of the settings from then on.
func (p *program) start(ctx context.Context, s *settings, temporal client.Client, ecs *ecsreboot.Client) (client.WorkflowRun, error) {
	plan, err := p.makePlan(ctx, s, ecs)
	if err != nil {
		return nil, s.inFlags(err)
	}
	forecast, err := fleet.Preflight(ctx, ecs, plan, s.forecastOptions())
	if err != nil {
		return nil, s.inFlags(err)
	}
	p.note("%s", withFlags(strings.TrimSuffix(forecast.String(), "\n")))
	if len(forecast.Problems) > 0 && !s.despite {
		return nil, errProblems
	}
	if err := p.confirm(s, ecs.Endpoint()); err != nil {
		return nil, err
	}
	run, err := ecstemporal.Start(ctx, temporal, plan, ecstemporal.StartOptions{
		WorkflowID: s.workflow, TaskQueue: s.temporal.TaskQueue, Settings: s.ofWorkflow(), SearchAttributes: s.attribute,
	})
	if err != nil {
		return nil, s.inFlags(err)
	}
	s.workflow = run.GetID()
	return run, nil
}

// confirm shows what would happen, and asks for confirmation.
func (p *program) confirm(s *settings, endpoint string) error {
	if s.yes || s.Emulate {
		return nil
	}
	p.note("Restart them at %s? Type y to confirm:", endpoint)
	answer, err := p.stdin.ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	if err != nil || answer != "y" && answer != "yes" {
		return errDeclined
	}
	return nil
}

// flagOf are the flags for the fields that errors name.
var flagOf = map[string]string{
	"MaxUnavailable": "-max-unavailable", "MaxUnavailablePerGroup": "-max-unavailable-per-group", "AllowWide": "-allow-wide",
	"MaxFailed": "-max-failed", "Canary": "-canary", "MinReady": "-min-ready", "ReadyTimeout": "-ready-timeout",
	"UnknownGrace": "-settle", "SendTimeout": "-send-timeout", "Exclude": "-exclude", "DryRuns": "-dry-runs", "All": "-all",
	"Window": "-window", "MinUptime": "-min-uptime", "BlockerInterval": "-blocker-interval", "Zone": "-zone", "Status": "-status", "Tags": "-tag",
}

// inFlags makes of an error about a field one about flags.
func (*settings) inFlags(err error) error {
	input, ok := errors.AsType[*ecsreboot.InputError](err)
	if !ok || flagOf[input.Field] == "" {
		return err
	}
	return cmdline.Errorf("%s %s", flagOf[input.Field], withFlags(input.Problem))
}

// withFlags names flags in place of fields.
func withFlags(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		bare := strings.TrimRight(word, ",;:.")
		if name, ok := flagOf[bare]; ok && bare != "All" && bare != "Window" && bare != "Status" && bare != "Zone" {
			words[i] = name + word[len(bare):]
		}
	}
	return strings.Join(words, " ")
}
