package main

import (
	"errors"
	"flag"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// settings are the command line.
type settings struct {
	target.Target
	command string
	given   map[string]bool  // the flags that are on the command line
	waivers map[string]*bool // of the hooks that are not wanted any more
	args    []string         // what is behind them

	emulate  int
	rateHint float64

	idsFile, zone, status, groupBy string
	tags                           tagFlag
	all, force                     bool
	exclude                        listFlag

	rules                fleet.Rules
	canary               canaryFlag
	minReady             time.Duration
	readyTimeout, settle time.Duration
	minUptime, timeout   time.Duration
	window               windowFlag
	approve              bool
	healthURL, healthCmd string
	blockerCmd, selfID   string

	planFile, out     string
	journal, jsonFile string
	htmlFile          string
	progress          string
	yes, json         bool
	despite           bool // problems
	dryRuns           int
}

// parse reads the flags of a command. Its errors wrap flag.ErrHelp or are usage
// errors; the settings hold whether -json was asked for even then.
func parse(command string, args []string, add func(*settings, *flag.FlagSet)) (*settings, error) {
	s := &settings{command: command, given: map[string]bool{}, waivers: map[string]*bool{}}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	add(s, flags)
	err := flags.Parse(args)
	flags.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	s.args = flags.Args()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil && strings.HasPrefix(err.Error(), "flag provided but not defined"):
		err = cmdline.Errorf("%v; %s %s -h lists them", err, programName, command)
	case err != nil:
		err = cmdline.Errorf("%v", err)
	default:
		err = cmdline.RejectEmpty(flags)
	}
	if err != nil && command != "report" { // whose -json is a file
		s.json = s.json || cmdline.HasSwitch(args, "json")
	}
	return s, err
}

// targetFlags adds those of the flags of a [target.Target] that a command has.
func (s *settings) targetFlags(flags *flag.FlagSet, names ...string) {
	all := flag.NewFlagSet("", flag.ContinueOnError)
	s.AddFlags(all)
	for _, name := range names {
		flags.Var(all.Lookup(name).Value, name, "")
	}
}

func (s *settings) selectionFlags(flags *flag.FlagSet) {
	s.targetFlags(flags, "region", "endpoint", "vpc", "signature")
	flags.StringVar(&s.idsFile, "ids-file", "", "")
	flags.Var(&s.tags, "tag", "")
	flags.StringVar(&s.zone, "zone", "", "")
	flags.StringVar(&s.status, "status", "", "")
	flags.BoolVar(&s.all, "all", false, "")
	flags.Var(&s.exclude, "exclude", "")
	flags.StringVar(&s.groupBy, "group-by", "", "")
	flags.BoolVar(&s.force, "force", false, "")
}

func (s *settings) rulesFlags(flags *flag.FlagSet) {
	flags.TextVar(&s.rules.MaxUnavailable, "max-unavailable", fleet.Limit{}, "")
	flags.TextVar(&s.rules.MaxUnavailablePerGroup, "max-unavailable-per-group", fleet.Limit{}, "")
	flags.BoolVar(&s.rules.AllowWide, "allow-wide", false, "")
	flags.TextVar(&s.rules.MaxFailed, "max-failed", fleet.Limit{}, "")
	flags.Var(&s.canary, "canary", "")
}

func (s *settings) healthFlags(flags *flag.FlagSet) {
	flags.DurationVar(&s.minReady, "min-ready", 0, "")
	flags.DurationVar(&s.readyTimeout, "ready-timeout", 0, "")
	flags.DurationVar(&s.settle, "settle", 0, "")
	flags.StringVar(&s.healthURL, "health-url", "", "")
	flags.StringVar(&s.healthCmd, "health-cmd", "", "")
}

func (s *settings) sendFlags(flags *flag.FlagSet) {
	flags.Float64Var(&s.rateHint, "rate-hint", 0, "")
	flags.DurationVar(&s.minUptime, "min-uptime", 0, "")
	flags.Var(&s.window, "window", "")
	flags.BoolVar(&s.approve, "approve", false, "")
	flags.StringVar(&s.blockerCmd, "blocker-cmd", "", "")
	flags.StringVar(&s.selfID, "self", "", "")
	flags.BoolVar(&s.yes, "yes", false, "")
}

func (s *settings) preflightFlags(flags *flag.FlagSet) {
	flags.IntVar(&s.dryRuns, "dry-runs", 0, "")
	flags.BoolVar(&s.despite, "despite-problems", false, "")
}

func (s *settings) outputFlags(flags *flag.FlagSet) {
	flags.StringVar(&s.journal, "journal", "", "")
	flags.StringVar(&s.htmlFile, "report", "", "")
	flags.StringVar(&s.progress, "progress", "auto", "")
	flags.BoolVar(&s.json, "json", false, "")
	flags.DurationVar(&s.timeout, "timeout", 0, "")
}

func flagsOfPlan(s *settings, flags *flag.FlagSet) {
	s.selectionFlags(flags)
	s.rulesFlags(flags)
	flags.Float64Var(&s.rateHint, "rate-hint", 0, "")
	flags.StringVar(&s.selfID, "self", "", "")
	flags.DurationVar(&s.minUptime, "min-uptime", 0, "")
	flags.StringVar(&s.out, "o", "", "")
	flags.BoolVar(&s.json, "json", false, "")
	flags.IntVar(&s.dryRuns, "dry-runs", 0, "")
	flags.Var(&s.window, "window", "")
	flags.DurationVar(&s.minReady, "min-ready", 0, "")
}

func flagsOfRun(s *settings, flags *flag.FlagSet) {
	s.selectionFlags(flags)
	s.rulesFlags(flags)
	s.healthFlags(flags)
	s.sendFlags(flags)
	s.preflightFlags(flags)
	s.outputFlags(flags)
	flags.IntVar(&s.emulate, "emulate", 0, "")
	flags.StringVar(&s.planFile, "plan", "", "")
}

func flagsOfResume(s *settings, flags *flag.FlagSet) {
	s.targetFlags(flags, "signature")
	s.rulesFlags(flags)
	s.healthFlags(flags)
	s.sendFlags(flags)
	s.outputFlags(flags)
	for _, h := range hooks {
		s.waiverFlag(flags, h)
	}
}

func flagsOfResolve(s *settings, flags *flag.FlagSet) {
	s.targetFlags(flags, "signature")
	s.healthFlags(flags)
	s.outputFlags(flags)
	s.waiverFlag(flags, hooks[0]) // health: it sends nothing
}

// waiverFlag adds the flag to go on without a hook.
func (s *settings) waiverFlag(flags *flag.FlagSet, h hook) {
	s.waivers[h.name] = flags.Bool(h.without[1:], false, "")
}

func flagsOfStatus(s *settings, flags *flag.FlagSet) {
	flags.StringVar(&s.journal, "journal", "", "")
	flags.BoolVar(&s.json, "json", false, "")
}

func flagsOfReport(s *settings, flags *flag.FlagSet) {
	flags.StringVar(&s.journal, "journal", "", "")
	flags.StringVar(&s.out, "o", "", "")
	flags.StringVar(&s.jsonFile, "json", "", "")
}

// listFlag is a list that grows with each time the flag is given.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// tagFlag is a set of tags, one for each time the flag is given.
type tagFlag map[string]string

func (t *tagFlag) String() string {
	var tags []string
	for key, value := range *t {
		tags = append(tags, key+"="+value)
	}
	return strings.Join(tags, ",")
}

func (t *tagFlag) Set(text string) error {
	key, value, _ := strings.Cut(text, "=")
	if key == "" {
		return errors.New("it is key=value, or key for any value")
	}
	if _, ok := (*t)[key]; ok {
		return errors.New("the tag " + key + " is given twice")
	}
	if *t == nil {
		*t = tagFlag{}
	}
	(*t)[key] = value
	return nil
}

// canaryFlag are the sizes of the canary stages; nil if they are not given.
type canaryFlag []int

func (c *canaryFlag) String() string {
	if *c != nil && len(*c) == 0 {
		return "none"
	}
	var sizes []string
	for _, size := range *c {
		sizes = append(sizes, strconv.Itoa(size))
	}
	return strings.Join(sizes, ",")
}

func (c *canaryFlag) Set(text string) error {
	*c = canaryFlag{}
	if text == "none" {
		return nil
	}
	for size := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || n < 1 {
			return errors.New("it is the sizes of the stages, such as 1,5, or none")
		}
		*c = append(*c, n)
	}
	return nil
}
