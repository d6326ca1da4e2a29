package app

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/hook"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// hookFlags are the flags of a hook of package fleet.
type hookFlags struct {
	hook  fleet.Hook
	flags []string // each of them gives the hook
}

// hooks lists the hooks. Neither a plan nor a journal has their values, so each session that
// needs a hook must be given it again.
var hooks = []hookFlags{
	{fleet.HookHealth, []string{"health-cmd", "health-url"}},
	{fleet.HookBlocker, []string{"blocker-cmd", "blocker-url", "block-on-alerts"}},
	{fleet.HookApprove, []string{"approve"}},
	{fleet.HookDrain, []string{"drain-cmd", "drain-url"}},
	{fleet.HookUndrain, []string{"undrain-cmd", "undrain-url"}},
	{fleet.HookFailed, []string{"failed-cmd", "failed-url"}},
}

// words names the flags, such as "--health-cmd or --health-url".
func (h hookFlags) words() string { return "--" + strings.Join(h.flags, " or --") }

// without returns the name of the flag to continue without the hook.
func (h hookFlags) without() string { return "no-" + string(h.hook) }

// given reports whether the command line gives the hook.
func (s *settings) given(h hookFlags) bool { return slices.ContainsFunc(h.flags, s.has) }

// needs reports whether a command needs a hook of the session before.
func needs(command string, h fleet.Hook) bool {
	return command != "resolve" || h == fleet.HookHealth || h == fleet.HookUndrain || h == fleet.HookFailed
}

// addHook adds the flags of a hook. Does says what it does, such as "check".
func (s *settings) addHook(flags *pflag.FlagSet, source *hook.Source, name, does string) {
	flags.StringVar(&source.Command, name+"-cmd", "", "run this shell `command` to "+does+"; see help hooks")
	flags.StringVar(&source.URL, name+"-url", "", "request this `URL` to "+does+"; see help hooks")
}

// addHooks adds the flags of the hooks of a command.
func (s *settings) addHooks() {
	s.add(groupHooks, func(flags *pflag.FlagSet) {
		s.addHook(flags, &s.hook.Health, "health", "check whether a restarted instance serves again")
		if s.command == "plan" || s.command == "run" {
			flags.Var(&s.hookNamed, "hook", "`names` of the hooks of its workers that a durable run needs: health, blocker, drain, undrain, failed; separated by commas. Repeatable")
		}
		if s.command != "resolve" {
			s.addHook(flags, &s.hook.Blocker, "blocker", "check whether the instance may be restarted now")
			flags.StringVar(&s.hook.Alerts, "block-on-alerts", "", "hold restarts back while alerts fire in the Prometheus server at this `URL`")
			flags.StringVar(&s.hook.Query, "alerts-query", "", "PromQL `query` that selects these alerts. Default: all that fire, except those of severity none")
			s.addHook(flags, &s.hook.Drain, "drain", "take the instance out of service before its restart")
		}
		s.addHook(flags, &s.hook.Undrain, "undrain", "put the instance back into service when it is healthy")
		s.addHook(flags, &s.hook.Failed, "failed", "report an instance that has failed or is unknown")
		if s.command == "worker" { // the settings of a run say these
			return
		}
		if s.command != "resolve" {
			flags.BoolVar(&s.approve, "approve", false, "wait for approval after each canary stage: at the terminal, by the command approve, or on the live page")
		}
		flags.DurationVar(&s.hookTimeout, "hook-timeout", 0, "limit of each call of drain, undrain and failed; 0 for no limit. "+s.byDefault("5m"))
		if s.command != "resolve" {
			flags.DurationVar(&s.blockerPatience, "blocker-patience", 0, "how long a blocker may refuse an instance before the next one gets its turn. "+s.byDefault("5m"))
		}
	})
}

// addWaivers adds the flags to continue without a hook.
func (s *settings) addWaivers() {
	s.add(groupWaivers, func(flags *pflag.FlagSet) {
		for _, h := range hooks {
			if needs(s.command, h.hook) {
				s.waived[h.hook] = flags.Bool(h.without(), false, "continue without "+h.words())
			}
		}
		if s.command != "resolve" {
			s.waived[fleet.HookWindow] = flags.Bool("no-window", false, "continue without --window")
		}
	})
}

// waives reports whether to continue without a hook.
func (s *settings) waives(h fleet.Hook) bool {
	waived := s.waived[h]
	return waived != nil && *waived
}

// checkWaived rejects a hook together with its opposite.
func (s *settings) checkWaived() error {
	for _, h := range hooks {
		if s.given(h) && s.waives(h.hook) {
			return cmdline.Errorf("%s and --%s contradict each other", h.words(), h.without())
		}
	}
	if s.window.window != nil && s.waives(fleet.HookWindow) {
		return cmdline.Errorf("--window and --no-window contradict each other")
	}
	return nil
}

// checkHooks returns an error if a hook is missing that the plan or the session before has.
// of names the plan or the session, for the error.
func (s *settings) checkHooks(of string, before []fleet.Hook) error {
	if s.temporal.Given() { // the workers have them
		return nil
	}
	for _, h := range hooks {
		if needs(s.command, h.hook) && slices.Contains(before, h.hook) && !s.given(h) && !s.waives(h.hook) {
			return cmdline.Errorf("missing %s, which %s has: give the hook again, or --%s", h.words(), of, h.without())
		}
	}
	return nil
}

// mustGive returns the hooks of a session that the next one must be given again. The
// heartbeat, which the labels of the plan name, is a health check without a value.
func (s *settings) mustGive(plan fleet.Plan, before []fleet.Hook) []fleet.Hook {
	heartbeat := slices.Contains(strings.Split(s.labelOf(plan, "witness"), ","), witnessHeartbeat)
	if !heartbeat || slices.Contains(plan.Hooks, fleet.HookHealth) || s.given(hooks[0]) || s.waives(fleet.HookHealth) {
		return before
	}
	return slices.DeleteFunc(slices.Clone(before), func(h fleet.Hook) bool { return h == fleet.HookHealth })
}

// without returns the hooks of the plan or of the session before that are waived. Package
// fleet refuses others.
func (s *settings) without(before []fleet.Hook, window bool) (without []fleet.Hook) {
	for _, h := range before {
		if s.waives(h) {
			without = append(without, h)
		}
	}
	if window && s.waives(fleet.HookWindow) {
		without = append(without, fleet.HookWindow)
	}
	return without
}

// checkURLs refuses hooks whose URL lacks a value of an instance that would be restarted.
func (s *settings) checkURLs(forecast *fleet.Forecast) error {
	left := make(map[string]bool, len(forecast.Findings))
	for _, finding := range forecast.Findings {
		left[finding.ID] = true
	}
	return s.hook.Check(slices.DeleteFunc(slices.Clone(forecast.Plan.Targets), func(t fleet.Target) bool { return left[t.ID] }))
}

// checkURLsAgain is checkURLs for the instances whose restart a run has not completed.
func (s *settings) checkURLsAgain(report *fleet.Report) error {
	var targets []fleet.Target
	for i := range report.Records {
		if r := &report.Records[i]; r.State != fleet.StateHealthy && r.State != fleet.StateSkipped && !slices.Contains(s.exclude, r.ID) {
			targets = append(targets, r.Target)
		}
	}
	return s.hook.Check(targets)
}

// hookNames are the hooks that the command line gives, or names for the workers of a
// durable run.
func (s *settings) hookNames() (names []fleet.Hook) {
	for _, h := range hooks {
		if s.given(h) || slices.Contains(s.hookNamed, string(h.hook)) {
			names = append(names, h.hook)
		}
	}
	return names
}

// checkHookNames refuses names in --hook that are not those of hooks of a worker.
func (s *settings) checkHookNames() error {
	for _, name := range s.hookNamed {
		if name == string(fleet.HookApprove) || !slices.ContainsFunc(hooks, func(h hookFlags) bool { return string(h.hook) == name }) {
			return cmdline.Errorf("unknown --hook %q, want health, blocker, drain, undrain or failed", name)
		}
	}
	return nil
}

// hookArgs returns the arguments that give a command the hooks of a session. A hook that
// another process was given has a placeholder for its value, and so has one whose value
// may hold a secret.
func (s *settings) hookArgs(command string, of []fleet.Hook) (args []string) {
	for _, h := range hooks {
		switch {
		case !needs(command, h.hook):
		case s.waives(h.hook):
			args = append(args, "--"+h.without())
		case slices.Contains(of, h.hook):
			args = append(args, s.valuesOf(h)...)
		}
	}
	return args
}

// secretInURL finds URLs that may hold a secret: with a user, or with a query that has more than
// placeholders and variables. No printed command repeats such a value.
var secretInURL = regexp.MustCompile(`://[^/\s]*@|[?&][^=&\s]+=[^{&$\s'"]`)

// valuesOf returns the flags of a hook with their values.
func (s *settings) valuesOf(h hookFlags) (args []string) {
	if h.hook == fleet.HookApprove {
		return []string{"--approve"}
	}
	names := slices.Clone(h.flags)
	if h.hook == fleet.HookBlocker {
		names = append(names, "alerts-query")
	}
	for _, name := range names {
		f := s.flags.Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		value := f.Value.String()
		if redact.Unknown(value, len(value)+1) != value || secretInURL.MatchString(value) {
			value = asBefore
		}
		args = append(args, "--"+name, value)
	}
	if len(args) == 0 {
		args = []string{"--" + h.flags[0], asBefore}
	}
	return args
}

// checkPlaceholders rejects the placeholders of a printed command: the operator must replace
// them, because the shell would fail to run asBefore.
func (s *settings) checkPlaceholders() error {
	for _, h := range hooks {
		for _, name := range append(slices.Clone(h.flags), "alerts-query") {
			if f := s.flags.Lookup(name); f != nil && f.Value.String() == asBefore {
				return cmdline.Errorf("--%s %s is a placeholder; give the value of the session before", name, asBefore)
			}
		}
	}
	return nil
}

// asBefore stands for a value that a printed command leaves out.
const asBefore = "AS-BEFORE"
