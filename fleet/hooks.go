package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
	"github.com/ecsreboot/ecsreboot/internal/console"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Hook is the name of a hook in a plan, in a journal and in Options.Without.
type Hook string

// The hooks. A journal records the calls of HookDrain, HookUndrain and HookFailed. Plans
// and journals hold a Window itself, so HookWindow occurs in Options.Without only.
const (
	HookHealth  Hook = "health"  // Options.Health
	HookBlocker Hook = "blocker" // Options.Blocker
	HookApprove Hook = "approve" // Options.Approve
	HookDrain   Hook = "drain"   // Options.Drain
	HookUndrain Hook = "undrain" // Options.Undrain
	HookFailed  Hook = "failed"  // Options.Failed
	HookWindow  Hook = "window"  // Options.Window
)

// HookCall is the record of one call of a hook, in a [Record].
type HookCall struct {
	Hook  Hook      `json:"hook"`
	At    time.Time `json:"at"`
	Ended time.Time `json:"ended,omitzero"` // zero if no result is recorded
	Error string    `json:"error,omitempty"`
}

func (c HookCall) passed() bool { return !c.Ended.IsZero() && c.Error == "" }

// Call returns the last call of a hook in the last attempt; zero if there was none.
func (r Record) Call(hook Hook) HookCall {
	for _, c := range r.Hooks {
		if c.Hook == hook {
			return c
		}
	}
	return HookCall{}
}

// Drained reports whether Options.Drain was called for the instance, and no call of
// Options.Undrain has succeeded since.
func (r Record) Drained() bool { return r.Call(HookDrain).Hook != "" && !r.Call(HookUndrain).passed() }

// callsAfter returns the calls after an event that a hook is called, or has returned.
func (r Record) callsAfter(e Event) []HookCall {
	var calls []HookCall
	for _, c := range r.Hooks {
		if c.Hook != e.Hook && (e.Kind != EventHook || e.Hook != HookDrain) { // a drain begins an attempt
			calls = append(calls, c)
		}
	}
	if e.Kind == EventHook {
		return append(calls, HookCall{Hook: e.Hook, At: e.At})
	}
	return append(calls, HookCall{Hook: e.Hook, At: r.Call(e.Hook).At, Ended: e.At, Error: e.Error})
}

// drainCalls returns what is left of the calls when an intent is recorded.
func (r Record) drainCalls() []HookCall {
	if c := r.Call(HookDrain); c.Hook != "" {
		return []HookCall{c}
	}
	return nil
}

// hookError is of a hook that failed. It does not unwrap: what a hook met, such as with a
// client of its own, says nothing about the restart.
type hookError struct {
	hook  Hook
	cause error
}

func (e *hookError) Error() string { return fmt.Sprintf("%s hook: %s", e.hook, hookText(e.cause)) }

// checkError is the error of a health check or a blocker, with the text of hookText.
type checkError struct{ cause error }

func scrubbed(err error) error {
	if err == nil {
		return nil
	}
	return &checkError{err}
}

func (e *checkError) Error() string { return hookText(e.cause) }
func (e *checkError) Unwrap() error { return e.cause }

// hookText is the text of a hook's error without what looks like a secret, such as the
// query of a URL: the text goes into the journal and the report.
func hookText(err error) string {
	if err == nil {
		return ""
	}
	return redact.Unknown(err.Error(), maxHookText)
}

// maxHookText bounds what is kept of the text of a hook's error.
const maxHookText = 600

// callerKey is the key under which the context of a session's work holds the context of
// its caller.
type callerKey struct{}

// hookContext returns the context for a hook: it ends with the caller's context and not
// with the session, so that a hook for the last instance of a run is not cut off.
func hookContext(work context.Context) context.Context {
	if caller, ok := work.Value(callerKey{}).(context.Context); ok {
		return caller
	}
	return work
}

// call calls a hook of the target, with its events in the journal: the intent is durable
// before the hook runs, so a hook without a result may be called once more by a resumed
// run. If the caller's context ends, no result is recorded.
func (f *follower) call(work context.Context, hook Hook, run func(context.Context) error) error {
	ctx := hookContext(work)
	if ctx.Err() != nil {
		return &hookError{hook, context.Cause(ctx)}
	}
	e := Event{Kind: EventHook, At: time.Now(), InstanceID: f.target.ID, Hook: hook}
	if err := f.session.record.intend(e); err != nil {
		if hook == HookDrain {
			return &withheldError{reason: ReasonJournal, cause: err}
		}
		f.session.told.put(told{Event: Event{Kind: EventHalt, Reason: ReasonJournal, Error: text(err)}, err: err})
	}
	f.session.told.put(told{Event: e})
	err := callHook(ctx, f.session.options.HookTimeout, run)
	if ctx.Err() != nil {
		return &hookError{hook, context.Cause(ctx)}
	}
	f.tell(Event{Kind: EventHooked, Hook: hook, Error: hookText(err)})
	if err != nil {
		return &hookError{hook, err}
	}
	return nil
}

// callHook calls a hook with a context that ends after limit; a negative limit means none.
// If the hook returns the error of that context, callHook returns its cause.
func callHook(ctx context.Context, limit time.Duration, run func(context.Context) error) error {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if limit >= 0 {
		limited, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	}
	defer cancel()
	err := run(limited)
	if err != nil && limited.Err() != nil && errors.Is(err, limited.Err()) {
		return context.Cause(limited)
	}
	return err
}

// drain calls Options.Drain, once in a turn.
func (f *follower) drain(ctx context.Context) error {
	drain := f.session.options.Drain
	if drain == nil || f.drainDone {
		return nil
	}
	before := f.drained
	f.drained, f.drainDone = true, true // also if it fails: it may be half done
	err := f.call(ctx, HookDrain, func(ctx context.Context) error { return drain(ctx, f.target) })
	if _, notCalled := errors.AsType[*withheldError](err); notCalled {
		f.drained = before
	}
	return err
}

// undrain calls Options.Undrain, once in an attempt.
func (f *follower) undrain(ctx context.Context) error {
	undrain := f.session.options.Undrain
	if undrain == nil || f.undrained {
		return nil
	}
	f.undrained = true
	return f.call(ctx, HookUndrain, func(ctx context.Context) error { return undrain(ctx, f.target) })
}

// giveBack calls Options.Undrain for a drained instance that certainly was not
// restarted, whatever the end e of its turn is. If that fails, the instance is failed and
// unavailable, and a resumed run calls Undrain once more. If the caller's context has
// ended before there was an intent, the turn has no end: a resumed run goes on with it.
func (f *follower) giveBack(ctx context.Context, e Event) Event {
	if !f.drained || f.settled || f.session.options.Undrain == nil {
		return e
	}
	err := f.undrain(ctx)
	switch {
	case err == nil:
		return e
	case hookContext(ctx).Err() != nil && !f.intended:
		return Event{}
	}
	return Event{Kind: EventFailed, Reason: ReasonNotUndrained, Error: text(err), Witness: e.Witness}
}

// consoleTimeout limits a call of Options.Console.
const consoleTimeout = time.Minute

// errConsoleDeaf means that Options.Console still runs after its context has ended.
var errConsoleDeaf = errors.New("the call did not return when its context ended")

// readConsole starts a call of Options.Console if e means that the instance did not come back,
// once for each attempt. It does not wait for the call, because the run still polls the
// instance, which may come back. If the caller's context ends, no result is recorded, and a
// resumed run calls Console again. A call that does not return when its context ends is
// abandoned, so that it does not delay the end of the run.
func (f *follower) readConsole(work context.Context, e Event) {
	read := f.session.options.Console
	if read == nil || f.consoleRead || !f.settled || e.Kind != EventFailed {
		return
	}
	switch e.Reason {
	case ReasonNotBack, ReasonStopped, ReasonNotHealthy:
	default: // the instance was not restarted, is up, or cannot be read
		return
	}
	f.consoleRead = true
	ctx := hookContext(work)
	f.session.start(func() {
		type result struct {
			output string
			err    error
		}
		var got result
		err := callHook(ctx, consoleTimeout, func(ctx context.Context) (err error) {
			var returned bool
			got, returned = apart.Do(ctx, func() (r result) {
				r.output, r.err = read(ctx, f.target)
				return r
			})
			if !returned {
				return errConsoleDeaf
			}
			return got.err
		})
		if ctx.Err() != nil {
			return
		}
		found := Event{Kind: EventConsole, Error: hookText(err)}
		if err == nil {
			found.Console, _ = console.Clean(got.output)
		}
		if err == nil && strings.TrimSpace(found.Console) == "" {
			found.Console, found.Error = "", "the console output is empty"
		}
		f.tell(found)
	})
}

// undrainAgain calls Options.Undrain for an instance that was not restarted in an earlier
// session, and could not be put into service. It waits again then.
func (f *follower) undrainAgain(ctx context.Context) {
	switch err := f.undrain(ctx); {
	case err == nil:
		f.tell(Event{Kind: EventUnsent, Reason: ReasonResumed})
	case hookContext(ctx).Err() == nil:
		f.tell(Event{Kind: EventFailed, Reason: ReasonNotUndrained, Error: text(err)})
	}
}

// callFailed calls Options.Failed after an end that is a failure, once in an attempt.
func (f *follower) callFailed(ctx context.Context, e Event) {
	failed := f.session.options.Failed
	if failed == nil || f.failedCalled || e.Kind != EventFailed && e.Kind != EventUnknown {
		return
	}
	f.failedCalled = true
	e.InstanceID = f.target.ID
	_ = f.call(ctx, HookFailed, func(ctx context.Context) error { return failed(ctx, f.target, e) }) // its event has the error
}
