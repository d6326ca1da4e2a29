package ecstemporal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Settings configure a run. A zero field means its default. The hooks themselves are set
// in [WorkerOptions]; a field here says whether the run calls one, and the Hooks of the plan
// say so as well. If a worker lacks a hook that the run needs, the run halts before it
// sends anything through that worker, and what is in flight waits for a worker that has
// the hook.
type Settings struct {
	// Settings are those that fleet.Options have as well, with the same meaning and the
	// same defaults, except:
	//
	//   - If the worker that follows an instance stops, or no worker is running at first,
	//     ReadyTimeout and StoppedTimeout start again when a worker takes over.
	//   - If the worker that calls a hook dies, another worker repeats the call, and
	//     HookTimeout starts again.
	//   - The name of the Location of Window must be in the IANA time zone database, and
	//     the workers must have that database.
	fleet.Settings

	// SendTimeout limits the request that restarts an instance. Default 45 s, at least
	// 5 s. The request is sent only if it can leave within a third of SendTimeout.
	SendTimeout time.Duration
	// ApproveCanary makes the run wait for [ApproveCanary] after each canary stage.
	ApproveCanary bool
	// The hooks of [WorkerOptions] that the run calls.
	Health, Blocker, Drain, Undrain, Failed, Notify bool
	// ContinueAfter is the number of finished instances after which the workflow continues
	// as new. 0 means only when the server suggests it.
	ContinueAfter int
}

// ownSettings have the JSON of the Settings that fleet.Settings lack.
type ownSettings struct {
	SendTimeout   time.Duration `json:"sendTimeout,omitempty"`
	ApproveCanary bool          `json:"approveCanary,omitempty"`
	Health        bool          `json:"health,omitempty"`
	Blocker       bool          `json:"blocker,omitempty"`
	Drain         bool          `json:"drain,omitempty"`
	Undrain       bool          `json:"undrain,omitempty"`
	Failed        bool          `json:"failed,omitempty"`
	Notify        bool          `json:"notify,omitempty"`
	ContinueAfter int           `json:"continueAfter,omitempty"`
}

// MarshalJSON writes the JSON of both kinds of settings as one object.
func (s Settings) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.Settings)
	if err != nil {
		return nil, err
	}
	own, err := json.Marshal(ownSettings{
		s.SendTimeout, s.ApproveCanary, s.Health, s.Blocker, s.Drain, s.Undrain, s.Failed, s.Notify, s.ContinueAfter,
	})
	switch {
	case err != nil:
		return nil, err
	case string(text) == "{}":
		return own, nil
	case string(own) == "{}":
		return text, nil
	}
	return append(append(text[:len(text)-1], ','), own[1:]...), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Settings) UnmarshalJSON(text []byte) error {
	var own ownSettings
	var common fleet.Settings
	if err := errors.Join(json.Unmarshal(text, &common), json.Unmarshal(text, &own)); err != nil {
		return err
	}
	*s = Settings{
		common, own.SendTimeout, own.ApproveCanary, own.Health, own.Blocker, own.Drain, own.Undrain, own.Failed, own.Notify, own.ContinueAfter,
	}
	return nil
}

const (
	defaultSendTimeout  = 45 * time.Second
	shortestSendTimeout = 5 * time.Second
)

// forPlan completes the settings by those of the plan and the defaults, and checks them.
// It leaves out the hooks of the plan that without names.
func (s Settings) forPlan(plan fleet.Plan, without ...fleet.Hook) (Settings, error) {
	o, err := fleet.Options{Settings: s.Settings, Without: without}.Complete(plan)
	if err != nil {
		return Settings{}, err
	}
	s.Settings = o.Settings
	waived := func(hook fleet.Hook) bool { return slices.Contains(without, hook) }
	if i := slices.IndexFunc(s.Hooks(), waived); i >= 0 {
		return Settings{}, input("Without", fmt.Sprintf("names the hook %q, which the settings have the run call", s.Hooks()[i]))
	}
	for _, hook := range plan.Hooks {
		switch calls := hookField(&s, hook); {
		case waived(hook):
		case calls == nil:
			return Settings{}, input("Hooks", fmt.Sprintf("has %q, which is no hook of a durable run", hook))
		default:
			*calls = true
		}
	}
	s.SendTimeout = cmp.Or(s.SendTimeout, defaultSendTimeout)
	switch {
	case s.SendTimeout < shortestSendTimeout:
		return Settings{}, input("SendTimeout", fmt.Sprintf("is %v; the service needs at least %v to respond", s.SendTimeout, shortestSendTimeout))
	case s.ContinueAfter < 0:
		return Settings{}, input("ContinueAfter", fmt.Sprintf("is %d", s.ContinueAfter))
	}
	return s, checkLocation(s.Window)
}

// Hooks returns the names of the hooks that the run calls, without Notify.
func (s Settings) Hooks() []fleet.Hook {
	var hooks []fleet.Hook
	for _, hook := range []fleet.Hook{
		fleet.HookHealth, fleet.HookBlocker, fleet.HookApprove, fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed,
	} {
		if *hookField(&s, hook) {
			hooks = append(hooks, hook)
		}
	}
	return hooks
}

// hookField returns the field that says whether the run calls a hook; nil if there is
// none.
func hookField(s *Settings, hook fleet.Hook) *bool {
	switch hook {
	case fleet.HookHealth:
		return &s.Health
	case fleet.HookBlocker:
		return &s.Blocker
	case fleet.HookApprove:
		return &s.ApproveCanary
	case fleet.HookDrain:
		return &s.Drain
	case fleet.HookUndrain:
		return &s.Undrain
	case fleet.HookFailed:
		return &s.Failed
	case fleet.HookWindow: // a setting
	}
	return nil
}

func input(field, problem string) error {
	return &ecsreboot.InputError{Field: field, Problem: problem}
}
