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
	// that returned no error; a nil one is not called.
	//
	// Between Acquire and report the client fetches credentials, and then, before a
	// restart of RebootAndWait, may read the instance anew and ask [WaitOptions].BeforeSend:
	// readings pass a Pacer of their own meanwhile, but a call of the hook's may ask
	// this one. An Acquire that waits for a report should do so for a few seconds at
	// most, as an AdaptivePacer that is given by itself does.
	//
	// On an error the request is not sent, and the call ends with that error. It
	// is [ErrThrottled] only if the error says so; what the error tells of the
	// outcome of other calls does not count.
	//
	// Acquire must return when ctx ends. The call does not wait for it then, and a
	// report that comes late is called with [PaceUnanswered].
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
	p, err := acquire(ctx, g.pacer, PaceCall{MaxWait: *budget, Throttled: throttled})
	*budget = max(0, *budget-time.Since(begin))
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = contextEnd(ctx)
	}
	return p, err
}

// inVain is why a call with such a budget need not wait, as far as that is known.
func (g *gate) inVain(ctx context.Context, budget time.Duration) error {
	if g.adaptive == nil {
		return nil
	}
	return g.adaptive.inVain(ctx, budget)
}

// acquire asks a pacer of the caller's, in a goroutine that is left alone if it does
// not heed the context: others may wait for this call to end.
func acquire(ctx context.Context, pacer Pacer, call PaceCall) (permit, error) {
	type answer struct {
		permit permit
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the Pacer ended its goroutine")}
		defer func() {
			if value := recover(); value != nil {
				a.err = fmt.Errorf("the Pacer panicked with a value of type %T", value)
			}
			answers <- a
		}()
		report, err := pacer.Acquire(ctx, call)
		if a = (answer{permit: permit{report: report}}); err != nil {
			a = answer{err: notLetGo(err)}
		}
	}()
	select {
	case a := <-answers:
		return a.permit, a.err
	case <-ctx.Done():
	}
	go func() {
		if a := <-answers; a.err == nil {
			a.permit.leave(PaceResult{})
		}
	}()
	return permit{}, contextEnd(ctx)
}

// notLetGo is the error of a Pacer. Whether it is [ErrThrottled] is decided here, as
// nobody finds that through a [ForeignError].
func notLetGo(err error) error {
	failed := foreign("Pacer", err, scrubForeign)
	if errors.Is(err, ErrThrottled) {
		return &throttleError{why: "by the Pacer: " + failed.Error(), cause: failed}
	}
	return fmt.Errorf("the Pacer let nothing go: %w", failed)
}

// prepare does what is to be done right before the request leaves. A probe's place
// is taken over by another call if that lasts.
func (p permit) prepare(ctx context.Context, before func(context.Context) error) error {
	if before == nil {
		return nil
	}
	if p.adaptive == nil || p.pass.probe == 0 {
		return before(ctx)
	}
	p.adaptive.prepare(p.pass)
	defer p.adaptive.prepared(p.pass)
	return before(ctx)
}

// leave tells what came of the attempt.
func (p permit) leave(result PaceResult) closing {
	switch {
	case p.adaptive != nil:
		return p.adaptive.leave(p.pass, result)
	case p.report != nil:
		defer func() { _ = recover() }()
		p.report(result)
	}
	return closing{wait: result.RetryAfter, asked: true}
}
