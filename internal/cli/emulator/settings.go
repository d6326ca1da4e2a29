// Package emulator is the command line of a program that serves a fake ECS service:
// the instances, the faults and the log of restarts that its flags describe. The
// program itself starts the service, see package ecstest.
package emulator

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// Program is the name of the program.
const Program = "emulator"

// Settings are the command line.
type Settings struct {
	Options    ecstest.Options
	Instances  []ecstest.Instance
	Faults     []ecstest.Fault
	RestartLog string // path of the log of restarts; empty: none
	Page       string // -h or help: print this and do nothing else

	quiet bool
}

func newFlagSet(s *Settings, i *instanceFlags) *flag.FlagSet {
	flags := cmdline.NewFlagSet(Program)
	o := &s.Options
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:0", "")
	flags.StringVar(&i.ids, "instances", "i-bp67acfmxazb4ph0001", "")
	flags.IntVar(&i.count, "count", 0, "")
	flags.StringVar(&i.zones, "zones", "a", "")
	flags.Var(&i.tags, "tag", "")
	flags.StringVar(&o.AccessKeyID, "key-id", "testid", "")
	flags.StringVar(&o.AccessKeySecret, "key-secret", "testsecret", "")
	flags.StringVar(&o.BearerToken, "bearer-token", "testtoken", "")
	flags.StringVar(&o.Region, "region", "cn-hangzhou", "")
	flags.DurationVar(&i.time, "reboot-time", 0, "")
	flags.DurationVar(&i.jitter, "reboot-jitter", 0, "")
	flags.IntVar(&o.LimitPerMinute, "limit", 0, "")
	flags.StringVar(&s.RestartLog, "restart-log", "", "")
	flags.BoolVar(&s.quiet, "quiet", false, "")
	flags.Var((*faultList)(&s.Faults), "fault", "")
	return flags
}

// Parse parses the command line. Its errors are usage errors.
func Parse(args []string) (*Settings, error) {
	s := &Settings{}
	if len(args) == 1 && args[0] == "help" {
		s.Page = manual
		return s, nil
	}
	var instances instanceFlags
	flags := newFlagSet(s, &instances)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		s.Page = usage
		return s, nil
	case err != nil:
		return nil, cmdline.Errorf("%s: %v", Program, err)
	case flags.NArg() > 0:
		return nil, cmdline.Errorf("%s: unexpected argument %q", Program, flags.Arg(0))
	case instances.count < 0 || instances.jitter < 0:
		return nil, cmdline.Errorf("%s: -count and -reboot-jitter cannot be negative", Program)
	}
	s.Instances = instances.all(s.Options.Region, cmdline.Given(flags)["instances"])
	return s, nil
}

// Log makes the service log its calls and the statuses of its instances to w, unless
// -quiet was given. Nothing that signs a call is logged.
func (s *Settings) Log(w io.Writer) {
	if s.quiet {
		return
	}
	logger := slog.New(slog.NewTextHandler(w, nil))
	s.Options.OnStatus = func(id string, status ecsreboot.Status) { logger.Info("status", "id", id, "status", status) }
	s.onCall(func(c ecstest.ReceivedCall) {
		logger.Info("call", "action", c.Action, "id", c.InstanceID, "status", c.Status, "code", cmp.Or(c.Code, "-"),
			"restarted", c.Acted, "fault", cmp.Or(c.Fault, "-"))
	})
}

// LogRestarts makes the service write the restarts that really happen to the file
// of -restart-log, if there is one. The caller calls stop after the service has
// ended; its error says that restarts may be missing from the file.
func (s *Settings) LogRestarts() (stop func() error, err error) {
	if s.RestartLog == "" {
		return func() error { return nil }, nil
	}
	restarts, err := openRestartLog(s.RestartLog)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Program, err)
	}
	s.onCall(restarts.add)
	return func() error {
		if err := restarts.close(); err != nil {
			return fmt.Errorf("%s: the log of restarts is incomplete: %w", Program, err)
		}
		return nil
	}, nil
}

// onCall adds a function that is called for each call.
func (s *Settings) onCall(add func(ecstest.ReceivedCall)) {
	others := s.Options.OnCall
	s.Options.OnCall = func(c ecstest.ReceivedCall) {
		if others != nil {
			others(c)
		}
		add(c)
	}
}
