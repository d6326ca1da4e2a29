package target

import (
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/manual"
)

// ManualFlags documents the flags of a [Target] except --emulate and --timeout, which
// each program documents for itself.
var ManualFlags = func() string {
	flags := cmdline.NewFlagSet("")
	new(Target).AddPlaceFlags(flags)
	return manual.Flags(flags, "region", "profile", "vpc", "endpoint", "signature", "debug")
}()

// ManualSources documents where credentials come from.
const ManualSources = `  --profile names a profile, see 3 and 4. Without it, the default chain of
  credentials-go provides them, in this order:
    1. environment     ALIBABA_CLOUD_ACCESS_KEY_ID,
                       ALIBABA_CLOUD_ACCESS_KEY_SECRET, and for a temporary key
                       ALIBABA_CLOUD_SECURITY_TOKEN
    2. OIDC            ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN,
                       ALIBABA_CLOUD_OIDC_TOKEN_FILE
    3. CLI profile     ~/.aliyun/config.json, or ALIBABA_CLOUD_CONFIG_FILE
    4. ini profile     ~/.alibabacloud/credentials, or
                       ALIBABA_CLOUD_CREDENTIALS_FILE
    5. ECS RAM role    from the metadata service of the machine this runs on
    6. credentials URI ALIBABA_CLOUD_CREDENTIALS_URI
`

// ManualEnvironment documents the environment variables that the client reads.
const ManualEnvironment = `  ALIBABA_CLOUD_PROFILE                     the profile of 3 and 4
  ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true   leaves 3 out
  ALIBABA_CLOUD_ECS_METADATA_DISABLED=true  leaves 5 out; off ECS this can
                                            save 2 s
  HTTPS_PROXY, NO_PROXY                     as usual; on ECS behind a proxy, add
                                            100.100.100.200, the metadata
                                            service, to NO_PROXY
  DEBUG=credential                          do not set it: credentials-go then
                                            prints tokens
`
