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
	ignoreBrokenPipes()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		// Not stopped: a terminal that closes may send more than one.
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	context.AfterFunc(ctx, stop)
	os.Exit(guard(name, os.Stderr, func() int { return run(ctx) }))
}

// Serve is like [Main] for a program that handles signals itself. It passes run a channel
// of the signals of Main and the further ones, and a function that gives the signals back
// to the system.
func Serve(name string, further []os.Signal, run func(signals <-chan os.Signal, release func()) int) {
	ignoreBrokenPipes()
	handled := append([]os.Signal{os.Interrupt, syscall.SIGTERM}, further...)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		handled = append(handled, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, handled...)
	release := func() { signal.Reset(handled...) }
	os.Exit(guard(name, os.Stderr, func() int { return run(signals, release) }))
}

// ignoreBrokenPipes makes writing to a closed pipe fail instead of ending the process.
func ignoreBrokenPipes() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody receives
}

// guard turns a panic into a message and the exit code Unknown. Go's own exit code
// of a panic is 2, which would mean that nothing was sent.
func guard(name string, stderr io.Writer, run func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "%s: panic: %v\nA restart may have been sent: look at the instance before you send another.\nIf there is a journal, resume from it.\n%s",
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
