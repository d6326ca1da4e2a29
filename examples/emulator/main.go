// Command emulator serves a fake ECS service on a loopback port, for trying
// out scripts and clients in any language. Run it with -h to learn how.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The exit codes, as for all programs here.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what the flags say.
type settings struct {
	options    ecstest.Options
	instances  []ecstest.Instance
	faults     faultList
	restartLog string
	quiet      bool
}

// run serves until ctx ends. The first line on stdout is the URL, alone.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	set, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitUsage
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	if set.quiet {
		logger = slog.New(slog.DiscardHandler)
	} else {
		set.options.OnStatus = func(id string, status ecsreboot.Status) { logger.Info("status", "id", id, "status", status) }
	}
	set.options.OnCall = func(c ecstest.ReceivedCall) { logCall(logger, c) }
	if set.restartLog != "" {
		restarts, err := openRestartLog(set.restartLog)
		if err != nil {
			fmt.Fprintln(stderr, "emulator:", err)
			return exitFailed
		}
		defer func() { // after the server has ended
			if err := restarts.close(); err != nil {
				fmt.Fprintln(stderr, "emulator: the log of restarts is incomplete:", err)
				code = exitFailed
			}
		}()
		set.options.OnCall = func(c ecstest.ReceivedCall) {
			restarts.add(c)
			logCall(logger, c)
		}
	}
	server, err := ecstest.NewServer(set.options)
	if err != nil {
		fmt.Fprintln(stderr, "emulator:", err)
		return exitFailed
	}
	defer server.Close()
	for _, instance := range set.instances {
		if err := server.AddInstance(instance); err != nil {
			fmt.Fprintln(stderr, "emulator:", err)
			return exitUsage
		}
	}
	server.Inject(set.faults...)
	if _, err := fmt.Fprintln(stdout, server.URL); err != nil {
		fmt.Fprintln(stderr, "emulator:", err)
		return exitFailed
	}
	// The calls are logged, not kept: the emulator may run for days.
	forget := time.NewTicker(time.Minute)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return exitDone
		case <-forget.C:
			server.ForgetCalls()
		}
	}
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	set := &settings{}
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		io.WriteString(stderr, usageHead) //nolint:errcheck // nobody to tell
		flags.PrintDefaults()
		io.WriteString(stderr, usageTail) //nolint:errcheck // nobody to tell
	}
	o := &set.options
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:0", "loopback `host:port` to listen on; port 0 is a free one")
	var instances instanceSettings
	flags.StringVar(&instances.ids, "instances", "i-bp67acfmxazb4ph0001", "comma-separated `ids` of instances that run")
	flags.IntVar(&instances.count, "count", 0, "serve so `many` instances, i-00000001 and on")
	flags.StringVar(&instances.zones, "zones", "a", "comma-separated `zones` of the region that instances are in by turns")
	flags.Var(&instances.tags, "tag", "`key=value[,value]...` of the instances, the values by turns; may be given several times")
	flags.StringVar(&o.AccessKeyID, "key-id", "testid", "accepted access key `id`")
	flags.StringVar(&o.AccessKeySecret, "key-secret", "testsecret", "its `secret`")
	flags.StringVar(&o.BearerToken, "bearer-token", "testtoken", "accepted bearer `token`; empty for none")
	flags.StringVar(&o.Region, "region", "cn-hangzhou", "the only `region`")
	flags.DurationVar(&instances.time, "reboot-time", 0, "how long a restart takes; negative: no time; 0: 30s, or 10s by force")
	flags.DurationVar(&instances.jitter, "reboot-jitter", 0, "it takes up to so much `longer`, differently for each instance")
	flags.IntVar(&o.LimitPerMinute, "limit", 0, "`calls` of each action let through in a minute; 0: no limit")
	flags.StringVar(&set.restartLog, "restart-log", "", "`file` to which a line is added for each restart that really happened")
	flags.BoolVar(&set.quiet, "quiet", false, "log no calls")
	flags.Var(&set.faults, "fault", "`kind[:times][,option]...` makes calls go wrong; may be given several times")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", flags.Arg(0))
		fmt.Fprintln(stderr, "emulator:", err)
		return nil, err
	}
	if instances.count < 0 || instances.jitter < 0 {
		err := errors.New("-count and -reboot-jitter cannot be negative")
		fmt.Fprintln(stderr, "emulator:", err)
		return nil, err
	}
	idsGiven := false
	flags.Visit(func(f *flag.Flag) { idsGiven = idsGiven || f.Name == "instances" })
	set.instances = instances.all(o.Region, idsGiven)
	return set, nil
}

// logCall names what a caller did and what came of it, and nothing that signs.
func logCall(logger *slog.Logger, c ecstest.ReceivedCall) {
	logger.Info("call", "action", c.Action, "id", c.InstanceID, "status", c.Status, "code", cmp.Or(c.Code, "-"),
		"restarted", c.Acted, "fault", cmp.Or(c.Fault, "-"))
}

const usageHead = `usage: emulator [flags]

A fake ECS service on a loopback port. Its URL is the first line on stdout; its
calls are logged on stderr. It runs until it is interrupted.

`

const usageTail = `
Faults
  drop, fin, half-status-line   the connection breaks in place of an answer
  refuse                        it breaks before the request is read
  hang, stall, truncate         no answer; one that stops half-way; one cut short
  error, throttle, answer       an error; flow control; an answer as given, or
                                a proxy's 502 page
  delay                         the usual answer, later
times is how many calls it hits: 1 by default, or "all". The options:
  act                           carry the call out before it goes wrong
  action=RebootInstance, id=i-… only such calls
  skip=2                        let two of them pass first
  delay=5s, hint=30s            wait first; what a throttled answer asks for
  status=503, code=X, body=…    of the answer; body is the last option
A fleet, and what really happened to it:
  emulator -quiet -count 300 -zones a,b,c -tag role=web,web,queue -reboot-time 5s -reboot-jitter 5s \
    -limit 100 -restart-log restarts.log
A restart that happens while its answer is lost, then a proxy's page for every list:
  emulator -fault drop,act,action=RebootInstance -fault answer:all,action=DescribeInstances

With the URL in $URL and the port in $PORT, call it with the vendor's CLI:
  aliyun ecs RebootInstance --InstanceId i-bp67acfmxazb4ph0001 \
    --endpoint 127.0.0.1:$PORT --insecure --region cn-hangzhou \
    --mode AK --access-key-id testid --access-key-secret testsecret
or with curl, which can't sign, and a bearer token:
  curl -X POST "$URL/?SignatureType=BEARERTOKEN&InstanceId=i-bp67acfmxazb4ph0001" \
    -H "x-acs-action: RebootInstance" -H "x-acs-version: 2014-05-26" \
    -H "x-acs-bearer-token: testtoken" -H "x-acs-signature-nonce: $RANDOM$RANDOM" \
    -H "x-acs-date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
`
