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

// Options say how a run goes. A zero field means its default, a negative duration
// none.
type Options struct {
	Rules

	// Journal is the file that remembers the run, see [Resume]. Without one, a
	// crash forgets what was sent.
	Journal string
	// Health says whether a restarted instance serves again; nil asks nobody, and
	// takes the proof of the restart for it. It is asked after each reading that
	// shows the instance Running, every few seconds, in several goroutines at once;
	// an error means not yet. It must heed its context: the run waits for it.
	Health func(ctx context.Context, target Target) error
	// MinReady is how long an instance must be Running and healthy without a break
	// until it counts as healthy. Default 30 s; it must be less than ReadyTimeout.
	MinReady time.Duration
	// ReadyTimeout is how long an instance may take from the send until it is
	// healthy; after a resumption, from there. Default 25 min, because the vendor
	// documents 3 to 5 minutes for a restart, and at most 20.
	ReadyTimeout time.Duration
	// UnknownGrace is how long a restart whose answer was lost may take to show.
	// Default 60 s.
	UnknownGrace time.Duration
	// Blocker is asked right before each send, in several goroutines at once; only
	// the intent is written down after it. An error holds this send back, which [EventHeld] tells, and it is asked again after
	// BlockerInterval. Its consent counts for 10 s, or for as long as it took to
	// give. Meanwhile the instance keeps its place, and counts as unavailable. It
	// must heed its context.
	Blocker func(ctx context.Context, target Target) error
	// BlockerInterval is the time between two questions. Default 10 s.
	BlockerInterval time.Duration
	// Approve is asked after each canary stage, which count from 1, whether to go
	// on; meanwhile nothing is sent. An error halts the run. Nil goes on. It must heed
	// its context.
	Approve func(ctx context.Context, stage int) error
	// Window is when restarts may be sent; those sent before its end are followed
	// beyond it. Nil means always.
	Window *Window
	// MinUptime skips instances that started less than so long ago. Default none.
	MinUptime time.Duration
	// SelfID is the instance that this program runs on, which is skipped. Empty
	// means none of the plan.
	SelfID string
	// DryRuns is how many instances [Preflight] sends a dry run for. Default 5,
	// spread over the plan; negative: none.
	DryRuns int
	// Control pauses or stops the run from outside.
	Control *Control
	// OnEvent is told what happens, in order, in the goroutine of the call. The run
	// decides nothing meanwhile; a restart that is about to leave does not wait.
	OnEvent func(Event)

	files journal.FS // nil: the system's
}

const (
	defaultMinReady        = 30 * time.Second
	defaultReadyTimeout    = 25 * time.Minute
	defaultUnknownGrace    = time.Minute
	defaultBlockerInterval = 10 * time.Second
	defaultDryRuns         = 5 // enough to see missing permissions
)

// Complete returns the options as a run of the plan applies them: every field that
// has a default and is zero is set to it, among them the Rules, whose defaults depend
// on the plan. It returns an [ecsreboot.InputError] that names the field whose value
// is invalid. Other engines complete the options that they share with a run by it.
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
	if o.Rules, err = o.Rules.forPlan(plan); err != nil {
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
		{&o.UnknownGrace, defaultUnknownGrace},
		{&o.BlockerInterval, defaultBlockerInterval},
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
	}{{"health", o.Health != nil}, {"blocker", o.Blocker != nil}, {"approve", o.Approve != nil}, {"window", o.Window != nil}} {
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
	case lookOnly:
	case o.Blocker == nil && slices.Contains(had, "blocker"):
		return input("Blocker", again)
	case o.Approve == nil && slices.Contains(had, "approve"):
		return input("Approve", again)
	case o.Window == nil && slices.Contains(had, "window"):
		return input("Window", again)
	}
	return nil
}
