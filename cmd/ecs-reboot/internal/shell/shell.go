// Package shell runs the commands that an operator gives as hooks, by the shell of the
// system: sh -c on Unix, cmd /c on Windows.
//
// Values reach a command through environment variables only, never through its text, so
// a name that somebody gave an instance cannot become a part of the command.
package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

const (
	// grace is how long the processes of a command may take to end after they were asked to.
	grace = 2 * time.Second
	// delay is how long Run waits for the output of a command that has ended, because a
	// process that the command left behind may hold the output open. It is longer than
	// grace, so that killing comes first.
	delay = grace + time.Second
	// maxLine bounds what an error quotes of the output, and maxTail what is kept of it.
	maxLine = 300
	maxTail = 4 << 10
)

// Variable is an environment variable of a command.
type Variable struct{ Name, Value string }

// Run runs a command with the environment of this process and the given variables, which
// replace inherited ones. It returns nil if the exit code is 0. Otherwise the error names
// the exit code and quotes the last line of the output, of which Run keeps the last 4 kB.
//
// The command reads nothing: its standard input is empty. When ctx ends, Run ends all
// processes of the command, on Unix by SIGTERM and 2 s later by SIGKILL to the process
// group, and returns an error that wraps the cause of the context. A process that the
// command leaves behind does not keep Run waiting for more than 3 s.
//
// Run removes control characters from the values. On Windows, cmd would interpret
// characters such as & and % in a value that a command uses as %NAME%, so Run refuses
// such values.
func Run(ctx context.Context, command string, variables ...Variable) error {
	if ctx.Err() != nil {
		return fmt.Errorf("not run: %w", context.Cause(ctx))
	}
	variables, err := clean(variables)
	if err != nil {
		return err
	}
	var output tail
	var canceled atomic.Bool
	killed, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	cmd := newCommand(ctx, command)
	cmd.Env = environment(os.Environ(), variables)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = delay
	cmd.Cancel = func() error {
		canceled.Store(true)
		time.AfterFunc(grace, func() {
			select {
			case <-over:
			default:
				kill(cmd.Process.Pid)
				close(killed)
			}
		})
		return terminate(cmd.Process.Pid)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("not started: %s", redact.Unknown(err.Error(), maxLine))
	}
	err = cmd.Wait()
	if canceled.Load() {
		awaitGroup(cmd.Process.Pid, killed)
		return quote(fmt.Errorf("killed: %w", context.Cause(ctx)), &output)
	}
	failed, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // of exit code 0, with a process left behind
		return nil
	case ok && failed.Exited():
		return quote(fmt.Errorf("exit code %d", failed.ExitCode()), &output)
	}
	return quote(errors.New(redact.Unknown(err.Error(), maxLine)), &output) // such as a signal
}

// awaitGroup waits until all processes of a command have ended, or were killed. Those that
// hold no output open may outlive their shell: they get their time to end as well.
func awaitGroup(pid int, killed <-chan struct{}) {
	const interval = 10 * time.Millisecond
	for alive(pid) {
		select {
		case <-killed:
			return
		case <-time.After(interval):
		}
	}
}

// environment returns the inherited variables, with the given ones in the place of those
// of the same name.
func environment(inherited []string, variables []Variable) []string {
	env := slices.DeleteFunc(slices.Clone(inherited), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(variables, func(v Variable) bool { return sameName(v.Name, name) })
	})
	for _, v := range variables {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// clean removes control characters from the values, and refuses what the shell of the
// system would interpret.
func clean(variables []Variable) ([]Variable, error) {
	cleaned := make([]Variable, len(variables))
	for i, v := range variables {
		v.Value = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, v.Value)
		if at := strings.IndexAny(v.Value, interpreted); at >= 0 {
			return nil, fmt.Errorf("not run: %s contains %q, which the shell would interpret", v.Name, v.Value[at])
		}
		cleaned[i] = v
	}
	return cleaned, nil
}

// quote adds the last line of the output to an error.
func quote(err error, output *tail) error {
	if line := output.lastLine(); line != "" {
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ end []byte }

// Write never fails: a command whose output is dropped continues.
func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p[max(0, len(p)-maxTail):]...)
	t.end = append(t.end[:0], t.end[max(0, len(t.end)-maxTail):]...)
	return len(p), nil
}

// colors are the sequences by which programs color what they write to terminals.
var colors = regexp.MustCompile("\x1b\\[[0-9;?]*[@-~]")

// lastLine returns the last line that has anything to print, without control characters
// and without what looks like a secret.
func (t *tail) lastLine() string {
	lines := strings.FieldsFunc(string(t.end), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		line = colors.ReplaceAllString(strings.ToValidUTF8(line, ""), "")
		if text := redact.Unknown(line, maxLine); text != "" {
			return text
		}
	}
	return ""
}
