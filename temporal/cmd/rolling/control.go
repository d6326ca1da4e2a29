package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// askPatience is how long a command waits for a run to answer.
const askPatience = 30 * time.Second

// with connects, does something, and says it was done.
func (p *program) with(ctx context.Context, s *settings, do func(context.Context, client.Client) (code int, err error)) (int, error) {
	temporal, err := s.temporal.Dial(ctx, silent())
	if err != nil {
		return 0, err
	}
	defer temporal.Close()
	return do(ctx, temporal)
}

func (p *program) pause(ctx context.Context, s *settings) (int, error) {
	return p.signal(ctx, s, ecstemporal.Pause, "nothing more is sent until unpause; what was sent is followed")
}

func (p *program) unpause(ctx context.Context, s *settings) (int, error) {
	return p.signal(ctx, s, ecstemporal.Unpause, "the pause has ended")
}

func (p *program) abort(ctx context.Context, s *settings) (int, error) {
	return p.signal(ctx, s, ecstemporal.Abort, "nothing more is sent; it ends when everything in flight has reached its end")
}

func (p *program) signal(ctx context.Context, s *settings, send func(context.Context, client.Client, string) error, told string) (int, error) {
	return p.with(ctx, s, func(ctx context.Context, temporal client.Client) (int, error) {
		if err := send(ctx, temporal, s.workflow); err != nil {
			return 0, err
		}
		p.told(s, told)
		return exitcode.Done, nil
	})
}

// told prints the command that a run was given.
func (p *program) told(s *settings, what string) {
	if s.json {
		p.printJSON(summary{Command: s.command, WorkflowID: s.workflow})
		return
	}
	process.PrintResult(p.stdout, p.stderr, programName, s.workflow+" is told: "+what+"\n")
}

// approve approves the stage that waits for it, or the one that is named.
func (p *program) approve(ctx context.Context, s *settings) (int, error) {
	return p.with(ctx, s, func(ctx context.Context, temporal client.Client) (int, error) {
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		progress, err := ecstemporal.GetProgress(limited, temporal, s.workflow)
		switch {
		case err != nil:
			return 0, err
		case progress.Awaiting == 0:
			return 0, errors.New("rolling: no stage waits for approval")
		case s.stage != 0 && s.stage != progress.Awaiting:
			return 0, fmt.Errorf("rolling: stage %d waits for approval, not %d", progress.Awaiting, s.stage)
		}
		if err := ecstemporal.ApproveCanary(ctx, temporal, s.workflow, progress.Awaiting); err != nil {
			return 0, err
		}
		p.told(s, fmt.Sprintf("stage %d is approved", progress.Awaiting))
		return exitcode.Done, nil
	})
}

// status prints the progress of a run, or follows the run.
func (p *program) status(ctx context.Context, s *settings) (int, error) {
	return p.with(ctx, s, func(ctx context.Context, temporal client.Client) (int, error) {
		if s.wait {
			return p.follow(ctx, s, temporal)
		}
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		is, err := ecstemporal.GetReport(limited, temporal, s.workflow)
		if err != nil {
			return 0, err
		}
		if is.Ended.IsZero() && !s.json {
			if progress, err := ecstemporal.GetProgress(limited, temporal, s.workflow); err == nil {
				p.note("%s", standing(progress))
			}
		}
		return p.end(s, is), nil
	})
}

// report writes what became of a run so far.
func (p *program) report(ctx context.Context, s *settings) (int, error) {
	return p.with(ctx, s, func(ctx context.Context, temporal client.Client) (int, error) {
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		if s.out == "" && s.jsonFile == "" {
			is, err := ecstemporal.GetReport(limited, temporal, s.workflow)
			if err == nil {
				p.print(s, is)
			}
			return exitcode.Done, err
		}
		history, err := ecstemporal.GetHistory(limited, temporal, s.workflow)
		if err != nil {
			return 0, err
		}
		if s.out != "" {
			err = writeFile(s.out, func(w io.Writer) error {
				return report.HTML(w, history, report.Options{Location: time.Local})
			})
		}
		if err == nil && s.jsonFile != "" {
			err = writeFile(s.jsonFile, func(w io.Writer) error { return report.JSON(w, history) })
		}
		return exitcode.Done, err
	})
}

// writeFile replaces a file as a whole; "-" is stdout.
func writeFile(name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(os.Stdout)
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".rolling-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name) //nolint:gosec // it is the user's
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name())) //nolint:gosec // it was made here
	}
	return nil
}

// end prints what became of a run, and returns the exit code.
func (p *program) end(s *settings, is *fleet.Report) int {
	code := codeOf(is)
	if s.json {
		p.printJSON(summarize(s, is, code))
		return code
	}
	p.print(s, is)
	return code
}
