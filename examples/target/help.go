package target

// HelpFlags describes the flags of a [Target] but -emulate and -timeout, of which
// each program says more.
const HelpFlags = `  -region <id>        region of the instance, such as cn-hangzhou
  -vpc                use the region's endpoint inside its VPCs; never falls back to the public one
  -endpoint <url>     use this endpoint, along with -region; http:// for a loopback host only
  -signature v3|v1    v3 is ACS3-HMAC-SHA256, the default; v1 is HMAC-SHA1
`

// HelpSources describes where credentials come from.
const HelpSources = `  From the default chain of credentials-go, never from flags. In this order:
    1. environment     ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET,
                       ALIBABA_CLOUD_SECURITY_TOKEN for a temporary key
    2. OIDC            ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN,
                       ALIBABA_CLOUD_OIDC_TOKEN_FILE
    3. CLI profile     ~/.aliyun/config.json, or ALIBABA_CLOUD_CONFIG_FILE
    4. ini profile     ~/.alibabacloud/credentials, or ALIBABA_CLOUD_CREDENTIALS_FILE
    5. ECS RAM role    from the metadata service of the machine this runs on
    6. credentials URI ALIBABA_CLOUD_CREDENTIALS_URI
`

// HelpEnvironment describes the variables that the client heeds.
const HelpEnvironment = `  ALIBABA_CLOUD_PROFILE                     the profile of 3 and 4
  ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true   leaves 3 out
  ALIBABA_CLOUD_ECS_METADATA_DISABLED=true  leaves 5 out; off ECS this can save 2 s of waiting
  HTTPS_PROXY, NO_PROXY                     as usual; on ECS behind a proxy, add the metadata
                                            service to NO_PROXY: 100.100.100.200
  DEBUG=credential                          do not set it: credentials-go prints tokens then
`
