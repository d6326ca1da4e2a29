package main

import "github.com/ecsreboot/ecsreboot/examples/target"

const helpPage = `ecs-reboot restarts one Alibaba Cloud ECS instance.

Usage:
  ecs-reboot -emulate [flags] <instance-id>          practise: an emulated service in this process
  ecs-reboot -region <region> [flags] <instance-id>  act on the real service

  Flags go before the instance id. One call restarts one instance.

Examples:
  ecs-reboot -emulate -wait i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou -dry-run i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou -wait i-bp67acfmxazb4ph0001
  ecs-reboot -region cn-hangzhou -force -yes -json i-bp67acfmxazb4ph0001

What to act on:
` + target.HelpFlags + `  -emulate            serve an instance of that id from this process and restart it; takes seconds

What to do:
  -dry-run            only check whether the restart would be accepted
  -force              restart like a power cut; what the guest has not written to disk is lost
  -yes                do not ask before -force; scripts need it
  -timeout <time>     limit of a call that does not wait, such as 90s; default 2m, 0 for none

Waiting:
  -wait               follow the restart until it is proven and the instance is Running again
  -wait-timeout <t>   limit of it all, the send included; default 25m, 0 for none
  -settle <time>      how long a restart whose answer was lost may take to show; default 1m, 0 for
                      the first look
  -resend-unknown     send such a restart once more if it does not show in that time. CAUTION: this
                      may restart the instance twice, as the first one may still be on its way

What to print:
  -json               print the result as one line of JSON, on failure too; with -wait, after a
                      line for each event
  -quiet              print no progress, only the result and errors
  -version            print the version
  -h                  print this page

  With -wait a terminal shows one line that is redrawn in place; anything else, a terminal with
  TERM=dumb, or CI set, gets one line for each event. NO_COLOR set: no colors.

Result:
  One line on stdout; everything else goes to stderr. JSON fields: instanceId, operation, outcome,
  requestId, dryRun, forceStop, attempts, sentAt, code, httpStatus, error, advice, exitCode. Fields
  that are empty are left out; attempts and sentAt are of failed calls.
  outcome is one of:
    accepted          the service accepted the restart; with an error: it ignored -dry-run, or
                      with -wait: the restart was not proven
    restarted         with -wait: the restart is proven and the instance is Running
    dry run passed    the restart would be accepted; nothing restarted
    rejected          the service refused; nothing restarted
    not sent          no restart was sent; nothing restarted
    unknown           it may have restarted: look at the instance before you send again
    none              a dry run that got no answer; nothing restarted
  With -wait -json each line has a type: event, or result for the last one. Events have at,
  instanceId, event, status, startTime, requestId, error; -quiet leaves them out. The result has
  besides: proof (status, start time, refusal), elapsedSeconds from the send to the proof, sends,
  sentAt, startTimeBefore, startTimeAfter, readings (at, status, startTime), and of a wait that
  failed lastStatus and lastSeen.

Exit codes:
  0    accepted, or the dry run passed; with -wait: restarted, with proof
  1    rejected or failed; nothing restarted
  2    the command line makes no sense; nothing was sent
  3    unknown, or sent but not proven (-wait), or restarted against what was asked: look at the
       instance
  4    throttled; nothing restarted
  5    no usable credentials; nothing was sent
  130  interrupted (SIGINT, SIGTERM, SIGHUP); nothing restarted. Once it may have, that is 3
  Any other code, such as 137 of a process that was killed, is as good as 3.
  go run turns every failure into 1, so build:
  go build -o ecs-reboot ./examples/reboot

Safety:
  Accepted is not restarted: the restart takes seconds to minutes more. The status Running right
  after may be the one from before, so -wait takes only these for proof: Stopping, Stopped or
  Starting and then Running, or Running with a start time after the send. That proves that the
  instance restarted, not that this call was the reason. A restart that leaves neither trace ends
  as not proven.
  A restart is sent again only while it certainly did not happen. Where that cannot be known, as
  when the connection breaks before the answer, the program stops with exit code 3; with -wait it
  looks at the instance first, for as long as -settle.

Credentials:
` + target.HelpSources + `  They need the RAM action ecs:RebootInstance, and ecs:DescribeInstances for -wait.
  -emulate uses a key of its own.

Environment:
` + target.HelpEnvironment
