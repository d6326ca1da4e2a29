package main

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// restartAndWait follows the restart to its end and reports what came of it.
func (p *program) restartAndWait(ctx context.Context, s settings, client *ecsreboot.Client) int {
	defer client.CloseIdleConnections()
	shown := p.display(s)
	refused := false
	restarted, err := client.RebootAndWait(ctx, s.request(), ecsreboot.WaitOptions{
		Timeout:       orNone(s.waitTimeout),
		UnknownGrace:  orNone(s.settle),
		ResendUnknown: s.resendUnknown,
		OnEvent: func(e ecsreboot.Event) {
			refused = refused || e.Kind == ecsreboot.EventResendRefused
			shown.event(e)
		},
	})
	r := newWaitResult(s, restarted, err)
	if r.evidence != nil {
		r.refused = refused
	}
	shown.end(r)
	return p.report(s, r)
}

// orNone makes a zero of the command line, which means none, one of the options,
// where zero is the default.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// display shows how a restart goes on.
type display interface {
	event(e ecsreboot.Event)
	end(r result)
}

// display chooses how: as JSON on stdout, or on stderr, redrawn on a terminal and
// line by line elsewhere.
func (p *program) display(s settings) display {
	switch {
	case s.quiet:
		return silence{}
	case s.json:
		return jsonDisplay{p.stdout, s.instanceID}
	case p.live:
		return p.newLiveDisplay(s.instanceID)
	}
	return lineDisplay{p.stopwatch()}
}

// silence shows nothing.
type silence struct{}

func (silence) event(ecsreboot.Event) {}
func (silence) end(result)            {}
