package app

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// runSettings returns the settings that the command line gives. For a field that is zero,
// the setting of the plan or of the session before applies.
func (s *settings) runSettings() fleet.Settings {
	settings := fleet.Settings{
		Rules:           s.rules,
		MinReady:        s.duration("min-ready", s.minReady),
		ReadyTimeout:    s.duration("ready-timeout", s.readyTimeout),
		StoppedTimeout:  s.duration("stopped-timeout", s.stoppedTimeout),
		UnknownGrace:    s.duration("unknown-grace", s.unknownGrace),
		WitnessTimeout:  s.duration("witness-timeout", s.witnessTimeout),
		BlockerPatience: s.duration("blocker-patience", s.blockerPatience),
		HookTimeout:     s.duration("hook-timeout", s.hookTimeout),
		MinUptime:       s.duration("min-uptime", s.minUptime),
		Window:          s.window.window,
		SelfID:          s.selfID,
	}
	settings.Canary = s.canary
	if s.command == "resume" { // elsewhere, the plan leaves them out
		settings.Exclude = s.exclude
	}
	return settings
}

// options returns the options of a session, without the functions that follow the session.
func (p *program) options(ctx context.Context, s *settings, clients *connections) (fleet.Options, error) {
	s.hook.Region = s.Region
	given, err := s.hook.Hooks()
	if err != nil {
		return fleet.Options{}, err
	}
	options := fleet.Options{Settings: s.runSettings(), Journal: s.journal, DryRuns: s.dryRuns, Moved: s.moved, Clients: clients.clients()}
	options.SelfID = p.self(ctx, s)
	if s.has("dry-runs") && s.dryRuns == 0 {
		options.DryRuns = -1
	}
	given.Set(&options)
	if !s.temporal.Given() { // whose workers have them
		asked, err := p.newWitnesses(s, clients, p.note)
		if err != nil {
			return fleet.Options{}, err
		}
		options.Witness, options.Health = asked.asked(), asked.health(options.Health)
		options.Console = asked.console()
	}
	if s.approve {
		options.Approve = func(context.Context, int) error { return nil } // carryOut replaces it
	}
	return options, nil
}

// duration returns a duration for package fleet, where zero means the default and a
// negative duration means none.
func (s *settings) duration(name string, d time.Duration) time.Duration {
	if s.has(name) && d == 0 {
		return -1
	}
	return d
}
