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

	quiet     bool
	instances instanceFlags
	denied    []denial
}

// Flags returns the flags of the command line.
func (s *Settings) Flags() *flag.FlagSet {
	flags := cmdline.NewFlagSet(Program)
	o, i := &s.Options, &s.instances
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:0", "loopback `address` to listen on; port 0 is any free port. Default: 127.0.0.1:0")
	flags.StringVar(&o.Region, "region", "cn-hangzhou", "`region` of the service. Default: cn-hangzhou")
	flags.StringVar(&o.AccessKeyID, "key-id", "testid", "`ID` of the access key that the service accepts. Default: testid")
	flags.StringVar(&o.AccessKeySecret, "key-secret", "testsecret", "`secret` of this access key. Default: testsecret")
	flags.StringVar(&o.SecurityToken, "security-token", "", "make the access key a temporary one, which the service accepts only with this `token`")
	flags.StringVar(&o.BearerToken, "bearer-token", "testtoken", "bearer `token` that the service accepts; \"\" for none. Default: testtoken")
	flags.IntVar(&o.LimitPerMinute, "limit", 0, "rate limit of each action, in `calls` per minute. Default: 0, which means no limit")
	flags.DurationVar(&o.AuditDelay, "audit-delay", 0, "how long it takes until ActionTrail shows a call; negative: it shows a call at once. Default: 10m")
	flags.StringVar(&i.ids, "instances", "i-bp67acfmxazb4ph0001", "`IDs` of the instances, separated by commas. Default: i-bp67acfmxazb4ph0001")
	flags.IntVar(&i.count, "count", 0, "serve this `number` of instances: i-00000001, i-00000002 and so on")
	flags.StringVar(&i.zones, "zones", "a", "`zones` of the region, separated by commas; the instances get them in turn. Default: a")
	flags.Var(&i.tags, "tag", "give the instances a tag `key=value,...` of which they get the values in turn. Repeatable")
	flags.DurationVar(&i.time, "reboot-time", 0, "how long a restart takes; negative for no time. Default: 30s, or 10s for a forced restart")
	flags.DurationVar(&i.jitter, "reboot-jitter", 0, "let each instance take up to this much longer, at random")
	flags.Var(&i.stopped, "stopped", "instances with these `IDs`, separated by commas, are Stopped")
	flags.Var(&i.locked, "locked", "instances with these `IDs` are locked for security")
	flags.Var(&i.expired, "expired", "instances with these `IDs` have expired")
	flags.Var((*denyList)(&s.denied), "deny", "let RAM deny an `action[:id,...]` such as RebootInstance:i-1. If RAM denies a list, the response is empty. Repeatable")
	flags.StringVar(&s.RestartLog, "restart-log", "", "append a line to this `file` for each restart that happens")
	flags.BoolVar(&s.quiet, "quiet", false, "do not log calls")
	flags.Var((*faultList)(&s.Faults), "fault", "make calls fail as `kind[:times][,option]...` describes. Repeatable")
	return flags
}

// Parse parses the command line. Its errors are usage errors.
func Parse(args []string) (*Settings, error) {
	s := &Settings{}
	if len(args) == 1 && args[0] == "help" {
		s.Page = manual
		return s, nil
	}
	flags := s.Flags()
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		s.Page = usage
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", Program, cmdline.InvalidFlag(err))
	case flags.NArg() > 0:
		return nil, cmdline.Errorf("%s: unexpected argument %q", Program, flags.Arg(0))
	}
	return s, s.Complete(cmdline.Given(flags)["instances"])
}

// Complete checks the flags, and makes the instances that they describe. Given says
// whether the flag --instances was given.
func (s *Settings) Complete(given bool) error {
	if s.instances.count < 0 || s.instances.jitter < 0 {
		return cmdline.Errorf("%s: --count and --reboot-jitter cannot be negative", Program)
	}
	s.Instances = s.instances.all(s.Options.Region, given)
	if err := s.instances.impair(s.Instances); err != nil {
		return err
	}
	return s.deny()
}

// Log makes the service log its calls and the statuses of its instances to w, unless
// --quiet was given. Nothing that signs a call is logged.
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
// of --restart-log, if there is one. The caller calls stop after the service has
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
