package fleet

import (
	"fmt"
	"slices"
)

// given is whether the options have a hook.
type given struct {
	hook   Hook
	field  string
	is     bool
	always bool // also by a session that sends nothing
}

func (o Options) given() []given {
	return []given{
		{HookHealth, "Health", o.Health != nil, true},
		{HookBlocker, "Blocker", o.Blocker != nil, false},
		{HookApprove, "Approve", o.Approve != nil, false},
		{HookDrain, "Drain", o.Drain != nil, false},
		{HookUndrain, "Undrain", o.Undrain != nil, true},
		{HookFailed, "Failed", o.Failed != nil, true},
	}
}

// Hooks returns the names of the hooks that are given, as a plan and a journal hold them.
func (o Options) Hooks() []Hook {
	var hooks []Hook
	for _, g := range o.given() {
		if g.is {
			hooks = append(hooks, g.hook)
		}
	}
	return hooks
}

func (o Options) waives(hook Hook) bool { return slices.Contains(o.Without, hook) }

// checkWithout refuses names in Without that are no hooks, and hooks that are given.
func (o Options) checkWithout() error {
	hooks := o.given()
	for _, hook := range o.Without {
		i := slices.IndexFunc(hooks, func(g given) bool { return g.hook == hook })
		switch {
		case i >= 0 && hooks[i].is, hook == HookWindow && o.Window != nil:
			return input("Without", fmt.Sprintf("names the hook %q, which is given", hook))
		case i < 0 && hook != HookWindow:
			return input("Without", fmt.Sprintf("names the hook %q, which does not exist", hook))
		}
	}
	return nil
}

// checkHooks refuses to go on without a hook that a plan or the last session has:
// without a health check, for example, every restarted instance would pass as healthy.
func (o Options) checkHooks(wanted []Hook, by string, lookOnly bool) error {
	hooks := o.given()
	for _, hook := range wanted {
		i := slices.IndexFunc(hooks, func(g given) bool { return g.hook == hook })
		switch {
		case i < 0:
			return input("Plan", fmt.Sprintf("names the hook %q, which does not exist", hook))
		case lookOnly && !hooks[i].always, hooks[i].is, o.waives(hook):
		default:
			return input(hooks[i].field, fmt.Sprintf("%s, and is not given now; to go on without it, name %q in Without", by, hook))
		}
	}
	return nil
}
