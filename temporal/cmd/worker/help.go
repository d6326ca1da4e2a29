package main

import (
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/temporal/cmd/connect"
)

const help = `worker does the work of durable fleet runs of one region: it restarts instances
and follows them, as the runs on the Temporal server ask for.

Usage: worker -region <region> [flags]

Run at least two, on different machines, with the same flags: when one dies, another
takes over.

The Temporal server:
` + connect.Help + `
The instances:
` + target.ManualFlags + `  -rate <n>           limit of restarts a minute for all workers of the task queue together;
                      give all the same value. Default: what the service allows
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
                      with 0 within 30s, or it is called again, 5 times at most

  -quiet              log only what went wrong. The log goes to stderr

Signals:
  The first SIGINT, SIGTERM or SIGHUP ends it: it takes no more work, waits for the responses
  to its restarts, a minute at most, and leaves the rest to other workers. A second one ends
  it at once, as a crash would: a restart that it was sending is resolved, not resent.

Exit codes:
  0    ended as asked
  1    it could not start, for example because no Temporal server answers or the service
       refuses the credentials
  2    invalid usage
  5    no usable credentials were found

Credentials:
` + target.ManualSources + `  They need the RAM actions ecs:DescribeInstances and ecs:RebootInstance.

Environment:
` + connect.HelpEnvironment + target.ManualEnvironment
