package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// lineReader reads lines in a goroutine, because a read cannot be canceled: the goroutine
// stays behind when the program ends.
type lineReader struct {
	from  io.Reader
	start sync.Once
	lines chan string // closed at the end of the input
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{from: from, lines: make(chan string)}
}

// errNoAnswer means that the input has ended, which is no answer.
var errNoAnswer = errors.New("the input ended without an answer")

func (l *lineReader) next(ctx context.Context) (string, error) {
	l.start.Do(func() {
		go func() {
			defer close(l.lines)
			for scanner := bufio.NewScanner(l.from); scanner.Scan(); {
				l.lines <- scanner.Text()
			}
		}()
	})
	select {
	case line, ok := <-l.lines:
		if !ok {
			return "", errNoAnswer
		}
		return line, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// rest reads to the end of the input.
func (l *lineReader) rest(ctx context.Context) (string, error) {
	var text strings.Builder
	for {
		line, err := l.next(ctx)
		switch {
		case errors.Is(err, errNoAnswer):
			return text.String(), nil
		case err != nil:
			return "", err
		}
		text.WriteString(line + "\n")
	}
}

var errDeclined = errors.New("not confirmed; nothing was sent")

// checkTerminal returns an error, before any request, if the command needs a confirmation
// and there is no terminal.
func (p *program) checkTerminal(s *settings) error {
	if (!p.interactive || s.idsFile == "-") && !s.yes && !s.Emulate {
		return cmdline.Errorf("missing --yes: without a terminal, nobody can confirm the restarts")
	}
	return nil
}

// confirm asks whether to proceed.
func (p *program) confirm(ctx context.Context, s *settings, question string) error {
	if s.yes || s.Emulate {
		return nil
	}
	fmt.Fprintf(p.stderr, "%s Type y to proceed: ", question)
	answer, err := p.answers().next(ctx)
	if err != nil {
		fmt.Fprintln(p.stderr)
		if errors.Is(err, errNoAnswer) {
			return errDeclined
		}
		return err
	}
	if !isYes(answer) {
		return errDeclined
	}
	return nil
}

func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
