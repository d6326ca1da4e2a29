package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ecsreboot/ecsreboot/examples/target"
)

var (
	errDeclined = errors.New("ecs-reboot: not confirmed, nothing was sent")
	errNeedsYes = target.Usage("ecs-reboot: -force is like a power cut: without somebody at a terminal to confirm it, it needs -yes")
)

// confirm asks before the power of a real instance is cut.
func (p *program) confirm(ctx context.Context, s settings) error {
	if !s.force || s.yes || s.dryRun || s.Emulate {
		return nil
	}
	if !p.terminal {
		return errNeedsYes
	}
	_, _ = fmt.Fprintf(p.stderr, "-force restarts %s like a power cut: what the guest has not written to disk is lost.\n"+
		"Type y or the instance id to go on: ", s.instanceID)
	answer, err := readLine(ctx, p.stdin)
	if err != nil {
		_, _ = fmt.Fprintln(p.stderr)
		return err
	}
	if answer == s.instanceID || strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes") {
		return nil
	}
	return errDeclined
}

// readLine waits for a line as long as the context lasts. The read itself cannot
// be ended; it stays behind when the program goes.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(from).ReadString('\n')
		read <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-read:
		if l.err != nil && l.text == "" {
			return "", errNeedsYes // the end of the input answers nothing
		}
		return l.text, nil
	case <-ctx.Done():
		return "", fmt.Errorf("ecs-reboot: nothing was sent: %w", context.Cause(ctx))
	}
}
