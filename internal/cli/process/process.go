// Package process runs a program as a process that scripts can rely on: signals,
// panics and closed pipes end in a defined exit code and never lose a result.
package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// Main runs a program and exits with the code that run returns. The first SIGINT,
// SIGTERM or SIGHUP cancels the context, so that the program can report what it
// knows; a second SIGINT or SIGTERM ends the process at once. Main ignores SIGPIPE:
// writing to a closed pipe fails instead. A panic exits with [exitcode.Unknown].
func Main(name string, run func(ctx context.Context) int) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody receives; the default would end the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		// Not stopped: a terminal that closes may send more than one.
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	context.AfterFunc(ctx, stop)
	os.Exit(guard(name, os.Stderr, func() int { return run(ctx) }))
}

// guard turns a panic into a message and the exit code Unknown. Go's own exit code
// of a panic is 2, which would mean that nothing was sent.
func guard(name string, stderr io.Writer, run func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "%s: panic: %v\nA restart may have been sent: look at the instance before you send another.\n%s",
				name, r, debug.Stack())
			code = exitcode.Unknown
		}
	}()
	return run()
}

// PrintResult writes the result of a program to stdout. If that fails, it writes
// the error and the result to stderr, so that the result is not lost.
func PrintResult(stdout, stderr io.Writer, name, line string) {
	if _, err := fmt.Fprint(stdout, line); err != nil {
		fmt.Fprintf(stderr, "%s: failed to write the result to stdout: %v\n%s", name, err, line)
	}
}
