package fleet

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// maxSending bounds how many restarts are on their way to the service at once:
// enough for what it lets pass in a minute, and so few that the readings before
// them are fresh when they leave.
const maxSending = 16

// Run restarts the instances of a plan, a few at a time, and returns when nothing
// is under way any more: when all are done, or when it was stopped or halted and
// what was sent has settled. It prints nothing.
//
// No instance is restarted twice by accident. With Options.Journal, the intent to
// restart is on disk before the restart leaves, so that this holds across a crash
// as well: see [Resume].
//
// When ctx ends, Run returns with what is known as soon as its hooks do; restarts
// under way go on without being followed. To let them settle, use [Control.Stop].
//
// The report is never nil once the run has begun, and says what became of the
// instances, see [Report.Err]. The error is of the input, the journal, the context,
// or of what would fail for every instance: credentials and permissions.
func Run(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Report, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	s, err := newSession(client, plan, options)
	if err != nil {
		return nil, err
	}
	first := Event{Kind: EventRun, At: time.Now(), Plan: &plan, Rules: new(s.planner.Rules()), Hooks: options.hooks(), Program: ecsreboot.Version}
	if err := s.record.create(s.options, first); err != nil {
		return nil, err
	}
	return s.finish(ctx, first)
}

// Resume goes on with a run that ended or crashed, from its journal. Nothing is
// sent for an instance whose intent is in the journal unless it is known that the
// restart did not happen: it is looked at instead. What made the run stop or halt
// is judged anew, by the rules given now, or else by those of the last session; and
// what was given up without anything being sent has another turn: what was refused,
// locked, or not Running. Instances that started since the run began, although
// nothing was sent for them, are skipped.
//
// The hooks of the last session must be given again: Health, Blocker, Approve and
// Window. The plan must be the journal's; [Load] reads it. A canary that is not back halts
// the run each time, unless the rules given now have no canaries.
func Resume(ctx context.Context, client *ecsreboot.Client, plan Plan, options Options) (*Report, error) {
	return resume(ctx, client, plan, options, false)
}

// Resolve looks at what a run has left unknown, failed, or under way, as [Resume]
// does, and sends nothing.
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
	history, err := load(options.Journal, journal.Options{FS: options.files})
	if err != nil {
		return nil, err
	}
	if options.isZero() {
		options.Rules = history.Report().Rules
	}
	hooks := history.hooks()
	if err := options.checkHooks(hooks, lookOnly); err != nil {
		return nil, err
	}
	if !lookOnly {
		hooks = options.hooks()
	}
	s, err := newSession(client, plan, options)
	if err != nil {
		return nil, err
	}
	if err := s.reopen(); err != nil {
		return nil, err
	}
	first := []Event{{Kind: EventResume, At: time.Now(), Rules: new(s.planner.Rules()), Hooks: hooks, Program: ecsreboot.Version}}
	if !lookOnly {
		for _, id := range s.planner.again() {
			first = append(first, Event{Kind: EventUnsent, InstanceID: id, Reason: ReasonResumed})
		}
	}
	return s.finish(ctx, first...)
}

// finish runs the session and closes its journal, whatever happens.
func (s *session) finish(ctx context.Context, first ...Event) (report *Report, err error) {
	defer func() {
		s.fail(s.record.close())
		report, err = s.report, s.err
	}()
	s.run(ctx, first...)
	if s.panicked != nil {
		panic(s.panicked)
	}
	return nil, nil //nolint:nilnil // set above
}
