package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/ecsreboot/ecsreboot/examples/target"
)

// settings are the command line.
type settings struct {
	target.Target
	instanceIDs    []string
	force          bool
	json           bool
	quiet, version bool
}

func newFlagSet(s *settings) *flag.FlagSet {
	flags := flag.NewFlagSet("ecs-check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	s.AddFlags(flags)
	flags.BoolVar(&s.force, "force", false, "")
	flags.BoolVar(&s.json, "json", false, "")
	flags.BoolVar(&s.quiet, "quiet", false, "")
	flags.BoolVar(&s.version, "version", false, "")
	return flags
}

// parse reads the command line. Its errors wrap flag.ErrHelp or are usage errors;
// the settings hold whether -json was asked for even then.
func parse(args []string) (settings, error) {
	s, err := parseFlags(args)
	if err != nil {
		s.json = s.json || target.Asks(args, "json")
		s.instanceIDs = nil // they may be flags
		err = fmt.Errorf("ecs-check: %w", err)
	}
	return s, err
}

func parseFlags(args []string) (settings, error) {
	var s settings
	flags := newFlagSet(&s)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return s, err
	} else if err != nil {
		return s, target.Usage("%v", err)
	}
	if s.version {
		return s, nil
	}
	if err := target.NoFlagAmong(flags.Args()); err != nil {
		return s, err
	}
	for _, id := range flags.Args() {
		if err := target.CheckID(id); err != nil {
			return s, err
		}
		if slices.Contains(s.instanceIDs, id) {
			return s, target.Usage("%s is given twice", id)
		}
		s.instanceIDs = append(s.instanceIDs, id)
	}
	if err := target.NoneEmpty(flags); err != nil {
		return s, err
	}
	return s, s.Check()
}
