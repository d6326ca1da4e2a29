package ecstemporal

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Settings configure a run. Fields that [fleet.Options] has as well mean the same and
// have the same defaults: a zero field means its default, and a negative duration means
// none. Functions are options of the workers; a field says whether the run calls them,
// and a worker without a function that the run needs halts it.
type Settings struct {
	fleet.Rules

	MinReady     time.Duration `json:"minReady,omitempty"`     // default 30 s
	UnknownGrace time.Duration `json:"unknownGrace,omitempty"` // default 60 s
	MinUptime    time.Duration `json:"minUptime,omitempty"`    // default none
	// ReadyTimeout is how long an instance may take from its restart request until it
	// is healthy. Default 25 min. If no worker was there to watch, the time starts when
	// the next worker takes over.
	ReadyTimeout time.Duration `json:"readyTimeout,omitempty"`
	// SendTimeout limits the request that restarts an instance. Default 45 s, at least
	// 5 s. The request must leave within a third of it, or it is not sent.
	SendTimeout time.Duration `json:"sendTimeout,omitempty"`
	// Window is when restarts may be sent. Its Location needs a name of the IANA time
	// zone database, which the workers must have. Nil means always.
	Window *fleet.Window `json:"-"` // runHead has it
	// ApproveCanary waits for [ApproveCanary] after each canary stage.
	ApproveCanary bool `json:"approveCanary,omitempty"`
	Health        bool `json:"health,omitempty"`  // see [WorkerOptions]
	Blocker       bool `json:"blocker,omitempty"` // see [WorkerOptions]
	Notify        bool `json:"notify,omitempty"`  // see [WorkerOptions]
	// BlockerInterval is the time between two calls of Blocker for an instance.
	// Default 10 s.
	BlockerInterval time.Duration `json:"blockerInterval,omitempty"`
	// ContinueAfter is the number of instances with an end after which the workflow
	// continues as new. Default: when the server suggests it.
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
