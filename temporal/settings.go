package ecstemporal

import (
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Settings configure a run. They mean what the fields of the same name in
// [fleet.Options] mean, and have the same defaults: a zero field means its default,
// and a negative duration means none. Functions are options of the workers, so that a
// field says whether the run uses them.
type Settings struct {
	fleet.Rules

	// MinReady is how long an instance must be Running and healthy without a break
	// before it is healthy. Default 30 s. It must be less than ReadyTimeout.
	MinReady time.Duration `json:"minReady,omitempty"`
	// ReadyTimeout is how long an instance may take from its restart request until it
	// is healthy. Default 25 min. If no worker was there to watch, the time starts when
	// the next worker takes over.
	ReadyTimeout time.Duration `json:"readyTimeout,omitempty"`
	// UnknownGrace is how long a restart whose response was lost may take to become
	// visible. Default 60 s; negative polls once.
	UnknownGrace time.Duration `json:"unknownGrace,omitempty"`
	// SendTimeout limits the request that restarts an instance. Default 45 s, at least
	// 5 s. The request must leave within a third of it, or it is not sent.
	SendTimeout time.Duration `json:"sendTimeout,omitempty"`
	// Window is when restarts may be sent. Its Location needs a name of the IANA time
	// zone database, which the workers must have. Nil means always.
	Window *fleet.Window `json:"-"` // runHead has it
	// MinUptime skips instances that started less than this long ago. Default none.
	MinUptime time.Duration `json:"minUptime,omitempty"`
	// Blocker calls the worker's Blocker before each restart. A worker without one
	// halts the run.
	Blocker bool `json:"blocker,omitempty"`
	// BlockerInterval is the time between two calls of Blocker for an instance.
	// Default 10 s.
	BlockerInterval time.Duration `json:"blockerInterval,omitempty"`
	// ApproveCanary waits for [ApproveCanary] after each canary stage.
	ApproveCanary bool `json:"approveCanary,omitempty"`
	// Health calls the worker's Health before an instance is healthy. A worker without
	// one halts the run.
	Health bool `json:"health,omitempty"`
	// Notify calls the worker's Notify with what matters to people.
	Notify bool `json:"notify,omitempty"`
	// ContinueAfter is the number of settled instances after which the workflow
	// continues as new. It also does so when the server suggests it; 0 leaves it at that.
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
	if s.SendTimeout == 0 {
		s.SendTimeout = defaultSendTimeout
	}
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

// instanceSettings are the settings that matter to a single instance.
type instanceSettings struct {
	MinReady        time.Duration `json:"minReady"`
	ReadyTimeout    time.Duration `json:"readyTimeout"`
	UnknownGrace    time.Duration `json:"unknownGrace"`
	SendTimeout     time.Duration `json:"sendTimeout"`
	MinUptime       time.Duration `json:"minUptime,omitempty"`
	BlockerInterval time.Duration `json:"blockerInterval"`
	Blocker         bool          `json:"blocker,omitempty"`
	Health          bool          `json:"health,omitempty"`
}

func (s Settings) forInstance() instanceSettings {
	return instanceSettings{
		MinReady: s.MinReady, ReadyTimeout: s.ReadyTimeout, UnknownGrace: s.UnknownGrace, SendTimeout: s.SendTimeout,
		MinUptime: s.MinUptime, BlockerInterval: s.BlockerInterval, Blocker: s.Blocker, Health: s.Health,
	}
}
