package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// hook is what the next session must be given again, as only its name is in the
// journal.
type hook struct {
	name    string // in the journal
	flags   string
	without string
	given   func(*settings) bool
}

var hooks = []hook{
	{"health", "-health-url or -health-cmd", "-no-health", func(s *settings) bool { return s.healthURL != "" || s.healthCmd != "" }},
	{"blocker", "-blocker-cmd", "-no-blocker", func(s *settings) bool { return s.blockerCmd != "" }},
	{"approve", "-approve", "-no-approve", func(s *settings) bool { return s.approve }},
	{"window", "-window", "-no-window", func(s *settings) bool { return s.window.window != nil }},
}

// lastHooks are the names of the hooks of the last session that could send.
func lastHooks(history *fleet.History) []string {
	last := ""
	for _, e := range history.Events {
		if e.Kind == fleet.EventRun || e.Kind == fleet.EventResume {
			last = e.Hooks
		}
	}
	return strings.FieldsFunc(last, func(r rune) bool { return r == ',' })
}

// checkHooks refuses to go on without a hook that the session before had.
func (s *settings) checkHooks(before []string) error {
	for _, h := range hooks {
		if s.command == "resolve" && h.name != "health" { // sends nothing
			continue
		}
		if slices.Contains(before, h.name) && !h.given(s) && !s.waives(h.name) {
			return cmdline.Errorf("%s was given to the session before: give it again, or %s", h.flags, h.without)
		}
	}
	return nil
}

// waives reports whether to go on without a hook.
func (s *settings) waives(name string) bool {
	waived := s.waivers[name]
	return waived != nil && *waived
}

// checkWaived refuses a hook along with its opposite.
func (s *settings) checkWaived() error {
	for _, h := range hooks {
		if h.given(s) && s.waives(h.name) {
			return cmdline.Errorf("%s and %s contradict each other", h.flags, h.without)
		}
	}
	return nil
}

// waive hands over hooks that always agree for those that are not wanted any more.
func (s *settings) waive(options *fleet.Options) {
	agree := func(context.Context, fleet.Target) error { return nil }
	if s.waives("health") {
		options.Health = agree
	}
	if s.waives("blocker") {
		options.Blocker = agree
	}
	if s.waives("approve") {
		options.Approve = func(context.Context, int) error { return nil }
	}
	if s.waives("window") {
		options.Window = &fleet.Window{End: 24 * time.Hour}
	}
}

// asBefore says which flags a command that goes on must have again; empty if none.
// What they hold is not told: a command line may hold secrets.
func asBefore(command string, names []string) string {
	var flags []string
	for _, h := range hooks {
		if slices.Contains(names, h.name) && (command != "resolve" || h.name == "health") {
			flags = append(flags, h.flags)
		}
	}
	if len(flags) == 0 {
		return ""
	}
	return " (with " + strings.Join(flags, ", ") + " as before)"
}
