package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot"
)

// settings are the command line.
type settings struct {
	instanceID     string
	region         string
	endpoint       string
	vpc            bool
	emulate        bool
	force, yes     bool
	dryRun         bool
	timeout        time.Duration
	signatureNamed string
	signature      ecsreboot.SignatureVersion
	json           bool
	quiet, version bool
}

const defaultTimeout = 2 * time.Minute

// usageError is a command line that makes no sense. Nothing was sent.
type usageError struct{ problem string }

func (e *usageError) Error() string { return "ecs-reboot: " + e.problem }

func usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func newFlagSet(s *settings) *flag.FlagSet {
	flags := flag.NewFlagSet("ecs-reboot", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.region, "region", "", "")
	flags.BoolVar(&s.emulate, "emulate", false, "")
	flags.BoolVar(&s.force, "force", false, "")
	flags.BoolVar(&s.yes, "yes", false, "")
	flags.BoolVar(&s.dryRun, "dry-run", false, "")
	flags.DurationVar(&s.timeout, "timeout", defaultTimeout, "")
	flags.BoolVar(&s.vpc, "vpc", false, "")
	flags.StringVar(&s.endpoint, "endpoint", "", "")
	flags.StringVar(&s.signatureNamed, "signature", "v3", "")
	flags.BoolVar(&s.json, "json", false, "")
	flags.BoolVar(&s.quiet, "quiet", false, "")
	flags.BoolVar(&s.version, "version", false, "")
	return flags
}

// parse reads the command line. Its errors are flag.ErrHelp and usageErrors; the
// settings hold whether -json was asked for even then.
func parse(args []string) (settings, error) {
	var s settings
	flags := newFlagSet(&s)
	if err := flags.Parse(args); err != nil {
		s.json = s.json || asksForJSON(args)
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, usage("%v", err)
	}
	if s.version {
		return s, nil
	}
	if err := s.takeInstanceID(flags.Args()); err != nil {
		s.json = s.json || asksForJSON(args)
		return s, err
	}
	if err := refuseEmpty(flags); err != nil {
		return s, err
	}
	return s, s.check()
}

// refuseEmpty refuses flags with an empty value: a script's variable that is unset
// must not lead to a default.
func refuseEmpty(flags *flag.FlagSet) error {
	var empty []string
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			empty = append(empty, "-"+f.Name)
		}
	})
	if len(empty) > 0 {
		return usage("%s has an empty value", strings.Join(empty, ", "))
	}
	return nil
}

// asksForJSON looks for -json where the flag package stopped too early to see it.
func asksForJSON(args []string) bool {
	for _, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if name != "-json" && name != "--json" {
			continue
		}
		if on, err := strconv.ParseBool(value); !hasValue || err == nil && on {
			return true
		}
	}
	return false
}

// takeInstanceID wants exactly one argument. The flag package stops at the first
// one, so a flag behind it, were it let pass, would be ignored: -dry-run, say.
func (s *settings) takeInstanceID(args []string) error {
	if len(args) == 0 {
		return usage("no instance id")
	}
	for _, arg := range args[1:] {
		if strings.HasPrefix(arg, "-") {
			return usage("%s stands after the instance id; flags go before it", strconv.Quote(arg))
		}
	}
	if len(args) > 1 {
		return usage("%d arguments after the flags; want one, the instance id", len(args))
	}
	id := args[0]
	if id == "" {
		return usage("the instance id is empty")
	}
	for _, c := range id {
		if unicode.IsSpace(c) || !unicode.IsPrint(c) {
			return usage("the instance id %q holds %q", id, c)
		}
	}
	s.instanceID = id
	return nil
}

// check refuses what contradicts itself.
func (s *settings) check() error {
	switch {
	case s.emulate && s.region != "":
		return usage("-emulate and -region contradict each other; -emulate touches no region")
	case s.emulate && s.endpoint != "":
		return usage("-emulate and -endpoint contradict each other; -emulate brings its own endpoint")
	case s.emulate && s.vpc:
		return usage("-emulate and -vpc contradict each other; -emulate brings its own endpoint")
	case !s.emulate && s.region == "":
		return usage("where? Give -region for the real service or -emulate to practise")
	case s.vpc && s.endpoint != "":
		return usage("-vpc and -endpoint contradict each other")
	case s.timeout < 0:
		return usage("-timeout %v is negative; 0 means none", s.timeout)
	}
	switch s.signatureNamed {
	case "v3":
		s.signature = ecsreboot.SignatureV3
	case "v1":
		s.signature = ecsreboot.SignatureV1
	default:
		return usage("-signature %q is unknown; it is v3 or v1", s.signatureNamed)
	}
	return nil
}

func (s *settings) request() ecsreboot.RebootInstanceRequest {
	return ecsreboot.RebootInstanceRequest{InstanceID: s.instanceID, ForceStop: s.force, DryRun: s.dryRun}
}

// describe names the call as asked for.
func (s *settings) describe() string {
	what := "RebootInstance " + s.instanceID
	if s.force {
		what += " by force"
	}
	if s.dryRun {
		what += ", dry run"
	}
	return what
}
