package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// plan makes a plan and says what a run would do.
func (p *program) plan(ctx context.Context, s *settings) int {
	ctx, supervisor := p.supervise(ctx)
	defer supervisor.end()
	client, err := p.client(s, s.Region, "")
	if err != nil {
		return p.end(s, &result{err: err})
	}
	defer client.CloseIdleConnections()
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	plan, err := p.makePlan(ctx, s, client)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	options, err := p.options(ctx, s, fleet.Rules{})
	if err != nil {
		return p.end(s, &result{err: err})
	}
	forecast, err := s.preflight(ctx, client, plan, options)
	if err == nil && s.out != "" {
		err = writePlan(s.out, plan, forecast.Rules)
	}
	if err == nil && len(forecast.Problems) > 0 {
		err = errProblems
	}
	return p.endPlan(s, forecast, err)
}

func (p *program) makePlan(ctx context.Context, s *settings, client *ecsreboot.Client) (fleet.Plan, error) {
	selection, err := p.selection(ctx, s)
	if err != nil {
		return fleet.Plan{}, err
	}
	plan, err := fleet.NewPlan(ctx, client, selection)
	if err != nil {
		return fleet.Plan{}, s.inFlags(err)
	}
	return plan, p.noteUseless(ctx, client, selection)
}

// preflight looks ahead, and tells of it in flags.
func (s *settings) preflight(ctx context.Context, client *ecsreboot.Client, plan fleet.Plan, options fleet.Options) (*fleet.Forecast, error) {
	forecast, err := fleet.Preflight(ctx, client, plan, options)
	if err != nil {
		return nil, s.inFlags(err)
	}
	for i, problem := range forecast.Problems {
		forecast.Problems[i] = withFlags(problem)
	}
	return forecast, nil
}

var errProblems = errors.New("rolling: the run would come to no good end, see the problems above; nothing was sent")

// runPlan carries out a plan: one from a file, or a new one.
func (p *program) runPlan(ctx context.Context, s *settings) int {
	if err := p.checkTerminal(s); err != nil {
		return p.end(s, &result{err: err})
	}
	if err := s.checkNew(); err != nil {
		return p.end(s, &result{err: err})
	}
	ctx, supervisor := p.supervise(ctx)
	defer supervisor.end()
	if !s.Emulate {
		return p.end(s, p.runReal(ctx, s, supervisor))
	}
	s.practise()
	server, client, err := p.serve(s)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	defer server.Close()
	defer client.CloseIdleConnections()
	if err := s.takeTemporaryFiles(); err != nil {
		return p.end(s, &result{err: err})
	}
	p.note("emulated service at %s, in this process, with %s; no real one is touched", server.URL, plural(s.emulate, "instance"))
	p.note("unless told otherwise: -min-ready 0, -max-unavailable %d%%, -group-by zone, so that it takes seconds", emulatedWidth)
	r := p.runNew(ctx, s, supervisor, client, nil)
	r.restarts = func() int { return server.TotalReboots() }
	return p.end(s, r)
}

// checkNew refuses a journal that is there already: a run that was begun goes on by
// resume. And one that could not be written: that would be known only after the plan.
func (s *settings) checkNew() error {
	for name, file := range map[string]string{"journal": s.journal, "report": s.htmlFile} {
		if file == "" {
			continue
		}
		if dir, err := os.Stat(filepath.Dir(file)); err != nil || !dir.IsDir() {
			return cmdline.Errorf("-%s %s: there is no directory %s", name, file, filepath.Dir(file))
		}
	}
	if s.journal == "" {
		return nil
	}
	if _, err := os.Stat(s.journal); err == nil { //nolint:gosec // it is the user's
		return cmdline.Errorf("there is a journal %s already; rolling resume goes on with it, rolling status tells of it", s.journal)
	}
	return nil
}

// takeTemporaryFiles puts what a practice run writes where it is not in the way.
func (s *settings) takeTemporaryFiles() error {
	dir := ""
	for file, name := range map[*string]string{&s.journal: "run.journal", &s.htmlFile: "report.html"} {
		if *file != "" {
			continue
		}
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "rolling-"); err != nil {
				return fmt.Errorf("rolling: %w", err)
			}
		}
		*file = filepath.Join(dir, name)
	}
	return nil
}

func (p *program) runReal(ctx context.Context, s *settings, supervisor *supervisor) *result {
	region, endpoint := s.Region, ""
	var file *planFile
	if s.planFile != "" {
		read, err := readPlan(s.planFile)
		if err != nil {
			return &result{err: err}
		}
		file, region, endpoint = &read, read.Plan.Region, read.Plan.Endpoint
	}
	client, err := p.client(s, region, endpoint)
	if err != nil {
		return &result{err: err}
	}
	defer client.CloseIdleConnections()
	return p.runNew(ctx, s, supervisor, client, file)
}

// runNew begins a run: it plans, looks ahead, asks, and goes.
func (p *program) runNew(ctx context.Context, s *settings, supervisor *supervisor, client *ecsreboot.Client, file *planFile) *result {
	var plan fleet.Plan
	var base fleet.Rules
	var err error
	if file != nil {
		plan, base = file.Plan, file.Rules
	} else if plan, err = p.makePlan(ctx, s, client); err != nil {
		return &result{err: err}
	}
	options, err := p.options(ctx, s, base)
	if err != nil {
		return &result{err: err}
	}
	forecast, err := s.preflight(ctx, client, plan, options)
	if err != nil {
		return &result{err: err}
	}
	p.note("%s", strings.TrimSuffix(forecast.String(), "\n"))
	if len(forecast.Problems) > 0 && !s.despite {
		return &result{err: errProblems}
	}
	if err := p.confirm(ctx, s, fmt.Sprintf("Restart them at %s?", client.Endpoint())); err != nil {
		return &result{err: err}
	}
	return p.carryOut(ctx, s, supervisor, session{client: client, plan: plan, options: options, begin: fleet.Run})
}

// session is a run to begin, or to go on with.
type session struct {
	client  *ecsreboot.Client
	plan    fleet.Plan
	options fleet.Options
	history *fleet.History // so far
	begin   func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error)
}

// hooks are those that must be given again to go on.
func (run session) hooks(s *settings) (names []string) {
	if s.command == "resolve" { // which could not send
		return lastHooks(run.history)
	}
	for _, h := range hooks {
		if h.given(s) || s.waives(h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// carryOut runs the session while somebody may watch it.
func (p *program) carryOut(ctx context.Context, s *settings, supervisor *supervisor, run session) *result {
	t, err := newTracker(run)
	if err != nil {
		return &result{err: s.inFlags(err)}
	}
	view := p.newView(s, t)
	before := p.show(view)
	defer func() {
		view.close()
		p.show(before)
	}()
	options := run.options
	options.OnEvent = view.event
	options.Health = t.watchHealth(options.Health)
	if s.approve {
		options.Approve = p.approve(view.note)
	}
	if s.command == "resolve" { // nothing is to settle: who has looked for long enough may leave
		var cancel context.CancelFunc
		ctx, cancel = s.Limit(ctx)
		defer cancel()
	} else {
		supervisor.begin(options.Control, view.note)
		if s.timeout > 0 {
			timer := time.AfterFunc(s.timeout, func() { supervisor.stop(fmt.Sprintf("-timeout %v is over", s.timeout)) })
			defer timer.Stop()
		}
	}
	begin := time.Now()
	report, err := run.begin(ctx, run.client, run.plan, options)
	return &result{report: report, err: s.inFlags(err), took: time.Since(begin), stopped: supervisor.stopped(), hooks: run.hooks(s)}
}

// resume goes on with a run.
func (p *program) resume(ctx context.Context, s *settings) int {
	if err := p.checkTerminal(s); err != nil {
		return p.end(s, &result{err: err})
	}
	return p.goOn(ctx, s, fleet.Resume)
}

// resolve looks at what a run has left open, and sends nothing.
func (p *program) resolve(ctx context.Context, s *settings) int {
	return p.goOn(ctx, s, fleet.Resolve)
}

func (p *program) goOn(ctx context.Context, s *settings, begin func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error)) int {
	ctx, supervisor := p.supervise(ctx)
	defer supervisor.end()
	history, err := fleet.Load(s.journal)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	if err := s.checkHooks(lastHooks(history)); err != nil {
		return p.end(s, &result{err: err})
	}
	so := history.Report()
	client, err := p.client(s, history.Plan.Region, history.Plan.Endpoint)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	defer client.CloseIdleConnections()
	options, err := p.options(ctx, s, so.Rules)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	p.note("%s of %s: %s", s.journal, history.Plan.Region, counts(so.Records))
	if s.command == "resume" {
		if err := p.confirm(ctx, s, fmt.Sprintf("Go on at %s?", client.Endpoint())); err != nil {
			return p.end(s, &result{err: err})
		}
	}
	return p.end(s, p.carryOut(ctx, s, supervisor, session{client: client, plan: history.Plan, options: options, history: history, begin: begin}))
}
