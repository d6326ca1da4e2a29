// Command reboot restarts one ECS instance, of the real service or of an
// emulated one in this process. Its -h page is its manual.
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
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{
		stdin:       stdin,
		stdout:      stdout,
		stderr:      &lockedWriter{w: stderr},
		terminal:    isTerminal(stdin),
		restartTime: 2 * time.Second,
	}
	return p.run(ctx, args)
}

// program is what a run needs of the outside.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool          // somebody may be there to answer a question
	restartTime    time.Duration // of the emulated instance
	quiet          bool
}

func (p *program) run(ctx context.Context, args []string) int {
	s, err := parse(args)
	p.quiet = s.quiet
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(p.stdout, helpPage)
		return exitcode.Done
	case err != nil:
		return p.report(s, nil, err)
	case s.version:
		_, _ = fmt.Fprintf(p.stdout, "ecs-reboot %s %s\n", ecsreboot.Version, runtime.Version())
		return exitcode.Done
	}
	if err := p.confirm(ctx, s); err != nil {
		return p.report(s, nil, err)
	}
	if s.emulate {
		return p.emulate(ctx, s)
	}
	client, err := ecsreboot.NewClient(s.region, p.options(s)...)
	if err != nil {
		return p.report(s, nil, err)
	}
	p.progress("%s at %s\n", s.describe(), client.Endpoint())
	_, code := p.restart(ctx, s, client)
	return code
}

// restart makes the one call and reports what came of it.
func (p *program) restart(ctx context.Context, s settings, client *ecsreboot.Client) (accepted bool, code int) {
	defer client.CloseIdleConnections()
	if s.timeout > 0 {
		over := fmt.Errorf("-timeout %v is over: %w", s.timeout, context.DeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.timeout, over)
		defer cancel()
	}
	resp, err := client.RebootInstance(ctx, s.request())
	return err == nil && !resp.DryRun, p.report(s, resp, err)
}

// options are the client's, of the real service or of an emulated one.
func (p *program) options(s settings) []ecsreboot.Option {
	options := []ecsreboot.Option{
		ecsreboot.WithSignatureVersion(s.signature),
		ecsreboot.WithUserAgent("ecs-reboot/" + ecsreboot.Version),
		ecsreboot.WithLogger(p.retryLogger()),
	}
	if s.vpc {
		options = append(options, ecsreboot.WithVPCEndpoint())
	}
	if s.endpoint != "" {
		options = append(options, ecsreboot.WithEndpoint(s.endpoint))
	}
	return options
}

// progress tells what goes on, to whoever watches.
func (p *program) progress(format string, args ...any) {
	if !p.quiet {
		_, _ = fmt.Fprintf(p.stderr, format, args...)
	}
}

// lockedWriter is for the emulated service, which tells from goroutines of its
// own.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
