// Command live compares what ecstest claims about the service with the service
// itself. It needs an account, and an instance that it may restart:
//
//	go -C internal/conformance run ./live -region cn-hangzhou -instance i-bp67acfmxazb4ph0001
//
// It writes a redacted trace, which -replay compares with the fake:
//
//	go -C internal/conformance run ./live -replay trace.json
//
// With -commands, it also runs a command as root in the guest. docs/validate.md describes
// what the program does and what a run costs.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/endpoint"
)

// The exit codes.
const (
	exitSame      = 0
	exitDifferent = 1 // -replay found differences
	exitFailed    = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	terminal := false
	if info, err := os.Stdin.Stat(); err == nil {
		terminal = info.Mode()&os.ModeCharDevice != 0
	}
	p := program{getenv: os.Getenv, in: os.Stdin, terminal: terminal, out: os.Stdout, log: os.Stderr, http: newHTTPClient()}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// program is the command and its environment.
type program struct {
	getenv   func(string) string
	in       io.Reader
	terminal bool // whether in is a terminal
	out, log io.Writer
	http     *http.Client
}

// recordsDelay is a little more than ActionTrail takes to show an event.
const recordsDelay = 11 * time.Minute

type flags struct {
	region, instance, endpoint, out, replay string
	throttle, records, commands, yes        bool
}

func (p *program) run(ctx context.Context, args []string) int {
	var f flags
	set := flag.NewFlagSet("live", flag.ContinueOnError)
	set.SetOutput(p.log)
	set.StringVar(&f.region, "region", "", "region of the instance")
	set.StringVar(&f.instance, "instance", "", "ID of a pay-as-you-go instance that may be restarted")
	set.StringVar(&f.endpoint, "endpoint", "", "URL of the service; default that of the region")
	set.StringVar(&f.out, "out", "trace.json", "file to write the trace to; it must not exist")
	set.StringVar(&f.replay, "replay", "", "trace to compare with the fake; sends nothing to the network")
	set.BoolVar(&f.throttle, "throttle", false, "also use up the account's rate limit of DescribeInstanceStatus for a minute, and with -records that of LookupEvents for a second")
	set.BoolVar(&f.records, "records", false, "also read the console output and the records of Cloud Assistant, Quota Center, ActionTrail and CloudMonitor; the run then ends about 11 minutes after the second restart")
	set.BoolVar(&f.commands, "commands", false, "also RUN A COMMAND AS ROOT IN THE GUEST through Cloud Assistant, at once and at each reboot during the run; the command prints the boot ID")
	set.BoolVar(&f.yes, "yes", false, "refused: the confirmation must be typed")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitSame
	case err != nil:
		return exitFailed
	case set.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
	case f.yes:
		err = errors.New("-yes is refused: the confirmation must be typed")
	case f.replay != "":
		return p.replay(ctx, f.replay)
	default:
		err = p.live(ctx, f)
	}
	if err != nil {
		fmt.Fprintf(p.log, "live: %v\n", err)
		return exitFailed
	}
	return exitSame
}

func (p *program) replay(ctx context.Context, path string) int {
	data, err := os.ReadFile(filepath.Clean(path))
	var service, fake *trace
	if err == nil {
		service, err = readTrace(data)
	}
	if err == nil {
		fake, err = replay(ctx, service, p.log)
	}
	if err != nil {
		fmt.Fprintf(p.log, "live: %v\n", err)
		return exitFailed
	}
	differences := compare(service, fake)
	for _, d := range differences {
		d.print(p.out)
	}
	compared := 0
	for _, r := range service.Rows {
		switch {
		case r.Skipped != "":
			fmt.Fprintf(p.out, "%s: not compared: %s\n", r.ID, r.Skipped)
		case fake.row(r.ID).Skipped != "":
			fmt.Fprintf(p.out, "%s: not compared, because the replay skipped it: %v\n", r.ID, r.Facts)
		default:
			compared++
		}
	}
	if service.Stopped != "" {
		fmt.Fprintf(p.out, "the run stopped early: %s\n", service.Stopped)
	}
	fmt.Fprintf(p.out, "%d rows compared, %d differences\n", compared, len(differences))
	if len(differences) > 0 {
		return exitDifferent
	}
	return exitSame
}

// live asks for the confirmation, makes the experiments and writes the trace. It sends
// nothing before the confirmation.
func (p *program) live(ctx context.Context, f flags) error {
	key := credentials{
		id: p.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), secret: p.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
		token: p.getenv("ALIBABA_CLOUD_SECURITY_TOKEN"), bearer: p.getenv("ALIBABA_CLOUD_BEARER_TOKEN"),
	}
	denied := credentials{id: p.getenv("ECS_LIVE_DENIED_ACCESS_KEY_ID"), secret: p.getenv("ECS_LIVE_DENIED_ACCESS_KEY_SECRET")}
	target, err := f.target()
	switch {
	case err != nil:
		return err
	case key.id == "" || key.secret == "":
		return errors.New("ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET are not set")
	case (denied.id == "") != (denied.secret == ""):
		return errors.New("ECS_LIVE_DENIED_ACCESS_KEY_ID and ECS_LIVE_DENIED_ACCESS_KEY_SECRET: set both or none")
	case denied.id == key.id:
		return errors.New("ECS_LIVE_DENIED_ACCESS_KEY_ID is the key of the run; set a key that has no permissions")
	case !p.terminal:
		return errors.New("standard input is no terminal: the confirmation must be typed")
	}
	if err := p.confirm(f, target); err != nil {
		return err
	}
	path, err := filepath.Abs(f.out) // show the full path, because "go -C" changes the directory
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l := &lab{
		ctx: ctx, wire: wire{http: p.http, endpoint: target, key: key}, region: f.region, instance: f.instance,
		log: p.log, throttle: f.throttle, records: f.records, commands: f.commands, denied: denied, recordsDelay: recordsDelay, oneEndpoint: f.endpoint != "",
	}
	runErr := l.run()
	if runErr != nil {
		runErr = errors.New(l.redactor.withoutSecrets(runErr.Error()))
	}
	data, err := l.redactor.write(&l.trace)
	if err == nil {
		_, err = file.Write(data)
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	if err == nil {
		fmt.Fprintf(p.out, "%d rows, %d restarts requested, written to %s\n", len(l.trace.Rows), l.trace.Restarts, file.Name())
	}
	return errors.Join(runErr, err)
}

// target returns the URL to call, or an error about a flag.
func (f flags) target() (string, error) {
	switch {
	case f.region == "":
		return "", errors.New("missing -region")
	case endpoint.RegionProblem(f.region) != "":
		return "", fmt.Errorf("invalid -region: %s", endpoint.RegionProblem(f.region))
	case f.instance == "":
		return "", errors.New("missing -instance")
	case strings.ContainsAny(f.instance, "\" \\,"):
		return "", fmt.Errorf("invalid -instance %q", f.instance)
	case f.endpoint == "":
		return "https://" + endpoint.Host(f.region, false), nil
	}
	scheme, host, problem := endpoint.Parse(f.endpoint)
	if problem != "" {
		return "", fmt.Errorf("invalid -endpoint: it %s", problem) // it may hold a password
	}
	return scheme + "://" + host, nil
}

// confirm prints what will happen, and asks the user to type the ID of the instance.
func (p *program) confirm(f flags, target string) error {
	fmt.Fprintf(p.log, "%d experiments with instance %s at %s. These restart it:\n", len(experiments), f.instance, target)
	for _, e := range experiments {
		if e.restarts > 0 {
			fmt.Fprintf(p.log, "  %s: up to %d\n", e.id, e.restarts)
		}
	}
	fmt.Fprintf(p.log, "The other experiments restart nothing, and the run changes nothing else. The limit is %d restarts.\n", maxRestarts)
	if f.commands {
		fmt.Fprintf(p.log, "-commands: these RUN A COMMAND AS ROOT IN THE GUEST, %q, which changes nothing:\n", script)
		for _, e := range experiments {
			if e.commands > 0 {
				fmt.Fprintf(p.log, "  %s: up to %d\n", e.id, e.commands)
			}
		}
		fmt.Fprintf(p.log, "The limit is %d commands. At the end, the run stops the commands that wait for a reboot.\n", maxCommands)
	}
	fmt.Fprint(p.log, "Type the ID of the instance to begin: ")
	line, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("not confirmed: %w", err)
	}
	if strings.TrimSpace(line) != f.instance {
		return fmt.Errorf("not confirmed: the typed ID differs from -instance %s", f.instance)
	}
	return nil
}
