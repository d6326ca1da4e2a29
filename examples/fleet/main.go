// Command fleet restarts the instances that have a tag, a few at a time. Each run has
// a journal of its own: the program resumes the last run if that has not ended, and
// starts a new one otherwise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

const usage = `fleet restarts the ECS instances that have a tag, a few at a time.

Usage: fleet (-emulate | -region <region>) [flags]

Flags:
  -region <id>      region of the instances, such as cn-hangzhou
  -emulate          practise on 12 instances, without an account
  -tag <key=value>  tag of the Running instances to restart; default role=web
  -dir <directory>  where the journals are; default the current one

Examples:
  fleet -emulate -dir /tmp
  fleet -region cn-hangzhou -tag role=web
  fleet -region cn-hangzhou -tag role=queue -dir /var/lib/restarts

The first Ctrl-C drains the run: what was sent is followed. The next start
resumes a run that did not end. Exit codes: 0 all restarted, 1 some did not, 3
some are unknown, 6 halted, 130 stopped; 2, 4, 5 nothing was sent.
`

func main() { command.Main("fleet", usage, run) }

func run(ctx context.Context, c *command.Command) int {
	tag, dir := c.Flags.String("tag", "role=web", ""), c.Flags.String("dir", ".", "")
	if err := c.Parse(); err != nil {
		return c.Fail(err)
	}
	key, value, _ := strings.Cut(*tag, "=")
	selection := fleet.Selection{Tags: fleet.HasTags(map[string]string{key: value}), Status: ecsreboot.StatusRunning}
	control := &fleet.Control{}
	context.AfterFunc(ctx, control.Stop) // a signal drains the run, and does not abandon it
	options := fleet.Options{Control: control, OnEvent: func(e fleet.Event) {
		fmt.Fprintln(c.Stderr, e.Kind, e.InstanceID, e.Reason, e.Error)
	}}
	var emulation service.Emulation
	if c.Target.Emulate { // the defaults are for real instances, and take longer
		options.MaxUnavailable, options.MinReady = fleet.Percent(25), -1
		for n := range 12 {
			instance := ecstest.Instance{ID: fmt.Sprintf("i-%02d", n+1), Tags: map[string]string{key: value}, Reboot: ecstest.RebootProfile{Graceful: time.Second}}
			emulation.Instances = append(emulation.Instances, instance)
		}
	}
	connection, err := c.Connect(emulation)
	if err != nil {
		return c.Fail(err)
	}
	defer connection.Close()
	report, err := rollingRestart(context.WithoutCancel(ctx), connection.Client, selection, filepath.Join(*dir, url.PathEscape(*tag)), options)
	if report == nil {
		return c.Fail(err) // nothing was sent
	}
	for _, left := range report.NotRestarted() {
		fmt.Fprintln(c.Stderr, left.ID, left.State, left.Reason, left.Error, left.RequestID)
	}
	if err = errors.Join(err, report.Err()); err == nil {
		return c.Succeed("all %d instances have restarted, see %s", len(report.Records), *dir)
	}
	c.Fail(err)
	switch {
	case report.Count(fleet.StateUnknown)+report.Count(fleet.StateRestarting) > 0:
		return exitcode.Unknown
	case report.Reason == fleet.ReasonUser:
		return exitcode.Interrupted
	case report.Reason != fleet.ReasonDone:
		return exitcode.Halted
	}
	return exitcode.Failed
}

// rollingRestart resumes the last run, if that has not ended, or starts a new one with
// the next journal. Of two processes that start at once, one is refused its journal.
func rollingRestart(ctx context.Context, client *ecsreboot.Client, selection fleet.Selection, prefix string, options fleet.Options) (*fleet.Report, error) {
	for n := 1; ; n++ {
		options.Journal = fmt.Sprintf("%s-%04d.journal", prefix, n)
		history, err := fleet.Load(options.Journal)
		switch {
		case errors.Is(err, fs.ErrNotExist): // every earlier run has ended
			plan, err := fleet.NewPlan(ctx, client, selection)
			if err != nil {
				return nil, err
			}
			forecast, err := fleet.Preflight(ctx, client, plan, options)
			switch {
			case err != nil:
				return nil, err
			case len(forecast.Problems) > 0:
				return nil, fmt.Errorf("nothing was sent:\n%s", forecast)
			}
			return fleet.Run(ctx, client, plan, options)
		case err != nil:
			return nil, err
		case history.Report().Reason != fleet.ReasonDone: // stopped, halted or crashed
			return fleet.Resume(ctx, client, history.Plan, options)
		}
	}
}
