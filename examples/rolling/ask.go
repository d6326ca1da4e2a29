package main

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

// lineReader reads lines in a goroutine of its own, as a read cannot be ended: it
// stays behind when the program goes.
type lineReader struct {
	from  io.Reader
	start sync.Once
	lines chan string // closed at the end of the input
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{from: from, lines: make(chan string)}
}

// errNoAnswer means that the input has ended, which answers nothing.
var errNoAnswer = errors.New("rolling: nobody answers")

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
		return "", fmt.Errorf("rolling: %w", context.Cause(ctx))
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

var errDeclined = errors.New("rolling: not confirmed, nothing was sent")

// checkTerminal refuses, before anything is asked of the service, what needs an
// answer that nobody is there to give.
func (p *program) checkTerminal(s *settings) error {
	answers := p.terminal && s.idsFile != "-"
	switch {
	case !answers && s.approve:
		return cmdline.Errorf("-approve asks on the terminal, and there is none")
	case !answers && !s.yes && !s.Emulate:
		return cmdline.Errorf("without somebody at a terminal to confirm the run, it needs -yes")
	}
	return nil
}

// confirm asks whether to go on, once it is told what would happen.
func (p *program) confirm(ctx context.Context, s *settings, question string) error {
	if s.yes || s.Emulate {
		return nil
	}
	fmt.Fprintf(p.stderr, "%s Type y to go on: ", question)
	answer, err := p.stdin.next(ctx)
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
