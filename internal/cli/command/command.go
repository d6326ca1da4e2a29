// Package command is what small programs have around their lesson: flags, the -h
// page, the connection to the service, errors with advice, exit codes.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/cli/advice"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// Command is one invocation of a program. The program adds flags of its own to Flags
// before it parses the command line.
type Command struct {
	Name           string
	Args           []string // after the name
	Flags          *flag.FlagSet
	Target         target.Target // Timeout is 0 unless the program adds a flag for it
	Stdout, Stderr io.Writer

	usage     string
	connector service.Connector
}

// New returns a command with the flags of a target except -timeout. Usage is the -h
// page.
func New(name, usage string, args []string, connector service.Connector, stdout, stderr io.Writer) *Command {
	c := &Command{
		Name: name, Args: args, Flags: cmdline.NewFlagSet(name), Stdout: stdout, Stderr: stderr,
		usage: usage, connector: connector,
	}
	c.Target.AddPlaceFlags(c.Flags)
	return c
}

// Main runs a program as [process.Main] does.
func Main(name, usage string, run func(ctx context.Context, c *Command) int) {
	process.Main(name, func(ctx context.Context) int {
		return run(ctx, New(name, usage, os.Args[1:], service.Connector{}, os.Stdout, os.Stderr))
	})
}

// Parse parses a command line without arguments after the flags. Its errors are for
// [Command.Fail], which prints the -h page too.
func (c *Command) Parse() error {
	if err := cmdline.Parse(c.Flags, c.Args); err != nil {
		return err
	}
	if c.Flags.NArg() > 0 {
		return cmdline.Errorf("unexpected argument %q", c.Flags.Arg(0))
	}
	return c.Target.Check()
}

// ParseID is like [Command.Parse] for a command line with one argument, the id of an
// instance.
func (c *Command) ParseID() (string, error) {
	id, err := cmdline.ParseID(c.Flags, c.Args)
	if err != nil {
		return "", err
	}
	return id, c.Target.Check()
}

// Connect connects to the target: for -emulate, to an emulated service as described.
func (c *Command) Connect(emulated service.Emulation) (*service.Connection, error) {
	return c.connector.Connect(c.Target, c.Name, emulated, service.NoteTo(c.Stderr))
}

// Fail prints an error and the advice on it to stderr, and returns its exit code. For
// [flag.ErrHelp] it prints the -h page to stdout.
func (c *Command) Fail(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(c.Stdout, c.usage)
		return exitcode.Done
	}
	text := err.Error()
	if !strings.HasPrefix(text, "ecsreboot: ") && !strings.HasPrefix(text, c.Name+": ") {
		text = c.Name + ": " + text
	}
	fmt.Fprintln(c.Stderr, text)
	if advice := advice.OnRestart(err, c.Name); advice != "" {
		fmt.Fprintln(c.Stderr, advice)
	}
	return exitcode.Of(err)
}

// Succeed prints the result to stdout and returns [exitcode.Done].
func (c *Command) Succeed(format string, args ...any) int {
	process.PrintResult(c.Stdout, c.Stderr, c.Name, fmt.Sprintf(format, args...)+"\n")
	return exitcode.Done
}
