package fleet

import (
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

// verdict returns the event that the error amounts to, and the error itself if it
// would meet every instance.
func (f *follower) verdict(ctx context.Context, err error) (Event, error) {
	outcome := ecsreboot.OutcomeOf(err)
	if earlier, ok := errors.AsType[*followError](err); ok {
		outcome = earlier.outcome
	}
	apiErr, answered := errors.AsType[*ecsreboot.APIError](err)
	e := Event{Error: text(err)}
	if answered {
		e.Code, e.RequestID = apiErr.Code, apiErr.RequestID
	}
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok && waited.RequestID != "" {
		e.RequestID = waited.RequestID
	}
	switch outcome {
	case ecsreboot.OutcomeAccepted, ecsreboot.OutcomeUnknown:
		return f.verdictSent(ctx, e, outcome, err), nil
	default:
	}
	withheld, isWithheld := errors.AsType[*withheldError](err)
	switch {
	case isWithheld && withheld.skip:
		return Event{Kind: EventSkipped, Reason: withheld.reason, Unavailable: withheld.reason == ReasonNotRunning}, nil
	case isWithheld && withheld.reason == ReasonJournal:
		return Event{Kind: EventUnsent, Reason: ReasonJournal, Error: text(withheld.cause)}, withheld.cause
	case isWithheld:
		return Event{Kind: EventUnsent, Reason: withheld.reason}, nil
	case ctx.Err() != nil:
		return Event{Kind: EventUnsent, Reason: ReasonInterrupted}, nil //nolint:nilerr // which met no other instance
	case errors.Is(err, ecsreboot.ErrInvalidInstanceIDNotFound):
		e.Kind, e.Reason = EventFailed, ReasonNotListed
	case errors.Is(err, ecsreboot.ErrInstanceLockedForSecurity), errors.Is(err, ecsreboot.ErrInstanceExpiredOrInArrears):
		e.Kind, e.Reason = EventSkipped, ReasonLocked
	case forAll(err):
		e.Kind, e.Reason = EventUnsent, ReasonAccess
		return e, err
	case answered || errors.Is(err, ecsreboot.ErrInvalidInput):
		e.Kind, e.Reason = EventFailed, ReasonRefused
	default:
		e.Kind, e.Reason = EventFailed, ReasonNotSent
	}
	return e, nil
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
	switch {
	case f.unhealthy != nil:
		e.Reason, e.Error = ReasonNotHealthy, text(f.unhealthy)
	case f.down && f.shown.Status != ecsreboot.StatusRunning:
		e.Reason = ReasonNotBack
	case f.down:
		e.Reason = ReasonNotHealthy // not for long enough
	case errors.Is(err, ecsreboot.ErrNotProven), errors.Is(err, errNotReady):
		e.Reason = ReasonNotProven
	default:
		e.Reason = ReasonNotWatched
	}
	if outcome == ecsreboot.OutcomeUnknown && !f.down {
		e.Kind = EventUnknown
	}
	return e
}

// forAll reports whether an error would meet every instance: of credentials,
// signature, permissions, or the service's certificate.
func forAll(err error) bool {
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	return badCertificate || errors.Is(err, ecsreboot.ErrCredentials) || errors.Is(err, ecsreboot.ErrUnauthenticated) ||
		errors.Is(err, ecsreboot.ErrAccessDenied)
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
