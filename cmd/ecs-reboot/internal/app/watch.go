package app

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/metrics"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/notify"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/page"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// watch is everything except the terminal that follows and controls a run of this
// process: the live page, notifications, and the socket for other commands.
type watch struct {
	program   *program
	control   fleet.Control
	approvals *control.Approvals
	local     *control.Local
	sender    *notify.Sender  // nil: nobody is notified
	page      *page.Page      // nil: there is no live page
	metrics   *metrics.Server // nil: there are no metrics
	resolving bool            // nothing is sent, and nobody stopped the run

	// The ID of the run is known when these begin.
	history  *fleet.History
	notifier *notify.Notifier
	server   *control.Server
}

// newWatch prepares to follow a run. It listens on the address of the live page, so that an
// address that is not usable is an error before anything is sent.
func (p *program) newWatch(s *settings) (*watch, error) {
	w := &watch{program: p}
	var ask control.Ask
	if p.interactive && s.idsFile != "-" {
		ask = p.askApproval
	}
	w.approvals = control.NewApprovals(ask, w.awaitApproval)
	w.local = control.NewLocal("", absolute(s.journal), &w.control, w.approvals)
	var err error
	if w.sender, err = notify.NewSender(s.notify); err != nil {
		return nil, err
	}
	if w.metrics, err = p.listenMetrics(s); err != nil {
		return nil, err
	}
	if s.pageAddress == "" || s.temporal.Given() { // whose page needs the ID of the run
		return w, nil
	}
	w.page, err = page.Listen(s.pageAddress, page.Options{
		Public: s.pagePublic, Controls: w.local,
		Report: report.Options{Program: Name, Journal: s.journal, Location: time.Local},
	})
	if err != nil {
		w.close()
		return nil, err
	}
	p.note("live page: %s", w.page.URL())
	return w, nil
}

// listenMetrics serves the metrics of --metrics; nil without the flag.
func (p *program) listenMetrics(s *settings) (*metrics.Server, error) {
	if s.metricsAddress == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	server, err := metrics.Listen(s.metricsAddress)
	if err != nil {
		return nil, err
	}
	p.note("metrics: %s", server.URL())
	return server, nil
}

// clientOptions are the options of the clients of a run that is followed.
func (w *watch) clientOptions() []ecsreboot.Option {
	if w.metrics == nil {
		return nil
	}
	return []ecsreboot.Option{w.metrics.ClientOption()}
}

// begin follows a run. The history is that of a resumed run, and otherwise nil: the run
// gets its ID by its first event.
func (w *watch) begin(plan fleet.Plan, history *fleet.History) {
	if w.history = history; history == nil {
		w.history = &fleet.History{Plan: plan}
		return
	}
	for _, e := range history.Events[:1] {
		w.local.OnEvent(e)
	}
	if w.page != nil {
		w.page.Update(history)
	}
	w.identify(history.Report().ID)
}

// identify begins what needs the ID of the run.
func (w *watch) identify(id string) {
	w.notifier = notify.New(w.sender, id, w.history, func(text string) { w.program.note("%s", text) })
	if w.program.places == nil {
		return
	}
	server, err := control.Serve(w.program.places, id, w.local)
	if err != nil {
		w.program.note("other commands cannot control this run: %v", err)
		return
	}
	w.server = server
}

// onEvent takes an event of the run. It does not block.
func (w *watch) onEvent(e fleet.Event) {
	w.local.OnEvent(e)
	if e.Kind == fleet.EventRun {
		w.identify(e.Session)
	}
	if _, ok := w.shown(e); ok {
		w.notifier.OnEvent(e)
	}
	if w.page != nil {
		w.page.OnEvent(e)
	}
}

// shown returns an event as people see it, if they do. A missing permission to read
// consoles is shown once, by the witness. A session of resolve is one that was
// stopped before it began. To people, nobody has stopped it.
func (w *watch) shown(e fleet.Event) (fleet.Event, bool) {
	if e.Kind == fleet.EventConsole && e.Error != "" && w.program.consoleDenied.Load() {
		return e, false // the witness has said so
	}
	if !w.resolving || e.Reason != fleet.ReasonUser {
		return e, true
	}
	if e.Kind == fleet.EventEnd {
		e.Reason = ""
	}
	return e, e.Kind != fleet.EventStop
}

// awaitApproval says that a canary stage waits for approval.
func (w *watch) awaitApproval(stage int) {
	w.notifier.AwaitApproval(stage)
	w.program.note("canary stage %d is healthy and waits for approval", stage)
	if state, err := w.local.State(context.Background()); err == nil && w.server != nil {
		w.program.note("to approve it in another terminal: %s", commandLine("approve", state.Run, "--stage", strconv.Itoa(stage)))
	}
}

// askApproval asks at the terminal whether a canary stage is approved.
func (p *program) askApproval(ctx context.Context, stage int) (bool, error) {
	p.note("type y to approve stage %d, or n to halt the run:", stage)
	answer, err := p.answers().next(ctx)
	if err != nil {
		return false, errors.Join(control.ErrNobody, err)
	}
	return isYes(answer), nil
}

// close ends everything, after the run has ended.
func (w *watch) close() {
	if w.server != nil {
		_ = w.server.Close() // the socket is removed by the next run otherwise
	}
	if w.notifier != nil {
		w.notifier.Close()
	}
	if w.page != nil {
		_ = w.page.Close()
	}
	if w.metrics != nil {
		_ = w.metrics.Close()
	}
}

// follow returns the context and the options of a run with what follows and controls it.
func (w *watch) follow(ctx context.Context, options fleet.Options, view screen.View) (context.Context, fleet.Options) {
	options.Control = &w.control
	options.OnEvent = func(e fleet.Event) {
		if shown, ok := w.shown(e); ok {
			view.Event(shown)
		}
		w.onEvent(e)
	}
	if options.Approve != nil {
		options.Approve = w.approvals.Approve
	}
	if w.metrics != nil {
		ctx, options.OnEvent = w.metrics.FleetEvents(ctx, options.OnEvent)
	}
	return ctx, options
}
