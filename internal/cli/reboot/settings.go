// Package reboot is the command line of a program that restarts one instance: its
// flags, its manual, the question before a forced restart, what it prints, and the
// emulated service that it practises on. The program itself makes the call.
package reboot

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Program is the name of the program.
const Program = "ecs-reboot"

// Settings are the command line.
type Settings struct {
	target.Target
	view.Command
	WaitOptions ecsreboot.WaitOptions // with Wait
	JSON, Quiet bool
	Page        string // -h, help or -version: print this and do nothing else

	yes bool
}

const (
	defaultWaitTimeout = 25 * time.Minute
	defaultSettle      = time.Minute
)

func newFlagSet(s *Settings, version *bool) *flag.FlagSet {
	flags := cmdline.NewFlagSet(Program)
	s.AddFlags(flags)
	flags.BoolVar(&s.Request.ForceStop, "force", false, "")
	flags.BoolVar(&s.yes, "yes", false, "")
	flags.BoolVar(&s.Request.DryRun, "dry-run", false, "")
	flags.BoolVar(&s.Wait, "wait", false, "")
	flags.DurationVar(&s.WaitOptions.Timeout, "wait-timeout", defaultWaitTimeout, "")
	flags.DurationVar(&s.WaitOptions.UnknownGrace, "settle", defaultSettle, "")
	flags.BoolVar(&s.WaitOptions.ResendUnknown, "resend-unknown", false, "")
	flags.BoolVar(&s.JSON, "json", false, "")
	flags.BoolVar(&s.Quiet, "quiet", false, "")
	flags.BoolVar(version, "version", false, "")
	return flags
}

// Parse parses the command line. With an error, which is a usage error, the settings
// still say whether it asks for -json and -wait.
func Parse(args []string) (Settings, error) {
	s := Settings{Command: view.Command{Program: Program}}
	if len(args) == 1 && args[0] == "help" {
		s.Page = manual
		return s, nil
	}
	err := s.parse(args)
	if err != nil {
		s.JSON = s.JSON || cmdline.HasSwitch(args, "json")
		s.Wait = s.Wait || cmdline.HasSwitch(args, "wait")
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
	if s.Request.InstanceID, err = cmdline.OnlyID(flags.Args()); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	return s.checkWait(cmdline.Given(flags))
}

// checkWait rejects flags that contradict -wait, and flags that need it.
func (s *Settings) checkWait(given map[string]bool) error {
	if !s.Wait {
		for _, name := range []string{"wait-timeout", "settle", "resend-unknown"} {
			if given[name] {
				return cmdline.Errorf("-%s needs -wait", name)
			}
		}
		return nil
	}
	options := &s.WaitOptions
	switch {
	case s.Request.DryRun:
		return cmdline.Errorf("-wait and -dry-run contradict each other; a dry run restarts nothing")
	case given["timeout"]:
		return cmdline.Errorf("-timeout limits a call that does not wait; with -wait, use -wait-timeout")
	case options.Timeout < 0:
		return cmdline.Errorf("-wait-timeout %v is negative; 0 means none", options.Timeout)
	case options.UnknownGrace < 0:
		return cmdline.Errorf("-settle %v is negative", options.UnknownGrace)
	}
	options.Timeout, options.UnknownGrace = orNone(options.Timeout), orNone(options.UnknownGrace)
	return nil
}

// orNone translates a zero of the command line, which means none, for an option of
// which zero means the default.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
