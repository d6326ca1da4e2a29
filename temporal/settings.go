package ecstemporal

import (
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Settings say how a run goes. They are plain data and part of the workflow's input.
// A zero field means its default, a negative duration none.
type Settings struct {
	fleet.Rules

	// MinReady is how long an instance must be Running and healthy without a break
	// until it counts as healthy. Default 30 s; it must be less than ReadyTimeout.
	MinReady time.Duration `json:"minReady,omitempty"`
	// ReadyTimeout is how long an instance may take from the send until it is
	// healthy; if no worker was there meanwhile, from when the next goes on. Default
	// 25 min, because the vendor documents up to 20 for a restart.
	ReadyTimeout time.Duration `json:"readyTimeout,omitempty"`
	// UnknownGrace is how long a restart whose answer was lost may take to show.
	// Default 60 s.
	UnknownGrace time.Duration `json:"unknownGrace,omitempty"`
	// SendTimeout limits the call that restarts an instance. Default 45 s, at least
	// 5 s; of that it may wait for a third until it leaves.
	SendTimeout time.Duration `json:"sendTimeout,omitempty"`
	// ApproveCanary waits for [ApproveCanary] after each canary stage.
	ApproveCanary bool `json:"approveCanary,omitempty"`
	// Health asks the worker's Health before an instance counts as healthy. A worker
	// that has none then restarts nothing.
	Health bool `json:"health,omitempty"`
	// Notify tells the worker's Notify what matters to people.
	Notify bool `json:"notify,omitempty"`
	// ContinueAfter is after how many instances the workflow continues as new, to
	// keep its history short. It also does when the server suggests it, which is all
	// that 0 leaves.
	ContinueAfter int `json:"continueAfter,omitempty"`
}

const (
	defaultSendTimeout  = 45 * time.Second
	shortestSendTimeout = 5 * time.Second
)

// forPlan fills in the defaults and refuses what makes no sense.
func (s Settings) forPlan(plan fleet.Plan) (Settings, error) {
	o, err := fleet.Options{Rules: s.Rules, MinReady: s.MinReady, ReadyTimeout: s.ReadyTimeout, UnknownGrace: s.UnknownGrace}.Complete(plan)
	if err != nil {
		return Settings{}, err
	}
	s.Rules, s.MinReady, s.ReadyTimeout, s.UnknownGrace = o.Rules, o.MinReady, o.ReadyTimeout, o.UnknownGrace
	if s.SendTimeout == 0 {
		s.SendTimeout = defaultSendTimeout
	}
	switch {
	case s.SendTimeout < shortestSendTimeout:
		return Settings{}, input("SendTimeout", fmt.Sprintf("is %v; the service needs %v at least to answer", s.SendTimeout, shortestSendTimeout))
	case s.ContinueAfter < 0:
		return Settings{}, input("ContinueAfter", fmt.Sprintf("is %d", s.ContinueAfter))
	}
	return s, nil
}

func input(field, problem string) error {
	return &ecsreboot.InputError{Field: field, Problem: problem}
}
