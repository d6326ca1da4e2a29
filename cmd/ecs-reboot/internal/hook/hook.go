// Package hook turns the commands and URLs that an operator gives as hooks into the hooks
// of package fleet. Local runs and the workers of durable runs use the same hooks.
//
// # Commands
//
// A command runs by the shell of the system; see package shell. It passes if its exit
// code is 0. It finds the instance in environment variables only:
//
//	ECS_HOOK                  health, blocker, drain, undrain or failed
//	ECS_INSTANCE_ID           the ID
//	ECS_INSTANCE_NAME         the name
//	ECS_INSTANCE_IP           the private IP address, or the public one if there is none
//	ECS_INSTANCE_PRIVATE_IP   the first private IP address
//	ECS_INSTANCE_PUBLIC_IP    the first public IP address
//	ECS_INSTANCE_HOSTNAME     the host name
//	ECS_INSTANCE_ZONE         the zone
//	ECS_INSTANCE_GROUP        the group in the plan
//	ECS_INSTANCE_REGION       the region
//
// A variable without a value is set and empty. For failed, these are set as well:
//
//	ECS_FAILURE_STATE         failed or unknown
//	ECS_FAILURE_REASON        why, in a few words, such as "not back"
//	ECS_FAILURE_CODE          the error code of the service, if there is one
//	ECS_FAILURE_ERROR         details
//	ECS_FAILURE_REQUEST_ID    the ID of the last request
//
// # URLs
//
// A URL passes if the response has a status code of 2xx; redirects are not followed. The
// request is a GET for health and blocker, because these only ask. It is a POST for drain,
// undrain and failed, because these change something, and its body is a [Payload] in JSON.
//
// In a URL, these placeholders stand for the instance: {id}, {name}, {ip}, {private_ip},
// {public_ip}, {hostname}, {zone}, {group} and {region}. A value is escaped for its place
// in the path or in the query. In the place of the host, a value must be an IP address or
// make a valid host name; IPv6 addresses get their brackets. A hook fails for an instance
// that has no value for one of its placeholders.
//
// # Both
//
// If a hook has a command and a URL, both must pass. The command goes first, and if it
// fails, the URL is not requested.
package hook

import (
	"context"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/shell"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// Kind is the name of a hook.
type Kind string

// The kinds of hooks. The flags of a hook are --KIND-cmd and --KIND-url.
const (
	Health  Kind = "health"
	Blocker Kind = "blocker"
	Drain   Kind = "drain"
	Undrain Kind = "undrain"
	Failed  Kind = "failed"
)

// The limits of one call of health and blocker, which a run calls every few seconds. The
// context limits the calls of the others; see [fleet.Options].HookTimeout.
const (
	urlTimeout     = 5 * time.Second
	commandTimeout = 30 * time.Second
)

// asks reports whether the hook only asks, and changes nothing.
func (k Kind) asks() bool { return k == Health || k == Blocker }

// urlFlag is the flag of the hook's URL.
func (k Kind) urlFlag() string { return "--" + string(k) + "-url" }

// Source is what an operator gives as a hook: a command, a URL, both, or neither.
type Source struct{ Command, URL string }

// Func is a hook for an instance.
type Func = func(ctx context.Context, target fleet.Target) error

// FailedFunc is a hook for an instance that has failed or is unknown.
type FailedFunc = func(ctx context.Context, target fleet.Target, failure fleet.Event) error

// Config is the hooks of a run as the operator gives them.
type Config struct {
	Health, Blocker, Drain, Undrain, Failed Source

	// Alerts is the URL of a Prometheus server, if firing alerts block restarts, and Query
	// is what selects the alerts; see [NewAlerts].
	Alerts, Query string
	// Region is the region of the instances whose targets name none.
	Region string
}

// Hooks are the hooks of a run. Those that the operator did not give are nil.
type Hooks struct {
	Health, Blocker, Drain, Undrain Func
	Failed                          FailedFunc
}

// Hooks checks the commands and URLs and returns the hooks. The error is a usage error
// that names the flag.
func (c Config) Hooks() (Hooks, error) {
	var hooks Hooks
	for _, one := range []struct {
		kind   Kind
		source Source
		hook   *Func
	}{
		{Health, c.Health, &hooks.Health},
		{Blocker, c.Blocker, &hooks.Blocker},
		{Drain, c.Drain, &hooks.Drain},
		{Undrain, c.Undrain, &hooks.Undrain},
	} {
		call, err := newCaller(one.kind, one.source, c.Region)
		if err != nil {
			return Hooks{}, err
		}
		if call != nil {
			*one.hook = func(ctx context.Context, target fleet.Target) error { return call(ctx, target, nil) }
		}
	}
	call, err := newCaller(Failed, c.Failed, c.Region)
	if err != nil {
		return Hooks{}, err
	}
	if call != nil {
		hooks.Failed = func(ctx context.Context, target fleet.Target, failure fleet.Event) error {
			return call(ctx, target, newFailure(failure))
		}
	}
	switch {
	case c.Alerts != "":
		alerts, err := NewAlerts(c.Alerts, c.Query)
		if err != nil {
			return Hooks{}, err
		}
		hooks.Blocker = All(hooks.Blocker, alerts)
	case c.Query != "":
		return Hooks{}, cmdline.Errorf("%s without %s", queryFlag, alertsFlag)
	}
	return hooks, nil
}

// Check returns an error if a URL needs a value that one of the instances does not have,
// or that cannot stand where the URL has it. The error is a usage error that names the flag
// and the first such instance.
func (c Config) Check(targets []fleet.Target) error {
	for _, one := range []struct {
		kind Kind
		url  string
	}{{Health, c.Health.URL}, {Blocker, c.Blocker.URL}, {Drain, c.Drain.URL}, {Undrain, c.Undrain.URL}, {Failed, c.Failed.URL}} {
		if one.url == "" {
			continue
		}
		address, err := parseTemplate(one.kind.urlFlag(), one.url)
		if err != nil {
			return err
		}
		id, bad := "", 0
		for _, t := range targets {
			if _, failed := address.expand(newInstance(t, c.Region)); failed != nil {
				if bad++; bad == 1 {
					id, err = t.ID, failed
				}
			}
		}
		if bad > 0 {
			return cmdline.Errorf("%s %q cannot be requested for %d of %d instances, such as %s: %v", one.kind.urlFlag(), shown(one.url), bad, len(targets), id, err)
		}
	}
	return nil
}

// Set sets the hooks in the options of a run.
func (h Hooks) Set(options *fleet.Options) {
	options.Health, options.Blocker, options.Drain, options.Undrain = h.Health, h.Blocker, h.Drain, h.Undrain
	options.Failed = h.Failed
}

// All returns a hook that passes if all the given hooks pass. It calls them in order until
// one fails, and leaves out nil ones. If all are nil, All returns nil.
func All(hooks ...Func) Func {
	var given []Func
	for _, hook := range hooks {
		if hook != nil {
			given = append(given, hook)
		}
	}
	if len(given) == 0 {
		return nil
	}
	return func(ctx context.Context, target fleet.Target) error {
		for _, hook := range given {
			if err := hook(ctx, target); err != nil {
				return err
			}
		}
		return nil
	}
}

// caller calls a hook; failure is nil except for Failed.
type caller func(ctx context.Context, target fleet.Target, failure *Failure) error

// newCaller returns nil if the source is empty.
func newCaller(kind Kind, source Source, region string) (caller, error) {
	var steps []func(context.Context, Payload) error
	if source.Command != "" {
		if strings.TrimSpace(source.Command) == "" || strings.ContainsRune(source.Command, 0) {
			return nil, cmdline.Errorf("invalid --%s-cmd %q", kind, source.Command)
		}
		steps = append(steps, func(ctx context.Context, p Payload) error {
			ctx, cancel := limit(ctx, kind, commandTimeout)
			defer cancel()
			return shell.Run(ctx, source.Command, p.environment()...)
		})
	}
	if source.URL != "" {
		address, err := parseTemplate(kind.urlFlag(), source.URL)
		if err != nil {
			return nil, err
		}
		requester := NewRequester()
		steps = append(steps, func(ctx context.Context, p Payload) error {
			ctx, cancel := limit(ctx, kind, urlTimeout)
			defer cancel()
			return requester.request(ctx, address, p)
		})
	}
	if len(steps) == 0 {
		return nil, nil //nolint:nilnil // there is no such hook
	}
	return func(ctx context.Context, target fleet.Target, failure *Failure) error {
		payload := Payload{Hook: kind, Instance: newInstance(target, region), Failure: failure}
		for _, step := range steps {
			if err := step(ctx, payload); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// limit gives a call of health or blocker its limit.
func limit(ctx context.Context, kind Kind, timeout time.Duration) (context.Context, context.CancelFunc) {
	if !kind.asks() {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, timeout, &timeoutError{timeout})
}

// timeoutError is the cause of a context that a limit of this package has ended.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return "not done within " + e.after.String() }

// Timeout and Is make the error one of a deadline, as that of the context is.
func (e *timeoutError) Timeout() bool        { return true }
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
