package ecsreboot

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seam"
)

// RetryPolicy limits the number of retries of a call and the waits before the retries.
// The policy does not change which failures are retried: see the package comment.
//
// A zero field selects the default of that field; each field says what a negative value
// means.
type RetryPolicy struct {
	// MaxAttempts is the largest number of requests of a call, including the first.
	// Default 4; negative: 1, which means no retries.
	MaxAttempts int `json:"maxAttempts,omitempty"`
	// BaseDelay is the upper bound of the first backoff; the bound doubles with each
	// attempt. The backoff is a random time between zero and the bound ("full jitter").
	// Default 500 ms, or MaxDelay if that is less; negative: no backoff.
	BaseDelay time.Duration `json:"-"`
	// MaxDelay limits the bound. Default 20 s; negative: no limit.
	MaxDelay time.Duration `json:"-"`
	// MaxThrottleWait is how long a call waits, in total, because of rate limits: first
	// until the service stops throttling, then for the call's turn at the rate that the
	// service accepts or that [WithRateHint] allows. If the service asks for a longer
	// wait, or is expected to throttle for longer, the call returns [ErrThrottled] at
	// once. At 60 calls a minute, a thousand calls that begin together take about a
	// quarter of an hour, and need a larger value. Default 2 min; negative: a call that
	// would have to wait returns at once.
	MaxThrottleWait time.Duration `json:"-"`
}

// LogValue gives slog the fields of the JSON.
func (p RetryPolicy) LogValue() slog.Value { return logvalue.Of(p.forJSON()) }

const (
	defaultMaxAttempts     = 4
	defaultBaseDelay       = 500 * time.Millisecond
	defaultMaxDelay        = 20 * time.Second
	defaultMaxThrottleWait = 2 * time.Minute
)

// withDefaults returns the policy in plain numbers: no field negative, and zero
// meaning zero.
func (p RetryPolicy) withDefaults() RetryPolicy {
	p.MaxAttempts = max(1, orDefault(p.MaxAttempts, defaultMaxAttempts))
	if p.MaxDelay = orDefault(p.MaxDelay, defaultMaxDelay); p.MaxDelay < 0 {
		p.MaxDelay = 1<<63 - 1
	}
	p.BaseDelay = max(0, orDefault(p.BaseDelay, min(defaultBaseDelay, p.MaxDelay)))
	p.MaxThrottleWait = max(0, orDefault(p.MaxThrottleWait, defaultMaxThrottleWait))
	return p
}

func orDefault[T int | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return value
}

// backoff draws the wait after the given number of attempts.
func (p RetryPolicy) backoff(ctx context.Context, attempts int) time.Duration {
	bound := p.BaseDelay
	for range attempts - 1 {
		if bound >= p.MaxDelay/2 {
			bound = p.MaxDelay
			break
		}
		bound *= 2
	}
	if bound = min(bound, p.MaxDelay); bound <= 0 {
		return 0
	}
	return seam.Jitter(ctx, bound)
}

// stage is how far a request got.
type stage uint8

const (
	stageBefore   stage = iota // there were no credentials, or BeforeSend called the request off
	stageConnect               // there was no connection
	stageSent                  // there was a connection, but no response
	stageAnswered              // status and headers arrived
)

// progress is the result of one attempt, as far as the decision needs it.
type progress struct {
	stage      stage
	permanent  bool      // stageBefore, stageConnect: would fail the same way again
	status     int       // stageAnswered: the HTTP status …
	code       ErrorCode // … the body's code, as it was received …
	genuine    bool      // … and whether it is the service's own: with a request id and, with 2xx, a success document
	serverTime bool      // the response had a readable Date
	stale      bool      // it refuses credentials in whose place others may pass
}

// next is what to do after an attempt.
type next uint8

const (
	stop      next = iota // return the failure
	done                  // return the success
	again                 // after a backoff
	awaitGate             // when the throttle gate opens
	fixClock              // once, with the clock corrected
	renew                 // once, with the default chain's credentials read anew
)

// decide is the safety contract: whether a request may be retried depends on what the
// request asks for and on what is known to have happened to it, never on the status
// alone. A restart is retried only if the previous request certainly did nothing.
func decide(op operation, e progress) (Outcome, next) {
	outcome, then := decideRestart(op, e)
	if !op.repeatable {
		return outcome, then
	}
	// Reads and dry runs change nothing: an unknown outcome does not matter, and they may
	// be retried after every temporary failure.
	if outcome == OutcomeUnknown {
		outcome, then = OutcomeNone, again
	}
	switch {
	case !op.dryRun:
		outcome = OutcomeNone
	case then == done && outcome == OutcomeAccepted: // it was to be dry
		then = stop
	}
	return outcome, then
}

func decideRestart(op operation, e progress) (Outcome, next) {
	switch e.stage {
	case stageBefore, stageConnect:
		if e.permanent {
			return OutcomeNotSent, stop
		}
		return OutcomeNotSent, again
	case stageSent:
		return OutcomeUnknown, stop
	case stageAnswered:
	}
	effect := rowOf(e.code, "").effect
	switch {
	case e.code == ErrDryRunOperation && op.dryRun:
		return OutcomeNone, done
	case e.status/100 == 2:
		if e.code != "" || !e.genuine {
			return OutcomeUnknown, stop
		}
		return OutcomeAccepted, done
	case !mayRefuse(e.status), e.status == http.StatusServiceUnavailable && effect != effectThrottled:
		return OutcomeUnknown, stop
	case !isPlainCode(e.code) || !e.genuine:
		return OutcomeUnknown, stop // the service's own refusals have both
	}
	switch effect {
	case effectThrottled:
		return OutcomeRejected, awaitGate
	case effectFailed:
		return OutcomeUnknown, stop
	case effectReplayed:
		// Each nonce is sent once, so something between repeated the request,
		// and its first copy may have restarted the instance.
		return OutcomeUnknown, stop
	case effectClock:
		if e.serverTime {
			return OutcomeRejected, fixClock
		}
		return OutcomeRejected, stop
	case effectRefused:
	}
	if e.stale {
		return OutcomeRejected, renew
	}
	return OutcomeRejected, stop
}

// mayRefuse reports whether the service refuses requests with this status. With every
// other status, the service has failed, or an intermediary has responded.
func mayRefuse(status int) bool { return status/100 == 4 || status == http.StatusServiceUnavailable }

// sleep waits under ctx and reports whether the time was slept out.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// isStale reports a refusal of the credentials that others may pass. A signature that
// does not match is none: no secret of a key ever changes.
func isStale(err error) bool {
	return errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrSignatureDoesNotMatch) && !errors.Is(err, ErrIncompleteSignature)
}
