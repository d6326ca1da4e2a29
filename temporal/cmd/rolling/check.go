package main

import (
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// maxEmulated is how many instances -emulate serves at most: this process does all
// the work of their run.
const maxEmulated = 5_000

// checkRun refuses invalid usage of run.
func (s *settings) checkRun() error {
	s.Emulate = s.emulate != 0
	if err := s.temporal.Check(); err != nil {
		return err
	}
	switch {
	case s.emulate < 0:
		return cmdline.Errorf("-emulate %d: how many instances? At least 1", s.emulate)
	case s.emulate > maxEmulated:
		return cmdline.Errorf("-emulate %d: more than %d instances are too many for this process", s.emulate, maxEmulated)
	case s.Emulate && (s.health || s.blocker || s.notify):
		return cmdline.Errorf("-emulate contradicts -health, -blocker and -notify, which are commands of workers; its own worker has none")
	case s.Emulate && s.given["task-queue"]:
		return cmdline.Errorf("-emulate contradicts -task-queue; its queue is served by its own worker alone")
	}
	if err := s.checkSelection(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"min-ready": s.minReady, "ready-timeout": s.readyTimeout, "settle": s.settle, "send-timeout": s.sendTimeout,
		"min-uptime": s.minUptime, "blocker-interval": s.blockerInterval,
	} {
		if d < 0 {
			return cmdline.Errorf("-%s %v is negative; 0 means none", name, d)
		}
	}
	if s.given["send-timeout"] && s.sendTimeout == 0 {
		return cmdline.Errorf("-send-timeout cannot be 0: a restart needs some time to be answered")
	}
	if s.dryRuns < 0 {
		return cmdline.Errorf("-dry-runs %d is negative; 0 means none", s.dryRuns)
	}
	return nil
}

// checkSelection refuses a target or a selection that contradicts itself.
func (s *settings) checkSelection() error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := s.checkIDs(); err != nil {
		return err
	}
	listed := len(s.args) > 0 || s.idsFile != ""
	query := len(s.tags) > 0 || s.zone != ""
	switch {
	case len(s.args) > 0 && s.idsFile != "":
		return cmdline.Errorf("instance ids and -ids-file contradict each other")
	case listed && (query || s.all || len(s.exclude) > 0):
		return cmdline.Errorf("a list of instances contradicts -tag, -zone, -all and -exclude")
	case !listed && !query && !s.all && !s.Emulate:
		return cmdline.Errorf("missing instances: give ids, -ids-file, -tag, -zone, or -all for everything in the region")
	case s.Emulate && (listed || query || len(s.exclude) > 0):
		return cmdline.Errorf("-emulate restarts all its instances; it contradicts ids, -tag, -zone and -exclude")
	}
	_, err := groupBy(s.groupBy)
	return err
}

// checkIDs checks the arguments behind the flags.
func (s *settings) checkIDs() error {
	if len(s.args) == 0 {
		return nil
	}
	if err := cmdline.RejectFlags(s.args); err != nil {
		return err
	}
	for _, id := range s.args {
		if err := cmdline.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

// checkWorkflow refuses invalid usage of the commands for a run that was started.
func (s *settings) checkWorkflow() error {
	switch {
	case s.workflow == "":
		return cmdline.Errorf("which run? Give -run, the id that rolling run has printed")
	case len(s.args) > 0:
		return cmdline.Errorf("%q stands behind the flags", s.args[0])
	}
	return s.temporal.Check()
}

func (s *settings) checkApprove() error {
	if s.stage < 0 || s.given["stage"] && s.stage == 0 {
		return cmdline.Errorf("-stage %d: stages count from 1", s.stage)
	}
	return s.checkWorkflow()
}

// settings are those of the workflow.
func (s *settings) ofWorkflow() ecstemporal.Settings {
	is := ecstemporal.Settings{
		Rules:         s.rules,
		MinReady:      s.duration("min-ready", s.minReady),
		ReadyTimeout:  s.duration("ready-timeout", s.readyTimeout),
		UnknownGrace:  s.duration("settle", s.settle),
		SendTimeout:   s.sendTimeout,
		Window:        s.window.Window,
		MinUptime:     s.minUptime,
		Blocker:       s.blocker,
		ApproveCanary: s.approve,
		Health:        s.health,
		Notify:        s.notify,

		BlockerInterval: s.blockerInterval,
	}
	if s.canary != nil {
		is.Canary = s.canary
	}
	return is
}

// forecastOptions are for looking ahead.
func (s *settings) forecastOptions() fleet.Options {
	is := s.ofWorkflow()
	options := fleet.Options{Rules: is.Rules, MinReady: is.MinReady, ReadyTimeout: is.ReadyTimeout, UnknownGrace: is.UnknownGrace, DryRuns: s.dryRuns, Window: is.Window, MinUptime: is.MinUptime}
	if s.given["dry-runs"] && s.dryRuns == 0 {
		options.DryRuns = -1
	}
	return options
}

// duration is a duration for the library, where zero means the default and a
// negative one none.
func (s *settings) duration(name string, d time.Duration) time.Duration {
	if s.given[name] && d == 0 {
		return -1
	}
	return d
}
