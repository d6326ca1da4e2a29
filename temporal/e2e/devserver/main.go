// Command devserver serves Temporal on loopback for trials, where the temporal CLI
// is not at hand: the real server, with its state in memory, or in a file. It is not
// for production.
//
//	go run ./devserver
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ecsreboot/ecsreboot/temporal/e2e/embedded"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes, as for all programs here.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run serves until ctx ends. The first line on stdout is the address, alone.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var options embedded.Options
	flags := flag.NewFlagSet("devserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		io.WriteString(stderr, usage) //nolint:errcheck // nobody to tell
		flags.PrintDefaults()
	}
	flags.StringVar(&options.Address, "address", "127.0.0.1:7233", "loopback `host:port` to serve on; port 0 is a free one")
	flags.StringVar(&options.File, "file", "", "SQLite `file` that keeps the state; without it, all is gone when the server ends")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "devserver: unexpected argument %q\n", flags.Arg(0))
		return exitUsage
	}
	server, err := embedded.Start(options)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	kept := "in memory: it is gone when this ends"
	if options.File != "" {
		kept = "in " + options.File
	}
	fmt.Fprintf(stderr, "devserver: a Temporal server for trials, with the namespace %s; its state is %s\n", embedded.Namespace, kept)
	if _, err := fmt.Fprintln(stdout, server.Address); err != nil {
		fmt.Fprintln(stderr, "devserver:", err)
		return exitFailed
	}
	<-ctx.Done()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(stderr, "devserver:", err)
		return exitFailed
	}
	return exitDone
}

const usage = `usage: devserver [flags]

A Temporal server on a loopback port, for trials and not for production. Its
address is the first line on stdout. The search attributes EcsrebootPlanDigest and
EcsrebootGroup are registered. It runs until it is interrupted.

`
