package fleet

import (
	"crypto/tls"
	"errors"

	"github.com/ecsreboot/ecsreboot"
)

// reasonStale is why a send is retried at once: the baseline has become stale. It is
// never reported.
const reasonStale Reason = "stale"

// mayPass returns why a send that certainly did not happen may succeed later, or
// nothing.
func mayPass(err error) Reason {
	withheld, isWithheld := errors.AsType[*withheldError](err)
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	apiErr, answered := errors.AsType[*ecsreboot.APIError](err)
	outcome := ecsreboot.OutcomeOf(err)
	switch {
	case outcome != ecsreboot.OutcomeNotSent && outcome != ecsreboot.OutcomeRejected:
		return ""
	case isWithheld && (withheld.reason == ReasonBlocked || withheld.reason == reasonStale):
		return withheld.reason
	case isWithheld:
		return ""
	case errors.Is(err, ecsreboot.ErrThrottled):
		return ReasonThrottled
	case busy(err):
		return ReasonRefused
	case outcome == ecsreboot.OutcomeNotSent && answered && apiErr.StatusCode >= 500: // a reading
		return ReasonNotSent
	case outcome == ecsreboot.OutcomeRejected, badCertificate, answered, errors.Is(err, ecsreboot.ErrInvalidInput):
		return ""
	}
	return ReasonNotSent
}

// busy reports whether the service refuses for a moment only.
func busy(err error) bool {
	for _, code := range []ecsreboot.ErrorCode{
		ecsreboot.ErrOperationConflict, ecsreboot.ErrInvalidOperationConflict, ecsreboot.ErrLastTokenProcessing,
		ecsreboot.ErrInstanceNotReady, ecsreboot.ErrIncorrectInstanceStatusInitializing,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
