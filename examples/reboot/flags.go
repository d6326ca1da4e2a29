package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

// settings are the command line.
type settings struct {
	target.Target
	instanceID     string
	force, yes     bool
	dryRun         bool
	wait           bool
	waitTimeout    time.Duration
	settle         time.Duration
	resendUnknown  bool
	json           bool
	quiet, version bool
}

const (
	defaultWaitTimeout = 25 * time.Minute
	defaultSettle      = time.Minute
)

func newFlagSet(s *settings) *flag.FlagSet {
	flags := flag.NewFlagSet("ecs-reboot", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	s.AddFlags(flags)
	flags.BoolVar(&s.force, "force", false, "")
	flags.BoolVar(&s.yes, "yes", false, "")
	flags.BoolVar(&s.dryRun, "dry-run", false, "")
	flags.BoolVar(&s.wait, "wait", false, "")
	flags.DurationVar(&s.waitTimeout, "wait-timeout", defaultWaitTimeout, "")
	flags.DurationVar(&s.settle, "settle", defaultSettle, "")
	flags.BoolVar(&s.resendUnknown, "resend-unknown", false, "")
	flags.BoolVar(&s.json, "json", false, "")
	flags.BoolVar(&s.quiet, "quiet", false, "")
	flags.BoolVar(&s.version, "version", false, "")
	return flags
}

// parse reads the command line. Its errors wrap flag.ErrHelp or are usage errors;
// the settings hold whether -json and -wait were asked for even then.
func parse(args []string) (settings, error) {
	s, err := parseFlags(args)
	if err != nil {
		s.json = s.json || target.Asks(args, "json")
		s.wait = s.wait || target.Asks(args, "wait")
		err = fmt.Errorf("ecs-reboot: %w", err)
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
	if err := s.takeInstanceID(flags.Args()); err != nil {
		return s, err
	}
	if err := target.NoneEmpty(flags); err != nil {
		return s, err
	}
	if err := s.Check(); err != nil {
		return s, err
	}
	return s, s.checkWait(flags)
}

// takeInstanceID wants exactly one argument.
func (s *settings) takeInstanceID(args []string) error {
	if err := target.NoFlagAmong(args); err != nil {
		return err
	}
	if len(args) > 1 {
		return target.Usage("%d arguments after the flags; want one, the instance id", len(args))
	}
	s.instanceID = args[0]
	return target.CheckID(s.instanceID)
}

// checkWait refuses flags that -wait makes no sense of, or that make none without
// it.
func (s *settings) checkWait(flags *flag.FlagSet) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !s.wait {
		for _, name := range []string{"wait-timeout", "settle", "resend-unknown"} {
			if given[name] {
				return target.Usage("-%s is of no use without -wait", name)
			}
		}
		return nil
	}
	switch {
	case s.dryRun:
		return target.Usage("-wait and -dry-run contradict each other; a dry run restarts nothing")
	case given["timeout"]:
		return target.Usage("-timeout limits a call that does not wait; with -wait, give -wait-timeout")
	case s.waitTimeout < 0:
		return target.Usage("-wait-timeout %v is negative; 0 means none", s.waitTimeout)
	case s.settle < 0:
		return target.Usage("-settle %v is negative", s.settle)
	}
	return nil
}

func (s *settings) request() ecsreboot.RebootInstanceRequest {
	return ecsreboot.RebootInstanceRequest{InstanceID: s.instanceID, ForceStop: s.force, DryRun: s.dryRun}
}

// operation is the method of the client that does what was asked for.
func (s *settings) operation() string {
	if s.wait {
		return "RebootAndWait"
	}
	return "RebootInstance"
}

// describe names the call as asked for.
func (s *settings) describe() string {
	what := s.operation() + " " + s.instanceID
	if s.force {
		what += " by force"
	}
	if s.dryRun {
		what += ", dry run"
	}
	return what
}
