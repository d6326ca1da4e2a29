// Package terminal has the standard streams of a program: what they are connected
// to, a line of stderr that is redrawn in place, and questions to a person.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Streams are the standard streams of a program.
type Streams struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr *Console

	Interactive bool // Stdin is a terminal, so a person may answer a question
	Live        bool // Stderr is a terminal that can redraw a line
	Color       bool // and can color it
}

// NewStreams returns the streams and finds out what they are connected to.
func NewStreams(stdin io.Reader, stdout, stderr io.Writer) *Streams {
	live := isTerminal(stderr) && redraws(os.Getenv)
	return &Streams{
		Stdin:       stdin,
		Stdout:      stdout,
		Stderr:      NewConsole(stderr),
		Interactive: isTerminal(stdin),
		Live:        live,
		Color:       live && os.Getenv("NO_COLOR") == "",
	}
}

// isTerminal reports whether a stream is a character device. That includes
// /dev/null, from which no answer can be read; see [Streams.Ask].
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// redraws reports whether a terminal can and should redraw a line. CI systems may
// give a terminal to programs although the output only goes to a log.
func redraws(getenv func(string) string) bool {
	switch getenv("TERM") {
	case "", "dumb":
		return false
	}
	switch getenv("CI") {
	case "", "0", "false":
		return true
	}
	return false
}

// ErrNoAnswer is returned when the input ends before it answers a question.
var ErrNoAnswer = errors.New("the input ended without an answer")

// Ask prints a question and returns the line that answers it. It waits as long as
// the context lasts. The read itself cannot be canceled; it stays behind.
func (s *Streams) Ask(ctx context.Context, question string) (string, error) {
	type line struct {
		text string
		err  error
	}
	fmt.Fprint(s.Stderr, question)
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(s.Stdin).ReadString('\n')
		read <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-read:
		if l.err == nil || l.text != "" {
			return l.text, nil
		}
		fmt.Fprintln(s.Stderr)
		return "", ErrNoAnswer
	case <-ctx.Done():
		fmt.Fprintln(s.Stderr)
		return "", context.Cause(ctx)
	}
}
