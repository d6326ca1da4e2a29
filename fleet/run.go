package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/seam"
)

// Run restarts the instances of a plan, a few at a time. It returns when nothing is in
// progress any more: when all instances are done, or when the run was stopped or halted
// and all restarts that were sent have reached their end.
//
// Run restarts no instance twice by accident. With Options.Journal, the intent to
// restart is on disk before the request leaves, so the guarantee holds across a crash as
// well; see [Resume].
//
// When ctx ends, Run returns as soon as its hooks return, and no longer follows the
// restarts in progress. To let these restarts finish first, use [Control.Stop].
//
// The report is not nil once the run has begun, and holds the result for each instance;
// see [Report.Err]. Run returns an error for invalid input, a journal that fails, the end
// of the context, or a problem that affects every instance, such as refused credentials.
// The failures of single instances, and a halt because of them, are in the report only.
func Run(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Report, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	options = options.in(ctx)
	if err := options.checkHooks(plan.Hooks, "is a hook of the plan", false); err != nil {
		return nil, err
	}
	s, err := newSession(client, plan, options)
	if err != nil {
		return nil, err
	}
	first := s.begin(ctx, EventRun)
	first.Plan = &plan
	if err := s.record.create(s.options, first); err != nil {
		return nil, err
	}
	return s.finish(ctx, first)
}

// Resume resumes a run that ended or crashed, from its journal.
//
//   - If the journal has an intent for an instance, Resume sends nothing for this
//     instance and resolves the outcome by polling, unless the journal shows that the
//     restart certainly did not happen.
//   - An instance that certainly was not restarted gets another turn if it failed, for
//     example because the service refused the request, or if it was skipped as locked or
//     not Running. Resume leaves alone the instances that were skipped for another reason.
//   - If the service shows that instances have started since the run began, and the
//     journal has neither a restart of them nor another reason, Resume sends nothing and
//     returns a [MissingRestartsError]: the journal may be a copy, or an old one. An
//     instance that starts later than that is skipped when its turn comes.
//   - If a process of this machine still drives the run, Resume returns
//     [journal.ErrLocked], also for a copy of the journal and for a journal that was moved.
//   - If nothing is left to do, Resume returns [ErrFinished] along with the report.
//   - The condition that made the run stop or halt is evaluated anew, by the rules in
//     options. A canary that is still not healthy halts the run again, unless the rules
//     have no canaries.
//
// The plan must be the plan of the journal; [Load] reads the plan. Zero fields of
// options.Settings have the values of the last session. Health, Blocker, Approve, Drain,
// Undrain and Failed must be set if the last session had them, unless options.Without
// names them.
//
// Resume restarts an instance in the state drained, which has no intent. It calls Drain
// for the instance again, unless the journal shows that Drain succeeded and that Undrain
// has not succeeded since. For an instance in the state failed-drained, Resume calls
// Undrain; if that succeeds, the instance gets another turn.
func Resume(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Report, error) {
	return resume(ctx, client, plan, options, false)
}

// Resolve determines the outcome of the restarts that a run left unknown, failed, or in
// progress. It polls as [Resume] does, but sends nothing. It calls Undrain for the
// instances that it finds healthy after a restart, and for drained instances that
// certainly were not restarted: those in the states drained and failed-drained. Of the
// hooks, only Health, Undrain and Failed must be set if the last session had them.
func Resolve(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Report, error) {
	options.Control = new(Control)
	options.Control.Stop()
	return resume(ctx, client, plan, options, true)
}

func resume(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options, lookOnly bool) (*Report, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	if options.Journal == "" {
		return nil, input("Journal", "is empty, so there is nothing to go on from")
	}
	options = options.in(ctx)
	history, err := load(options.Journal, journal.Options{FS: options.files})
	if err != nil {
		return nil, err
	}
	if err := options.checkDriven(history); err != nil {
		return nil, err
	}
	last, settings := history.last()
	if err := options.checkHooks(last.Hooks, "was given to the last session", lookOnly); err != nil {
		return nil, err
	}
	note, err := options.moved(last)
	if err != nil && !lookOnly {
		return nil, err
	}
	options.last = &settings
	s, err := newSession(client, plan, options)
	if err != nil {
		return nil, err
	}
	s.loaded = len(history.Events)
	if err := s.reopen(); err != nil {
		return nil, err
	}
	if err := s.checkResume(ctx, lookOnly); err != nil {
		return s.report, errors.Join(err, s.record.close())
	}
	begin := s.begin(ctx, EventResume)
	begin.Chain, begin.Note = s.chain, note
	if lookOnly { // what only matters to a session that sends is as before
		begin.Hooks, begin.Settings.Window, begin.Path, begin.Host, begin.Note = last.Hooks, settings.Window, last.Path, last.Host, ""
	}
	first := []Event{begin}
	if !lookOnly {
		for _, id := range s.planner.again() {
			first = append(first, Event{Kind: EventUnsent, InstanceID: id, Reason: ReasonResumed})
		}
	}
	return s.finish(ctx, first...)
}

// begin returns the event with which the session begins.
func (s *session) begin(ctx context.Context, kind EventKind) Event {
	path, host := s.options.place()
	return Event{
		Kind: kind, At: time.Now(), Settings: new(s.options.Settings), Hooks: s.options.Hooks(),
		Session: seam.Text(ctx), Path: path, Host: host, Program: ecsreboot.Version,
	}
}

// ErrFinished is returned by [Resume] and [Resolve] if the run has ended and has nothing
// left to do: no instance waits, and none is failed, unknown, or skipped for a reason that
// may have passed.
var ErrFinished = errors.New("fleet: the run is finished")

// checkResume returns why a session must not resume the run, or nil.
func (s *session) checkResume(ctx context.Context, lookOnly bool) error {
	if !s.report.Ended.IsZero() && s.planner.isFinished() {
		return fmt.Errorf("%w: %s", ErrFinished, s.report)
	}
	if lookOnly {
		return nil
	}
	return s.checkMissing(ctx)
}

// finish runs the session and closes its journal, whatever happens.
func (s *session) finish(ctx context.Context, first ...Event) (report *Report, err error) {
	defer func() {
		s.fail(s.record.close())
		report, err = s.report, s.err
	}()
	s.run(context.WithValue(ctx, callerKey{}, ctx), first...)
	if s.panicked != nil {
		panic(s.panicked)
	}
	return nil, nil //nolint:nilnil // set above
}
