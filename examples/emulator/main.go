// Command emulator serves a fake ECS service on a loopback port, to try out scripts
// and clients in any language. Its -h page lists the flags. Package ecstest is the
// service; package internal/cli/emulator parses the command line and serves.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

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
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	settings, err := emulator.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%v\nRun %s -h for help.\n", err, emulator.Program)
		return exitcode.Usage
	}
	if settings.Page != "" { // -h or help
		_, _ = io.WriteString(stdout, settings.Page)
		return exitcode.Done
	}
	if err := emulator.Serve(ctx, settings, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, err)
		return exitcode.Of(err)
	}
	return exitcode.Done
}
