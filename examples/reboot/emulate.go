package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// emulate makes the call to a service of its own. Unless it is waited for, it
// shows what that sees.
func (p *program) emulate(ctx context.Context, s settings) int {
	show := p.stopwatch()
	running := make(chan struct{}, 1)
	options := ecstest.Options{
		OnCall: func(c ecstest.ReceivedCall) { show("%s answered %s", c.Action, answerOf(c)) },
		OnStatus: func(_ string, status ecsreboot.Status) {
			show("%s", status)
			if status == ecsreboot.StatusRunning {
				running <- struct{}{} // one restart, so one value
			}
		},
	}
	if s.wait { // what the waiting finds out is shown, as with the real service
		options = ecstest.Options{}
	}
	server, err := p.newServer(options)
	if err != nil {
		return p.report(s, newResult(s, nil, fmt.Errorf("ecs-reboot: the emulated service does not start: %w", err)))
	}
	defer server.Close()
	if err := server.AddInstance(p.emulatedInstance(s)); err != nil {
		return p.report(s, newResult(s, nil, fmt.Errorf("ecs-reboot: %w", err)))
	}
	client, err := server.NewClient(p.options(s)...)
	if err != nil {
		return p.report(s, newResult(s, nil, fmt.Errorf("ecs-reboot: %w", err)))
	}
	p.progress("emulated service at %s, in this process; no real instance is touched\n", server.URL)
	if s.wait {
		code := p.restartAndWait(ctx, s, client)
		p.progress("the service restarted the instance %s\n", times(server.Reboots(s.instanceID)))
		return code
	}
	show("%s", server.Status(s.instanceID))
	show("%s", s.describe())
	accepted, code := p.restart(ctx, s, client)
	seen := accepted && !p.quiet && p.watch(ctx, running)
	p.progress("the service restarted the instance %s\n", times(server.Reboots(s.instanceID)))
	if seen {
		p.progress("Only as the owner of the emulated service could this program see Running again.\n" +
			"With -region it returns once the service has accepted; -wait follows the restart to its end.\n")
	}
	return code
}

// watch waits until the emulated instance runs again, and reports whether it
// does. The result of the call is out by then.
func (p *program) watch(ctx context.Context, running <-chan struct{}) bool {
	select {
	case <-running:
		return true
	case <-ctx.Done():
		p.progress("stopped watching: %v\n", context.Cause(ctx))
		return false
	}
}

// followed is a restart that is worth watching: the readings of a wait meet it
// stopping, and a moment later it is over.
var followed = ecstest.RebootProfile{
	Path:     []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
	Graceful: 3800 * time.Millisecond,
	Forced:   1900 * time.Millisecond,
}

func (p *program) emulatedInstance(s settings) ecstest.Instance {
	profile := ecstest.RebootProfile{Graceful: p.restartTime, Forced: p.restartTime / 2}
	if s.wait {
		profile = followed
	}
	return ecstest.Instance{ID: s.instanceID, Reboot: profile}
}

// stopwatch returns a progress that puts the time since now in front.
func (p *program) stopwatch() func(format string, args ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		p.progress("%6.2f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}

func answerOf(c ecstest.ReceivedCall) string {
	if c.Code == "" {
		return fmt.Sprint(c.Status)
	}
	return fmt.Sprint(c.Status, " ", c.Code)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
