package reboot

import (
	"context"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Practice is the emulated service that --emulate restarts an instance of. Without
// --wait it prints what that service sees.
type Practice struct {
	*service.Connection

	settings Settings
	out      *Printer
	running  chan struct{} // the instance runs again
}

// Practise starts the emulated service. RestartTime is how long a restart takes that
// is not waited for; 0 means 2 s.
func Practise(s Settings, out *Printer, connector service.Connector, restartTime time.Duration) (*Practice, error) {
	p := &Practice{settings: s, out: out, running: make(chan struct{}, 1)}
	if restartTime == 0 {
		restartTime = 2 * time.Second
	}
	profile, options := waitedFor, service.EmulatedRecords() // the wait shows what it observes
	show := out.stopwatch()
	if !s.Wait {
		profile = ecstest.RebootProfile{Graceful: restartTime, Forced: restartTime / 2}
		options = p.shown(show)
	}
	instance := ecstest.Instance{ID: s.Request.InstanceID, Reboot: profile}
	connection, err := connector.Connect(s.Target, s.name(), service.Emulation{Options: options, Instances: []ecstest.Instance{instance}}, out.Progress)
	if err != nil {
		return nil, err
	}
	p.Connection = connection
	if !s.Wait {
		show("%s", connection.Server.Status(instance.ID))
		show("%s", s.Command)
	}
	return p, nil
}

// waitedFor is a restart that is worth watching: the polls of a wait meet it
// stopping, and a moment later it is over.
var waitedFor = ecstest.RebootProfile{
	Path:     []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
	Graceful: 3800 * time.Millisecond,
	Forced:   1900 * time.Millisecond,
}

// shown are the options of a service that shows what it sees.
func (p *Practice) shown(show service.Note) ecstest.Options {
	return ecstest.Options{
		OnCall: func(c ecstest.ReceivedCall) {
			answer := fmt.Sprint(c.Status)
			if c.Code != "" {
				answer += " " + c.Code
			}
			show("%s: response %s", c.Action, answer)
		},
		OnStatus: func(_ string, status ecsreboot.Status) {
			show("%s", status)
			if status == ecsreboot.StatusRunning {
				p.running <- struct{}{} // one restart, so one value
			}
		},
	}
}

// Finish waits until the instance runs again, if the command did not, and prints how
// often it restarted.
func (p *Practice) Finish(ctx context.Context, r view.Result) {
	s := p.settings
	back := !s.Wait && !s.Quiet && r.Restarts() && p.watch(ctx)
	p.out.Progress("the service restarted the instance %s\n", view.Times(p.Server.Reboots(s.Request.InstanceID)))
	if back {
		p.out.Progress("This program saw Running again only because it serves the emulated service itself.\n" +
			"With a real service and without a wait, it exits when the service has accepted the restart.\n")
	}
}

// watch waits until the instance runs again, and reports whether it does. The result
// is printed by then.
func (p *Practice) watch(ctx context.Context) bool {
	select {
	case <-p.running:
		return true
	case <-ctx.Done():
		p.out.Progress("stopped watching: %v\n", context.Cause(ctx))
		return false
	}
}
