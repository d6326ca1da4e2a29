// Command rolling restarts fleets of ECS instances as durable runs on a Temporal
// server: it starts them, shows their progress, pauses, unpauses and aborts them. The
// work is done by workers, see command worker. Its -h pages are its manual.
//
//	go -C temporal build -o ecsreboot-rolling ./cmd/rolling
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

const programName = "rolling"

func main() {
	process.Main(programName, func(ctx context.Context) int {
		p := &program{stdin: bufio.NewReader(os.Stdin), stdout: os.Stdout, stderr: os.Stderr, terminal: isTerminal(os.Stdin) && isTerminal(os.Stderr)}
		return p.run(ctx, os.Args[1:])
	})
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// program is what a command needs of the outside.
type program struct {
	stdin    *bufio.Reader
	stdout   io.Writer
	stderr   io.Writer
	terminal bool // a user may answer a question
}

// commands are what the first argument may be.
var commands = map[string]struct {
	flags func(*settings, *flag.FlagSet)
	check func(*settings) error
	run   func(*program, context.Context, *settings) (int, error)
	help  string
}{
	"run":     {flagsOfRun, (*settings).checkRun, (*program).begin, helpRun},
	"status":  {flagsOfStatus, (*settings).checkWorkflow, (*program).status, helpStatus},
	"pause":   {flagsOfSignal, (*settings).checkWorkflow, (*program).pause, helpSignal},
	"unpause": {flagsOfSignal, (*settings).checkWorkflow, (*program).unpause, helpSignal},
	"abort":   {flagsOfSignal, (*settings).checkWorkflow, (*program).abort, helpSignal},
	"approve": {flagsOfApprove, (*settings).checkApprove, (*program).approve, helpApprove},
	"report":  {flagsOfReport, (*settings).checkWorkflow, (*program).report, helpReport},
}

func (p *program) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		return p.fail(cmdline.Errorf("missing command: run, status, pause, unpause, abort, approve or report; see -h"))
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
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(p.stdout, command.help)
		return exitcode.Done
	}
	if err == nil {
		err = command.check(s)
	}
	if err != nil {
		return p.failIn(s, err)
	}
	code, err := command.run(p, ctx, s)
	if err != nil {
		return p.failIn(s, err)
	}
	return code
}

// fail prints an error.
func (p *program) fail(err error) int {
	p.note("%s", errorLine(err))
	return exitcode.Of(err)
}

// failIn is fail for a command that may have been asked for JSON.
func (p *program) failIn(s *settings, err error) int {
	code := p.fail(err)
	if s.json {
		p.printJSON(summary{Command: s.command, ExitCode: code, Error: err.Error(), WorkflowID: s.workflow})
	}
	return code
}

// note prints a line to stderr.
func (p *program) note(format string, args ...any) {
	fmt.Fprintln(p.stderr, clean(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
}

// errorLine is an error for people.
func errorLine(err error) string {
	line := err.Error()
	for _, prefix := range []string{programName, "ecsreboot", "ecstemporal", "fleet"} {
		line = strings.TrimPrefix(line, prefix+": ")
	}
	line = programName + ": " + line
	if code, ok := errors.AsType[*ecsreboot.APIError](err); ok && code.Code.Advice() != "" {
		line += "\n" + code.Code.Advice()
	}
	return line
}

// silent is the log of a program that reports errors by other means.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
