package reboot

import (
	page "github.com/ecsreboot/ecsreboot/internal/cli/manual"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// flags documents flags.
func flags(names ...string) string {
	return page.Flags(newFlagSet(new(Settings), new(bool)), names...)
}

// usage is the -h page, manual the page of help. The tests hold that the manual has
// every flag and every exit code, and that both fit 80 columns.
const usage = `reboot restarts one Alibaba Cloud ECS instance.

Usage:
  reboot --emulate [flags] <instance-id>          without an account
  reboot --region <region> [flags] <instance-id>  restart a real instance
  reboot help                                     print the manual

Flags:
  --region <id>  region of the instance, such as cn-hangzhou
  --wait         wait until the restart is proven and the instance is Running
  --dry-run      only check whether the service would accept the restart
  --force        restart like a power cut
  --json         print the result as JSON, for scripts

Examples:
  reboot --emulate --wait i-bp67acfmxazb4ph0001
  reboot --region cn-hangzhou --dry-run i-bp67acfmxazb4ph0001
  reboot --region cn-hangzhou --wait i-bp67acfmxazb4ph0001
`

var manual = `reboot restarts one Alibaba Cloud ECS instance.

Usage:
  reboot --emulate [flags] <instance-id>          without an account
  reboot --region <region> [flags] <instance-id>  restart a real instance

  Flags go before the instance id. One call restarts one instance.

Where to act:
` + target.ManualFlags + flags("emulate") + `
What to do:
` + flags("dry-run", "force", "yes", "timeout") + `
Waiting:
` + flags("wait", "wait-timeout", "unknown-grace", "resend-unknown") + `
What to print:
` + flags("json", "quiet", "version") + `  -h                    print a short page

  With --wait, a terminal shows one line that is redrawn in place. Everything
  else, and a terminal with TERM=dumb or CI set, gets one line for each event.
  NO_COLOR disables colors.

Result:
  The result is one line on stdout; everything else goes to stderr. JSON fields:
  instanceId, operation, outcome, requestId, dryRun, forceStop, attempts,
  sentAt, code, httpStatus, error, advice, exitCode. Empty fields are left out.
  Only failed calls have attempts and sentAt. outcome is one of:
    accepted          the service accepted the restart. With an error: it
                      ignored --dry-run, or with --wait, the restart was not
                      proven
    restarted         with --wait: the restart is proven; it is Running again
    dry run passed    the service would accept the restart; nothing restarted
    rejected          the service refused; nothing restarted
    not sent          no restart was sent; nothing restarted
    unknown           it may have restarted: look at the instance before you
                      send another restart
    none              a dry run without a response, or the instance could not
                      be read before the restart; nothing restarted
  With --wait --json each line has a type: event, or result for the last one. An
  event has at, instanceId, event, status, startTime, requestId and error;
  --quiet leaves the events out. The result also has proof (status, start time,
  refusal), elapsedSeconds from the request to the proof, requests, sentAt,
  startTimeBefore, startTimeAfter and readings (at, status, startTime). The
  result of a failed wait has lastStatus and lastSeen.

Exit codes:
  0    accepted, or the dry run passed; with --wait: restarted, with proof
  1    rejected or failed; nothing restarted
  2    invalid usage; nothing was sent
  3    unknown, or sent but not proven (--wait), or a dry run restarted the
       instance: look at the instance
  4    throttled; nothing restarted
  5    no usable credentials; nothing was sent
  130  interrupted (SIGINT, SIGTERM, SIGHUP); nothing restarted. Once it may
       have restarted, the code is 3
  Treat any other code, such as 137 of a killed process, as 3. go run turns
  every failure into 1, so build the program:
  go build -o reboot ./examples/reboot

Safety:
  Accepted is not restarted: the restart takes minutes more. The status Running
  right after may be the one from before, so --wait accepts only these as proof:
  Stopping, Stopped or Starting and then Running, or Running with a start time
  after the request. That proves that the instance restarted, not that this call
  was the reason. A restart that leaves neither trace ends as not proven.
  A restart is retried only while it certainly did not happen. Where that cannot
  be known, as when the connection breaks before the response, the program stops
  with exit code 3; with --wait it first polls the instance for --unknown-grace.

Credentials:
` + target.ManualSources + `  They need the RAM action ecs:RebootInstance, and for --wait
  ecs:DescribeInstances. --emulate uses a key of its own.

Environment:
` + target.ManualEnvironment
