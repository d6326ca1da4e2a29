package target

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

// Main runs a program and exits with its code. The context ends with the first
// SIGINT, SIGTERM or SIGHUP, so that the program can say what is known; a second
// SIGINT or SIGTERM ends it at once. A reader that closes the pipe does not end
// it: the write fails instead.
func Main(name string, run func(ctx context.Context) int) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody receives; the default would end the program
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		// Not stopped: a terminal that closes may send more than one.
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	context.AfterFunc(ctx, stop)
	os.Exit(guard(name, os.Stderr, func() int { return run(ctx) }))
}

// guard makes a panic a message and the exit code Unknown. Go's own exit code for
// it is 2, which would say that nothing was sent.
func guard(name string, stderr io.Writer, run func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "%s: panic: %v\nA restart may have been sent: look at the instance before sending again.\n%s",
				name, r, debug.Stack())
			code = exitcode.Unknown
		}
	}()
	return run()
}

// PrintResult writes the result to stdout. Where that fails it says so on stderr,
// and writes the result there: it must not be lost without a word.
func PrintResult(stdout, stderr io.Writer, name, line string) {
	if _, err := fmt.Fprint(stdout, line); err != nil {
		fmt.Fprintf(stderr, "%s: the result could not be written to stdout: %v\n%s", name, err, line)
	}
}
