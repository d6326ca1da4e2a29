package app

import (
	"flag"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/durable"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/hook"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/notify"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// settings are the command line of a command for fleets. Each command adds the groups of
// flags that it has.
type settings struct {
	target.Target

	command string
	flags   *pflag.FlagSet
	args    []string

	emulate  int
	rateHint float64

	regions, endpoints           []string
	places                       []fleet.PlanRegion // the regions to act in, the first one included
	idsFile, zone, status        string
	names, types                 listFlag
	tags                         tagFlag
	vpcID, resourceGroup         string
	maintenance                  typesFlag
	before                       timeFlag
	groupBy                      string
	all, force                   bool
	exclude, excludeNames        listFlag
	rules                        fleet.Rules
	canary                       canaryFlag
	minReady, readyTimeout       time.Duration
	stoppedTimeout, unknownGrace time.Duration
	minUptime, timeout           time.Duration
	hookTimeout, blockerPatience time.Duration
	window                       windowFlag
	witness                      witnessFlag
	noHeartbeat                  bool // the session before went on without it
	witnessTimeout               time.Duration
	approve                      bool
	hook                         hook.Config
	selfID                       string
	waived                       map[fleet.Hook]*bool // the hooks that are not wanted any more
	moved                        bool

	temporal         durable.Server
	run              string // the ID of a durable run
	hookNamed        listFlag
	detach, notified bool
	follow           bool
	searchAttributes bool

	notify            notify.Config
	pageAddress       string
	metricsAddress    string
	pagePublic        bool
	planFile, out     string
	journal, jsonFile string
	htmlFile          string
	progress          string
	yes, json         bool
	despite           bool // problems
	dryRuns           int
}

func newSettings(cmd *cobra.Command) *settings {
	cmd.Flags().SortFlags = false
	return &settings{command: cmd.Name(), flags: cmd.Flags(), waived: map[fleet.Hook]*bool{}}
}

// has reports whether the command line gives a flag.
func (s *settings) has(name string) bool { return s.flags.Changed(name) }

// groupAnnotation is the annotation of a flag that names its group in the manual.
const groupAnnotation = "group"

// add adds flags as a group of the manual.
func (s *settings) add(group string, define func(flags *pflag.FlagSet)) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	define(flags)
	addGroup(s.flags, group, flags)
}

func addGroup(to *pflag.FlagSet, group string, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupAnnotation] = []string{group}
		to.AddFlag(f)
	})
}

// addGo adds those of the flags of package flag that a command has.
func (s *settings) addGo(group string, from *flag.FlagSet, names ...string) {
	s.add(group, func(flags *pflag.FlagSet) {
		for _, name := range names {
			flags.AddGoFlag(from.Lookup(name))
		}
	})
}
