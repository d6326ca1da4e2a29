package app

import (
	"context"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// session is a session of a run: to begin it, or to resume it.
type session struct {
	client  *ecsreboot.Client // of the first region; nil to follow a run only
	plan    fleet.Plan
	options fleet.Options
	history *fleet.History // so far; nil for a new run
	begin   func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error)
}

func (run session) tracker() (*screen.Tracker, error) {
	plan := run.plan
	if run.history != nil {
		plan.Settings = run.history.Report().Settings // which the session goes on with
	}
	options, err := run.options.Complete(plan)
	if err != nil {
		return nil, err
	}
	clients := run.clients()
	return screen.NewTracker(run.plan, options.Rules, run.history, func() []pace.State {
		states := make([]pace.State, len(clients))
		for i, client := range clients {
			states[i] = client.Pace(pace.RebootInstance)
		}
		return states
	})
}

// clients are the clients of all regions.
func (run session) clients() []*ecsreboot.Client {
	if run.client == nil {
		return nil
	}
	return append([]*ecsreboot.Client{run.client}, run.options.Clients...)
}

// hooks are those that must be given again to resume.
func (run session) hooks(s *settings) []fleet.Hook {
	if s.command == "resolve" { // which could not send
		hooks, _ := lastSession(run.history)
		return hooks
	}
	return run.options.Hooks()
}
