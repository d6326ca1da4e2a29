// Package target has the flags that say which ECS service a program acts on: region,
// endpoint, signature and time limit. It makes the options of the client for it.
package target

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/credential"
)

// DefaultTimeout limits a call without --timeout.
const DefaultTimeout = 2 * time.Minute

// Target is the service that a program acts on. [ManualFlags] documents its flags.
type Target struct {
	Region   string
	Endpoint string
	VPC      bool
	Emulate  bool          // the program serves an emulated service in this process
	Timeout  time.Duration // 0: none
	Profile  string        // the identity; empty: the default chain decides
	Debug    bool          // note where credentials come from

	RegionFrom string // where [Target.Check] found the region, such as "--region"

	signature string
	identity  credentials.Credential // of Profile, once Check has found it
}

// RegionUsage is the text of --region.
const RegionUsage = "`region` of the instances, such as cn-hangzhou. Default: ALIBABA_CLOUD_REGION_ID, ALIBABACLOUD_REGION_ID, " +
	"ALICLOUD_REGION_ID, or the region of the profile"

// AddFlags adds --region, --endpoint, --vpc, --signature, --emulate and --timeout.
func (t *Target) AddFlags(flags *flag.FlagSet) {
	t.AddPlaceFlags(flags)
	flags.DurationVar(&t.Timeout, "timeout", DefaultTimeout, "limit of the call, such as 90s; 0 for no limit")
}

// AddPlaceFlags adds the flags of [Target.AddFlags] except --timeout.
func (t *Target) AddPlaceFlags(flags *flag.FlagSet) {
	flags.StringVar(&t.Region, "region", "", RegionUsage)
	flags.StringVar(&t.Profile, "profile", "", "use the credentials of the profile with this `name` in ~/.aliyun/config.json or ~/.alibabacloud/credentials, "+
		"even if the environment has others. Default: the default credential chain")
	flags.BoolVar(&t.VPC, "vpc", false, "use the endpoint inside the region's VPCs; there is no fallback to the public one")
	flags.StringVar(&t.Endpoint, "endpoint", "", "use this `URL` instead of the region's endpoint. http:// is allowed for a loopback host only")
	flags.StringVar(&t.signature, "signature", "v3", "`version` of the signature: v3 is ACS3-HMAC-SHA256, the default; v1 is HMAC-SHA1")
	flags.BoolVar(&t.Debug, "debug", false, "show where the credentials come from, and the masked key ID")
	flags.BoolVar(&t.Emulate, "emulate", false, "practise on an emulated service in this process; this needs no account")
}

// regionVariables are the environment variables that may name the region, in the order of
// their weight.
var regionVariables = []string{"ALIBABA_CLOUD_REGION_ID", "ALIBABACLOUD_REGION_ID", "ALICLOUD_REGION_ID"}

// findRegion finds the region if no flag gives it: in the environment, or else in the
// profile.
func (t *Target) findRegion() {
	if t.Region != "" {
		t.RegionFrom = "--region"
		return
	}
	for _, name := range regionVariables {
		if t.Region = os.Getenv(name); t.Region != "" {
			t.RegionFrom = name
			return
		}
	}
	region, profile := credential.ProfileRegion(t.Profile)
	if region != "" {
		t.Region, t.RegionFrom = region, fmt.Sprintf("profile %q", profile)
	}
}

// FindRegion finds the region as [Target.Check] does, and does not check it.
func (t *Target) FindRegion() { t.findRegion() }

// Signature returns the value of --signature.
func (t *Target) Signature() string { return t.signature }

// Check rejects flags that contradict each other, and invalid values.
func (t *Target) Check() error {
	switch {
	case t.Emulate && t.Profile != "":
		return cmdline.Errorf("--emulate and --profile contradict each other; --emulate has its own key")
	case t.Emulate && t.Region != "":
		return cmdline.Errorf("--emulate and --region contradict each other; --emulate touches no region")
	case t.Emulate && t.Endpoint != "":
		return cmdline.Errorf("--emulate and --endpoint contradict each other; --emulate has its own endpoint")
	case t.Emulate && t.VPC:
		return cmdline.Errorf("--emulate and --vpc contradict each other; --emulate has its own endpoint")
	case t.VPC && t.Endpoint != "":
		return cmdline.Errorf("--vpc and --endpoint contradict each other")
	case t.Timeout < 0:
		return cmdline.Errorf("--timeout %v is negative; 0 for no limit", t.Timeout)
	case t.signature != "v3" && t.signature != "v1":
		return cmdline.Errorf("unknown --signature %q, want v3 or v1", t.signature)
	case t.Emulate:
		return nil
	}
	if t.findRegion(); t.Region == "" {
		return cmdline.Errorf("missing --region for the real service, or --emulate to practise")
	}
	return t.findIdentity()
}

// findIdentity finds the profile of --profile.
func (t *Target) findIdentity() error {
	if t.Profile == "" {
		return nil
	}
	identity, err := credential.OfProfile(t.Profile)
	if err != nil {
		return cmdline.Errorf("--profile %s: %v", t.Profile, err)
	}
	t.identity = identity
	return nil
}

// Limit returns a context that ends after --timeout.
func (t *Target) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	over := fmt.Errorf("--timeout %v is over: %w", t.Timeout, context.DeadlineExceeded)
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
		ecsreboot.WithLogger(logger(note, t.Debug)),
		ecsreboot.WithCallObserver(markDryRun),
	}
	if t.identity != nil {
		options = append(options, ecsreboot.WithCredential(t.identity))
	}
	if t.VPC {
		options = append(options, ecsreboot.WithVPCEndpoint())
	}
	if t.Endpoint != "" {
		options = append(options, ecsreboot.WithEndpoint(t.Endpoint))
	}
	return options
}
