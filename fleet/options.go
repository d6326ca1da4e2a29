package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/seam"
)

// Options configure a run. A zero field means its default, unless the field says
// otherwise; see [Options.Complete].
//
// Health, Blocker, Approve, Drain, Undrain and Failed are the hooks of the run. The run
// waits for its hooks, so a hook must return when its context ends, which happens at the
// latest when the context of the run ends. All hooks except Approve are called in several
// goroutines at once.
type Options struct {
	Settings

	// Journal is the path of the file that records the run; see [Resume]. If empty, there
	// is no journal, and a crash loses the record of what was sent.
	Journal string
	// Health checks whether a restarted instance serves again. It is called after each
	// poll that shows the instance Running, every few seconds; an error means not yet.
	// If Health is nil, the proof of the restart is enough.
	Health func(ctx context.Context, target Target) error
	// Blocker can hold a restart back. It is called before the Drain and the poll that
	// precede each restart request, and once more right before the request if its approval
	// has expired by then; between that call and the request, the run does nothing but
	// record the intent. Approval is valid for 10 s, or for as long as the call took,
	// whichever is longer.
	//
	// If Blocker returns an error, the run emits [EventHeld] and calls Blocker again after
	// BlockerInterval. The instance keeps its turn and is unavailable, for BlockerPatience
	// at most. If Blocker is nil, no restart is held back.
	Blocker func(ctx context.Context, target Target) error
	// Approve is called after each canary stage; stages are numbered from 1. The run sends
	// nothing until Approve returns, and halts if Approve returns an error. If Approve is
	// nil, every stage is approved.
	Approve func(ctx context.Context, stage int) error
	// Drain takes an instance out of service before its restart. It is called after
	// Blocker has approved. If Drain returns an error, nothing is sent, and the instance
	// fails as [ReasonNotDrained].
	Drain func(ctx context.Context, target Target) error
	// Undrain puts an instance into service again. It is called for an instance that is
	// healthy after its restart, before [EventHealthy], and for a drained instance that
	// certainly was not restarted. If Undrain returns an error, the instance fails as
	// [ReasonNotUndrained] and is unavailable, and a resumed run calls Undrain once more.
	Undrain func(ctx context.Context, target Target) error
	// Failed is called for an instance after its [EventFailed] or [EventUnknown]; failure
	// is that event. If Failed returns an error, the error is recorded and has no other
	// effect.
	//
	// A session calls Drain, Undrain and Failed at most once each in an attempt. A resumed
	// run may repeat a call whose result is not in the journal, and repeats a Drain or an
	// Undrain that failed, if the instance still needs it. The journal has the
	// call, as [EventHook], before the hook runs, and the result as [EventHooked].
	Failed func(ctx context.Context, target Target, failure Event) error
	// Witness is asked about each restart request whose response was lost, as
	// [ecsreboot.WaitOptions].Witness describes. [Resolve] also asks it. If polls show no
	// sign of the restart, the run emits [EventAwaiting] and waits for the Witness;
	// meanwhile, the instance is unavailable only if it is drained or was last seen in a
	// status other than Running. If the Witness finds that the service refused the request,
	// the run continues as after a response with that refusal; an instance that would be
	// retried, and was not unavailable, waits for its turn again. Module witness has
	// implementations that read the cloud's records. A Witness is called in several
	// goroutines at once. If Witness is nil, polls alone decide.
	Witness ecsreboot.Witness
	// Console returns the console output of an instance, which may show why the instance did
	// not come back. The run calls Console for an instance that was or may have been restarted
	// and that failed as [ReasonNotBack], [ReasonStopped] or [ReasonNotHealthy]: at most once
	// for each attempt in a session, and not again once the journal has an output. [Resolve]
	// also calls Console. The run emits [EventConsole] with the output or the error, and the
	// report shows it. An error has no other effect.
	//
	// The run keeps the last 16 KiB of the output without control characters except line ends,
	// and replaces values that look like secrets. Not every secret can be recognized, so
	// journal and report are as confidential as the output. The context of a call ends after a
	// minute. The run waits for a call only when the run ends, and abandons a call that does
	// not return when its context ends. Console is called in several goroutines at once. The
	// function ConsoleIn of module witness reads the output from the cloud. If Console is nil,
	// no output is read.
	Console func(ctx context.Context, target Target) (string, error)
	// DryRuns is how many dry runs [Preflight] sends, each for a different instance, spread
	// over the plan. If some are denied, Preflight sends more, up to 100 in total, to
	// determine which instances are denied. Default 5; negative means none.
	DryRuns int
	// Without names hooks that a plan or an earlier session has and that this session
	// goes on without. [Run] refuses a plan that names a hook that these options lack, and
	// [Resume] and [Resolve] refuse to go on without a hook of the last session, unless
	// Without names the hook. [HookWindow] removes the window of the plan, or of the last
	// session. A hook that is given must not be in Without.
	Without []Hook
	// Moved must be set to resume a run from a journal that is in another file than in the
	// last session, if that file still exists. If it does not exist, the [EventResume] of
	// the session has a Note.
	Moved bool
	// Clients are the clients of the plan's further regions, one for each, in any order; the
	// client of the plan's first region is an argument of [Run]. Each client keeps its own
	// pace, because the service limits requests per region. A client must not be of a region
	// that the plan does not have.
	Clients []*ecsreboot.Client
	// Control pauses or stops the run from outside.
	Control *Control
	// OnEvent is called with each event of the run, in order, in the goroutine that
	// called Run. The run decides nothing until OnEvent returns, but a restart that is
	// about to leave does not wait for it.
	OnEvent func(Event)

	last  *Settings  // of the last session; nil: the settings of the plan apply
	files journal.FS // nil: the system's
}

// in puts the journal on the file system that a simulation has put into the context.
func (o Options) in(ctx context.Context) Options {
	if files, ok := seam.Files(ctx).(journal.FS); ok && o.files == nil {
		o.files = files
	}
	return o
}

const (
	defaultMinReady        = 30 * time.Second
	defaultReadyTimeout    = 25 * time.Minute
	defaultStoppedTimeout  = 3 * time.Minute
	defaultUnknownGrace    = time.Minute
	defaultWitnessTimeout  = 15 * time.Minute
	defaultBlockerInterval = 10 * time.Second
	defaultBlockerPatience = 5 * time.Minute
	defaultHookTimeout     = 5 * time.Minute
	defaultDryRuns         = 5 // enough to see missing permissions
)

// Complete returns the options as a run of the plan applies them: zero fields of the
// Settings have the values of Plan.Settings, or else their defaults. The defaults of the Rules depend on the size of the plan. The error of
// Complete is an [ecsreboot.InputError] that names the field whose value is invalid.
// Engines other than [Run] use Complete for the options that they have in common with Run.
func (o Options) Complete(plan Plan) (Options, error) {
	base := plan.Settings
	if o.last != nil {
		base = *o.last
	}
	if o.waives(HookWindow) {
		base.Window = nil
	}
	o.Settings = o.over(base)
	if err := o.checkWithout(); err != nil {
		return Options{}, err
	}
	o, err := o.forInstance()
	if err != nil {
		return Options{}, err
	}
	if o.Window != nil {
		if err := o.Window.check(); err != nil {
			return Options{}, err
		}
	}
	if err := plan.check(); err != nil {
		return Options{}, err
	}
	if o.Rules, err = o.forPlan(plan); err != nil {
		return Options{}, err
	}
	for _, id := range o.Exclude {
		if !slices.ContainsFunc(plan.Targets, func(t Target) bool { return t.ID == id }) {
			return Options{}, input("Exclude", fmt.Sprintf("holds %q, which is not in the plan", id))
		}
	}
	if o.DryRuns == 0 {
		o.DryRuns = defaultDryRuns
	}
	if o.Control == nil {
		o.Control = new(Control)
	}
	return o, nil
}

// forInstance completes the options that matter to a single instance.
func (o Options) forInstance() (Options, error) {
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&o.MinReady, defaultMinReady},
		{&o.ReadyTimeout, defaultReadyTimeout},
		{&o.StoppedTimeout, defaultStoppedTimeout},
		{&o.UnknownGrace, defaultUnknownGrace},
		{&o.WitnessTimeout, defaultWitnessTimeout},
		{&o.BlockerInterval, defaultBlockerInterval},
		{&o.BlockerPatience, defaultBlockerPatience},
		{&o.HookTimeout, defaultHookTimeout},
	} {
		if *d.field == 0 {
			*d.field = d.standard
		}
	}
	if o.MinReady > 0 && o.ReadyTimeout > 0 && o.MinReady >= o.ReadyTimeout {
		return Options{}, input("MinReady", fmt.Sprintf("of %v is not less than ReadyTimeout, %v, so no instance could ever be healthy in time", o.MinReady, o.ReadyTimeout))
	}
	return o, nil
}

// forRun completes the options, after it has checked that the plan is of the clients'
// regions.
func (o Options) forRun(client *ecsreboot.Client, plan Plan) (Options, error) {
	if _, err := newClients(client, plan, o.Clients); err != nil {
		return Options{}, err
	}
	return o.Complete(plan)
}
