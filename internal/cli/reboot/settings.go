// Package reboot is the command line of a program that restarts one instance: its
// flags, its manual, the question before a forced restart, what it prints, and the
// emulated service that it practises on. The program itself makes the call.
package reboot

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Program is the name of the example. The operators' tool has another one.
const Program = "reboot"

// Settings are the command line.
type Settings struct {
	target.Target
	view.Command
	WaitOptions ecsreboot.WaitOptions // with Wait
	JSON, Quiet bool
	Yes         bool   // do not ask
	Page        string // -h, help or --version: print this and do nothing else
}

const (
	defaultWaitTimeout  = 25 * time.Minute
	defaultUnknownGrace = time.Minute
)

// name returns the name of the program, without the command that Program may have.
func (s *Settings) name() string {
	name, _, _ := strings.Cut(s.Program, " ")
	return name
}

// Flags returns the flags of the command line except --version.
func (s *Settings) Flags() *flag.FlagSet {
	flags := cmdline.NewFlagSet(Program)
	s.AddFlags(flags)
	flags.Lookup("timeout").Usage = "limit of a call that does not wait, such as 90s; 0 for no limit. Default: 2m"
	flags.BoolVar(&s.Request.DryRun, "dry-run", false, "only check whether the service would accept the restart")
	flags.BoolVar(&s.Request.ForceStop, "force", false, "force the restart, like a power cut: the guest loses the data that it has not written to disk")
	flags.BoolVar(&s.Yes, "yes", false, "do not ask whether to restart by force; scripts need it with --force")
	flags.BoolVar(&s.Wait, "wait", false, "follow the restart until it is proven and the instance is Running again")
	flags.DurationVar(&s.WaitOptions.Timeout, "wait-timeout", defaultWaitTimeout, "limit of the restart and the wait together; 0 for no limit. Default: 25m")
	flags.DurationVar(&s.WaitOptions.UnknownGrace, "unknown-grace", defaultUnknownGrace, "how long to look for signs of a restart whose response was lost; 0 for one poll. Default: 1m")
	flags.BoolVar(&s.WaitOptions.ResendUnknown, "resend-unknown", false, "resend such a restart once if there is no sign of it in that time. "+
		"CAUTION: this may restart the instance twice, because the first request may still be on its way")
	flags.BoolVar(&s.JSON, "json", false, "print the result as one line of JSON, on failure too; with --wait, after a line for each event")
	flags.BoolVar(&s.Quiet, "quiet", false, "print no progress, only the result and errors")
	return flags
}

func newFlagSet(s *Settings, version *bool) *flag.FlagSet {
	flags := s.Flags()
	flags.BoolVar(version, "version", false, "print the version")
	return flags
}

// Parse parses the command line. With an error, which is a usage error, the settings
// still say whether it asks for --json and --wait.
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
	return s.CheckWait(cmdline.Given(flags))
}

// CheckWait rejects flags that contradict --wait, and flags that need it. It completes the
// options of the wait.
func (s *Settings) CheckWait(given map[string]bool) error {
	if !s.Wait {
		for _, name := range []string{"wait-timeout", "unknown-grace", "resend-unknown"} {
			if given[name] {
				return cmdline.Errorf("--%s needs --wait", name)
			}
		}
		return nil
	}
	options := &s.WaitOptions
	switch {
	case s.Request.DryRun:
		return cmdline.Errorf("--wait and --dry-run contradict each other; a dry run restarts nothing")
	case given["timeout"]:
		return cmdline.Errorf("--timeout limits a call that does not wait; to limit the wait, use --wait-timeout")
	case options.Timeout < 0:
		return cmdline.Errorf("--wait-timeout %v is negative; 0 for no limit", options.Timeout)
	case options.UnknownGrace < 0:
		return cmdline.Errorf("--unknown-grace %v is negative", options.UnknownGrace)
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
