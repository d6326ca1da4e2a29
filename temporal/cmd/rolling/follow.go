package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

const (
	// lookInterval is how often a run that is followed is asked for its progress, and
	// lookPatience is how long it may take to answer.
	lookInterval = 2 * time.Second
	lookPatience = 10 * time.Second
)

// follow shows a run until it ends, and prints what became of it. When ctx ends, it
// leaves the run to itself.
func (p *program) follow(ctx context.Context, s *settings, temporal client.Client) (int, error) {
	watched, cancel := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		p.watch(watched, s, temporal)
	}()
	err := temporal.GetWorkflow(ctx, s.workflow, "").Get(ctx, nil)
	cancel()
	<-watching
	switch {
	case ctx.Err() != nil:
		p.note("The run goes on; this only leaves it. To end it: %s abort -run %s", programName, s.workflow)
		return exitcode.Interrupted, nil //nolint:nilerr // it was left, which is no failure
	case err != nil:
		return 0, fmt.Errorf("the run %s has no result: %w", s.workflow, err)
	}
	report, err := ecstemporal.GetReport(ctx, temporal, s.workflow)
	if err != nil {
		return 0, err
	}
	return p.end(s, report), nil
}

// watch prints the progress of a run whenever it changes.
func (p *program) watch(ctx context.Context, s *settings, temporal client.Client) {
	last, asked := "", 0
	for {
		limited, cancel := context.WithTimeout(ctx, lookPatience)
		progress, err := ecstemporal.GetProgress(limited, temporal, s.workflow)
		cancel()
		var line string
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ecstemporal.ErrNoWorker):
			line = "no worker polls the task queue of the run; it proceeds when one starts"
		case err != nil:
			line = err.Error()
		default:
			line = standing(progress)
		}
		if line != last {
			p.note("%s  %s", time.Now().Format(time.TimeOnly), line)
			last = line
		}
		if progress.Awaiting > asked {
			asked = progress.Awaiting
			p.note("To approve: %s approve -run %s -stage %d", programName, s.workflow, asked)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookInterval):
		}
	}
}

// standing sums up in one line.
func standing(is ecstemporal.Progress) string {
	done := is.Counts[fleet.StateHealthy] + is.Counts[fleet.StateFailed] + is.Counts[fleet.StateUnknown] + is.Counts[fleet.StateSkipped]
	var counts []string
	for _, state := range states {
		if n := is.Counts[state]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	line := fmt.Sprintf("%d of %d done: %s; unavailable %d of %d at most", done, is.Targets, strings.Join(counts, ", "), is.Unavailable, is.Width)
	if is.Failed > 0 {
		line += fmt.Sprintf("; failures %d of %d at most", is.Failed, is.MaxFailed)
	}
	if is.Stage > 0 {
		line += fmt.Sprintf("; canary stage %d", is.Stage)
	}
	if is.Awaiting > 0 {
		line += fmt.Sprintf("; stage %d waits for approval", is.Awaiting)
	}
	if is.Throttled > 0 {
		line += fmt.Sprintf("; throttled %d times", is.Throttled)
	}
	if is.Paused {
		line += "; PAUSED"
	}
	if !is.WindowOpens.IsZero() {
		line += "; the maintenance window opens at " + is.WindowOpens.Local().Format("Mon 15:04 MST")
	}
	if is.Reason != "" && is.Reason != fleet.ReasonDone {
		line += "; stops: " + reasonText(is.Reason)
		if is.Error != "" {
			line += ": " + is.Error
		}
	}
	return line
}
