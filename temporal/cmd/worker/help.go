package main

import (
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/temporal/cmd/connect"
)

const help = `worker does the work of durable fleet runs of one region: it restarts instances
and follows them, as the runs on the Temporal server ask for.

Usage: worker -region <region> [flags]

Run two at least, on different machines: when one dies, the other goes on. Which of
them does what, does not matter; give all the same flags.

The Temporal server:
` + connect.Help + `
The instances:
` + target.ManualFlags + `  -rate <n>           send at most so many restarts a minute, over all workers of the task queue;
                      all must be given the same. Default: what the service lets through
  -rate-hint <n>      the calls a minute that the service allows, where it is known

What runs may call, by rolling run -health, -blocker and -notify:
  -health-url <url>   GET must answer 2xx; {id}, {name}, {zone}, {group} are filled in, such as
                      http://{name}:8080/healthz. Redirects are not followed. With -health-cmd
                      as well, both must pass
  -health-cmd <cmd>   a shell command that must exit with 0 within 30s; it finds INSTANCE_ID,
                      INSTANCE_NAME, INSTANCE_ZONE and INSTANCE_GROUP in its environment
  -blocker-cmd <cmd>  a shell command that must exit with 0 within 15s, or the restart is held
                      back for now; it has the same environment
  -notify-cmd <cmd>   a shell command that finds a notice on stdin, one line of JSON: a run waits
                      for approval, is paused, stops or ends, an instance failed. It must exit
                      with 0 within 30s, or it is told again, a few times

  -quiet              log only what went wrong. The log goes to stderr

Signals:
  The first SIGINT, SIGTERM or SIGHUP ends it: it takes no more work, waits for restarts on
  their way to be answered, a minute at most, and leaves the rest to other workers. A second
  one ends it at once, as a crash would: what it was sending is looked at, not sent again.

Exit codes:
  0    ended as asked
  1    it could not begin: no Temporal server answers, say, or the service refuses the credentials
  2    the command line makes no sense
  5    no usable credentials were found

Credentials:
` + target.ManualSources + `  They need the RAM actions ecs:DescribeInstances and ecs:RebootInstance.

Environment:
` + connect.HelpEnvironment + target.ManualEnvironment
