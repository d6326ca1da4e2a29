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
	"github.com/ecsreboot/ecsreboot/temporal/cmd/connect"
)

// settings are the command line.
type settings struct {
	target.Target

	temporal connect.Flags
	command  string
	given    map[string]bool // the flags that are on the command line
	args     []string        // what is behind them

	workflow string // the id of the run
	emulate  int

	idsFile, zone, status, groupBy string
	tags                           tagFlag
	all, force                     bool
	exclude                        listFlag

	rules                              fleet.Rules
	canary                             canaryFlag
	minReady, readyTimeout             time.Duration
	settle, sendTimeout, minUptime     time.Duration
	blockerInterval                    time.Duration
	blocker                            bool
	window                             windowFlag
	approve, health, notify, attribute bool

	yes, wait, json, despite bool
	dryRuns, stage           int
	out, jsonFile            string
}

// parse reads the flags of a command. Its errors wrap flag.ErrHelp or are usage
// errors; the settings hold whether -json was asked for even then.
func parse(command string, args []string, add func(*settings, *flag.FlagSet)) (*settings, error) {
	s := &settings{command: command, given: make(map[string]bool)}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	s.temporal.Add(flags)
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

func flagsOfRun(s *settings, flags *flag.FlagSet) {
	all := flag.NewFlagSet("", flag.ContinueOnError)
	s.AddFlags(all)
	for _, name := range []string{"region", "endpoint", "vpc", "signature"} {
		flags.Var(all.Lookup(name).Value, name, "")
	}
	flags.StringVar(&s.workflow, "run", "", "")
	flags.IntVar(&s.emulate, "emulate", 0, "")
	flags.StringVar(&s.idsFile, "ids-file", "", "")
	flags.Var(&s.tags, "tag", "")
	flags.StringVar(&s.zone, "zone", "", "")
	flags.StringVar(&s.status, "status", "", "")
	flags.BoolVar(&s.all, "all", false, "")
	flags.Var(&s.exclude, "exclude", "")
	flags.StringVar(&s.groupBy, "group-by", "", "")
	flags.BoolVar(&s.force, "force", false, "")
	flags.TextVar(&s.rules.MaxUnavailable, "max-unavailable", fleet.Limit{}, "")
	flags.TextVar(&s.rules.MaxUnavailablePerGroup, "max-unavailable-per-group", fleet.Limit{}, "")
	flags.BoolVar(&s.rules.AllowWide, "allow-wide", false, "")
	flags.TextVar(&s.rules.MaxFailed, "max-failed", fleet.Limit{}, "")
	flags.Var(&s.canary, "canary", "")
	flags.DurationVar(&s.minReady, "min-ready", 0, "")
	flags.DurationVar(&s.readyTimeout, "ready-timeout", 0, "")
	flags.DurationVar(&s.settle, "settle", 0, "")
	flags.DurationVar(&s.sendTimeout, "send-timeout", 0, "")
	flags.Var(&s.window, "window", "")
	flags.DurationVar(&s.minUptime, "min-uptime", 0, "")
	flags.BoolVar(&s.blocker, "blocker", false, "")
	flags.DurationVar(&s.blockerInterval, "blocker-interval", 0, "")
	flags.BoolVar(&s.approve, "approve", false, "")
	flags.BoolVar(&s.health, "health", false, "")
	flags.BoolVar(&s.notify, "notify", false, "")
	flags.BoolVar(&s.attribute, "search-attributes", false, "")
	flags.IntVar(&s.dryRuns, "dry-runs", 0, "")
	flags.BoolVar(&s.despite, "despite-problems", false, "")
	flags.BoolVar(&s.yes, "yes", false, "")
	flags.BoolVar(&s.wait, "wait", false, "")
	flags.BoolVar(&s.json, "json", false, "")
}

func flagsOfSignal(s *settings, flags *flag.FlagSet) {
	flags.StringVar(&s.workflow, "run", "", "")
	flags.BoolVar(&s.json, "json", false, "")
}

func flagsOfStatus(s *settings, flags *flag.FlagSet) {
	flagsOfSignal(s, flags)
	flags.BoolVar(&s.wait, "wait", false, "")
}

func flagsOfApprove(s *settings, flags *flag.FlagSet) {
	flagsOfSignal(s, flags)
	flags.IntVar(&s.stage, "stage", 0, "")
}

func flagsOfReport(s *settings, flags *flag.FlagSet) {
	flags.StringVar(&s.workflow, "run", "", "")
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
