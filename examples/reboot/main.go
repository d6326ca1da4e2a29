// Command reboot restarts one ECS instance, of the real service or of an
// emulated one in this process, and on request follows the restart to its end.
// Its -h page is its manual.
//
// Scripts build it, as go run turns every exit code but 0 into 1:
//
//	go build -o ecs-reboot ./examples/reboot
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
	"github.com/ecsreboot/ecsreboot/examples/target"
)

func main() {
	target.Main("ecs-reboot", func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr) })
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := newProgram(stdin, stdout, stderr)
	p.terminal = isTerminal(stdin)
	p.live = isTerminal(stderr) && redraws(os.Getenv)
	p.color = p.live && os.Getenv("NO_COLOR") == ""
	return p.run(ctx, args)
}

// program is what a run needs of the outside.
type program struct {
	stdin       io.Reader
	stdout      io.Writer
	stderr      *console
	terminal    bool          // somebody may be there to answer a question
	live        bool          // stderr can redraw a line
	color       bool          // and may colour it
	restartTime time.Duration // of the emulated instance, where nobody waits
	quiet       bool
	newServer   func(ecstest.Options) (*ecstest.Server, error)
	newClient   func(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error)
}

func newProgram(stdin io.Reader, stdout, stderr io.Writer) *program {
	return &program{
		stdin:       stdin,
		stdout:      stdout,
		stderr:      &console{w: stderr},
		restartTime: 2 * time.Second,
		newServer:   ecstest.NewServer,
		newClient:   ecsreboot.NewClient,
	}
}

func (p *program) run(ctx context.Context, args []string) int {
	s, err := parse(args)
	p.quiet = s.quiet
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(p.stdout, helpPage)
		return exitcode.Done
	case err != nil:
		return p.report(s, newResult(s, nil, err))
	case s.version:
		_, _ = fmt.Fprintf(p.stdout, "ecs-reboot %s %s\n", ecsreboot.Version, runtime.Version())
		return exitcode.Done
	}
	if err := p.confirm(ctx, s); err != nil {
		return p.report(s, newResult(s, nil, err))
	}
	if s.Emulate {
		return p.emulate(ctx, s)
	}
	client, err := p.newClient(s.Region, p.options(s)...)
	if err != nil {
		return p.report(s, newResult(s, nil, err))
	}
	p.progress("%s at %s\n", s.describe(), client.Endpoint())
	if s.wait {
		return p.restartAndWait(ctx, s, client)
	}
	_, code := p.restart(ctx, s, client)
	return code
}

// restart makes the one call and reports what came of it.
func (p *program) restart(ctx context.Context, s settings, client *ecsreboot.Client) (accepted bool, code int) {
	defer client.CloseIdleConnections()
	ctx, cancel := s.Limit(ctx)
	defer cancel()
	resp, err := client.RebootInstance(ctx, s.request())
	return err == nil && !resp.DryRun, p.report(s, newResult(s, resp, err))
}

// options are the client's, of the real service or of an emulated one.
func (p *program) options(s settings) []ecsreboot.Option {
	return s.Options("ecs-reboot", p.progress)
}

// progress tells what goes on, to whoever watches.
func (p *program) progress(format string, args ...any) {
	if !p.quiet {
		_, _ = fmt.Fprintf(p.stderr, format, args...)
	}
}
