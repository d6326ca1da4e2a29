// Command rolling restarts fleets of ECS instances, a few at a time, of the real
// service or of an emulated one in this process, and goes on after a crash without
// restarting anything twice. Its -h pages are its manual, its README says how to
// begin.
//
// Scripts build it, as go run turns every exit code but 0 into 1:
//
//	go -C examples/rolling build -o rolling .
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
	"runtime/debug"
	"sync"
	"syscall"
	_ "time/tzdata" // -window must know its time zone wherever the program runs

	"golang.org/x/term"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

const programName = "rolling"

func main() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody receives; the default would end the program
	p := newProgram(os.Stdin, os.Stdout, os.Stderr)
	p.terminal = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
	p.screen = term.IsTerminal(int(os.Stderr.Fd()))
	p.notifySignals()
	os.Exit(guard(os.Stderr, func() int { return p.run(context.Background(), os.Args[1:]) }))
}

// guard makes a panic a message and the exit code Unknown. Go's own exit code for
// it is 2, which would say that nothing was sent.
func guard(stderr io.Writer, run func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "\n%s: panic: %v\nRestarts may have been sent: resume from the journal.\n%s", programName, r, debug.Stack())
			code = exitcode.Unknown
		}
	}()
	return run()
}

// program is what a run needs of the outside.
type program struct {
	stdin    *lineReader
	stdout   io.Writer
	stderr   io.Writer
	getenv   func(string) string
	terminal bool // somebody may be there to answer a question
	screen   bool // stderr can redraw lines
	signals  chan os.Signal
	letGo    func() // of the signals; nil if they are not the system's
	// ownID finds the instance that the program runs on; empty if it is none.
	ownID     func(ctx context.Context) (string, error)
	newServer func(ecstest.Options) (*ecstest.Server, error)
	newClient func(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error)

	mu    sync.Mutex
	shown view // what notes go to; nil: plainly to stderr
}

func newProgram(stdin io.Reader, stdout, stderr io.Writer) *program {
	return &program{
		stdin:     newLineReader(stdin),
		stdout:    stdout,
		stderr:    stderr,
		getenv:    os.Getenv,
		signals:   make(chan os.Signal, 4),
		ownID:     askMetadata,
		newServer: ecstest.NewServer,
		newClient: ecsreboot.NewClient,
	}
}

// commands are what the first argument may be.
var commands = map[string]struct {
	flags func(*settings, *flag.FlagSet)
	check func(*settings) error
	run   func(*program, context.Context, *settings) int
	help  string
}{
	"plan":    {flagsOfPlan, (*settings).checkPlan, (*program).plan, helpPlan},
	"run":     {flagsOfRun, (*settings).checkRun, (*program).runPlan, helpRun},
	"resume":  {flagsOfResume, (*settings).checkJournal, (*program).resume, helpResume},
	"resolve": {flagsOfResolve, (*settings).checkJournal, (*program).resolve, helpResolve},
	"status":  {flagsOfStatus, (*settings).checkJournal, (*program).status, helpStatus},
	"report":  {flagsOfReport, (*settings).checkReport, (*program).report, helpReport},
}

func (p *program) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		return p.fail(cmdline.Errorf("what? plan, run, resume, resolve, status or report; -h tells more"))
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		_, _ = io.WriteString(p.stdout, helpPage)
		return exitcode.Done
	case "-version", "--version":
		_, _ = fmt.Fprintf(p.stdout, "%s %s %s\n", programName, ecsreboot.Version, runtime.Version())
		return exitcode.Done
	}
	command, ok := commands[args[0]]
	if !ok {
		return p.fail(cmdline.Errorf("%q is no command; -h lists them", args[0]))
	}
	s, err := parse(args[0], args[1:], command.flags)
	if err == nil {
		err = command.check(s)
	}
	if s.progress == "json" {
		p.show(&eventLines{w: p.stderr})
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(p.stdout, command.help)
		return exitcode.Done
	case err != nil:
		return p.end(s, &result{err: err})
	}
	return command.run(p, ctx, s)
}

// fail tells an error that is all there is to tell.
func (p *program) fail(err error) int {
	fmt.Fprintf(p.stderr, "%s\n", errorLine(err))
	return codeOfError(err)
}
