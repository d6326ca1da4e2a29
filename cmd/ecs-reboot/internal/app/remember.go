package app

import (
	"maps"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// labeled are the flags whose values are in the labels of a plan. They determine how to
// connect and with which credentials, which package fleet does not know. The settings and
// the hooks of the plan and of the journal hold everything else that the next session needs.
var labeled = []string{"profile", "signature", "rate-hint", "witness"}

// remember puts the settings of the command line into a new plan. A plan has no command
// and no URL of a hook, because they may hold secrets.
func (s *settings) remember(plan *fleet.Plan) {
	s.label(plan)
	plan.Hooks = s.hookNames()
	plan.Settings = s.runSettings()
}

// label puts the labels that the command line gives into a plan.
func (s *settings) label(plan *fleet.Plan) {
	for _, name := range labeled {
		if f := s.flags.Lookup(name); f != nil && f.Changed {
			plan.Labels = maps.Clone(plan.Labels)
			if plan.Labels == nil {
				plan.Labels = map[string]string{}
			}
			plan.Labels[name] = f.Value.String()
		}
	}
}

// labelOf is the value of a flag that the plan labels, unless the command line gives
// another.
func (s *settings) labelOf(plan fleet.Plan, name string) string {
	if f := s.flags.Lookup(name); f != nil && f.Changed {
		return f.Value.String()
	}
	return plan.Labels[name]
}

// recall sets the flags that the command line does not give to the labels of a plan.
func (s *settings) recall(plan fleet.Plan) error {
	for _, name := range labeled {
		text, ok := plan.Labels[name]
		f := s.flags.Lookup(name)
		if !ok || f == nil || f.Changed {
			continue
		}
		if err := s.flags.Set(name, text); err != nil {
			return cmdline.Errorf("--%s %s of the plan: %v", name, text, err)
		}
	}
	return nil
}

// lastSession returns the hooks of the last session that could send, and whether that
// session has a window.
func lastSession(history *fleet.History) (hooks []fleet.Hook, window bool) {
	for _, e := range history.Events {
		if e.Kind == fleet.EventRun || e.Kind == fleet.EventResume {
			hooks, window = e.Hooks, e.Settings != nil && e.Settings.Window != nil
		}
	}
	return hooks, window
}
