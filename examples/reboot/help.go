package main

const helpPage = `ecs-reboot restarts one Alibaba Cloud ECS instance.

Usage:
  ecs-reboot -emulate [flags] <instance-id>          practise: an emulated service in this process
  ecs-reboot -region <region> [flags] <instance-id>  act on the real service

  Flags go before the instance id. One call restarts one instance.

Examples:
  ecs-reboot -emulate i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou -dry-run i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou -force -yes -json i-bp67acfmxazb4ph0001

What to act on:
  -region <id>        region of the instance, such as cn-hangzhou
  -vpc                use the region's endpoint inside its VPCs; never falls back to the public one
  -endpoint <url>     use this endpoint, along with -region; http:// for a loopback host only
  -signature v3|v1    v3 is ACS3-HMAC-SHA256, the default; v1 is HMAC-SHA1
  -emulate            serve an instance of that id from this process and restart it; takes about 2 s

What to do:
  -dry-run            only check whether the restart would be accepted
  -force              restart like a power cut; what the guest has not written to disk is lost
  -yes                do not ask before -force; scripts need it
  -timeout <time>     limit of the whole call, such as 90s; default 2m, 0 for none

What to print:
  -json               print the result as one line of JSON, on failure too
  -quiet              print no progress, only the result and errors
  -version            print the version
  -h                  print this page

Result:
  One line on stdout; everything else goes to stderr. JSON fields: instanceId, operation, outcome,
  requestId, dryRun, forceStop, attempts, sentAt, code, httpStatus, error, advice, exitCode. Fields
  that are empty are left out; attempts and sentAt are of failed calls.
  outcome is one of:
    accepted          the service accepted the restart; with an error: it ignored -dry-run
    dry run passed    the restart would be accepted; nothing restarted
    rejected          the service refused; nothing restarted
    not sent          nothing reached the service; nothing restarted
    unknown           it may have restarted: look at the instance before you send again
    none              a dry run that got no answer; nothing restarted

Exit codes:
  0    accepted, or the dry run passed
  1    rejected or failed; nothing restarted
  2    the command line makes no sense; nothing was sent
  3    unknown, or restarted against what was asked: look at the instance
  4    throttled; nothing restarted
  5    no usable credentials; nothing was sent
  130  interrupted (SIGINT, SIGTERM) before a restart
  Unknown wins over interrupted. go run turns every failure into 1, so build:
  go build -o ecs-reboot ./examples/reboot

Safety:
  Accepted is not restarted: the restart takes seconds to minutes more, and this program does not
  wait for it. The status Running right after may be the one from before.
  A restart is sent again only while it certainly did not happen. Where that cannot be known, as
  when the connection breaks before the answer, the program stops with exit code 3.

Credentials:
  From the default chain of credentials-go, never from flags. In this order:
    1. environment     ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET,
                       ALIBABA_CLOUD_SECURITY_TOKEN for a temporary key
    2. OIDC            ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN,
                       ALIBABA_CLOUD_OIDC_TOKEN_FILE
    3. CLI profile     ~/.aliyun/config.json, or ALIBABA_CLOUD_CONFIG_FILE
    4. ini profile     ~/.alibabacloud/credentials, or ALIBABA_CLOUD_CREDENTIALS_FILE
    5. ECS RAM role    from the metadata service of the machine this runs on
    6. credentials URI ALIBABA_CLOUD_CREDENTIALS_URI
  They need the RAM action ecs:RebootInstance. -emulate uses a key of its own.

Environment:
  ALIBABA_CLOUD_PROFILE                     the profile of 3 and 4
  ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true   leaves 3 out
  ALIBABA_CLOUD_ECS_METADATA_DISABLED=true  leaves 5 out; off ECS this can save 2 s of waiting
  HTTPS_PROXY, NO_PROXY                     as usual; on ECS behind a proxy, add the metadata
                                            service to NO_PROXY: 100.100.100.200
  DEBUG=credential                          do not set it: credentials-go prints tokens then
`
