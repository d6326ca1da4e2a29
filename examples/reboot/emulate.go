package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// emulate makes the call to a service of its own and shows what that sees.
func (p *program) emulate(ctx context.Context, s settings) int {
	show := p.stopwatch()
	running := make(chan struct{}, 1)
	server, err := ecstest.NewServer(ecstest.Options{
		OnCall: func(c ecstest.Call) { show("%s answered %s", c.Action, answerOf(c)) },
		OnStatus: func(_, status string) {
			show("%s", status)
			if status == ecstest.Running {
				running <- struct{}{} // one restart, so one value
			}
		},
	})
	if err != nil {
		return p.report(s, nil, fmt.Errorf("ecs-reboot: the emulated service does not start: %w", err))
	}
	defer server.Close()
	if err := server.AddInstance(p.emulatedInstance(s.instanceID)); err != nil {
		return p.report(s, nil, fmt.Errorf("ecs-reboot: %w", err))
	}
	client, err := server.NewClient(p.options(s)...)
	if err != nil {
		return p.report(s, nil, fmt.Errorf("ecs-reboot: %w", err))
	}
	p.progress("emulated service at %s, in this process; no real instance is touched\n", server.URL)
	show("%s", server.Status(s.instanceID))
	show("%s", s.describe())
	accepted, code := p.restart(ctx, s, client)
	seen := accepted && !p.quiet && p.watch(ctx, running)
	p.progress("the service restarted the instance %s\n", times(server.Reboots(s.instanceID)))
	if seen {
		p.progress("Only as the owner of the emulated service could this program wait for Running.\n" +
			"With -region it returns once the service has accepted.\n")
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

func (p *program) emulatedInstance(id string) ecstest.Instance {
	return ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: p.restartTime, Forced: p.restartTime / 2}}
}

// stopwatch returns a progress that puts the time since now in front.
func (p *program) stopwatch() func(format string, args ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		p.progress("%6.2f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}

func answerOf(c ecstest.Call) string {
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
