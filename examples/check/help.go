package main

import "github.com/ecsreboot/ecsreboot/examples/target"

const helpPage = `ecs-check says whether Alibaba Cloud ECS instances could be restarted now. It restarts nothing.

Usage:
  ecs-check -emulate [flags] <instance-id>...          practise: an emulated service in this process
  ecs-check -region <region> [flags] <instance-id>...  ask the real service

  Flags go before the instance ids.

Examples:
  ecs-check -emulate i-bp67acfmxazb4ph0001
  ecs-check -region cn-hangzhou i-bp67acfmxazb4ph0001 i-bp67acfmxazb4ph0002
  ecs-check -region cn-hangzhou -json -quiet i-bp67acfmxazb4ph0001

What to ask:
` + target.HelpFlags + `  -emulate            serve running instances of those ids from this process
  -force              ask about a restart by force
  -timeout <time>     limit of it all, such as 90s; default 2m, 0 for none

What to print:
  -json               print one line of JSON for each instance, on failure too
  -quiet              print no progress, only the results and errors
  -version            print the version
  -h                  print this page

Result:
  One line on stdout for each instance, in the order given: its status, locks and expiry, and the
  verdict. Errors and what to do about them go to stderr. JSON fields: instanceId, verdict, status,
  locks, startTime, expiredTime, zone, requestId, code, httpStatus, error, advice, exitCode. Fields
  that are empty are left out; without a status the service does not list the instance.
  verdict is one of:
    would be accepted  the service would accept a restart now
    would be refused   it would not: code says why, advice what to do
    not found out      no answer, or none that tells
    restarted          a real restart was answered to the dry run: look at the instance

Exit codes:
  0    all would be accepted
  1    one would be refused, or could not be checked for a reason that has no code here
  2    the command line makes no sense; nothing was sent
  3    restarted against what was asked: look at the instance
  4    throttled before all were checked
  5    no usable credentials
  130  interrupted (SIGINT, SIGTERM, SIGHUP) before all were checked
  If several fit, the first of 3, 130, 4, 5, 2, 1: so 1 tells that nothing stood in the way of the
  check of the others. go run turns every failure into 1, so build:
  go build -o ecs-check ./examples/check

Safety:
  The check reads the instance and sends the restart as a dry run. It speaks of now: what the
  service accepts a moment later may differ.

Credentials:
` + target.HelpSources + `  They need the RAM actions ecs:DescribeInstances and ecs:RebootInstance. Without the first one the
  service lists nothing, and does not say why. -emulate uses a key of its own.

Environment:
` + target.HelpEnvironment
