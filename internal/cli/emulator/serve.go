package emulator

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// Serve serves the settings until ctx ends. The first line on stdout is the URL, alone;
// calls are logged on stderr.
func Serve(ctx context.Context, settings *Settings, stdout, stderr io.Writer) (err error) {
	stopLog, err := settings.LogRestarts()
	if err != nil {
		return err
	}
	defer func() { // after the server has ended
		if failed := stopLog(); failed != nil {
			err = failed
		}
	}()
	settings.Log(stderr)

	server, err := ecstest.NewServer(settings.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", Program, err)
	}
	defer server.Close()
	for _, instance := range settings.Instances {
		if err := server.AddInstance(instance); err != nil {
			return cmdline.Errorf("%s: %v", Program, err)
		}
	}
	server.Inject(settings.Faults...)
	if _, err := fmt.Fprintln(stdout, server.URL); err != nil {
		return fmt.Errorf("%s: %w", Program, err)
	}

	// The server keeps its calls for tests; this one may run for days.
	forget := time.NewTicker(time.Minute)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-forget.C:
			server.ForgetCalls()
		}
	}
}
