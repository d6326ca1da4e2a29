package main

import (
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/temporal/cmd/connect"
)

const helpPage = `rolling restarts fleets of Alibaba Cloud ECS instances as durable runs on a
Temporal server. It starts and steers them; the work is done by workers.

Usage:
  rolling run -emulate 50                           practise: an emulated service and a worker in
                                                    this process, on any Temporal server
  rolling run -region <region> <selection> [flags]  start a run; its id is printed
  rolling status -run <id> [-wait]                  print the progress, or follow the run to its end
  rolling pause -run <id>                           send nothing more for now
  rolling unpause -run <id>                         end the pause
  rolling abort -run <id>                           send nothing more, and end
  rolling approve -run <id>                         approve a canary stage
  rolling report -run <id> [-o <file.html>]         print or draw what happened

  rolling <command> -h describes its flags.

Exit codes of run -wait, and of status for a run that is over:
  0    every instance is restarted, with proof; or the run was started, or has not ended
  1    some failed or were skipped; stdout names them. Or the command failed
  2    invalid usage; nothing was sent
  3    some may have restarted, without proof: check them. Takes precedence over other codes
  4    throttled before the run began; nothing was sent
  5    no usable credentials; nothing was sent
  6    halted: failure budget, canary, limit used up, or no permission
  130  aborted; or interrupted while it waited, which does not end the run
  go run turns every failure into 1, so build:
  go -C temporal build -o ecsreboot-rolling ./cmd/rolling

Credentials, which run needs to make the plan:
` + target.ManualSources + `  They need the RAM action ecs:DescribeInstances, and ecs:RebootInstance for dry runs.

Environment:
` + connect.HelpEnvironment + target.ManualEnvironment

const helpTemporal = `
The Temporal server:
` + connect.Help

const helpRun = `rolling run makes a plan, runs the preflight, asks for confirmation, and starts the run.
Workers of the task queue execute it; this program is not needed after that.

Usage:
  rolling run -emulate <n> [flags]
  rolling run -region <region> <selection> [flags]

  -emulate <n>        practise on n instances of an emulated service in this process, with its own
                      worker, by default with -min-ready 0, -max-unavailable 25% and
                      -group-by zone, so that it takes seconds
  -run <id>           the id of the run; default rolling-reboot/<region>/<digest of the plan>, so
                      that a plan has one run at a time
  -wait               follow the run to its end; with -emulate always
` + target.ManualFlags + `
Which instances:
  <instance-id>...    these, in this order: the first are the canaries. Flags go before them
  -ids-file <file>    ids from a file, or from stdin for -; one or more a line, # begins a comment
  -tag <key=value>    those with the tag, key alone for any value; may be given several times
  -zone <zone>        those of a zone, such as cn-hangzhou-h
  -status <status>    those with a status, such as Running. Without it, what is not Running is
                      skipped, named, and unavailable
  -all                everything in the region
  -exclude <ids>      except these; comma-separated, may be given several times. Leave out what
                      the workers run on
  -group-by <what>    zone or tag:KEY; the plan takes from all groups in turn
  -force              restart like a power cut; what a guest has not written to disk is lost

What may break:
  -max-unavailable <n>            how many may be unavailable at once, such as 3 or 2%; failed and
                                  unknown ones included. Default 1 if the plan has fewer than 20
                                  instances, otherwise 2%
  -max-unavailable-per-group <n>  the same for each group
  -allow-wide                     allow more than 25% of the plan or of a group
  -max-failed <n>                 halt when more failed or are unknown; default 1%, at least 1
  -canary <sizes>                 stages that come first, such as 1,5, the default; or none
  -approve                        wait for rolling approve after each of them

When restarts may be sent:
  -window <times>         only between them, such as 22:00-05:00, and in a time zone and on days,
                          such as 22:00-05:00@Asia/Shanghai,mon,tue,wed,thu; default UTC and daily.
                          A restart sent before the end is followed beyond it
  -min-uptime <time>      skip instances that started less than this long ago
  -blocker                call the workers' -blocker-cmd before each restart
  -blocker-interval <t>   the time between two calls for an instance; default 10s

When an instance is healthy:
  -min-ready <time>     how long it must be Running and healthy; default 30s, 0 for no time
  -ready-timeout <t>    how long it may take from its request; default 25m, 0 for no limit
  -settle <time>        how long a restart whose response was lost may take to become
                        visible; default 1m
  -health               ask the workers' -health-url or -health-cmd

Other flags:
  -send-timeout <time>  limits the call that restarts an instance; default 45s
  -notify               call the workers' -notify-cmd on notices
  -search-attributes    set EcsrebootPlanDigest and EcsrebootGroup, which must be registered
  -dry-runs <n>         how many instances to send a dry run for in the preflight; default 5
  -despite-problems     start even if the preflight found problems
  -yes                  do not ask before; needed without a terminal
  -json                 print the result as one JSON object
` + helpTemporal + `
Signals:
  SIGINT, SIGTERM or SIGHUP stops following, and does not end the run. -emulate aborts it.
`

const helpStatus = `rolling status shows the progress of a run. Unless the run has ended, a worker must be
there to answer; if none is, status says so.

Usage: rolling status -run <id> [-wait] [-json]

  -wait   follow the run to its end
  -json   print the result as one JSON object
` + helpTemporal

const helpSignal = `rolling pause, unpause and abort control a run. The run obeys as soon as a worker is
there, and across the death of any.

  pause     sends nothing more until unpause; restarts that no worker has begun to send are
            revoked, the others are followed
  unpause   ends the pause
  abort     sends nothing more; the run ends when everything in flight has reached its end

Usage: rolling pause|unpause|abort -run <id> [-json]
` + helpTemporal

const helpApprove = `rolling approve approves the canary stage that a run waits for.

Usage: rolling approve -run <id> [-stage <n>] [-json]

  -stage <n>   approve only if the run waits for this stage
` + helpTemporal

const helpReport = `rolling report shows what became of a run, also before its end.

Usage: rolling report -run <id> [-o <file.html>] [-json <file>]

  -o <file.html>   draw it; the file opens offline. - is stdout
  -json <file>     write the report as JSON
  Without either flag, report prints text.
` + helpTemporal
