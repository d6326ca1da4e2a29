package app

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/notify"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// checkPlan refuses invalid usage of plan.
func (s *settings) checkPlan() error {
	if err := s.checkSelection(); err != nil {
		return err
	}
	if err := s.checkRunning(); err != nil {
		return err
	}
	return s.checkSettings()
}

// checkRun refuses invalid usage of run.
func (s *settings) checkRun() error {
	s.Emulate = s.has("emulate")
	if err := s.checkDurable(); err != nil {
		return err
	}
	switch {
	case s.Emulate && s.emulate < 1:
		return cmdline.Errorf("--emulate %d: want the number of instances, at least 1", s.emulate)
	case s.emulate > maxEmulated:
		return cmdline.Errorf("--emulate %d is more than this process can serve; at most %d", s.emulate, maxEmulated)
	case s.planFile != "":
		if err := s.checkPlanFile(); err != nil {
			return err
		}
	default:
		return s.checkPlan()
	}
	return s.checkRunning()
}

// checkPlanFile refuses flags whose values the plan has.
func (s *settings) checkPlanFile() error {
	for _, name := range []string{
		"region", "endpoint", "vpc", "emulate", "ids-file", "name", "tag", "zone", "vpc-id", "instance-type", "resource-group", "status", "all",
		"maintenance", "before", "exclude", "exclude-name", "group-by", "force",
	} {
		if s.has(name) {
			return cmdline.Errorf("--%s and --plan contradict each other; the plan determines the regions and the instances", name)
		}
	}
	if len(s.args) > 0 {
		return cmdline.Errorf("argument %q and --plan contradict each other; the plan determines the instances", s.args[0])
	}
	return nil
}

// checkSelection refuses a target or a selection that contradicts itself.
func (s *settings) checkSelection() error {
	if err := s.checkPlaces(); err != nil {
		return err
	}
	if err := checkIDs(s.args); err != nil {
		return err
	}
	listed := len(s.args) > 0 || s.idsFile != ""
	switch {
	case len(s.args) > 0 && s.idsFile != "":
		return cmdline.Errorf("instance IDs and --ids-file contradict each other")
	case listed && (s.queries() || s.all):
		return cmdline.Errorf("a list of instances and --%s contradict each other", s.queryFlag())
	case s.has("before") && s.maintenance == nil:
		return cmdline.Errorf("--before %s needs --maintenance, whose deadlines it limits", s.before.String())
	case !listed && !s.queries() && !s.all && !s.Emulate && s.maintenance == nil:
		return cmdline.Errorf("missing instances: give IDs, --ids-file, --tag, --name, --zone, --maintenance, or --all for every instance of the region")
	}
	_, err := groupBy(s.groupBy)
	return err
}

// queryFlags are the flags that make a query.
var queryFlags = []string{"name", "tag", "zone", "vpc-id", "instance-type", "resource-group", "status", "all"}

// queries reports whether the command line has a query.
func (s *settings) queries() bool { return s.queryFlag() != "" && s.queryFlag() != "all" }

// queryFlag returns the first flag of a query that the command line gives.
func (s *settings) queryFlag() string {
	for _, name := range queryFlags {
		if s.has(name) {
			return name
		}
	}
	return ""
}

// checkIDs rejects invalid instance IDs, wildcards, and duplicates.
func checkIDs(ids []string) error {
	for i, id := range ids {
		switch err := cmdline.CheckID(id); {
		case err != nil:
			return err
		case strings.ContainsAny(id, "*?[]"):
			return cmdline.Errorf("instance ID %q has a wildcard", id)
		case slices.Contains(ids[:i], id):
			return cmdline.Errorf("instance ID %s is repeated", id)
		}
	}
	return nil
}

// checkResumed rejects invalid usage of commands that continue the run of a journal.
func (s *settings) checkResumed() error {
	if err := s.checkWaived(); err != nil {
		return err
	}
	return s.checkRunning()
}

func (s *settings) checkRunning() error {
	if s.progress != "" && !slices.Contains(screen.Modes, s.progress) {
		return cmdline.Errorf("unknown --progress %q, want one of %s", s.progress, strings.Join(screen.Modes, ", "))
	}
	if err := s.checkPlaceholders(); err != nil {
		return err
	}
	if _, err := s.hook.Hooks(); err != nil {
		return err
	}
	if err := s.checkHookNames(); err != nil {
		return err
	}
	if _, err := notify.NewSender(s.notify); err != nil {
		return err
	}
	if err := checkIDs(s.exclude); err != nil {
		return cmdline.Errorf("--exclude: %v", err)
	}
	if s.selfID != "" {
		if err := checkIDs([]string{s.selfID}); err != nil {
			return cmdline.Errorf("--self: %v", err)
		}
	}
	if err := s.checkNumbers(); err != nil {
		return err
	}
	// A plan that exists may name the witnesses, and whoever runs a new plan may add them.
	return s.checkWitnessTimeout(s.command == "restart" || s.command == "run" && s.planFile == "")
}

// checkSettings rejects settings that are invalid for any plan, before the program asks
// the service for the instances of the plan. With --emulate, the settings are not complete
// yet.
func (s *settings) checkSettings() error {
	if s.Emulate {
		return nil
	}
	one := fleet.Plan{Region: s.Region, Targets: []fleet.Target{{ID: "i-1"}}}
	_, err := fleet.Options{Settings: s.runSettings()}.Complete(one)
	return s.inFlags(err)
}

func (s *settings) checkNumbers() error {
	for _, limit := range []struct {
		name string
		d    time.Duration
		zero string
	}{
		{"min-ready", s.minReady, "for no time"},
		{"ready-timeout", s.readyTimeout, "for no limit"},
		{"stopped-timeout", s.stoppedTimeout, "for no limit"},
		{"unknown-grace", s.unknownGrace, "for one poll"},
		{"witness-timeout", s.witnessTimeout, "for no limit"},
		{"min-uptime", s.minUptime, "means none"},
		{"hook-timeout", s.hookTimeout, "for no limit"},
		{"blocker-patience", s.blockerPatience, "means none"},
		{"timeout", s.timeout, "for no limit"},
	} {
		if limit.d < 0 {
			return cmdline.Errorf("--%s %v is negative; 0 %s", limit.name, limit.d, limit.zero)
		}
	}
	if s.dryRuns < 0 {
		return cmdline.Errorf("--dry-runs %d is negative; 0 means none", s.dryRuns)
	}
	if s.has("rate-hint") && !(s.rateHint > 0 && s.rateHint <= math.MaxInt32) {
		return cmdline.Errorf("--rate-hint %v: want a number of calls a minute, above 0", s.rateHint)
	}
	return nil
}
