// Command check says whether ECS instances could be restarted now: their status,
// locks and expiry, and what the service says to a dry run. It restarts nothing.
// Its -h page is its manual.
//
// Scripts build it, as go run turns every exit code but 0 into 1:
//
//	go build -o ecs-check ./examples/check
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

func main() {
	target.Main("ecs-check", func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Stdout, os.Stderr) })
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr, newServer: ecstest.NewServer, newClient: ecsreboot.NewClient}
	return p.run(ctx, args)
}

// program is what a run needs of the outside.
type program struct {
	stdout, stderr io.Writer
	quiet          bool
	newServer      func(ecstest.Options) (*ecstest.Server, error)
	newClient      func(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error)
}

func (p *program) run(ctx context.Context, args []string) int {
	s, err := parse(args)
	p.quiet = s.quiet
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(p.stdout, helpPage)
		return exitcode.Done
	case err != nil:
		return p.failAll(s, err)
	case s.version:
		_, _ = fmt.Fprintf(p.stdout, "ecs-check %s %s\n", ecsreboot.Version, runtime.Version())
		return exitcode.Done
	}
	if s.Emulate {
		return p.emulate(ctx, s)
	}
	client, err := p.newClient(s.Region, s.Options("ecs-check", p.progress)...)
	if err != nil {
		return p.failAll(s, err)
	}
	return p.check(ctx, s, client)
}

// emulate checks instances of a service of its own.
func (p *program) emulate(ctx context.Context, s settings) int {
	server, err := p.newServer(ecstest.Options{})
	if err != nil {
		return p.failAll(s, fmt.Errorf("ecs-check: the emulated service does not start: %w", err))
	}
	defer server.Close()
	for _, id := range s.instanceIDs {
		if err := server.AddInstance(ecstest.Instance{ID: id}); err != nil {
			return p.failAll(s, fmt.Errorf("ecs-check: %w", err))
		}
	}
	client, err := server.NewClient(s.Options("ecs-check", p.progress)...)
	if err != nil {
		return p.failAll(s, fmt.Errorf("ecs-check: %w", err))
	}
	p.progress("emulated service at %s, in this process; no real instance is touched\n", server.URL)
	return p.check(ctx, s, client)
}

// check checks the instances one after the other. They are read beforehand, all
// at once, so that there is something to show of those that fail the check too.
func (p *program) check(ctx context.Context, s settings, client *ecsreboot.Client) int {
	defer client.CloseIdleConnections()
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	found := make(map[string]ecsreboot.Instance, len(s.instanceIDs))
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: s.instanceIDs}) {
		if err != nil {
			return p.failAll(s, err)
		}
		found[instance.ID] = instance
	}
	codes := make([]int, len(s.instanceIDs))
	for i, id := range s.instanceIDs {
		instance := found[id]
		checked, err := client.Check(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: s.force})
		if err == nil {
			instance = checked.Instance
		}
		codes[i] = p.report(s, newResult(instance, checked, err))
	}
	return exitcode.Worst(codes...)
}

// progress tells what goes on, to whoever watches.
func (p *program) progress(format string, args ...any) {
	if !p.quiet {
		_, _ = fmt.Fprintf(p.stderr, format, args...)
	}
}
