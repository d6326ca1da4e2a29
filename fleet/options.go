package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// Options configure a run. A zero field means its default, and a negative duration means
// none, unless the field says otherwise; see [Options.Complete].
//
// Health, Blocker, Approve, Drain, Undrain and Failed are the hooks of the run. The run
// waits for its hooks, so a hook must return when its context ends, which happens at the
// latest when the context of the run ends. All hooks except Approve are called in several
// goroutines at once.
type Options struct {
	Rules

	// Journal is the path of the file that records the run; see [Resume]. If empty, there
	// is no journal, and a crash loses the record of what was sent.
	Journal string
	// Health checks whether a restarted instance serves again. It is called after each
	// poll that shows the instance Running, every few seconds; an error means not yet.
	// If Health is nil, the proof of the restart is enough.
	Health func(ctx context.Context, target Target) error
	// MinReady is how long an instance must be Running and pass Health without a break
	// before it is healthy. Default 30 s. MinReady must be less than ReadyTimeout.
	MinReady time.Duration
	// ReadyTimeout is how long an instance may take from its restart request until it
	// is healthy. In a resumed run, the time begins at the resumption. Default 25 min,
	// because the vendor documents 3 to 5 minutes for a restart, and at most 20.
	ReadyTimeout time.Duration
	// StoppedTimeout is how long polls may show an instance Stopped, without a break,
	// after its restart was sent. After that time, the instance fails as [ReasonStopped],
	// because an instance in a restart leaves Stopped sooner: something else has stopped it. The run
	// keeps polling the instance, and reports it as healthy if it comes back. Default
	// 3 min; if negative, only ReadyTimeout applies.
	StoppedTimeout time.Duration
	// UnknownGrace is how long a restart whose response was lost may take to become
	// visible. Default 60 s; if negative, the run polls once.
	UnknownGrace time.Duration
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
	// BlockerInterval is the time between two calls of Blocker for an instance.
	// Default 10 s.
	BlockerInterval time.Duration
	// BlockerPatience is how long Blocker may refuse an instance before the instance loses
	// its turn. The run then emits [EventUnsent] with [ReasonBlocked], and the instance
	// gets another turn after all instances that are waiting at that time. Default 5 min;
	// any value below 10 s, including a negative one, means 10 s.
	BlockerPatience time.Duration
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
	// HookTimeout limits each call of Drain, Undrain and Failed: after this time, the
	// context of the call ends. Default 5 min.
	HookTimeout time.Duration
	// Window is when restarts may be sent. Restarts that were sent before the end of the
	// window are followed beyond it. If nil, restarts may be sent at any time.
	Window *Window
	// MinUptime skips instances that started less than this long ago. Default none.
	MinUptime time.Duration
	// SelfID is the ID of the instance that this program runs on. The run skips that
	// instance. Default none.
	SelfID string
	// DryRuns is how many dry runs [Preflight] sends, each for a different instance, spread
	// over the plan. If some are denied, Preflight sends more, up to 100 in total, to
	// determine which instances are denied. Default 5; negative means none.
	DryRuns int
	// Control pauses or stops the run from outside.
	Control *Control
	// OnEvent is called with each event of the run, in order, in the goroutine that
	// called Run. The run decides nothing until OnEvent returns, but a restart that is
	// about to leave does not wait for it.
	OnEvent func(Event)

	files journal.FS // nil: the system's
}

const (
	defaultMinReady        = 30 * time.Second
	defaultReadyTimeout    = 25 * time.Minute
	defaultStoppedTimeout  = 3 * time.Minute
	defaultUnknownGrace    = time.Minute
	defaultBlockerInterval = 10 * time.Second
	defaultBlockerPatience = 5 * time.Minute
	defaultHookTimeout     = 5 * time.Minute
	defaultDryRuns         = 5 // enough to see missing permissions
)

// Complete returns the options with all defaults filled in, as a run of the plan
// applies them. The defaults of the Rules depend on the size of the plan. The error of
// Complete is an [ecsreboot.InputError] that names the field whose value is invalid.
// Engines other than [Run] use Complete for the options that they have in common with Run.
func (o Options) Complete(plan Plan) (Options, error) {
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

// forRun completes the options, after it has checked that the plan is of the
// client's region.
func (o Options) forRun(client *ecsreboot.Client, plan Plan) (Options, error) {
	switch {
	case client == nil:
		return Options{}, input("client", "is nil")
	case plan.Region != client.Region():
		return Options{}, input("Plan", "is of region "+plan.Region+", the client of "+client.Region())
	}
	return o.Complete(plan)
}

// hooks names those that are set, for the next session to have them too.
func (o Options) hooks() string {
	var set []string
	for _, hook := range []struct {
		name  string
		given bool
	}{
		{"health", o.Health != nil},
		{"blocker", o.Blocker != nil},
		{"approve", o.Approve != nil},
		{"window", o.Window != nil},
		{"drain", o.Drain != nil},
		{"undrain", o.Undrain != nil},
		{"failed", o.Failed != nil},
	} {
		if hook.given {
			set = append(set, hook.name)
		}
	}
	return strings.Join(set, ",")
}

// checkHooks refuses to go on without a hook that the session before had: what
// nobody checks any more would count as healthy.
func (o Options) checkHooks(before string, lookOnly bool) error {
	const again = "was given to the session before, and is not given now; to go on without, give one that always agrees"
	had := strings.Split(before, ",")
	switch {
	case o.Health == nil && slices.Contains(had, "health"):
		return input("Health", again)
	case o.Undrain == nil && slices.Contains(had, "undrain"):
		return input("Undrain", again)
	case o.Failed == nil && slices.Contains(had, "failed"):
		return input("Failed", again)
	case lookOnly:
	case o.Blocker == nil && slices.Contains(had, "blocker"):
		return input("Blocker", again)
	case o.Approve == nil && slices.Contains(had, "approve"):
		return input("Approve", again)
	case o.Drain == nil && slices.Contains(had, "drain"):
		return input("Drain", again)
	case o.Window == nil && slices.Contains(had, "window"):
		return input("Window", again)
	}
	return nil
}
