package ecsreboot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func answered(status int, code ErrorCode) progress {
	return progress{stage: stageAnswered, status: status, code: code, genuine: true, serverTime: true}
}

// The decision alone; what a server sees of it is tested with the client.
func TestDecide(t *testing.T) {
	restart := operation{action: "RebootInstance"}
	dryRun := operation{action: "RebootInstance", repeatable: true, dryRun: true}
	read := operation{action: "DescribeInstances", repeatable: true}
	type verdict struct {
		outcome Outcome
		then    next
	}
	unknown := [3]verdict{{OutcomeUnknown, stop}, {OutcomeNone, again}, {OutcomeNone, again}}
	rejected := [3]verdict{{OutcomeRejected, stop}, {OutcomeRejected, stop}, {OutcomeNone, stop}}
	rejectedThen := func(then next) [3]verdict {
		return [3]verdict{{OutcomeRejected, then}, {OutcomeRejected, then}, {OutcomeNone, then}}
	}
	notSent := func(then next) [3]verdict {
		return [3]verdict{{OutcomeNotSent, then}, {OutcomeNotSent, then}, {OutcomeNone, then}}
	}
	noID := func(e progress) progress { e.genuine = false; return e }
	noDate := func(e progress) progress { e.serverTime = false; return e }
	stale := func(e progress) progress { e.stale = true; return e }
	for _, c := range []struct {
		name string
		progress
		want [3]verdict // restart, dry run, read
	}{
		{"credentials refused", progress{stage: stageBefore, permanent: true}, notSent(stop)},
		{"credentials timed out", progress{stage: stageBefore}, notSent(again)},
		{"certificate", progress{stage: stageConnect, permanent: true}, notSent(stop)},
		{"dial", progress{stage: stageConnect}, notSent(again)},
		{"no answer", progress{stage: stageSent}, unknown},
		{"Throttling", answered(400, "Throttling"), rejectedThen(awaitGate)},
		{"Throttling.User", answered(400, "Throttling.User"), rejectedThen(awaitGate)},
		{"429 Throttling", answered(429, "Throttling.Api"), rejectedThen(awaitGate)},
		{"503 Throttling", answered(503, "Throttling"), rejectedThen(awaitGate)},
		{"500 Throttling", answered(500, "Throttling"), unknown},
		{"429 without a code", answered(429, ""), unknown},
		{"clock", answered(400, ErrInvalidTimeStampExpired), rejectedThen(fixClock)},
		{"clock, older", answered(400, ErrIllegalTimestamp), rejectedThen(fixClock)},
		{"clock without Date", noDate(answered(400, ErrIllegalTimestamp)), rejected},
		{"clock at 500", answered(500, ErrInvalidTimeStampExpired), unknown},
		{"token expired", stale(answered(400, ErrInvalidSecurityTokenExpired)), rejectedThen(renew)},
		{"token expired, by a message", stale(answered(400, ErrInvalidParameter)), rejectedThen(renew)},
		{"key at 500", stale(answered(500, ErrInvalidAccessKeyIDInactive)), unknown},
		{"key without a request id", noID(stale(answered(400, ErrInvalidAccessKeyIDInactive))), unknown},
		{"500 InternalError", answered(500, ErrInternalError), unknown},
		{"400 InternalError", answered(400, ErrInternalError), unknown},
		{"400 UnknownError", answered(400, ErrUnknownError), unknown},
		{"403 ServiceUnavailable", answered(403, ErrServiceUnavailable), unknown},
		{"403 ServiceUnavailable.X", answered(403, "ServiceUnavailable.X"), unknown},
		{"503", answered(503, ErrServiceUnavailable), unknown},
		{"503 without a code", answered(503, ""), unknown},
		{"502 page", noID(answered(502, "")), unknown},
		{"500 with a refusal's code", answered(500, ErrIncorrectInstanceStatus), unknown},
		{"200", answered(200, ""), [3]verdict{{OutcomeAccepted, done}, {OutcomeAccepted, stop}, {OutcomeNone, done}}},
		{"200 without request id", noID(answered(200, "")), unknown},
		{"200 with a code", answered(200, ErrInternalError), unknown},
		{"204 without request id", noID(answered(204, "")), unknown},
		{"302", noID(answered(302, "")), unknown},
		{"304 with a code", answered(304, ErrDiskError), unknown},
		{"101", answered(101, ""), unknown},
		{"600", answered(600, ErrDiskError), unknown},
		{"403 without a request id", noID(answered(403, ErrIncorrectInstanceStatus)), unknown},
		{"Throttling without a request id", noID(answered(400, "Throttling")), unknown},
		{"400 InternalError.Other", answered(400, "InternalError.Other"), unknown},
		{"400 LimitedOperation.ServiceUnavailable", answered(400, ErrLimitedOperationServiceUnavailable), unknown},
		{"400 without a code", noID(answered(400, "")), unknown},
		{"407 page", noID(answered(407, "")), unknown},
		{"nonce", answered(400, ErrSignatureNonceUsed), unknown},
		{"dry run passed", answered(400, ErrDryRunOperation), [3]verdict{{OutcomeRejected, stop}, {OutcomeNone, done}, {OutcomeNone, stop}}},
		{"status", answered(403, ErrIncorrectInstanceStatus), rejected},
		{"conflict", answered(409, ErrOperationConflict), rejected},
		{"new code", answered(403, "Some.New.Code"), rejected},
	} {
		for i, op := range []operation{restart, dryRun, read} {
			outcome, then := decide(op, c.progress)
			assert.Equal(t, c.want[i], verdict{outcome, then}, "%s: %s, dry run %v", c.name, op.action, op.dryRun)
		}
	}
}

// Whatever is answered, a restart goes out again only from the rows that say so.
func TestDecideSendsARestartAgainOnlyWhenItDidNotHappen(t *testing.T) {
	codes := []ErrorCode{"", "Throttling", "Throttling.User", "Some.New.Code", "ServiceUnavailable.New"}
	for i := range codeTable {
		codes = append(codes, codeTable[i].code)
	}
	for status := range 700 {
		for _, code := range codes {
			for bits := range 8 {
				e := progress{stage: stageAnswered, status: status, code: code, genuine: bits&1 != 0, serverTime: bits&2 != 0, stale: bits&4 != 0}
				outcome, then := decide(operation{}, e)
				if then == stop || then == done {
					continue
				}
				assert.Equal(t, OutcomeRejected, outcome)
				assert.True(t, status/100 == 4 || status == 503, "%+v", e)
				if then == renew {
					assert.True(t, e.stale && e.genuine && status/100 == 4, "%+v", e)
					continue
				}
				assert.True(t, code == "Throttling" || code == "Throttling.User" || code == ErrInvalidTimeStampExpired || code == ErrIllegalTimestamp, "%+v", e)
			}
		}
	}
}

func TestRetryPolicyDefaults(t *testing.T) {
	assert.Equal(t, RetryPolicy{4, 500 * time.Millisecond, 20 * time.Second, 2 * time.Minute}, RetryPolicy{}.withDefaults())
	assert.Equal(t, RetryPolicy{1, 0, 1<<63 - 1, 0}, RetryPolicy{-1, -1, -1, -1}.withDefaults())
	assert.Equal(t, 200*time.Millisecond, RetryPolicy{MaxDelay: 200 * time.Millisecond}.withDefaults().BaseDelay)
	assert.Equal(t, RetryPolicy{7, 1, 2, 3}, RetryPolicy{7, 1, 2, 3}.withDefaults())
}

func TestBackoffIsFullJitter(t *testing.T) {
	policy := RetryPolicy{BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second}.withDefaults()
	for attempts, bound := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 3: 400 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 400: time.Second,
	} {
		var longest time.Duration
		for range 500 {
			wait := policy.backoff(t.Context(), attempts)
			assert.GreaterOrEqual(t, wait, time.Duration(0))
			assert.Less(t, wait, bound)
			longest = max(longest, wait)
		}
		assert.Greater(t, longest, bound*9/10, "spread over the bound")
	}
	assert.Zero(t, RetryPolicy{BaseDelay: -1}.withDefaults().backoff(t.Context(), 3))
	unlimited := RetryPolicy{MaxDelay: -1}.withDefaults()
	assert.GreaterOrEqual(t, unlimited.backoff(t.Context(), 1000), time.Duration(0))
}
