package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/ecsreboot/ecsreboot"
)

// followError is why a restart of an earlier session is not proven.
type followError struct {
	outcome ecsreboot.Outcome // of the send
	err     error
}

func (e *followError) Error() string { return e.err.Error() }
func (e *followError) Unwrap() error { return e.err }

// outcomeOf returns what is known of the send after a wait that failed.
func outcomeOf(err error) ecsreboot.Outcome {
	if earlier, ok := errors.AsType[*followError](err); ok {
		switch resolved := ecsreboot.OutcomeOf(earlier.err); resolved {
		case ecsreboot.OutcomeAccepted, ecsreboot.OutcomeRejected: // a witness resolved it
			return resolved
		default:
			return earlier.outcome
		}
	}
	return ecsreboot.OutcomeOf(err)
}

// verdict returns the event that the error amounts to, and the error itself if it
// would meet every instance.
func (f *follower) verdict(ctx context.Context, err error) (Event, error) {
	if hooked, ok := errors.AsType[*hookError](err); ok {
		return f.verdictHook(ctx, hooked), nil
	}
	outcome := outcomeOf(err)
	apiErr, answered := errors.AsType[*ecsreboot.APIError](err)
	e := Event{Error: text(err)}
	if answered {
		e.Code, e.RequestID = apiErr.Code, apiErr.RequestID
	}
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok {
		e.RequestID = cmp.Or(waited.RequestID, e.RequestID)
		if outcome == ecsreboot.OutcomeRejected {
			e.Witness = refusingWitness(waited)
		}
	}
	switch outcome {
	case ecsreboot.OutcomeAccepted, ecsreboot.OutcomeUnknown:
		var fatal error // a restart that nobody can watch, as no credentials pass
		if ctx.Err() == nil && (errors.Is(err, ecsreboot.ErrUnauthenticated) || errors.Is(err, ecsreboot.ErrCredentials)) {
			fatal = err
		}
		return f.verdictSent(ctx, e, outcome, err), fatal
	default:
	}
	withheld, isWithheld := errors.AsType[*withheldError](err)
	_, isOthers := errors.AsType[*othersError](err)
	switch {
	case isWithheld && withheld.skip:
		return Event{Kind: EventSkipped, Reason: withheld.reason, Unavailable: withheld.unavailable}, nil
	case isWithheld && withheld.reason == reasonStale:
		return Event{
			Kind: EventFailed, Reason: ReasonNotSent, Running: f.isRunning(ctx),
			Error: "the journal takes too long: what was read before the send is too old by then",
		}, nil
	case isWithheld && withheld.reason == ReasonJournal:
		return Event{Kind: EventUnsent, Reason: ReasonJournal, Error: text(withheld.cause)}, withheld.cause
	case isWithheld:
		return Event{Kind: EventUnsent, Reason: withheld.reason, Error: text(withheld.cause), Witness: e.Witness}, nil
	case ctx.Err() != nil:
		return Event{Kind: EventUnsent, Reason: ReasonInterrupted}, nil //nolint:nilerr // which met no other instance
	case errors.Is(err, ecsreboot.ErrInvalidInstanceIDNotFound):
		e.Kind, e.Reason = EventFailed, ReasonNotListed
	case errors.Is(err, ecsreboot.ErrInstanceLockedForSecurity), errors.Is(err, ecsreboot.ErrInstanceExpiredOrInArrears):
		// What has expired, or is in arrears, is not Running as a rule.
		e.Kind, e.Reason, e.Unavailable = EventSkipped, ReasonLocked, !f.isRunning(ctx)
	case isDenied(err) && outcome == ecsreboot.OutcomeRejected:
		others := f.session.othersDenied(ctx, f.target.ID)
		if others == denialOfAll {
			e.Kind, e.Reason = EventUnsent, ReasonAccess
			return e, err
		}
		e.Kind, e.Reason, e.Alone, e.Running = EventFailed, ReasonDenied, others == denialAlone, f.isRunning(ctx)
	case isDenied(err), forAll(err): // a poll is denied to all
		e.Kind, e.Reason = EventUnsent, ReasonAccess
		return e, err
	case isOthers:
		e.Kind, e.Reason = EventFailed, ReasonNotHealthy
	case answered && apiErr.StatusCode < 500 || errors.Is(err, ecsreboot.ErrInvalidInput):
		e.Kind, e.Reason, e.Running = EventFailed, ReasonRefused, f.isRunning(ctx)
	default:
		e.Kind, e.Reason, e.Running = EventFailed, ReasonNotSent, f.isRunning(ctx)
	}
	return e, nil
}

// refusingWitness returns the name of the witness that found that the service refused the restart.
func refusingWitness(waited *ecsreboot.WaitError) string {
	for _, t := range waited.Testimony {
		if t.Finding == ecsreboot.FindingRefused {
			return t.Witness
		}
	}
	return ""
}

// verdictHook is the event of a hook that kept the instance from its restart, or from
// being healthy after it. If the caller's context ended, nothing is decided.
func (f *follower) verdictHook(ctx context.Context, err *hookError) Event {
	switch {
	case hookContext(ctx).Err() != nil:
		return Event{}
	case err.hook == HookDrain:
		return Event{Kind: EventFailed, Reason: ReasonNotDrained, Error: text(err), Running: f.isRunning(ctx)}
	}
	return Event{Kind: EventFailed, Reason: ReasonNotUndrained, Error: text(err)}
}

// isRunning reports whether a poll shows the instance Running. If the poll fails, the
// instance counts as unavailable.
func (f *follower) isRunning(ctx context.Context) bool {
	status, err := f.status(ctx)
	return err == nil && status == ecsreboot.StatusRunning
}

// verdictSent is the event of a restart that was sent and is not proven.
func (f *follower) verdictSent(ctx context.Context, e Event, outcome ecsreboot.Outcome, err error) Event {
	if ctx.Err() != nil { // nothing is decided: the next session goes on looking
		if f.settled {
			return Event{}
		}
		if outcome == ecsreboot.OutcomeAccepted {
			return Event{Kind: EventAccepted, RequestID: e.RequestID}
		}
		return Event{Kind: EventDoubt, Error: e.Error}
	}
	f.settled = true
	e.Kind = EventFailed
	moved := !f.before.StartTime.IsZero() && f.shown.StartTime.After(f.before.StartTime)
	switch running := f.shown.Status == ecsreboot.StatusRunning; {
	case errors.Is(err, errStopped):
		e.Reason = ReasonStopped
	case f.gone:
		e.Reason = ReasonGone
	case f.down && !running:
		e.Reason = ReasonNotBack
	case (f.down || moved) && f.unhealthy != nil:
		e.Reason, e.Error = ReasonNotHealthy, text(f.unhealthy)
	case f.down || moved:
		e.Reason = ReasonNotHealthy // not for long enough
	case errors.Is(err, ecsreboot.ErrNotProven), errors.Is(err, errNotReady):
		e.Reason = ReasonNotProven
	default:
		e.Reason = ReasonNotWatched
	}
	if outcome == ecsreboot.OutcomeUnknown && !f.down && !moved && !f.gone {
		e.Kind = EventUnknown
	}
	return e
}

// forAll reports whether an error would meet every instance: of credentials,
// signature, or the service's certificate. See isDenied for permissions.
func forAll(err error) bool {
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	return badCertificate || errors.Is(err, ecsreboot.ErrCredentials) || errors.Is(err, ecsreboot.ErrUnauthenticated)
}

// reasonOf is the reason of what ends a session.
func reasonOf(err error) Reason {
	if errors.Is(err, ErrJournal) {
		return ReasonJournal
	}
	return ReasonAccess
}

// text is an error's without the prefix that all of the client's have.
func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "ecsreboot: ")
}
