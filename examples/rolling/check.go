package main

import (
	"math"
	"time"

	"github.com/ecsreboot/ecsreboot/examples/target"
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
		return target.Usage("-emulate %d: how many instances? At least 1", s.emulate)
	case s.emulate > maxEmulated:
		return target.Usage("-emulate %d: more than %d instances are too many for this process", s.emulate, maxEmulated)
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
		return target.Usage("where shall the run be remembered? Give -journal a file that does not exist yet; after a crash, resume needs it")
	}
	return s.checkRunning()
}

// checkPlanFile refuses what a plan already says.
func (s *settings) checkPlanFile() error {
	for _, name := range []string{
		"region", "endpoint", "vpc", "emulate", "ids-file", "tag", "zone", "all", "exclude", "group-by", "force",
	} {
		if s.given[name] {
			return target.Usage("-%s and -plan contradict each other; the plan says where and what", name)
		}
	}
	if len(s.args) > 0 {
		return target.Usage("%q stands behind the flags, but -plan says which instances", s.args[0])
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
		return target.Usage("instance ids and -ids-file contradict each other")
	case listed && (query || s.all || len(s.exclude) > 0):
		return target.Usage("a list of instances contradicts -tag, -zone, -all and -exclude")
	case !listed && !query && !s.all && !s.Emulate:
		return target.Usage("which instances? Give ids, -ids-file, -tag, -zone, or -all for everything that runs in the region")
	}
	_, err := groupBy(s.groupBy)
	return err
}

// takeIDs checks the arguments behind the flags.
func (s *settings) takeIDs() error {
	if len(s.args) == 0 {
		return nil
	}
	if err := target.NoFlagAmong(s.args); err != nil {
		return err
	}
	for _, id := range s.args {
		if err := target.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

// checkJournal refuses what makes no sense for commands that go by a journal.
func (s *settings) checkJournal() error {
	switch {
	case s.journal == "":
		return target.Usage("which run? Give -journal")
	case len(s.args) > 0:
		return target.Usage("%q stands behind the flags; the journal says which instances", s.args[0])
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
		return target.Usage("which run? Give -journal")
	case s.out == "" && s.jsonFile == "":
		return target.Usage("where to? Give -o for HTML, -json for JSON")
	case len(s.args) > 0:
		return target.Usage("%q stands behind the flags", s.args[0])
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
			return target.Usage("-%s %v is negative; 0 means none", name, d)
		}
	}
	if s.dryRuns < 0 {
		return target.Usage("-dry-runs %d is negative; 0 means none", s.dryRuns)
	}
	if s.given["rate-hint"] && !(s.rateHint > 0 && s.rateHint <= math.MaxInt32) {
		return target.Usage("-rate-hint %v: it is a number of calls a minute, above 0", s.rateHint)
	}
	return nil
}
