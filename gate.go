package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
	"github.com/ecsreboot/ecsreboot/pace"
)

// Pace returns the state of an operation's pacer. The state is zero if the operation
// does not exist, or if the [pace.Pacer] has no method State() [pace.State].
func (c *Client) Pace(operation pace.Operation) pace.State {
	switch operation {
	case pace.RebootInstance:
		return stateOf(c.rebootGate.given)
	case pace.DescribeInstances:
		return stateOf(c.describeGate.given)
	}
	return pace.State{}
}

func stateOf(p pace.Pacer) pace.State {
	if p, ok := p.(interface{ State() pace.State }); ok {
		return p.State()
	}
	return pace.State{}
}

// checkOperation refuses what is no operation of the API that clients call.
func checkOperation(option string, name pace.Operation) error {
	switch name {
	case pace.RebootInstance, pace.DescribeInstances:
		return nil
	}
	return &InputError{Field: option, Problem: fmt.Sprintf("is for the operation %q; use RebootInstance or DescribeInstances", string(name))}
}

// gate is where the attempts of an operation pass its pacer.
type gate struct {
	given pace.Pacer
	pacer pace.Pacer // given, guarded if it is foreign code
}

func newGate(p pace.Pacer) gate {
	if _, ok := p.(*pace.Adaptive); ok { // it returns when the context ends, and panics nowhere
		return gate{given: p, pacer: p}
	}
	return gate{given: p, pacer: guardedPacer{p}}
}

// enter waits until an attempt may be sent, and takes the time that it waited off the
// budget.
func (g *gate) enter(ctx context.Context, budget *time.Duration, throttled int) (pace.Reservation, error) {
	begin := time.Now()
	reservation, err := g.pacer.Acquire(ctx, pace.Request{MaxWait: *budget, Throttled: throttled})
	// What takes less than a millisecond is no wait: a service that asks for the whole
	// budget gets it.
	*budget = max(0, *budget-time.Since(begin).Truncate(time.Millisecond))
	switch {
	case err == nil:
		return reservation, nil
	case ctx.Err() != nil && (errors.Is(err, plainEnd(ctx)) || errors.Is(err, ctx.Err())):
		return nil, contextEnd(ctx)
	}
	return nil, heldBack(err)
}

// state returns the state of the pacer, as far as the client may rely on it. It is zero
// for a pacer of the caller, whose State could block: the poller asks with its mutex
// held.
func (g *gate) state() pace.State { return stateOf(g.pacer) }

// inVain returns why a call with such a budget need not wait, as far as that is known.
func (g *gate) inVain(ctx context.Context, budget time.Duration) error {
	return heldBack(g.state().Refusal(ctx, budget))
}

// stateAfter is the state in which a throttled attempt found the service: what it asks
// to wait can be longer than the pacer stays closed for.
func (g *gate) stateAfter(retryAfter time.Duration) pace.State {
	state := g.state()
	if until := time.Now().Add(retryAfter); retryAfter > 0 && !until.Before(state.Until) {
		state.Closed, state.Until, state.Asked = true, until, true
	}
	return state
}

// throttleError is the error of a call that was held back before it was sent: the
// service throttles the client, or too many calls wait for their turn.
type throttleError struct {
	text  string
	cause error
}

func (e *throttleError) Error() string        { return e.text }
func (e *throttleError) Is(target error) bool { return target == ErrThrottled }
func (e *throttleError) Unwrap() error        { return e.cause }

// heldBack makes a throttleError of the error with which the gate refuses a call as
// throttled. It returns other errors as they are.
func heldBack(err error) error {
	if err == nil || isHeldBack(err) || !errors.Is(err, ErrThrottled) {
		return err
	}
	return &throttleError{text: err.Error(), cause: err}
}

func isHeldBack(err error) bool {
	_, ok := errors.AsType[*throttleError](err)
	return ok
}

// afterwards joins the error of a later step to that of an attempt, if there was one.
func afterwards(before, err error) error {
	if before != nil {
		return fmt.Errorf("%w; then %w", before, err)
	}
	return err
}

// consent asks the hook of a call right before the request leaves. Meanwhile another
// call can take the place of a probe.
func consent(ctx context.Context, r pace.Reservation, hook func(context.Context) error) error {
	r.Delay()
	defer r.Proceed()
	return hook(ctx)
}

// guardedPacer is a pacer of the caller that neither holds up a call beyond its context
// nor panics. Its errors are ForeignErrors.
type guardedPacer struct{ pacer pace.Pacer }

// Acquire asks the pacer in a goroutine that is left alone if the pacer does not heed
// the context: others may wait for this call to end.
func (g guardedPacer) Acquire(ctx context.Context, call pace.Request) (pace.Reservation, error) {
	type answer struct {
		reservation pace.Reservation
		err         error
	}
	answers := make(chan answer, 1)
	apart.Go(func() answer {
		reservation, err := g.pacer.Acquire(ctx, call)
		switch {
		case err != nil:
			return answer{err: notLetGo(err)}
		case reservation == nil:
			return answer{reservation: pace.ReportFunc(nil)}
		}
		return answer{reservation: guardedReservation{reservation}}
	}, func(e apart.Ending[answer]) {
		switch {
		case e.Panicked != nil:
			e.Value.err = fmt.Errorf("the Pacer panicked with a value of type %T", e.Panicked)
		case e.Exited:
			e.Value.err = errors.New("the Pacer ended its goroutine")
		}
		answers <- e.Value
	})
	select {
	case a := <-answers:
		return a.reservation, a.err
	case <-ctx.Done():
	}
	go func() {
		if a := <-answers; a.err == nil {
			a.reservation.Report(pace.Result{})
		}
	}()
	return nil, contextEnd(ctx)
}

// notLetGo is the error of a pacer. Whether it is [ErrThrottled] is decided here, as
// nobody finds that through a [ForeignError].
func notLetGo(err error) error {
	failed := foreign("Pacer", err, scrubForeign)
	if errors.Is(err, ErrThrottled) {
		return &throttleError{text: "held back: by the Pacer: " + failed.Error(), cause: failed}
	}
	return fmt.Errorf("the Pacer let nothing go: %w", failed)
}

// guardedReservation is a reservation of the caller's pacer whose panics are ignored.
type guardedReservation struct{ reservation pace.Reservation }

func (r guardedReservation) Report(result pace.Result) {
	defer apart.IgnorePanic()
	r.reservation.Report(result)
}

func (r guardedReservation) Delay() {
	defer apart.IgnorePanic()
	r.reservation.Delay()
}

func (r guardedReservation) Proceed() {
	defer apart.IgnorePanic()
	r.reservation.Proceed()
}
