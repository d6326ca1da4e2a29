package check

import (
	page "github.com/ecsreboot/ecsreboot/internal/cli/manual"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// flags documents flags.
func flags(names ...string) string {
	return page.Flags(newFlagSet(new(Settings), new(bool)), names...)
}

// usage is the -h page, manual the page of help. The tests hold that the manual has
// every flag, verdict and exit code, and that both fit 80 columns.
const usage = `ecs-check checks whether ECS instances could be restarted now. It restarts none.

Usage:
  ecs-check --emulate [flags] <instance-id>...          without an account
  ecs-check --region <region> [flags] <instance-id>...  check real instances
  ecs-check help                                       print the manual

Flags:
  --region <id>     region of the instances, such as cn-hangzhou
  --force           check for a forced restart
  --timeout <time>  limit of all checks together; default 2m
  --json            print a line of JSON for each instance, for scripts
  --quiet           print no progress

Examples:
  ecs-check --emulate i-bp67acfmxazb4ph0001
  ecs-check --region cn-hangzhou i-bp67acfmxazb4ph0001 i-bp67acfmxazb4ph0002
  ecs-check --region cn-hangzhou --json --quiet i-bp67acfmxazb4ph0001
`

var manual = `ecs-check checks whether ECS instances could be restarted now. It restarts none.

Usage:
  ecs-check --emulate [flags] <instance-id>...          without an account
  ecs-check --region <region> [flags] <instance-id>...  check real instances

  Flags go before the instance ids.

What to check:
` + target.ManualFlags + flags("emulate", "force", "timeout") + `
What to print:
` + flags("json", "quiet", "version") + `  -h                    print a short page

Result:
  One line on stdout for each instance, in the order given: its status, locks
  and expiry, the system events that are scheduled for it, with the time before
  which the service does not carry them out, and the verdict. Errors and advice
  go to stderr. JSON fields: instanceId, verdict, status, locks, startTime,
  expiredTime, zone, events, eventsError, requestId, code, httpStatus, error,
  advice, exitCode. Empty fields are left out; without
  a status, the service does not list the instance. verdict is one of:
    would be accepted  the service would accept a restart now
    would be refused   it would not: see code and advice
    not found out      no response, or one that does not decide
    restarted          the service answered the dry run as a real restart: look
                       at the instance

Exit codes:
  0    the service would accept all restarts
  1    it would refuse one, or a check failed for a reason without a code here
  2    invalid usage; nothing was sent
  3    a dry run restarted an instance: look at the instance
  4    throttled before all instances were checked
  5    no usable credentials
  130  interrupted (SIGINT, SIGTERM, SIGHUP) before all instances were checked
  If several fit, the first of 3, 130, 4, 5, 2, 1: so 1 means that the other
  instances were checked. go run turns every failure into 1, so build the
  program:
  go build -o ecs-check ./examples/check

Safety:
  The check polls the instance and sends the restart as a dry run. It is valid
  for now: a moment later the service may decide otherwise.

Credentials:
` + target.ManualSources + `  They need the RAM actions ecs:DescribeInstances and ecs:RebootInstance.
  Without the first one the service lists nothing, and does not say why.
  The scheduled events need ecs:DescribeInstancesFullStatus. Without it, the
  check cannot show them, and its verdict is the same.
  --emulate uses a key of its own.

Environment:
` + target.ManualEnvironment
