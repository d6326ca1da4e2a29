package app

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/durable"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/page"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// runDurable starts a plan on Temporal and follows the run.
func (p *program) runDurable(ctx context.Context, s *settings, c client.Client, clients *connections, plan fleet.Plan) *result {
	if s.Emulate {
		// Other practice runs on the same server have other instances, and other workers.
		s.temporal.TaskQueue = fmt.Sprintf("ecsreboot-emulated-%08x", rand.Uint32()) //nolint:gosec // no secret
		worker, err := ecstemporal.NewWorker(c, clients.Client, ecstemporal.WorkerOptions{TaskQueue: s.temporal.TaskQueue})
		if err == nil {
			err = worker.Start()
		}
		if err != nil {
			return &result{err: err}
		}
		defer worker.Stop()
		p.note("this process runs a worker")
	}
	s.run = cmp.Or(s.run, ecstemporal.WorkflowID(plan))
	live, err := p.durablePage(s, c) // before the run begins: the address may not be usable
	if err != nil {
		return &result{err: err}
	}
	if live != nil {
		defer live.Close() //nolint:errcheck // the run is over
	}
	if err := s.startDurable(ctx, c, plan); err != nil {
		return &result{err: s.inFlags(err)}
	}
	p.note("the run is %s", s.run)
	if s.detach {
		p.note("the run continues as long as workers poll the task queue %s; to see it: %s", s.temporal.TaskQueue, s.durableCommand("status"))
		return &result{started: true}
	}
	var ecs *ecsreboot.Client
	if s.Emulate {
		ecs = clients.Client
	}
	r := p.followDurable(ctx, s, c, plan, ecs, live)
	if ctx.Err() != nil && s.Emulate {
		return p.abortEmulated(s, c, plan, clients, live)
	}
	return r
}

// durablePage serves the live page of a durable run; nil without --page.
func (p *program) durablePage(s *settings, c client.Client) (*page.Page, error) {
	if s.pageAddress == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	live, err := page.Listen(s.pageAddress, page.Options{
		Public: s.pagePublic, Controls: durable.NewControls(c, s.run), Report: report.Options{Program: Name, Location: time.Local},
	})
	if err != nil {
		return nil, err
	}
	p.note("live page: %s", live.URL())
	return live, nil
}

// followRun follows a run that another command has started.
func (p *program) followRun(ctx context.Context, s *settings) *result {
	history, err := p.durableHistory(ctx, s)
	if err != nil {
		return &result{err: err}
	}
	c, err := p.dial(ctx, s)
	if err != nil {
		return &result{err: err}
	}
	defer c.Close()
	return p.followDurable(ctx, s, c, history.Plan, nil, nil)
}

func (s *settings) startDurable(ctx context.Context, c client.Client, plan fleet.Plan) error {
	plan.Hooks = slices.DeleteFunc(slices.Clone(plan.Hooks), s.waives)
	if s.waives(fleet.HookWindow) {
		plan.Settings.Window = nil
	}
	_, err := ecstemporal.Start(ctx, c, plan, ecstemporal.StartOptions{
		WorkflowID: s.run, TaskQueue: s.temporal.TaskQueue, SearchAttributes: s.searchAttributes,
		Settings: ecstemporal.Settings{Settings: s.runSettings(), Notify: s.notified},
	})
	return err
}

// followDurable shows a durable run until it ends. If ctx ends before, the run continues.
// ecs is the client of an emulated service, and nil otherwise, because only the workers
// know their pace. live may be nil.
func (p *program) followDurable(ctx context.Context, s *settings, c client.Client, plan fleet.Plan, ecs *ecsreboot.Client, live *page.Page) *result {
	tracker, err := session{client: ecs, plan: plan}.tracker()
	if err != nil {
		return &result{err: s.inFlags(err)}
	}
	view := p.newView(s, tracker)
	before := p.setView(view)
	defer func() {
		view.Close()
		p.setView(before)
	}()
	history, err := durable.Follow(ctx, c, s.run, durable.Follower{
		Events: func(events []fleet.Event) {
			for _, e := range events {
				view.Event(e)
			}
		},
		History: func(history *fleet.History) {
			if live != nil {
				live.Update(history)
			}
		},
		Awaits: func(stage int) {
			view.Note("canary stage %d is healthy and waits for approval: %s", stage, s.durableCommand("approve"))
		},
		Note: view.Note,
	})
	switch {
	case ctx.Err() != nil:
		view.Note("the run continues without this command. To end the run: %s", s.durableCommand("abort"))
		return &result{left: true}
	case err != nil:
		return &result{err: err}
	}
	r := durableStanding(history)
	if s.htmlFile != "" {
		if err := writeHistory(s.htmlFile, "", history); err != nil {
			r.err = fmt.Errorf("failed to write the report: %w", err)
		}
	}
	return r
}

// abortEmulated ends a run whose service is about to end.
func (p *program) abortEmulated(s *settings, c client.Client, plan fleet.Plan, clients *connections, live *page.Page) *result {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.note("the emulated service ends with this process, so the run is aborted; waiting until everything in flight has reached its end")
	if err := ecstemporal.Abort(ctx, c, s.run); err != nil {
		return &result{err: err}
	}
	r := p.followDurable(ctx, s, c, plan, clients.Client, live)
	if codeOf(r) == exitcode.Done {
		r.left = true
	}
	return r
}

// durableCommand returns a command for the durable run.
func (s *settings) durableCommand(name string) string {
	return commandLine(append([]string{name, s.run}, s.temporal.Args()...)...)
}

// againDurable returns the command that restarts instances in a new durable run.
func (s *settings) againDurable(of *result, id string) string {
	args := append([]string{"run", id}, s.whereArgs(of.report, id)...)
	args = append(args, s.temporal.Args()...)
	for _, hook := range of.hooks {
		if hook == fleet.HookApprove {
			args = append(args, "--approve")
			continue
		}
		args = append(args, "--hook", string(hook))
	}
	if of.report.Plan.ForceStop {
		args = append(args, "--force")
	}
	if s.yes {
		args = append(args, "--yes")
	}
	return commandLine(args...)
}

// regionOf returns the region of an instance of a run.
func regionOf(report *fleet.Report, id string) fleet.PlanRegion {
	regions := report.Plan.Regions()
	record, _ := report.Record(id)
	for _, region := range regions {
		if region.Region == report.Plan.RegionOf(record.Target) {
			return region
		}
	}
	return regions[0]
}
