package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// options are those of a run, but for its journal and who watches it.
func (p *program) options(ctx context.Context, s *settings, base fleet.Rules) (fleet.Options, error) {
	health, err := s.health()
	if err != nil {
		return fleet.Options{}, err
	}
	options := fleet.Options{
		Rules:        s.rulesOver(base),
		Journal:      s.journal,
		MinReady:     s.duration("min-ready", s.minReady),
		ReadyTimeout: s.duration("ready-timeout", s.readyTimeout),
		UnknownGrace: s.duration("settle", s.settle),
		MinUptime:    s.minUptime,
		Window:       s.window.window,
		SelfID:       p.self(ctx, s),
		DryRuns:      s.dryRuns,
		Control:      new(fleet.Control),
	}
	if s.given["dry-runs"] && s.dryRuns == 0 {
		options.DryRuns = -1
	}
	if health != nil {
		options.Health = health
	}
	if s.blockerCmd != "" {
		options.Blocker = commandCheck(s.blockerCmd)
	}
	s.waive(&options)
	return options, nil
}

// duration is a duration for the fleet package, where zero means the default and a
// negative one none.
func (s *settings) duration(name string, d time.Duration) time.Duration {
	if s.given[name] && d == 0 {
		return -1
	}
	return d
}

// rulesOver are the rules of the command line, and for what it does not say those
// of the base.
func (s *settings) rulesOver(base fleet.Rules) fleet.Rules {
	if !s.rules.MaxUnavailable.IsZero() {
		base.MaxUnavailable = s.rules.MaxUnavailable
	}
	if !s.rules.MaxUnavailablePerGroup.IsZero() {
		base.MaxUnavailablePerGroup = s.rules.MaxUnavailablePerGroup
	}
	if s.given["allow-wide"] {
		base.AllowWide = s.rules.AllowWide
	}
	if !s.rules.MaxFailed.IsZero() {
		base.MaxFailed = s.rules.MaxFailed
	}
	if s.canary != nil {
		base.Canary = s.canary
	}
	return base
}

// approve asks on the terminal whether to go on after a canary stage.
func (p *program) approve(note func(format string, args ...any)) func(context.Context, int) error {
	return func(ctx context.Context, stage int) error {
		note("canary stage %d is healthy. Look at it; type y to go on, n to stop: ", stage)
		answer, err := p.stdin.next(ctx)
		switch {
		case err != nil:
			return err
		case !isYes(answer):
			return errors.New("the answer was " + fmt.Sprintf("%.20q", answer))
		}
		return nil
	}
}
