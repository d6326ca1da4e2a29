// Package target is what the command lines of the example programs have in
// common: which service and region to act on, which instances, the client that
// does it, and what a program does about signals, panics and closed pipes.
package target

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

// DefaultTimeout is the limit of the calls without -timeout.
const DefaultTimeout = 2 * time.Minute

// Target is where to act. Its flags are described by [HelpFlags].
type Target struct {
	Region   string
	Endpoint string
	VPC      bool
	Emulate  bool // a service in this process, which the program serves
	Timeout  time.Duration

	signature string
}

// AddFlags adds -region, -endpoint, -vpc, -signature, -emulate and -timeout.
func (t *Target) AddFlags(flags *flag.FlagSet) {
	flags.StringVar(&t.Region, "region", "", "")
	flags.StringVar(&t.Endpoint, "endpoint", "", "")
	flags.BoolVar(&t.VPC, "vpc", false, "")
	flags.StringVar(&t.signature, "signature", "v3", "")
	flags.BoolVar(&t.Emulate, "emulate", false, "")
	flags.DurationVar(&t.Timeout, "timeout", DefaultTimeout, "")
}

// Check refuses what contradicts itself.
func (t *Target) Check() error {
	switch {
	case t.Emulate && t.Region != "":
		return Usage("-emulate and -region contradict each other; -emulate touches no region")
	case t.Emulate && t.Endpoint != "":
		return Usage("-emulate and -endpoint contradict each other; -emulate brings its own endpoint")
	case t.Emulate && t.VPC:
		return Usage("-emulate and -vpc contradict each other; -emulate brings its own endpoint")
	case !t.Emulate && t.Region == "":
		return Usage("where? Give -region for the real service or -emulate to practise")
	case t.VPC && t.Endpoint != "":
		return Usage("-vpc and -endpoint contradict each other")
	case t.Timeout < 0:
		return Usage("-timeout %v is negative; 0 means none", t.Timeout)
	case t.signature != "v3" && t.signature != "v1":
		return Usage("-signature %q is unknown; it is v3 or v1", t.signature)
	}
	return nil
}

// Limit puts -timeout on a context.
func (t *Target) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	over := fmt.Errorf("-timeout %v is over: %w", t.Timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, t.Timeout, over)
}

// Options are the client's, of the real service or of an emulated one. Note is
// told, by a line or two, what is sent again; nil is told nothing.
func (t *Target) Options(program string, note func(format string, args ...any)) []ecsreboot.Option {
	version := ecsreboot.SignatureV3
	if t.signature == "v1" {
		version = ecsreboot.SignatureV1
	}
	options := []ecsreboot.Option{
		ecsreboot.WithSignatureVersion(version),
		ecsreboot.WithUserAgent(program + "/" + ecsreboot.Version),
		ecsreboot.WithLogger(retryLogger(note)),
	}
	if t.VPC {
		options = append(options, ecsreboot.WithVPCEndpoint())
	}
	if t.Endpoint != "" {
		options = append(options, ecsreboot.WithEndpoint(t.Endpoint))
	}
	return options
}

// Usage returns an [exitcode.UsageError].
func Usage(format string, args ...any) error {
	return &exitcode.UsageError{Problem: fmt.Sprintf(format, args...)}
}

// CheckID refuses what cannot be an instance id.
func CheckID(id string) error {
	if id == "" {
		return Usage("the instance id is empty")
	}
	for _, c := range id {
		if unicode.IsSpace(c) || !unicode.IsPrint(c) {
			return Usage("the instance id %q holds %q", id, c)
		}
	}
	return nil
}

// NoFlagAmong refuses arguments that look like flags behind the first one. The
// flag package stops there, so such a flag, were it let pass, would be ignored:
// -dry-run, say.
func NoFlagAmong(args []string) error {
	if len(args) == 0 {
		return Usage("no instance id")
	}
	for _, arg := range args[1:] {
		if strings.HasPrefix(arg, "-") {
			return Usage("%s stands after the instance id; flags go before it", strconv.Quote(arg))
		}
	}
	return nil
}

// NoneEmpty refuses flags with an empty value: a script's variable that is unset
// must not lead to a default.
func NoneEmpty(flags *flag.FlagSet) error {
	var empty []string
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			empty = append(empty, "-"+f.Name)
		}
	})
	if len(empty) > 0 {
		return Usage("%s has an empty value", strings.Join(empty, ", "))
	}
	return nil
}

// Asks looks for a switch, such as json, where the flag package may have stopped
// too early to see it.
func Asks(args []string, name string) bool {
	for _, arg := range args {
		found, value, hasValue := strings.Cut(arg, "=")
		if found != "-"+name && found != "--"+name {
			continue
		}
		if on, err := strconv.ParseBool(value); !hasValue || err == nil && on {
			return true
		}
	}
	return false
}
