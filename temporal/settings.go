package ecstemporal

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Settings configure a run. A field that [fleet.Options] has as well has the same meaning
// and the same default: a zero field means its default, and a negative duration means
// none, unless fleet.Options says otherwise. The hooks themselves are set in
// [WorkerOptions]; a field here says whether the run calls one. If a worker lacks Health or
// Blocker and the run needs it, the run halts.
type Settings struct {
	fleet.Rules

	MinReady     time.Duration `json:"minReady,omitempty"`     // default 30 s
	UnknownGrace time.Duration `json:"unknownGrace,omitempty"` // default 60 s
	MinUptime    time.Duration `json:"minUptime,omitempty"`    // default none
	// ReadyTimeout is how long an instance may take from its restart request until it is
	// healthy. Default 25 min. If the worker that follows the instance stops, or no worker
	// is running at first, the time starts again when a worker takes over.
	ReadyTimeout time.Duration `json:"readyTimeout,omitempty"`
	// SendTimeout limits the request that restarts an instance. Default 45 s, at least
	// 5 s. The request is sent only if it can leave within a third of SendTimeout.
	SendTimeout time.Duration `json:"sendTimeout,omitempty"`
	// Window is when restarts may be sent. The name of its Location must be in the IANA
	// time zone database, and the workers must have that database. If Window is nil,
	// restarts may be sent at any time.
	Window *fleet.Window `json:"-"`
	// ApproveCanary makes the run wait for [ApproveCanary] after each canary stage.
	ApproveCanary bool `json:"approveCanary,omitempty"`
	Health        bool `json:"health,omitempty"`  // see [WorkerOptions]
	Blocker       bool `json:"blocker,omitempty"` // see [WorkerOptions]
	Notify        bool `json:"notify,omitempty"`  // see [WorkerOptions]
	// BlockerInterval is the time between two calls of Blocker for an instance.
	// Default 10 s.
	BlockerInterval time.Duration `json:"blockerInterval,omitempty"`
	// ContinueAfter is the number of finished instances after which the workflow continues
	// as new. 0 means only when the server suggests it.
	ContinueAfter int `json:"continueAfter,omitempty"`
}

const (
	defaultSendTimeout  = 45 * time.Second
	shortestSendTimeout = 5 * time.Second
)

// forPlan completes the settings by the defaults and checks them.
func (s Settings) forPlan(plan fleet.Plan) (Settings, error) {
	o, err := fleet.Options{
		Rules: s.Rules, MinReady: s.MinReady, ReadyTimeout: s.ReadyTimeout, UnknownGrace: s.UnknownGrace,
		BlockerInterval: s.BlockerInterval, Window: s.Window, MinUptime: s.MinUptime,
	}.Complete(plan)
	if err != nil {
		return Settings{}, err
	}
	s.Rules, s.MinReady, s.ReadyTimeout, s.UnknownGrace, s.BlockerInterval = o.Rules, o.MinReady, o.ReadyTimeout, o.UnknownGrace, o.BlockerInterval
	s.SendTimeout = cmp.Or(s.SendTimeout, defaultSendTimeout)
	switch {
	case s.SendTimeout < shortestSendTimeout:
		return Settings{}, input("SendTimeout", fmt.Sprintf("is %v; the service needs at least %v to respond", s.SendTimeout, shortestSendTimeout))
	case s.ContinueAfter < 0:
		return Settings{}, input("ContinueAfter", fmt.Sprintf("is %d", s.ContinueAfter))
	}
	return s, checkLocation(s.Window)
}

func input(field, problem string) error {
	return &ecsreboot.InputError{Field: field, Problem: problem}
}
