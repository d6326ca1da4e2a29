package main

import (
	"math"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// checkPlan refuses what makes no sense for plan.
func (s *settings) checkPlan() error {
	if err := s.checkSelection(); err != nil {
		return err
	}
	return s.checkNumbers()
}

// checkRun refuses what makes no sense for run.
func (s *settings) checkRun() error {
	s.Emulate = s.emulate != 0
	s.Timeout = max(s.timeout, 0)
	switch {
	case s.emulate < 0:
		return cmdline.Errorf("-emulate %d: how many instances? At least 1", s.emulate)
	case s.emulate > maxEmulated:
		return cmdline.Errorf("-emulate %d: more than %d instances are too many for this process", s.emulate, maxEmulated)
	case s.planFile != "":
		if err := s.checkPlanFile(); err != nil {
			return err
		}
	default:
		if err := s.checkSelection(); err != nil {
			return err
		}
	}
	if !s.Emulate && s.journal == "" {
		return cmdline.Errorf("where shall the run be remembered? Give -journal a file that does not exist yet; after a crash, resume needs it")
	}
	return s.checkRunning()
}

// checkPlanFile refuses what a plan already says.
func (s *settings) checkPlanFile() error {
	for _, name := range []string{
		"region", "endpoint", "vpc", "emulate", "ids-file", "tag", "zone", "all", "exclude", "group-by", "force",
	} {
		if s.given[name] {
			return cmdline.Errorf("-%s and -plan contradict each other; the plan says where and what", name)
		}
	}
	if len(s.args) > 0 {
		return cmdline.Errorf("%q stands behind the flags, but -plan says which instances", s.args[0])
	}
	return nil
}

// checkSelection refuses a target or a selection that contradicts itself.
func (s *settings) checkSelection() error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := s.takeIDs(); err != nil {
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
		return cmdline.Errorf("which instances? Give ids, -ids-file, -tag, -zone, or -all for everything that runs in the region")
	}
	_, err := groupBy(s.groupBy)
	return err
}

// takeIDs checks the arguments behind the flags.
func (s *settings) takeIDs() error {
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

// checkJournal refuses what makes no sense for commands that go by a journal.
func (s *settings) checkJournal() error {
	switch {
	case s.journal == "":
		return cmdline.Errorf("which run? Give -journal")
	case len(s.args) > 0:
		return cmdline.Errorf("%q stands behind the flags; the journal says which instances", s.args[0])
	case s.command == "status":
		return nil
	}
	if err := s.checkWaived(); err != nil {
		return err
	}
	s.Region = "of the journal" // which says where
	s.Timeout = max(s.timeout, 0)
	if err := s.Check(); err != nil {
		return err
	}
	return s.checkRunning()
}

// checkReport refuses what makes no sense for report.
func (s *settings) checkReport() error {
	switch {
	case s.journal == "":
		return cmdline.Errorf("which run? Give -journal")
	case s.out == "" && s.jsonFile == "":
		return cmdline.Errorf("where to? Give -o for HTML, -json for JSON")
	case len(s.args) > 0:
		return cmdline.Errorf("%q stands behind the flags", s.args[0])
	}
	return nil
}

func (s *settings) checkRunning() error {
	if err := checkProgress(s.progress); err != nil {
		return err
	}
	if _, err := s.health(); err != nil {
		return err
	}
	return s.checkNumbers()
}

func (s *settings) checkNumbers() error {
	for name, d := range map[string]time.Duration{
		"min-ready": s.minReady, "ready-timeout": s.readyTimeout, "settle": s.settle, "min-uptime": s.minUptime, "timeout": s.timeout,
	} {
		if d < 0 {
			return cmdline.Errorf("-%s %v is negative; 0 means none", name, d)
		}
	}
	if s.dryRuns < 0 {
		return cmdline.Errorf("-dry-runs %d is negative; 0 means none", s.dryRuns)
	}
	if s.given["rate-hint"] && !(s.rateHint > 0 && s.rateHint <= math.MaxInt32) {
		return cmdline.Errorf("-rate-hint %v: it is a number of calls a minute, above 0", s.rateHint)
	}
	return nil
}
