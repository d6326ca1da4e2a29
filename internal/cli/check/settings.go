// Package check is the command line of a program that checks whether instances could
// be restarted now: its flags, its manual and what it prints. The program itself
// makes the calls.
package check

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// Program is the name of the program.
const Program = "ecs-check"

// Settings are the command line.
type Settings struct {
	target.Target
	InstanceIDs []string
	ForceStop   bool
	JSON, Quiet bool
	Program     string // its name, for texts; empty: [Program]
	Page        string // -h, help or --version: print this and do nothing else
}

func (s *Settings) program() string { return cmp.Or(s.Program, Program) }

// Flags returns the flags of the command line except --version.
func (s *Settings) Flags() *flag.FlagSet {
	flags := cmdline.NewFlagSet(Program)
	s.AddFlags(flags)
	flags.Lookup("timeout").Usage = "limit of all checks together, such as 90s; 0 for no limit. Default: 2m"
	flags.BoolVar(&s.ForceStop, "force", false, "check for a forced restart")
	flags.BoolVar(&s.JSON, "json", false, "print one line of JSON for each instance, on failure too")
	flags.BoolVar(&s.Quiet, "quiet", false, "print no progress, only the results and errors")
	return flags
}

func newFlagSet(s *Settings, version *bool) *flag.FlagSet {
	flags := s.Flags()
	flags.BoolVar(version, "version", false, "print the version")
	return flags
}

// Parse parses the command line. With an error, which is a usage error, the settings
// still say whether it asks for --json.
func Parse(args []string) (Settings, error) {
	var s Settings
	if len(args) == 1 && args[0] == "help" {
		s.Page = manual
		return s, nil
	}
	err := s.parse(args)
	if err != nil {
		s.JSON = s.JSON || cmdline.HasSwitch(args, "json")
		s.InstanceIDs = nil // they may be flags
		err = fmt.Errorf("%s: %w", Program, err)
	}
	return s, err
}

func (s *Settings) parse(args []string) error {
	var version bool
	flags := newFlagSet(s, &version)
	err := cmdline.Parse(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		s.Page = usage
		return nil
	case version:
		s.Page = fmt.Sprintf("%s %s %s\n", Program, ecsreboot.Version, runtime.Version())
		return nil
	case err != nil:
		return err
	}
	if err := cmdline.RejectFlags(flags.Args()); err != nil {
		return err
	}
	for _, id := range flags.Args() {
		if err := cmdline.CheckID(id); err != nil {
			return err
		}
		if slices.Contains(s.InstanceIDs, id) {
			return cmdline.Errorf("instance id %s is repeated", id)
		}
		s.InstanceIDs = append(s.InstanceIDs, id)
	}
	return s.Check()
}
