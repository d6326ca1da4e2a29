package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pacer says when a client may send the requests of one operation. Clients have an
// [AdaptivePacer] for each; [WithPacer] gives another, such as one that several
// processes share over a store of their own. It must be safe for concurrent use.
type Pacer interface {
	// Acquire waits until a request may be sent. It is called before each one, a
	// repeated one as well. The client calls report exactly once for each Acquire
	// that returned no error, in the same goroutine; a nil one is not called.
	//
	// On an error the request is not sent, and the call ends with that error. It
	// is [ErrThrottled] only if the error says so.
	//
	// A panic in Acquire counts as an error; one in report is ignored, as the call
	// may have restarted an instance, which must not be lost.
	Acquire(ctx context.Context, call PaceCall) (report func(PaceResult), err error)
}

// PaceCall is the call that a request belongs to.
type PaceCall struct {
	// MaxWait is what is left of [RetryPolicy].MaxThrottleWait.
	MaxWait time.Duration
	// Throttled is how many of the call's requests were throttled already.
	Throttled int
}

// PaceResult is what came of a request.
type PaceResult struct {
	Outcome PaceOutcome
	// RetryAfter is how long the service asks to wait when it throttles, 0 if it
	// does not say.
	RetryAfter time.Duration
	// ServiceTime is the time by the service's clock, in whole seconds, and zero
	// if it is not known.
	ServiceTime time.Time
}

// PaceOutcome is what a request means for the pace.
type PaceOutcome int

// The outcomes of requests.
const (
	PaceUnanswered PaceOutcome = iota // not sent, or without an answer of the service
	PaceAccepted                      // the service processed it, and may have refused it for other reasons
	PaceThrottled                     // the service throttled it, which it does not count
)

// PaceState is what a pacer does at a moment, to be shown to people.
type PaceState struct {
	RatePerMinute float64   // requests a minute that are let go; 0: any number
	Closed        bool      // the service throttles, and nothing but single probes is sent
	Until         time.Time // closed at least until then
	Waiting       int       // calls that are held back
	// Accepted and Throttled count the answers so far.
	Accepted, Throttled uint64
}

// Pace returns the state of an operation's pacer: "RebootInstance" or
// "DescribeInstances". It is zero for any other, and for a Pacer of the caller's that
// has no method State() PaceState.
func (c *Client) Pace(operation string) PaceState {
	g := c.gateOf(operation)
	if g == nil {
		return PaceState{}
	}
	if p, ok := g.pacer.(interface{ State() PaceState }); ok {
		return p.State()
	}
	return PaceState{}
}

// checkOperation refuses what is no operation of the API that clients call.
func checkOperation(option, name string) error {
	switch name {
	case "RebootInstance", "DescribeInstances":
		return nil
	}
	return &InputError{Field: option, Problem: fmt.Sprintf("is for the operation %q; use RebootInstance or DescribeInstances", name)}
}

func (c *Client) gateOf(operation string) *gate {
	switch operation {
	case "RebootInstance":
		return &c.rebootGate
	case "DescribeInstances":
		return &c.describeGate
	}
	return nil
}

// gate is where the attempts of an operation pass its pacer.
type gate struct {
	pacer    Pacer
	adaptive *AdaptivePacer // pacer, if it is one: spares an allocation
}

func newGate(p Pacer) gate {
	adaptive, _ := p.(*AdaptivePacer)
	return gate{pacer: p, adaptive: adaptive}
}

// permit lets one attempt through a gate. Each must be returned by leave.
type permit struct {
	adaptive *AdaptivePacer
	pass     pass
	report   func(PaceResult) // of a pacer of the caller's
}

// enter waits until an attempt may be sent, and takes what it waited off the budget.
func (g *gate) enter(ctx context.Context, budget *time.Duration, throttled int) (permit, error) {
	if g.adaptive != nil {
		p, err := g.adaptive.enter(ctx, budget, throttled > 0)
		return permit{adaptive: g.adaptive, pass: p}, err
	}
	begin := time.Now()
	report, err := acquire(ctx, g.pacer, PaceCall{MaxWait: *budget, Throttled: throttled})
	*budget = max(0, *budget-time.Since(begin))
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = contextEnd(ctx)
	}
	return permit{report: report}, err
}

func acquire(ctx context.Context, p Pacer, call PaceCall) (report func(PaceResult), err error) {
	defer func() {
		if value := recover(); value != nil {
			report, err = nil, fmt.Errorf("the Pacer panicked with a value of type %T", value)
		}
	}()
	if report, err = p.Acquire(ctx, call); err != nil {
		return nil, fmt.Errorf("the Pacer let nothing go: %w", err)
	}
	return report, nil
}

// leave tells what came of the attempt, and returns for how long nothing will be
// sent, as far as that is known.
func (p permit) leave(result PaceResult) time.Duration {
	switch {
	case p.adaptive != nil:
		return p.adaptive.leave(p.pass, result)
	case p.report != nil:
		defer func() { _ = recover() }()
		p.report(result)
	}
	return result.RetryAfter
}
