// Package target has the flags that say which ECS service a program acts on: region,
// endpoint, signature and time limit. It makes the options of the client for it.
package target

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// DefaultTimeout limits a call without -timeout.
const DefaultTimeout = 2 * time.Minute

// Target is the service that a program acts on. [ManualFlags] documents its flags.
type Target struct {
	Region   string
	Endpoint string
	VPC      bool
	Emulate  bool          // the program serves an emulated service in this process
	Timeout  time.Duration // 0: none

	signature string
}

// AddFlags adds -region, -endpoint, -vpc, -signature, -emulate and -timeout.
func (t *Target) AddFlags(flags *flag.FlagSet) {
	t.AddPlaceFlags(flags)
	flags.DurationVar(&t.Timeout, "timeout", DefaultTimeout, "")
}

// AddPlaceFlags adds the flags of [Target.AddFlags] except -timeout.
func (t *Target) AddPlaceFlags(flags *flag.FlagSet) {
	flags.StringVar(&t.Region, "region", "", "")
	flags.StringVar(&t.Endpoint, "endpoint", "", "")
	flags.BoolVar(&t.VPC, "vpc", false, "")
	flags.StringVar(&t.signature, "signature", "v3", "")
	flags.BoolVar(&t.Emulate, "emulate", false, "")
}

// Check rejects flags that contradict each other, and invalid values.
func (t *Target) Check() error {
	switch {
	case t.Emulate && t.Region != "":
		return cmdline.Errorf("-emulate and -region contradict each other; -emulate touches no region")
	case t.Emulate && t.Endpoint != "":
		return cmdline.Errorf("-emulate and -endpoint contradict each other; -emulate has its own endpoint")
	case t.Emulate && t.VPC:
		return cmdline.Errorf("-emulate and -vpc contradict each other; -emulate has its own endpoint")
	case !t.Emulate && t.Region == "":
		return cmdline.Errorf("missing -region for the real service, or -emulate to practise")
	case t.VPC && t.Endpoint != "":
		return cmdline.Errorf("-vpc and -endpoint contradict each other")
	case t.Timeout < 0:
		return cmdline.Errorf("-timeout %v is negative; 0 means none", t.Timeout)
	case t.signature != "v3" && t.signature != "v1":
		return cmdline.Errorf("unknown -signature %q, want v3 or v1", t.signature)
	}
	return nil
}

// Limit returns a context that ends after -timeout.
func (t *Target) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	over := fmt.Errorf("-timeout %v is over: %w", t.Timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, t.Timeout, over)
}

// Options returns the options of a client for the target, of the real service or an
// emulated one. The client calls note with a line or two for each request that it
// retries; if note is nil, it reports none.
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
