// Package app is the command line of ecs-reboot: its commands, their flags, and what
// they print. Each command has a file of its name. What a command does is in the
// packages beside this one, in package fleet, and in internal/cli of the root module.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

// Name is the name of the program.
const Name = "ecs-reboot"

// program holds what the commands use from outside. Tests replace it.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	interactive    bool // stdin and stderr are a terminal: somebody may answer a question
	screen         bool // stderr is a terminal: lines can be redrawn
	connector      service.Connector
	recordsClient  *http.Client                              // of the witnesses; nil: the default
	ownID          func(ctx context.Context) (string, error) // the instance that the program runs on
	places         []string                                  // where the sockets of runs are; nil: there are none
	signals        <-chan os.Signal
	release        func() // gives the signals back to the system; nil if they are not the system's

	supervisor *supervisor
	lines      *lineReader // of stdin, once it is read

	consoleDenied atomic.Bool // the missing permission to read consoles was shown

	mu   sync.Mutex
	view screen.View // where notes go; nil: plainly to stderr
}

// commands are the constructors of the commands, in the order of the help page.
var commands = []func(*program) *cobra.Command{
	restartCommand, checkCommand,
	planCommand, runCommand, resumeCommand, statusCommand, resolveCommand, reportCommand, markCommand,
	pauseCommand, unpauseCommand, abortCommand, approveCommand, workerCommand, emulatorCommand, versionCommand,
}

func init() { //nolint:gochecknoinits // it is a variable of cobra, which every command line reads
	cobra.EnableCommandSorting = false
}

// PauseSignals are the signals that pause and unpause a run, where the system has them.
func PauseSignals() []os.Signal { return pauseSignals() }

// Main runs the program with the streams and the environment of the process, and
// returns its exit code. The program handles the signals; release gives them back to the
// system.
func Main(ctx context.Context, args []string, signals <-chan os.Signal, release func()) int {
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		interactive: terminal && term.IsTerminal(int(os.Stdin.Fd())), screen: terminal,
		ownID: askMetadata, places: control.Places(os.Getenv), signals: signals, release: release,
	}
	return p.run(ctx, args)
}

// Commands returns the commands, for their man pages.
func Commands() *cobra.Command {
	root := (&program{}).root()
	root.InitDefaultCompletionCmd()
	return root
}

// answers returns the lines of stdin.
func (p *program) answers() *lineReader {
	if p.lines == nil {
		p.lines = newLineReader(p.stdin)
	}
	return p.lines
}

// run runs one command and returns its exit code. It prints the error of a command
// unless the command has printed it.
func (p *program) run(ctx context.Context, args []string) int {
	stdout, stderr := &checkedWriter{w: p.stdout}, &checkedWriter{w: p.stderr}
	p.stdout, p.stderr = stdout, stderr
	ctx, p.supervisor = p.supervise(ctx)
	defer p.supervisor.end()
	root := p.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitcode.Done
	if err != nil {
		code = p.failed(cmd, args, err)
	}
	if code == exitcode.Done && (stdout.failed() || stderr.failed()) {
		return lost(cmd)
	}
	return code
}

// lost returns the exit code of a command that succeeded and whose output is lost. Failed
// would mean that no instance restarted.
func lost(cmd *cobra.Command) int {
	switch cmd.Name() {
	case "restart", "run", "resume":
		return exitcode.Unknown
	}
	return exitcode.Failed
}

// failed prints the error of a command, unless it is printed already, and returns the
// exit code.
func (p *program) failed(cmd *cobra.Command, args []string, err error) int {
	if code, ok := errors.AsType[*exitError](err); ok {
		return code.code
	}
	code := codeOfError(err)
	fmt.Fprintln(p.stderr, errorLine(err))
	if code == exitcode.Usage {
		fmt.Fprintf(p.stderr, "Run %s -h for help.\n", cmd.CommandPath())
	}
	if f := cmd.Flags().Lookup("json"); f != nil && f.Value.Type() == "bool" && cmdline.HasSwitch(args, "json") {
		p.printJSON(summary{Command: cmd.Name(), ExitCode: code, Error: err.Error(), NotRestarted: []left{}})
	}
	return code
}

// exitError ends a command that has printed its result or its error.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exit returns the error that ends a command with a code; nil for [exitcode.Done].
func exit(code int) error {
	if code == exitcode.Done {
		return nil
	}
	return &exitError{code}
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           Name,
		Short:         "Restart Alibaba Cloud ECS instances, with proof and never twice by accident",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cmdline.Errorf("unknown command %q", args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return rejectEmpty(cmd.Flags()) },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cmdline.Errorf("%v", err) })
	root.SetHelpFunc(p.help)
	for _, command := range commands {
		cmd := command(p)
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return cmdline.Errorf("%v", err)
				}
				return nil
			}
		}
		if cmd.Flags().Lookup("witness") != nil {
			_ = cmd.RegisterFlagCompletionFunc("witness", completeWitness) // it fails only for a flag that does not exist
		}
		root.AddCommand(cmd)
	}
	root.AddCommand(exitCodesTopic(), hooksTopic(), witnessTopic())
	root.InitDefaultHelpCmd()
	rejectUnknownTopics(root)
	return root
}

// oneJournal returns an error unless there is one argument, the journal.
func oneJournal(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return cmdline.Errorf("missing JOURNAL; to list the runs of the state directory: %s", commandLine("status"))
	case len(args) > 1:
		return cmdline.Errorf("unexpected argument %q; the journal determines the instances", args[1])
	case args[0] == "":
		return cmdline.Errorf("empty JOURNAL")
	}
	return nil
}

// rejectEmpty rejects flags with an empty value: an unset variable of a script must not
// select a default.
func rejectEmpty(flags *pflag.FlagSet) error {
	var empty []string
	flags.Visit(func(f *pflag.Flag) {
		if text := f.Value.String(); text == "" || text == "[]" {
			empty = append(empty, "--"+f.Name)
		}
	})
	if len(empty) > 0 {
		return cmdline.Errorf("empty value of %s", strings.Join(empty, ", "))
	}
	return nil
}

// show makes notes JSON lines from the beginning if --progress is json.
func (p *program) show(s *settings) {
	if s.progress == "json" {
		p.setView(screen.JSON(p.stderr))
	}
}

// setView makes notes go to a view, and returns the one before.
func (p *program) setView(v screen.View) (before screen.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.view = p.view, v
	return before
}

// note shows a line for people.
func (p *program) note(format string, args ...any) {
	p.mu.Lock()
	v := p.view
	p.mu.Unlock()
	if v != nil {
		v.Note(format, args...)
		return
	}
	fmt.Fprintln(p.stderr, screen.Clean(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
}

// checkedWriter remembers that a write failed: a message that is lost, such as on a full
// disk, must not end in exit code 0.
type checkedWriter struct {
	w io.Writer

	mu  sync.Mutex
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = err
	}
	return n, err
}

func (c *checkedWriter) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}
