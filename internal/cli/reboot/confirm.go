package reboot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
)

var (
	errDeclined = errors.New(Program + ": not confirmed; nothing was sent")
	errNeedsYes = cmdline.Errorf("%s: --force needs --yes where nobody at a terminal can confirm it", Program)
)

// Confirm asks before it lets a program force the restart of a real instance. An
// answer that is piped in confirms nothing.
func (s *Settings) Confirm(ctx context.Context, streams *terminal.Streams) error {
	if !s.Request.ForceStop || s.Yes || s.Request.DryRun || s.Emulate {
		return nil
	}
	if !streams.Interactive {
		return errNeedsYes
	}
	id := s.Request.InstanceID
	answer, err := streams.Ask(ctx, "--force restarts "+id+" like a power cut: what the guest has not written to disk is lost.\n"+
		"Type y or the instance id to confirm: ")
	switch {
	case errors.Is(err, terminal.ErrNoAnswer):
		return errNeedsYes
	case err != nil:
		return fmt.Errorf("%s: nothing was sent: %w", Program, err)
	case answer == id, strings.EqualFold(answer, "y"), strings.EqualFold(answer, "yes"):
		return nil
	}
	return errDeclined
}
