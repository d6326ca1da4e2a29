// Command emulator serves a fake ECS service on a loopback port, to try out scripts
// and clients in any language. Its -h page lists the flags. Package ecstest is the
// service; package internal/cli/emulator parses the command line.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/emulator"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends. The first line on stdout is the URL, alone.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, err)
		return code
	}
	settings, err := emulator.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%v\nRun %s -h for help.\n", err, emulator.Program)
		return exitcode.Usage
	}
	if settings.Page != "" { // -h or help
		_, _ = io.WriteString(stdout, settings.Page)
		return exitcode.Done
	}
	stopLog, err := settings.LogRestarts()
	if err != nil {
		return fail(exitcode.Failed, err)
	}
	defer func() { // after the server has ended
		if err := stopLog(); err != nil {
			code = fail(exitcode.Failed, err)
		}
	}()
	settings.Log(stderr)

	server, err := ecstest.NewServer(settings.Options)
	if err != nil {
		return fail(exitcode.Failed, fmt.Errorf("%s: %w", emulator.Program, err))
	}
	defer server.Close()
	for _, instance := range settings.Instances {
		if err := server.AddInstance(instance); err != nil {
			return fail(exitcode.Usage, fmt.Errorf("%s: %w", emulator.Program, err))
		}
	}
	server.Inject(settings.Faults...)
	if _, err := fmt.Fprintln(stdout, server.URL); err != nil {
		return fail(exitcode.Failed, fmt.Errorf("%s: %w", emulator.Program, err))
	}

	// The server keeps its calls for tests; this one may run for days.
	forget := time.NewTicker(time.Minute)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return exitcode.Done
		case <-forget.C:
			server.ForgetCalls()
		}
	}
}
