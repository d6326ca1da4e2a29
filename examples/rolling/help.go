package main

import "github.com/ecsreboot/ecsreboot/internal/cli/target"

const helpPage = `rolling restarts fleets of Alibaba Cloud ECS instances, a few at a time.

Usage:
  rolling run -emulate 200                          practise: an emulated service in this process
  rolling plan -region <region> <selection> [flags]                 say what a run would do
  rolling run -region <region> <selection> -journal <file> [flags]  restart
  rolling resume -journal <file> [flags]            go on after a crash, a stop or a halt
  rolling resolve -journal <file> [flags]           look at what is unknown, send nothing
  rolling status -journal <file> [-json]            tell where a run stands
  rolling report -journal <file> -o <file.html>     draw it

  rolling <command> -h tells of its flags.

Exit codes:
  0    every instance is restarted, with proof
  1    some failed or were skipped; stdout names them. Or the command failed before it began, and
       nothing was sent
  2    the command line makes no sense; nothing was sent
  3    some may have restarted, without proof: look at them, or let resolve look. Wins over others
  4    throttled before the run began; nothing was sent
  5    no usable credentials; nothing more was sent
  6    halted: failure budget, canary, limit used up, not approved, or no permission
  7    another process has the journal; nothing was done
  130  interrupted or stopped; resume goes on
  137  and others of a process that was killed: resume goes on
  go run turns every failure into 1, so build:
  go -C examples/rolling build -o rolling .

Safety:
  No restart leaves before the intent is in the journal, on disk. After a crash an instance whose
  intent is there is looked at, not restarted again. So none is restarted twice by accident, and
  every one that is not restarted is named.

Credentials:
` + target.ManualSources + `  They need the RAM actions ecs:DescribeInstances and ecs:RebootInstance.

Environment:
` + target.ManualEnvironment

const helpSelection = `Which instances:
  <instance-id>...    these, in this order: the first are the canaries. Flags go before them
  -ids-file <file>    ids from a file, or from stdin for -; one or more a line, # begins a comment
  -tag <key=value>    those with the tag, key alone for any value; may be given several times
  -zone <zone>        those of a zone, such as cn-hangzhou-h
  -status <status>    those with a status, such as Running. Without it, what is not Running is
                      skipped, named, and counts as unavailable
  -all                everything in the region
  -exclude <ids>      but not these; comma-separated, may be given several times
  -group-by <what>    zone or tag:KEY; the plan takes from all groups in turn
  -force              restart like a power cut; what a guest has not written to disk is lost
`

const helpRules = `What may break:
  -max-unavailable <n>            how many may be unavailable at once, such as 3 or 2%; failed and
                                  unknown ones count. Default 1 of less than 20, else 2%
  -max-unavailable-per-group <n>  the same for each group
  -allow-wide                     allow more than 25% of the plan or of a group
  -max-failed <n>                 halt when more failed or are unknown; default 1%, at least 1
  -canary <sizes>                 stages that come first, such as 1,5, the default; or none
`

const helpHealth = `When an instance counts as healthy:
  -min-ready <time>     it has been Running and healthy for so long; default 30s, 0 for at once
  -ready-timeout <t>    or else it failed, so long after the send; default 25m, 0 for never
  -settle <time>        how long a restart whose answer was lost may take to show; default 1m
  -health-url <url>     GET must answer 2xx; {id}, {name}, {zone}, {group} are filled in, such as
                        http://{name}:8080/healthz. Redirects are not followed. With -health-cmd
                        as well, both must pass
  -health-cmd <cmd>     a shell command that must exit with 0 within 30s; it finds INSTANCE_ID,
                        INSTANCE_NAME, INSTANCE_ZONE and INSTANCE_GROUP in its environment
`

const helpSend = `When restarts are sent:
  -window <when>        only then, such as "Mon-Fri 02:00-05:00 Asia/Shanghai"; the days and the
                        time zone (UTC) may be left out
  -blocker-cmd <cmd>    as -health-cmd; asked before each send, exit code 0 means go
  -approve              ask on the terminal after each canary stage
  -min-uptime <time>    skip those that started less than so long ago
  -self <id>            the instance that this program runs on, which is skipped; by default the
                        metadata service is asked, for 200 ms
  -rate-hint <n>        the calls a minute that the service allows, where it is known
  -yes                  do not ask before the first restart; needed without a terminal
`

const helpWrite = `What to write:
  -journal <file>       remembers the run, for resume, status and report
  -report <file.html>   draw the run at its end
  -progress <how>       auto, tty, plain, json (the events, line by line) or none; to stderr. auto
                        is tty on a terminal, unless TERM=dumb or CI is set. NO_COLOR: no colors
  -json                 print the result as one JSON object
  -timeout <time>       send nothing more after so long, and let what was sent settle; default none
`

const helpOutput = helpWrite + `
Signals:
  The first SIGINT, SIGTERM or SIGHUP stops: nothing more is sent, and the program ends when what
  was sent has settled. A second one leaves at once; within a second it counts as the same.
  SIGUSR1 pauses, SIGUSR2 goes on.
`

const helpPlan = `rolling plan says what a run would do, and sends nothing but dry runs.

Usage: rolling plan -region <region> <selection> [flags]

` + target.ManualFlags + `
` + helpSelection + `
` + helpRules + `
  -min-uptime, -window, -min-ready, -self, -rate-hint   as for run, which -h tells of
  -dry-runs <n>         how many instances to ask the service about; default 5
  -o <file>             write the plan, with its rules, for rolling run -plan
  -json                 print it as one JSON object

Exit code 1 if the run would come to no good end; the problems are printed.
`

const helpRun = `rolling run restarts instances: it plans, looks ahead, asks, and goes.

Usage:
  rolling run -emulate <n> [flags]
  rolling run -region <region> <selection> -journal <file> [flags]
  rolling run -plan <file> -journal <file> [flags]

  -emulate <n>        practise on so many instances of an emulated service in this process, by
                      default with -min-ready 0, -max-unavailable 25% and -group-by zone, so that
                      it takes seconds; journal and report are in a temporary directory
  -plan <file>        carry out what rolling plan -o wrote; its digest is checked
` + target.ManualFlags + `
` + helpSelection + `
` + helpRules + `
` + helpHealth + `
` + helpSend + `  -dry-runs <n>         how many instances to ask the service about before; default 5
  -despite-problems     begin even if the look ahead found problems

` + helpOutput

const helpResume = `rolling resume goes on with a run after a crash, a stop or a halt.

Usage: rolling resume -journal <file> [flags]

Nothing is sent for an instance whose restart may have been sent: it is looked at. Where, what and
by which rules is in the journal; the rules given here count instead. All else, such as
-health-url, -min-ready and -window, is not in the journal: give it again. Checks that the session
before had are asked for, unless they are waived. Another process that drives the run is named, and
refused.

Go on without what the session before had:
  -no-health, -no-blocker, -no-approve, -no-window

` + helpRules + `
` + helpHealth + `
` + helpSend + `  -signature v3|v1      as for run

` + helpOutput

const helpResolve = `rolling resolve looks at what a run has left unknown, failed or under way, and
sends nothing.

Usage: rolling resolve -journal <file> [flags]

` + helpHealth + `  -no-health            go on without the check that the session before had
  -signature v3|v1      as for run

` + helpWrite + `
The first SIGINT, SIGTERM or SIGHUP ends it, and so does -timeout: nothing is lost.
`

const helpStatus = `rolling status tells where a run stands, from its journal, also while another
process drives it. It exits as the run would.

Usage: rolling status -journal <file> [-json]
`

const helpReport = `rolling report draws a run from its journal, also while it goes on.

Usage: rolling report -journal <file> [-o <file.html>] [-json <file>]
`
